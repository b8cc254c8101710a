"""Duplicates: which texts are, which is kept, and what becomes of the others in every language."""

import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from plugdata import rows
from plugdata.curate.dedup import apply, decide, drop_source_duplicates, source_duplicates
from plugdata.curate.duplicates import duplicates
from plugdata.curate.duplicates.near import BLOCK
from plugdata.curate.duplicates.rarest import Frequencies
from plugdata.errors import ContractError
from plugdata.recipe import Dedup, Screen

WORDS = [first + last for first in "bcdfglmnprst" for last in ("ana", "eto", "iri", "olu", "umo", "arka", "inte")]
HAN = [chr(code) for code in range(0x4E00, 0x4E00 + 400)]
THAI = [chr(code) for code in range(0x0E01, 0x0E2F)]


def texts(*given_texts: str, preference: list[int] | None = None) -> pl.DataFrame:
    ids = [f"r{place}" for place in range(len(given_texts))]
    return pl.DataFrame(
        {"id": ids, "text": given_texts, "preference": preference or list(range(len(ids)))},
        schema={"id": pl.String, "text": pl.String, "preference": pl.Int64},
    )


def _screened(source: pl.DataFrame, settings: Screen, spill: Path) -> pl.DataFrame:
    """All rows at once, their duplicates looked for in frames of one row."""
    found = source_duplicates((source[n : n + 1] for n in range(source.height)), [source], settings, spill)
    unrouted = source.with_columns(pl.lit(None, pl.String).alias(name) for name in ("task_class", "policy"))
    return drop_source_duplicates(unrouted, found, "screen")


def found(frame: pl.DataFrame, near: float | None, spill: Path) -> dict[str, tuple[str, float | None]]:
    got = duplicates([frame], near, spill).select("id", "kept_id", "jaccard")
    return {id: (kept, jaccard) for id, kept, jaccard in got.iter_rows()}


def jaccard(one: list[str], other: list[str]) -> float:
    """By the book: of the sets of three tokens in a row."""
    sets = [{tuple(tokens[i : i + 3]) for i in range(max(len(tokens) - 2, 1))} for tokens in (one, other)]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def edited(tokens: list[str], vocabulary: list[str], n_edits: int, rng: random.Random) -> list[str]:
    tokens = list(tokens)
    for _ in range(n_edits):
        tokens[rng.randrange(len(tokens))] = rng.choice(vocabulary)
    return tokens


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hello, world!", "hello   world"),
        ("ＦＵＬＬ width", "full width"),
        ("Straße", "STRASSE"),
        ("ΟΔΟΣ", "οδος"),
        ("“Quoted” – and dashed…", "'quoted' and dashed"),
        ("你好，世界！", "你好世界"),
        ("5,6 %.", "5,6%"),
        ("n\u0303andu\u0301", "ñandú"),
        ("\u09ae\u09c7\u09be\u099f\u09be", "\u09ae\u09cb\u099f\u09be"),  # vowels of two parts, Bengali and Tamil
        ("\u0b9a\u0bc6\u0bbe\u0bb2", "\u0b9a\u0bca\u0bb2"),
    ],
)
def test_texts_that_differ_in_case_width_punctuation_or_space_are_exact_duplicates(
    one: str, other: str, tmp_path: Path
) -> None:
    assert found(texts(one, other), None, tmp_path) == {"r1": ("r0", None)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("It grew by 5,6 %", "It grew by 56 %"),
        ("Pay 1.5", "Pay 15"),
        ("What is 10²?", "What is 102?"),
        ("The absolute value of -5", "The absolute value of 5"),
        ("At 12:30", "At 1230"),
        ("What is 2+3?", "What is 2-3?"),
        ("It costs $5", "It costs €5"),
        ("56 %", "56"),
        ("Learn C#", "Learn C++"),
        ("???", "!!!"),
        ("résumé", "resume"),
    ],
)
def test_texts_with_other_numbers_or_symbols_are_no_exact_duplicates(one: str, other: str, tmp_path: Path) -> None:
    assert found(texts(one, other), None, tmp_path) == {}


def test_the_preferred_text_is_kept_and_the_least_id_among_equals(tmp_path: Path) -> None:
    frame = texts("same", "same", "same", preference=[2, 1, 1])
    assert found(frame, None, tmp_path) == {"r0": ("r1", None), "r2": ("r1", None)}


def test_a_chain_merges_nothing_beyond_its_links(tmp_path: Path) -> None:
    rng = random.Random(3)
    a = rng.choices(WORDS, k=60)
    b = [*a[:20], "changed", *a[21:]]
    c = [*b[:40], "altered", *b[41:]]
    assert jaccard(a, b) >= 0.88 and jaccard(b, c) >= 0.88 and jaccard(a, c) < 0.88
    frame = texts(*(" ".join(tokens) for tokens in (a, b, c)))
    assert found(frame, 0.88, tmp_path) == {"r1": ("r0", jaccard(a, b))}
    middle_first = frame.with_columns(preference=pl.Series([1, 0, 2]))
    assert set(found(middle_first, 0.88, tmp_path)) == {"r0", "r2"}


def test_an_exact_twin_of_a_near_duplicate_points_to_the_kept_row(tmp_path: Path) -> None:
    a = random.Random(4).choices(WORDS, k=60)
    b = ["changed", *a[1:]]
    frame = texts(" ".join(a), " ".join(b), " ".join(b).upper() + "!")
    like = jaccard(a, b)
    assert found(frame, 0.8, tmp_path) == {"r1": ("r0", like), "r2": ("r0", like)}


@pytest.mark.parametrize(("vocabulary", "space"), [(WORDS, " "), (HAN, ""), (THAI, "")], ids=["words", "Han", "Thai"])
def test_planted_near_duplicates_are_found_in_every_script(vocabulary: list[str], space: str, tmp_path: Path) -> None:
    rng = random.Random(5)
    originals = [rng.choices(vocabulary, k=rng.randint(60, 120)) for _ in range(300)]
    copies = [edited(tokens, vocabulary, rng.randint(1, 2), rng) for tokens in originals[:100]]
    planted = {f"r{300 + n}": jaccard(originals[n], copy) for n, copy in enumerate(copies)}
    got = found(texts(*(space.join(tokens) for tokens in originals + copies)), 0.8, tmp_path)
    assert got.keys() == {id for id, value in planted.items() if value >= 0.8}
    assert all(kept == f"r{int(id[1:]) - 300}" and (value or 1.0) == planted[id] for id, (kept, value) in got.items())


def test_thousands_of_rows_of_one_template_are_kept_and_their_twins_found(tmp_path: Path) -> None:
    rng = random.Random(6)
    template = rng.choices(WORDS, k=40)
    rest = [[f"{word}{n}" for word in rng.choices(WORDS, k=30)] for n in range(2_000)]
    made = [template + tokens for tokens in rest] + [[*template, *rest[n][:-1], "other"] for n in range(0, 2_000, 100)]
    got = found(texts(*(" ".join(tokens) for tokens in made)), 0.8, tmp_path)
    assert {id: kept for id, (kept, _) in got.items()} == {f"r{2_000 + n}": f"r{100 * n}" for n in range(20)}


def test_how_frequent_a_shingle_is_is_told_beyond_any_count() -> None:
    counts = [1, 2, 100, 128, 200, 255, 256, 300, 1_000, 70_000]
    hashes = [(n + 1) << 40 for n in range(len(counts))]  # each in a cell of its own
    frequencies = Frequencies(sum(counts))
    for part in range(max(counts) // 100):
        given = [hash for hash, n in zip(hashes, counts, strict=True) for _ in range(min(n - 100 * part, 100))]
        frequencies.add(np.array(given, np.uint64))
    levels = frequencies.levels(np.array(hashes, np.uint64)).tolist()
    assert levels[:4] == counts[:4]
    assert levels[3:6] == [128, 133, 135]
    assert levels == sorted(levels) and levels[-4] < levels[-3] < levels[-2] < levels[-1] < 255


def test_twins_are_found_and_texts_counted_where_not_all_can_be_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rng = random.Random(13)
    template = rng.choices(WORDS, k=40)
    rest = [[f"{word}{n}" for word in rng.choices(WORDS, k=6)] for n in range(600)]
    made = [template + tokens for tokens in rest] + [[*template, *rest[n][:-1], "other"] for n in range(0, 600, 20)]
    frame = texts(*(" ".join(tokens) for tokens in made))
    whole = found(frame, 0.88, tmp_path)
    monkeypatch.setattr("plugdata.curate.duplicates.near.MAX_MET", 5)
    with caplog.at_level("INFO", "plugdata"):
        cut = found(frame, 0.88, tmp_path)
    assert cut == whole and cut.keys() == {f"r{600 + n}" for n in range(30)}
    assert "texts that met too many others: n=33;" in caplog.text


def test_texts_of_another_data_set_that_are_alike_are_not_compared_among_themselves(tmp_path: Path) -> None:
    rng = random.Random(14)
    boilerplate = rng.choices(WORDS, k=60)
    alike = [" ".join([*boilerplate, f"{n}th"]) for n in range(BLOCK + 10)]
    against = pl.DataFrame({"id": [f"X {n:03}" for n in range(len(alike))], "text": alike})
    got = duplicates([texts(" ".join(boilerplate), "None of it.")], 0.8, tmp_path, [against])
    assert got.select("id", "elsewhere").rows() == [("r0", "X 000")]


def test_the_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    rng = random.Random(7)
    originals = [rng.choices(WORDS, k=40) for _ in range(100)]
    copies = [edited(rng.choice(originals), WORDS, 1, rng) for _ in range(200)]
    frame = texts(*(" ".join(tokens) for tokens in originals + copies))
    expected = duplicates([frame], 0.7, tmp_path)
    assert expected.height > 100
    assert expected["id"].is_sorted()
    assert_frame_equal(duplicates([frame.sample(fraction=1, shuffle=True, seed=1)], 0.7, tmp_path), expected)


@settings(max_examples=30)
@given(st.randoms(use_true_random=False), st.sampled_from([0.5, 0.7, 0.8, 0.9]))
def test_a_dropped_text_reaches_the_threshold_to_a_kept_one(rng: random.Random, near: float) -> None:
    pool = [rng.choices(WORDS[:20], k=rng.randint(1, 30)) for _ in range(6)]
    made = [edited(rng.choice(pool), WORDS[:20], rng.randint(0, 3), rng) for _ in range(40)]
    got = found(texts(*(" ".join(tokens) for tokens in made)), near, Path("unused"))
    for id, (kept, value) in got.items():
        one, other = made[int(id[1:])], made[int(kept[1:])]
        assert kept not in got
        assert jaccard(one, other) >= near
        assert value == pytest.approx(jaccard(one, other)) if value is not None else one == other
    twins = [(i, j) for i in range(40) for j in range(i) if made[i] == made[j]]
    assert all(f"r{i}" in got for i, _ in twins)


@settings(max_examples=30)
@given(st.randoms(use_true_random=False), st.sampled_from([0.2, 0.5, 0.7, 0.8, 0.9, 1.0]))
def test_no_pair_at_the_threshold_is_missed(rng: random.Random, near: float) -> None:
    pool = [rng.choices(WORDS[:20], k=rng.randint(3, 30)) for _ in range(6)]
    made = [edited(rng.choice(pool), WORDS[:20], rng.randint(0, 6), rng) for _ in range(40)]
    got = found(texts(*(" ".join(tokens) for tokens in made)), near, Path("unused"))
    kept_ones: list[int] = []
    for n, tokens in enumerate(made):
        twins = [kept for kept in kept_ones if jaccard(tokens, made[kept]) >= near]
        assert (f"r{n}" in got) == bool(twins)
        kept_ones += [] if twins else [n]


def test_what_exceeds_memory_is_spilled_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(8)
    frame = texts(*(" ".join(rng.choices(WORDS, k=3)) for _ in range(30_000)))
    expected = duplicates([frame], 0.8, tmp_path / "spill")
    monkeypatch.setattr("plugdata.curate.duplicates.MEMORY", "24MB")
    assert_frame_equal(duplicates([frame], 0.8, tmp_path / "spill"), expected)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_spilled_is_removed_by_the_next(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; import polars as pl; from plugdata.curate.duplicates import *\n"
        "def frames():\n"
        "    yield pl.DataFrame({'id': ['a'], 'text': ['one two three'], 'preference': [0]})\n"
        "    os.kill(os.getpid(), 9)\n"
        "duplicates(frames(), 0.8, Path(sys.argv[1]))"
    )
    spill = tmp_path / "spill"
    killed = subprocess.run([sys.executable, "-c", code, spill], cwd=Path(__file__).parents[1])
    assert (killed.returncode, len(list(spill.iterdir()))) == (-9, 1)
    duplicates([texts("one two three")], 0.8, spill)
    assert list(tmp_path.iterdir()) == []


# Rows.


def source(*made: dict[str, Any]) -> pl.DataFrame:
    filled = []
    for ordinal, values in enumerate(made):
        row = dict.fromkeys(rows.SOURCE) | {"id": f"r{ordinal}", "ordinal": ordinal, "place": f"a.jsonl:{ordinal + 1}"}
        filled.append(row | {"instruction": "Say it.", "input": "", "response": "It.", "status": "kept"} | values)
    return pl.DataFrame(filled, schema=rows.SOURCE)


NEAR = " ".join(random.Random(9).choices(WORDS, k=60))


def test_a_later_duplicate_is_dropped_before_it_is_paid_for(tmp_path: Path) -> None:
    given_rows = source({"id": "z"}, {"id": "a", "response": "It!"}, {"id": "m", "response": "That."})
    done = _screened(given_rows.sort("id"), Screen(), tmp_path)
    assert done.schema == pl.Schema(rows.SCREEN)
    dropped = done.row(0, named=True)
    assert (dropped["id"], dropped["status"], dropped["stage"]) == ("a", "dropped", "screen")
    assert (dropped["reason"], dropped["kept_id"]) == ("duplicate-exact", "z")
    assert dropped["detail"] == "same text as a.jsonl:1"
    assert done["status"].to_list() == ["dropped", "kept", "kept"]
    assert done["id"].to_list() == ["a", "m", "z"]


def test_near_duplicates_are_screened_only_if_asked_for(tmp_path: Path) -> None:
    given_rows = source({"response": NEAR}, {"response": NEAR + " more"})
    assert _screened(given_rows, Screen(), tmp_path)["status"].to_list() == ["kept", "kept"]
    done = _screened(given_rows, Screen(duplicates="near"), tmp_path).row(1, named=True)
    assert (done["reason"], done["kept_id"]) == ("duplicate-near", "r0")
    assert done["detail"] == "Jaccard 0.98 to a.jsonl:1"
    strict = _screened(given_rows, Screen(duplicates="near", near=0.99), tmp_path)
    assert strict["status"].to_list() == ["kept", "kept"]


def test_screening_can_be_switched_off(tmp_path: Path) -> None:
    done = _screened(source({}, {}), Screen(duplicates="off"), tmp_path)
    assert done["status"].to_list() == ["kept", "kept"]


def test_a_row_that_is_not_kept_is_nobodys_twin_and_is_left_as_it_is(tmp_path: Path) -> None:
    gone = {"status": "dropped", "stage": "source", "reason": "duplicate-id", "reasons": ["duplicate-id"]}
    given_rows = source(gone | {"id": "r1"}, {}, gone | {"id": "r1", "detail": "twin"})
    done = _screened(given_rows, Screen(), tmp_path)
    assert_frame_equal(done.drop("kept_id", "task_class", "policy"), given_rows)
    assert done["kept_id"].to_list() == [None] * 3


def test_a_text_of_another_data_set_is_kept_and_what_repeats_it_is_found(tmp_path: Path) -> None:
    rng = random.Random(11)
    other, unlike = rng.choices(WORDS, k=60), rng.choices(WORDS, k=60)
    alike = [["changed", *other[1:]], [*other[:-1], "changed"]]
    against = pl.DataFrame({"id": ["X 1", "X 2", "X 3"], "text": [" ".join(one) for one in (other, alike[0], unlike)]})
    frame = texts(*(" ".join(one) for one in (alike[1], alike[0], ["odd", *unlike, "end"], unlike[:30])))
    got = duplicates([frame], 0.88, tmp_path, [against])
    assert got.select("id", "kept_id", "elsewhere").rows() == [
        ("r0", None, "X 1"),
        ("r1", None, "X 2"),
        ("r2", None, "X 3"),
    ]
    assert got["jaccard"].to_list() == [jaccard(alike[1], other), None, jaccard(["odd", *unlike, "end"], unlike)]


def test_a_source_row_that_another_data_set_has_is_not_paid_for(tmp_path: Path) -> None:
    given_rows = source({"response": "Once upon a time."}, {"response": "Never."})
    against = pl.DataFrame({"id": ["old.jsonl:3"], "text": ["say it once upon a time"]})
    found = source_duplicates([given_rows], [given_rows], Screen(), tmp_path, [against])
    nulls = given_rows.with_columns(task_class=pl.lit(None), policy=pl.lit(None))
    done = drop_source_duplicates(nulls, found, "screen")
    assert kept_ids(done) == ["r1"]
    assert done.select("reason", "detail", "kept_id").row(0) == ("duplicate-exact", "same text as old.jsonl:3", None)


# Finished pairs: of each row `id`, its pivot response; what is left out, or ends in "_", is dropped already.

Made = dict[str, pl.DataFrame]


def kept_ids(frame: pl.DataFrame) -> list[str]:
    return frame.filter(rows.kept())["id"].to_list()


def corpus(**langs: dict[str, Any]) -> Made:
    """Rows of each language: id → pivot response, or a row's values. Every language has the ids of all."""
    ids = sorted({id for made in langs.values() for id in made})
    before = {}
    for lang, made in langs.items():
        filled = []
        for id in ids:
            values = made.get(id, {"status": "dropped", "reason": "lid"})
            values = {"pivot_response": values} if isinstance(values, str) else values
            row = dict.fromkeys(rows.FILTER) | {"id": id, "lang": lang, "pivot_lang": "en", "status": "kept"}
            row |= {"pivot_instruction": "Say it.", "instruction": id, "response": lang + id, **values}
            filled.append(row)
        before[lang] = pl.DataFrame(filled, schema=rows.FILTER)
    return before


def dedup(before: Made, settings: Dedup, spill: Path, against: pl.DataFrame | None = None, size: int = 2) -> Made:
    """As the stage does it: batches of `size` rows of some columns, then all columns."""

    def read(lang: str, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        return before[lang].select(columns).iter_slices(size)

    others = [] if against is None else [against]
    decided = decide({lang: partial(read, lang) for lang in before}, settings, spill, lambda: others)
    done = {
        lang: pl.concat([apply(batch, decided[lang]) for batch in [frame[:0], *frame.iter_slices(size)]])
        for lang, frame in before.items()
    }
    for lang, frame in done.items():
        assert frame.schema == pl.Schema(rows.DEDUP)
        assert frame["id"].equals(before[lang]["id"])
        assert set(frame.filter(rows.kept() | (pl.col("stage") == "dedup"))["id"]) == set(kept_ids(before[lang]))
        kept_here = kept_ids(frame)
        assert all(id in kept_here for id in frame.filter(stage="dedup")["kept_id"].drop_nulls())
    return done


def test_what_is_a_duplicate_in_the_pivot_is_dropped_in_every_language(tmp_path: Path) -> None:
    made = {"a": NEAR, "b": NEAR + " more", "c": "Other."}
    before = corpus(ko=made, sw=made)
    for lang, frame in dedup(before, Dedup(), tmp_path).items():
        assert_frame_equal(frame.filter(rows.kept()).select(*rows.FILTER), before[lang].filter(pl.col("id") != "a"))
        row = frame.row(0, named=True)
        assert (row["status"], row["stage"], row["reason"]) == ("dropped", "dedup", "duplicate-near")
        assert (row["kept_id"], row["cluster"], round(row["jaccard"], 2)) == ("b", "b", 0.98)
        assert row["detail"] == "Jaccard 0.98 to b"
        assert frame["cluster"].to_list() == ["b", "b", None]
        assert frame["jaccard"].to_list()[1:] == [None, None]


LONGER = NEAR + " more"


@pytest.mark.parametrize(
    ("made", "kept"),
    [
        ({"ko": {"a": LONGER, "b": NEAR}, "sw": {"b": NEAR}}, "b"),
        ({"ko": {"a": LONGER, "b": NEAR}, "sw": {"a": LONGER, "b": NEAR}}, "a"),
        ({"ko": {"a": {"pivot_response": LONGER, "numbers_response": 0.9}, "b": NEAR}}, "b"),
        ({"ko": {"a": {"pivot_response": LONGER, "numbers_response": 0.999}, "b": NEAR}}, "a"),
        ({"ko": {"a": NEAR, "b": NEAR.upper()}}, "a"),
    ],
    ids=["most languages", "longest", "best agreement", "no worse agreement", "least id"],
)
def test_of_duplicates_the_preferred_row_stays(made: dict[str, Any], kept: str, tmp_path: Path) -> None:
    done = dedup(corpus(**made), Dedup(), tmp_path)
    assert [kept_ids(frame) for frame in done.values()] == [[kept]] * len(made)


def test_a_row_stays_where_the_one_kept_in_its_place_is_missing(tmp_path: Path) -> None:
    before = corpus(ko={"a": "Same.", "b": "same"}, es={"a": "Same."}, sw={"b": "same"})
    done = dedup(before, Dedup(), tmp_path)
    assert {lang: kept_ids(frame) for lang, frame in done.items()} == {"ko": ["a"], "es": ["a"], "sw": ["b"]}
    assert done["sw"]["cluster"].to_list() == [None, "a"]


def test_twins_of_a_row_that_is_missing_are_judged_among_themselves(tmp_path: Path) -> None:
    before = corpus(
        ko={"a": "Same.", "b": "same", "c": "SAME"},
        es={"a": "Same."},
        it={"a": "Same."},
        sw={"b": "same", "c": "SAME"},
    )
    done = dedup(before, Dedup(near=None), tmp_path)
    assert kept_ids(done["ko"]) == ["a"]
    assert kept_ids(done["sw"]) == ["b"]
    assert done["sw"].select("kept_id", "cluster").rows()[1:] == [(None, "a"), ("b", "a")]


def test_each_language_elects_its_own_where_it_is_asked_to(tmp_path: Path) -> None:
    before = corpus(ko={"a": LONGER, "b": NEAR}, sw={"a": {"pivot_response": LONGER, "lists_response": 0.4}, "b": NEAR})
    done = dedup(before, Dedup(per_language=True), tmp_path)
    assert {lang: kept_ids(frame) for lang, frame in done.items()} == {"ko": ["a"], "sw": ["b"]}
    assert {lang: frame["cluster"].to_list() for lang, frame in done.items()} == {"ko": ["a"] * 2, "sw": ["b"] * 2}


def test_passages_with_one_instruction_are_compared_by_what_they_say(tmp_path: Path) -> None:
    made = {
        id: {"pivot_response": pivot, "response": said, "instruction": None}
        for id, pivot, said in (("a", "", NEAR), ("b", None, "Other."), ("c", "", "Third."), ("d", "", NEAR + " more"))
    }
    against = pl.DataFrame({"id": ["old 7"], "text": ["Say it.\nThird."]})
    done = dedup(corpus(sw=made), Dedup(), tmp_path, against)["sw"]
    assert done.filter(~rows.kept()).select("id", "reason", "kept_id").rows() == [
        ("a", "duplicate-near", "d"),
        ("c", "duplicate-exact", None),
    ]


def test_near_duplicates_stay_where_only_exact_ones_are_asked_for(tmp_path: Path) -> None:
    done = dedup(corpus(ko={"a": NEAR, "b": NEAR + " more"}), Dedup(near=None), tmp_path)
    assert kept_ids(done["ko"]) == ["a", "b"]


STOCK = {"instruction": "그것을 말해 보세요.", "response": "죄송하지만 무슨 말씀인지 모르겠습니다."}


def test_one_answer_to_different_rows_is_dropped_in_its_language_alone(tmp_path: Path) -> None:
    a, b = {"pivot_response": "Two."} | STOCK, {"pivot_response": "Three apples."} | STOCK
    before = corpus(ko={"a": a, "b": b}, sw={"a": "Two.", "b": "Three apples."})
    done = dedup(before, Dedup(), tmp_path)
    assert {lang: kept_ids(frame) for lang, frame in done.items()} == {"ko": ["a"], "sw": ["a", "b"]}
    row = done["ko"].row(1, named=True)
    assert (row["reason"], row["kept_id"], row["cluster"]) == ("duplicate-exact", "a", "a")
    assert row["detail"] == "same target text as a"
    assert kept_ids(dedup(before, Dedup(target="off"), tmp_path)["ko"]) == ["a", "b"]


@pytest.mark.parametrize(("target", "kept"), [("exact", ["a", "b"]), ("near", ["b"])])
def test_near_duplicates_in_the_target_are_dropped_only_if_asked_for(
    target: Any, kept: list[str], tmp_path: Path
) -> None:
    words = " ".join(random.Random(12).choices(["사과", "바다", "하늘", "나무", "강물", "바람", "구름", "별빛"], k=60))
    a = {"pivot_response": "Two.", "instruction": "말하세요.", "response": words}
    b = a | {"pivot_response": "Three apples.", "response": words + " 끝"}
    done = dedup(corpus(ko={"a": a, "b": b}), Dedup(target=target), tmp_path)
    assert kept_ids(done["ko"]) == kept


def test_a_row_kept_in_place_of_another_is_not_lost_to_a_third_on_the_target_side(tmp_path: Path) -> None:
    one, other = (
        {"pivot_response": LONGER} | STOCK,
        {"pivot_response": "Something else entirely, and longer " * 20} | STOCK,
    )
    done = dedup(corpus(ko={"0": other, "a": one, "b": NEAR}), Dedup(), tmp_path)
    assert kept_ids(done["ko"]) == ["0", "a"]


def test_what_another_data_set_has_is_dropped_in_every_language_with_its_place(tmp_path: Path) -> None:
    made = {"a": NEAR, "b": "Other.", "c": {"pivot_response": "Third."} | STOCK}
    against = pl.DataFrame(
        {"id": ["old 7", "old 8"], "text": ["Say it.\n" + NEAR + " more", "\n".join(STOCK.values())]}
    )
    done = dedup(corpus(ko=made, sw={"a": NEAR, "b": "Other.", "c": "Third."}), Dedup(), tmp_path, against)
    assert {lang: kept_ids(frame) for lang, frame in done.items()} == {"ko": ["b"], "sw": ["b", "c"]}
    told = done["ko"].select("reason", "detail", "kept_id", "cluster").rows()
    assert told[0] == ("duplicate-near", "Jaccard 0.98 to old 7", None, None)
    assert told[2] == ("duplicate-exact", "same target text as old 8", None, None)


def test_what_another_data_set_has_goes_even_if_it_was_kept_in_place_of_a_twin(tmp_path: Path) -> None:
    made = {"a": NEAR, "b": NEAR + " more", "c": "Other."}
    against = pl.DataFrame({"id": ["old 7"], "text": ["b\nkob"]})
    done = dedup(corpus(ko=made), Dedup(), tmp_path, against)["ko"]
    assert done.select("reason", "detail", "kept_id").rows() == [
        ("duplicate-near", "Jaccard 0.98 to b", None),
        ("duplicate-exact", "same target text as old 7", None),
        (None, None, None),
    ]


def test_a_template_of_many_rows_keeps_them_but_for_exact_twins(tmp_path: Path) -> None:
    made = {f"r{n:03}": f"{NEAR} {WORDS[n % 60]}{n}" for n in range(110)} | {"z": f"{NEAR}, {WORDS[7]}7!"}
    before = corpus(ko=made)
    done = dedup(before, Dedup(), tmp_path, size=50)["ko"]
    assert done.filter(~rows.kept()).select("id", "reason", "kept_id").rows() == [("r007", "duplicate-exact", "z")]
    assert done["cluster"].n_unique() == 1
    assert done.filter(pl.col("jaccard").is_not_null(), rows.kept()).height == 109
    assert kept_ids(dedup(before, Dedup(max_cluster=None), tmp_path, size=50)["ko"]) == [done["cluster"][0]]


def test_rows_that_are_spared_are_counted(tmp_path: Path) -> None:
    before = corpus(ko={f"r{n:03}": f"{NEAR} {WORDS[n % 60]}{n}" for n in range(110)})
    counts = decide({"ko": lambda columns: [before["ko"].select(columns)]}, Dedup(), tmp_path)["ko"].counts
    assert counts == {"clusters": 1, "rows_of_largest_cluster": 110, "clusters_spared": 1, "rows_spared": 109}


def test_languages_that_hold_other_rows_are_refused(tmp_path: Path) -> None:
    before = corpus(ko={"a": "One."}) | corpus(sw={"b": "Two."})
    with pytest.raises(ContractError, match="other rows"):
        dedup(before, Dedup(), tmp_path)


def test_languages_without_rows_are_handed_on(tmp_path: Path) -> None:
    done = dedup(corpus(ko={}, sw={}), Dedup(), tmp_path, size=1)
    assert {lang: frame.height for lang, frame in done.items()} == {"ko": 0, "sw": 0}
