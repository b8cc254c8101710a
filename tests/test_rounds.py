"""What a further round trains on, as the scripts that train read it: by their own reader, which has no plugdata."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from plugdata import languages
from plugdata.errors import InputError
from plugdata.recipe import Generate, Rate
from plugdata.rows import GENERATE
from plugdata.wire import Request
from plugdata.xinstruct.generate import generator
from plugdata.xinstruct.rate import SCALES, Rated, lay_ratings, rater
from plugdata.xinstruct.rounds import EXAMPLE, training_sets, write_round
from published import Published, open_published
from tests.instructing import TEXTS, frame, passage, row

EN = languages.get("en")


def _batches(marks: dict[str, list[int | None]], levels: int = 5) -> list[pl.DataFrame]:
    """Rated rows: of each language one with each of the marks, each with a second candidate that is rated 1."""
    made = []
    for lang, of in marks.items():
        candidates = [
            {"text": text, "model": "m", "reason": None, "detail": None} for text in (TEXTS[lang][0], "What is it?")
        ]
        rows = [{**row(lang, n), "candidates": candidates, "n_generate": 2} for n in range(len(of))]
        batch = frame(({name: row.get(name) for name in GENERATE} for row in rows), "generate")
        came = [(Rated((mark, 1)), ["r"]) for mark in of]
        made.append(lay_ratings(batch, Rate(levels=3 if levels == 3 else 5), came))
    return made


MARKS: dict[str, list[int | None]] = {"fi": [5, 5, 4, 3, None, 2, 2], "th": [5, 4, 4, 3, 3, 3, 2]}


def _read(folder: Path, name: str) -> tuple[Published, list[dict[str, Any]]]:
    corpus = open_published(folder)
    assert corpus.configs() == ["generator", "rater"]
    return corpus, corpus.rows(name).to_list()


def test_the_generator_learns_what_the_bare_form_asks(tmp_path: Path) -> None:
    counted = write_round(tmp_path / "round", lambda: _batches(MARKS), EN, 5)
    corpus, examples = _read(tmp_path / "round", "generator")
    assert counted["generator"] == {("fi", 5): 2, ("th", 5): 1}
    assert [(of["lang"], of["answer"]) for of in examples] == [(lang, TEXTS[lang][0]) for lang in ("fi", "fi", "th")]
    for at, example in zip((0, 1, 0), examples, strict=True):
        *asked, said = example["messages"]
        task = generator(EN, languages.get(example["lang"]), Generate(template="x-instruction-base"), {})
        request = task({"passage": passage(example["lang"], at)}, [])
        assert isinstance(request, Request)
        assert [(of["role"], of["content"]) for of in asked] == [(of.role, of.content) for of in request.messages]
        assert said == {"role": "assistant", "content": example["answer"]}
        assert corpus.extract(said["content"], example["template"], example["lang"]) == {"answer": example["answer"]}


@pytest.mark.parametrize("levels", SCALES)
def test_the_rater_learns_what_the_stage_asks(levels: int, tmp_path: Path) -> None:
    marks: dict[str, list[int | None]] = {"fi": [levels, 2, 1]}
    write_round(tmp_path / "round", lambda: _batches(marks, levels), EN, levels, per_mark=9)
    corpus, examples = _read(tmp_path / "round", "rater")
    assert [of["rating"] for of in examples] == [levels, 1, 2, 1, 1, 1]
    for example in examples:
        *asked, said = example["messages"]
        (candidate,) = [text for text in (TEXTS["fi"][0], "What is it?") if text in example["prompt"]]
        of = {"passage": passage("fi", example["prompt"].count("(1)") or 2 * example["prompt"].count("(2)"))}
        candidates = [{"text": candidate, "reason": None}]
        settings = Rate(levels=3 if levels == 3 else 5)
        request = rater(EN, languages.get("fi"), settings, {})({**of, "candidates": candidates}, [])
        assert isinstance(request, Request)
        assert [(turn["role"], turn["content"]) for turn in asked] == [(of.role, of.content) for of in request.messages]
        assert SCALES[levels].read(said["content"]) == example["rating"]
        assert corpus.layout(example["template"], "fi").system == asked[0]["content"]
        assert corpus.extract(said["content"], example["template"], "fi") == {"answer": said["content"]}


def test_the_rater_sees_each_mark_as_often(tmp_path: Path) -> None:
    def found(name: str, per_mark: int | None = None) -> Counter[int]:
        write_round(tmp_path / name, lambda: _batches(MARKS), EN, 5, per_mark)
        return Counter(of["rating"] for of in _read(tmp_path / name, "rater")[1])

    assert found("balanced") == {mark: 3 for mark in (1, 2, 3, 4, 5)}
    assert found("few", 2) == {mark: 2 for mark in (1, 2, 3, 4, 5)}
    assert found("all", 100) == {1: 14, 2: 3, 3: 4, 4: 3, 5: 3}


def test_the_same_rows_give_the_same_bytes_in_whatever_batches(tmp_path: Path) -> None:
    def one_by_one() -> Iterator[pl.DataFrame]:
        for batch in _batches(MARKS):
            yield from batch.iter_slices(1)

    write_round(tmp_path / "whole", lambda: _batches(MARKS), EN, 5)
    write_round(tmp_path / "parts", one_by_one, EN, 5)
    for name in ("generator", "rater"):
        assert _read(tmp_path / "whole", name)[1] == _read(tmp_path / "parts", name)[1]
    assert (tmp_path / "whole/layouts.json").read_bytes() == (tmp_path / "parts/layouts.json").read_bytes()


def test_the_readme_counts_what_there_is(tmp_path: Path) -> None:
    write_round(tmp_path / "round", lambda: _batches(MARKS), EN, 5)
    told = (tmp_path / "round/README.md").read_text(encoding="utf-8")
    assert "| generator | fi | 5 | 2 |" in told
    assert f"data={tmp_path / 'round'} configs=rater" in told
    assert "$" not in told


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("keep")
    with pytest.raises(InputError, match="is there already"):
        write_round(tmp_path / "mine", lambda: _batches(MARKS), EN, 5)
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "notes.txt"]


@pytest.mark.parametrize("marks", [{}, {"fi": [None, 4]}])
def test_a_round_without_a_best_row_is_refused_and_leaves_nothing(marks: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no row is rated 5 of 5"):
        write_round(tmp_path / "round", lambda: _batches(marks), EN, 5)
    assert list(tmp_path.iterdir()) == []


def test_rows_that_were_never_rated_teach_nothing() -> None:
    (batch,) = _batches({"fi": [5]})
    sets = training_sets(batch.with_columns(ratings=pl.lit(None, batch.schema["ratings"])), EN, 5)
    assert [dict(of.schema) for of in sets] == [EXAMPLE] * 2
    assert [of.height for of in sets] == [0, 0]
