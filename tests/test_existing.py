"""Translations one already has: which record is the translation of which row, and what is refused."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugdata import rows, sources
from plugdata.errors import InputError
from plugdata.licenses import stricter
from plugdata.recipe import Source
from plugdata.recipe.translation import Existing
from plugdata.sources import existing

By = Literal["auto", "id", "order"]
ENGLISH = ["Name a fruit.", "Name a river.", "Name a colour.", "Name a city."]
KOREAN = ["과일 하나를 대세요.", "강 하나를 대세요.", "색깔 하나를 대세요.", "도시 하나를 대세요."]


def record(instruction: str, response: str, id: Any = None, **more: Any) -> dict[str, Any]:
    return {**({} if id is None else {"id": id}), "instruction": instruction, "input": "", "output": response, **more}


def english(ids: list[Any] | None = None) -> list[dict[str, Any]]:
    return [record(text, f"{n}.", ids[n] if ids else None) for n, text in enumerate(ENGLISH)]


def korean(ids: list[Any] | None = None, n: int = 4) -> list[dict[str, Any]]:
    return [record(text, f"{n}번", ids[n] if ids else None) for n, text in enumerate(KOREAN[:n])]


def save(path: Path, records: list[Any]) -> None:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))


def pair(folder: Path, pivot: list[Any], target: list[Any], by: By = "auto", **more: Any) -> pl.DataFrame:
    """The rows of en.jsonl, as a corpus holds them, beside what ko.jsonl says."""
    save(folder / "en.jsonl", pivot)
    save(folder / "ko.jsonl", target)
    source = Source(path="en.jsonl", limit=more.pop("source_limit", None))
    held = pl.concat(sources.read(source, folder, limit=more.get("limit"))).sort("id", "ordinal")
    held = sources.merge_twins(held, "source", stricter)

    def batches() -> Iterator[pl.DataFrame]:
        return held.iter_slices(3)

    asked = Existing(lang="ko", path="ko.jsonl", by=by, columns=more.pop("columns", {}))
    found = list(existing.beside(asked, [source], batches, folder / "spill", folder=folder, **more))
    assert sorted(path.name for path in folder.iterdir()) == ["en.jsonl", "ko.jsonl"]
    assert pl.concat(found).select(*rows.SOURCE).equals(held)
    return pl.concat(found).sort("ordinal")


def paired(found: pl.DataFrame) -> dict[str, str | None]:
    return dict(found.filter(rows.kept()).select("instruction", "target_instruction").iter_rows())


AS_THEY_STAND = dict(zip(ENGLISH, KOREAN, strict=True))


def test_records_without_ids_are_paired_by_order(tmp_path: Path) -> None:
    found = pair(tmp_path, english(), korean())
    assert paired(found) == AS_THEY_STAND
    assert found["target_response"].to_list() == ["0번", "1번", "2번", "3번"]
    assert found["target_input"].to_list() == [""] * 4 and found["lacking"].to_list() == [None] * 4


@pytest.mark.parametrize("ids", [["a", "b", "c", "d"], [3, 2, 1, 0], [1, 2, 3, 4]])
def test_records_with_ids_are_paired_by_them_wherever_they_stand(tmp_path: Path, ids: list[Any]) -> None:
    assert paired(pair(tmp_path, english(ids), korean(ids)[::-1])) == AS_THEY_STAND
    mapped = [{**record, "key": record.pop("id")} for record in korean(ids)[::-1]]
    found = pair(tmp_path, english(ids), mapped, columns={"source_id": "key", "response": "output"})
    assert paired(found) == AS_THEY_STAND


def test_a_row_that_the_file_lacks_is_told_so_and_gets_no_other_record(tmp_path: Path) -> None:
    found = pair(tmp_path, english([1, 2, 3, 4]), korean([1, 2, 5, 4]))
    assert paired(found) == {**AS_THEY_STAND, ENGLISH[2]: None}
    assert found["lacking"].to_list() == [None, None, "ko.jsonl has no record with the id '3'", None]


def test_ids_of_one_file_alone_pair_nothing(tmp_path: Path) -> None:
    assert paired(pair(tmp_path, english(), korean([1, 2, 3, 4]))) == AS_THEY_STAND
    assert paired(pair(tmp_path, english([1, 2, 3, 4]), korean())) == AS_THEY_STAND


def test_doubled_ids_leave_the_order_where_both_files_have_the_same(tmp_path: Path) -> None:
    assert paired(pair(tmp_path, english([1, 1, 2, 2]), korean([1, 1, 2, 2]))) == AS_THEY_STAND


@pytest.mark.parametrize(
    ("given", "told"), [([1, 2, 9, 4], "1 record has an id that no row has, e.g. '9'"), ([1, 2, 3, 4], "")]
)
def test_records_that_are_nobodys_are_told(tmp_path: Path, given: list[int], told: str) -> None:
    said: list[str] = []
    pair(tmp_path, english([1, 2, 3, 4]), korean(given), say=said.append)
    assert said == ([f"ko.jsonl: {told}"] if told else [])


def test_order_can_be_had_in_spite_of_ids(tmp_path: Path) -> None:
    assert paired(pair(tmp_path, english([1, 2, 3, 4]), korean([4, 3, 2, 1]), "order")) == AS_THEY_STAND


def test_a_record_that_cannot_be_read_keeps_its_place_and_leaves_its_row_without(tmp_path: Path) -> None:
    target: list[Any] = korean()
    target[1] = "not a record"
    target[3]["output"] = 7
    found = pair(tmp_path, english(), target)
    assert paired(found) == {**AS_THEY_STAND, ENGLISH[1]: None, ENGLISH[3]: None}
    said = found["lacking"].to_list()
    assert said[1] == "ko.jsonl:2: record is text" and said[3] == "ko.jsonl:4: output is a number, not text"


def test_an_unreadable_record_takes_the_id_of_no_other(tmp_path: Path) -> None:
    target = [*korean([1, 2, 3, 4])[::-1], "not a record"]  # it stands at place 4
    assert paired(pair(tmp_path, english([1, 2, 3, 4]), target)) == AS_THEY_STAND


def test_twins_and_bad_records_of_the_source_need_no_translation_but_hold_their_place(tmp_path: Path) -> None:
    doubled = [*english([1, 2, 3, 4]), *english([1, 2, 3, 4])[:1], "no record"]
    assert paired(pair(tmp_path, doubled, korean([4, 3, 2, 1])[::-1])) == dict(zip(ENGLISH, KOREAN[::-1], strict=True))
    found = pair(tmp_path, doubled, [*korean(), *korean()[:2]], "order")
    assert paired(found) == AS_THEY_STAND
    out = found.filter(~rows.kept())
    assert out.height == 2 and out.select(*existing.COLUMNS).null_count().row(0) == (2, 2, 2, 2)


@pytest.mark.parametrize(
    ("pivot", "target", "by", "words"),
    [
        (english(), korean(n=3), "auto", "en.jsonl holds 4 records, ko.jsonl 3: they cannot be paired by order"),
        (english()[:3], korean(), "order", "en.jsonl holds 3 records, ko.jsonl 4: they cannot be paired by order"),
        (english([1, 2, 3, 4]), korean([3, 1, 4, 4]), "auto", "ko.jsonl: the id '4' stands more than once"),
        (english([1, 1, 2, 2]), korean([1, 2, 3, 4]), "auto", "en.jsonl: the id '1' stands more than once"),
        (english([1, 2, 3, 4]), korean([1, 7, 7, 4]), "id", "ko.jsonl: the id '7' stands more than once"),
        (english([1, 2, 2, 4]), korean([1, 2, 3, 4]), "id", "en.jsonl: the id '2' stands more than once"),
        (english(), korean([1, 2, 3, 4]), "id", "en.jsonl: not every record has an id of its own"),
        (english([1, 2, 3, 4]), korean(), "id", "ko.jsonl: not every record has an id of its own"),
        (english([1, 2, 3, 4]), korean([5, 6, 7, 8]), "auto", "ko.jsonl has no id in common with en.jsonl"),
    ],
)
def test_files_that_only_a_guess_could_pair_are_refused(
    tmp_path: Path, pivot: list[Any], target: list[Any], by: By, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        pair(tmp_path, pivot, target, by)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["en.jsonl", "ko.jsonl"]


def test_a_limit_cuts_the_sources_and_not_what_stands_beside_them(tmp_path: Path) -> None:
    first = {text: AS_THEY_STAND[text] for text in ENGLISH[:2]}
    assert paired(pair(tmp_path, english(), korean(), limit=2)) == first
    assert paired(pair(tmp_path, english(), korean(), source_limit=2)) == first
    with pytest.raises(InputError, match="holds 4 records, ko"):
        pair(tmp_path, english(), korean(n=3), limit=9)


def test_any_two_formats_can_be_paired(tmp_path: Path) -> None:
    turns = [
        {
            "conversation_id": 3 - n,
            "messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "예"}],
        }
        for n, text in enumerate(KOREAN)
    ]
    assert paired(pair(tmp_path, english([3, 2, 1, 0]), turns)) == AS_THEY_STAND


def test_several_sources_are_one_row_of_records(tmp_path: Path) -> None:
    pivots = [Source(path="a.jsonl"), Source(path="b.jsonl")]
    save(tmp_path / "a.jsonl", english()[:3])
    save(tmp_path / "b.jsonl", english()[3:])
    held = [*sources.read(pivots[0], tmp_path), *sources.read(pivots[1], tmp_path, ordinal=3)]
    asked = Existing(lang="ko", path="ko.jsonl")
    for n, words in ((4, ""), (3, "a.jsonl and b.jsonl hold 4 records, ko.jsonl 3")):
        save(tmp_path / "ko.jsonl", korean(n=n))
        found = existing.beside(asked, pivots, lambda: iter(held), tmp_path / "spill", folder=tmp_path)
        if words:
            with pytest.raises(InputError, match=words):
                list(found)
        else:
            assert paired(pl.concat(found)) == AS_THEY_STAND


def test_prompts_alone_need_no_responses_in_either_file(tmp_path: Path) -> None:
    pivot = [{"instruction": text} for text in ENGLISH]
    save(tmp_path / "en.jsonl", pivot)
    save(tmp_path / "ko.jsonl", [{"instruction": text} for text in KOREAN])
    source = Source(path="en.jsonl")
    held = list(sources.read(source, tmp_path, responses=False))
    asked = Existing(lang="ko", path="ko.jsonl")
    found = pl.concat(
        existing.beside(asked, [source], lambda: iter(held), tmp_path / "s", folder=tmp_path, responses=False)
    )
    assert paired(found) == AS_THEY_STAND and found["target_response"].to_list() == [""] * 4


@given(st.lists(st.integers(-3, 40), unique=True, min_size=1, max_size=12), st.randoms(use_true_random=False))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_by_id_every_row_has_its_own_translation_or_none(tmp_path: Path, ids: list[int], drawn: Any) -> None:
    pivot = [record(f"Say {id}.", "Yes.", id) for id in ids]
    target = [record(f"{id} 말하기", "네", str(id)) for id in [*ids, 99] if id == ids[0] or drawn.random() < 0.7]
    drawn.shuffle(target)
    there = {record["id"] for record in target}
    found = pair(tmp_path, pivot, target)
    for id, text, lacking in found.select("source_id", "target_instruction", "lacking").iter_rows():
        assert text == (f"{id} 말하기" if id in there else None)
        assert (lacking is None) == (id in there)
