"""Translations that one already has: brought in by `pair --pivot --target`, then checked and published like any."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from plugdata import recipe as recipes
from plugdata.corpus import Corpus
from plugdata.publish import dist
from plugdata.rows import Status
from tests import commands
from tests.commands import Run, kept, records, write_rows
from tests.servers import llm
from tests.servers.llm import LlmServer

run = commands.run

pytestmark = pytest.mark.usefixtures("lid_model_path")

Record = dict[str, Any]


def _in(lang: str, rows: list[Record]) -> list[Record]:
    texts = ("instruction", "input", "output")
    return [{**row, **{name: llm.translate(row[name], lang) for name in texts}} for row in rows]


def _without_ids(rows: list[Record]) -> list[Record]:
    return [{name: text for name, text in row.items() if name != "id"} for row in rows]


def _files(folder: Path, pivot: list[Record], target: list[Record], lang: str = "ko") -> list[str]:
    """The options that name two files."""
    write_rows(folder / "en.json", pivot)
    write_rows(folder / f"{lang}.json", target)
    return ["--pivot", "en.json", "--target", f"{lang}.json"]


def _reasons(lang: str = "ko") -> dict[str, str | None]:
    """Source id → reason."""
    rows = Corpus(Path("corpus")).rows("pair", lang)
    return dict(rows.select("source_id", "reason").rows())


@pytest.mark.parametrize("shuffled", [True, False])
def test_files_become_a_corpus_that_can_be_published_without_a_model_or_a_ledger(
    run: Run, tmp_path: Path, shuffled: bool
) -> None:
    korean = _in("ko", records(6))
    if shuffled:  # by id, else by order
        files = _files(tmp_path, records(6), korean[::-1])
    else:
        files = _files(tmp_path, _without_ids(records(6)), _without_ids(korean))
    assert run("pair", *files, "corpus", "--license", "mit", "-q")[0] == 0
    for command in ("filter", "dedup"):
        assert run(command, "corpus", "-q")[0] == 0
    assert kept(run) == {"ko": 6}
    pairs = Corpus(Path("corpus")).rows("dedup", "ko").sort("ordinal")
    assert pairs["response"].to_list() == [row["output"] for row in korean]
    assert pairs["pivot_response"].to_list() == [row["output"] for row in records(6)]
    assert set(pairs["model"]) == {"given"} and pairs["prompt"].null_count() == 6
    assert run("run", "corpus/recipe.yaml", "-q")[0] == 0
    assert dist.check(Path("corpus/dist").resolve()) == {"ko": {"train": 6}}
    assert not Path("corpus/ledger.sqlite").exists()
    card = Path("corpus/dist/README.md").read_text()
    assert "Translations into Korean were given." in card and "No model was called." in card
    assert "machine-generated" not in card
    published = "".join(path.read_text() for path in Path("corpus/dist").glob("*") if path.is_file())
    assert "ko.json" in published and str(tmp_path) not in published


def test_several_translations_are_brought_in_at_once_a_language_each(run: Run, tmp_path: Path) -> None:
    files = [*_files(tmp_path, records(4), _in("ko", records(4))), "--target", "es.json"]
    write_rows(tmp_path / "es.json", _in("es", records(4)))
    assert run("pair", *files, "corpus", "-q")[0] == 0
    assert kept(run) == {"es": 4, "ko": 4}
    code, _, told = run("pair", *files, "corpus", "--to", "ko", "-q")
    assert code == 2 and "of one --target, not of 2" in told
    code, _, told = run("pair", *files, "--target", "my.ko.json", "corpus", "-q")
    assert code == 2 and "are of one language" in told


def _echo(rows: list[Record]) -> list[Record]:
    return [records(6)[2] if at == 2 else row for at, row in enumerate(rows)]


def _no_response(rows: list[Record]) -> list[Record]:
    return [{**row, "output": ""} if at == 2 else row for at, row in enumerate(rows)]


def _broken(rows: list[Record]) -> list[Any]:
    return [{**row, "output": ["not", "a", "text"]} if at == 2 else row for at, row in enumerate(rows)]


def _other_language(rows: list[Record]) -> list[Record]:
    return [_in("fi", records(6))[2] if at == 2 else row for at, row in enumerate(rows)]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_echo, "echo"),
        (_no_response, "empty-answer"),
        (_broken, "no-translation"),
        (_other_language, "lid"),
        (lambda rows: rows[:2] + rows[3:], "no-translation"),
    ],
)
def test_what_is_wrong_with_one_translation_is_held_against_that_row(
    run: Run, tmp_path: Path, damage: Callable[[list[Record]], list[Record]], reason: str
) -> None:
    files = _files(tmp_path, records(6), damage(_in("ko", records(6))))
    assert run("pair", *files, "corpus", "-q")[0] == 0
    assert _reasons() == {f"row-{n}": reason if n == 2 else None for n in range(6)}
    (row,) = Corpus(Path("corpus")).rows("pair", "ko").filter(pl.col("status") != Status.KEPT).iter_rows(named=True)
    assert (row["status"], row["stage"]) == (Status.QUARANTINED, "translate")
    code, _, err = run("retry", "corpus", "--reason", reason)
    assert (code, "Traceback" in err) == (2, False)


def test_what_must_not_change_stands_in_a_given_translation_too(run: Run, tmp_path: Path) -> None:
    pivot = [{**row, "output": f"{row['output']} See https://example.org/a and `load()`."} for row in records(3)]
    korean = _in("ko", pivot)
    korean[1]["output"] = korean[1]["output"].replace("`load()`", "`부르기()`")
    assert run("pair", *_files(tmp_path, pivot, korean), "corpus", "-q")[0] == 0
    assert _reasons() == {"row-0": None, "row-1": "marks", "row-2": None}
    (detail,) = Corpus(Path("corpus")).rows("pair", "ko")["detail"].drop_nulls()
    assert "'`load()`' is missing" in detail


@pytest.mark.parametrize(
    ("pivot", "target", "by", "told"),
    [
        (records(6), _in("ko", records(6))[:5], "order", "en.json holds 6 records, ko.json 5"),
        (_without_ids(records(6)), _in("ko", records(5)), "auto", "they cannot be paired by order"),
        (records(6), [*_in("ko", records(5)), _in("ko", records(5))[0]], "id", "'row-0' stands more than once"),
        (records(6), _without_ids(_in("ko", records(6))), "id", "ko.json: not every record has an id of its own"),
        (records(6), [{**r, "id": f"x{r['id']}"} for r in _in("ko", records(6))], "auto", "no id in common"),
    ],
)
def test_files_that_cannot_be_told_to_belong_together_are_refused(
    run: Run, tmp_path: Path, pivot: list[Record], target: list[Record], by: str, told: str
) -> None:
    code, out, err = run("pair", *_files(tmp_path, pivot, target), "corpus", "--by", by, "-q")
    assert (code, out) == (2, "")
    assert told in err
    assert len(err.splitlines()) == 2


def test_a_language_more_and_a_mended_file_replace_nothing_else(run: Run, tmp_path: Path) -> None:
    korean = _in("ko", records(6))
    run("pair", *_files(tmp_path, records(6), _echo(korean)), "corpus", "-q")
    run("pair", *_files(tmp_path, records(6), _in("es", records(6)), "es"), "corpus", "-q")
    assert kept(run) == {"ko": 5, "es": 6}
    run("pair", *_files(tmp_path, records(6), korean), "corpus", "-q")
    assert kept(run) == {"ko": 6, "es": 6}
    recipe = recipes.load(Path("corpus/recipe.yaml"))
    assert (recipe.languages, [given.lang for given in recipe.translations]) == (("ko", "es"), ["es", "ko"])


def test_another_pivot_file_is_another_corpus(run: Run, tmp_path: Path) -> None:
    run("pair", *_files(tmp_path, records(6), _in("ko", records(6))), "corpus", "-q")
    write_rows(tmp_path / "other.json", records(7))
    code, _, err = run("pair", "--pivot", "other.json", "--target", "ko.json", "corpus", "-q")
    assert (code, "bound to other sources: it was made from en" in err) == (2, True)
    assert kept(run) == {"ko": 6}


def test_what_could_not_be_paired_may_be_paired_with_another_file(run: Run, tmp_path: Path) -> None:
    files = _files(tmp_path, _without_ids(records(6)), _without_ids(_in("ko", records(7))))
    code, _, err = run("pair", *files, "corpus", "-q")
    assert (code, "cannot be paired by order" in err) == (2, True)
    write_rows(tmp_path / "en.json", _without_ids(records(7)))
    assert run("pair", *files, "corpus", "-q")[0] == 0
    assert kept(run) == {"ko": 7}


def test_what_only_new_translations_can_be_told_is_no_word_on_those_that_are_there(run: Run, tmp_path: Path) -> None:
    run("pair", *_files(tmp_path, records(6), _in("ko", records(6))), "corpus", "-q")
    code, _, err = run("pair", "corpus", "--license", "mit")
    assert (code, "--license" in err and "--pivot" in err) == (2, True)


def test_parts_of_given_translations_are_merged_without_a_ledger(run: Run, tmp_path: Path) -> None:
    files = [*_files(tmp_path, records(6), _in("ko", records(6))), "--license", "mit", "-q"]
    for part in (1, 2):
        assert run("pair", *files, f"part{part}", "--set", f"shard={part}/2")[0] == 0
    assert run("merge", "part1", "part2", "-o", "corpus", "-q")[0] == 0
    assert kept(run) == {"ko": 6}
    assert dist.check(Path("corpus/dist").resolve()) == {"ko": {"train": 6}}


def test_a_pivot_file_that_could_not_be_read_may_be_mended(run: Run, tmp_path: Path) -> None:
    files = _files(tmp_path, records(6), _in("ko", records(6)))
    whole = (tmp_path / "en.json").read_text()
    write_rows(tmp_path / "en.json", [{"title": "x"}])
    assert run("pair", *files, "corpus", "-q")[0] == 2
    (tmp_path / "en.json").write_text(whole)
    assert run("pair", *files, "corpus", "-q")[0] == 0
    assert kept(run) == {"ko": 6}


def test_another_data_set_is_a_path_where_there_is_one_and_a_damaged_corpus_is_told_in_a_line(
    run: Run, tmp_path: Path
) -> None:
    files = _files(tmp_path, records(6), _in("ko", records(6)))
    for name in ("corpora/one", "corpora/two"):
        assert run("pair", *files, name, "-q")[0] == 0
    assert run("dedup", "corpora/one", "-q")[0] == 0
    code, out, _ = run("dedup", "corpora/two", "--against", "corpora/one", "-q")
    assert (code, "dropped: duplicate-exact" in out) == (0, True)
    (tmp_path / "corpora/two/rows/dedup/ko/part-00000.parquet").write_bytes(b"no Parquet")
    code, _, err = run("stats", "corpora/two")
    assert (code, "part-00000.parquet cannot be read" in err) == (1, True)


def test_one_language_is_given_and_another_asked_of_a_model(run: Run, tmp_path: Path) -> None:
    run("pair", *_files(tmp_path, records(6), _in("ko", records(6))), "corpus", "-q")
    with LlmServer() as server:
        asked = ["--to", "es", "--model", "m", "--base-url", server.base_url, "--license", "mit"]
        assert run("translate", "en.json", "corpus", *asked, "-q")[0] == 0
        assert {llm.target_language(request) for request in server.requests} == {"es"}
        assert run("run", "corpus/recipe.yaml", "-q")[0] == 0
        assert len(server.requests) == 6
    assert kept(run) == {"ko": 6, "es": 6}
    models = {lang: set(Corpus(Path("corpus")).rows("dedup", lang)["model"]) for lang in ("ko", "es")}
    assert models == {"ko": {"given"}, "es": {"m"}}
    card = Path("corpus/dist/README.md").read_text()
    assert "Translations into Korean were given." in card


def test_nothing_is_asked_of_a_model_so_plan_and_a_look_need_none(run: Run, tmp_path: Path) -> None:
    run("pair", *_files(tmp_path, records(6), _in("ko", records(6))), "corpus", "-q")
    made = json.loads(run("plan", "corpus/recipe.yaml", "--json", "-q")[1])
    assert (made["read"], made["shares"]) == (6, [])
    assert "nothing to ask" in run("plan", "corpus/recipe.yaml", "-q")[1]
    code, out, err = run("run", "corpus/recipe.yaml", "--set", "sources.0.license=mit", "--limit", 3, "-q")
    assert (code, out.count("· kept"), "Traceback" in err) == (0, 3, False)


def test_the_pivot_is_read_off_its_file_too(run: Run, tmp_path: Path) -> None:
    write_rows(tmp_path / "alpaca_de.json", _in("de", records(6)))
    write_rows(tmp_path / "alpaca_ko.json", _in("ko", records(6)))
    assert run("pair", "--pivot", "alpaca_de.json", "--target", "alpaca_ko.json", "corpus", "-q")[0] == 0
    assert set(Corpus(Path("corpus")).rows("pair", "ko")["pivot_lang"]) == {"de"}


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--pivot", "en.json", "corpus"], "--pivot and --target go together"),
        (
            ["--pivot", "en.json", "--target", "translations.json", "corpus"],
            "the name of translations.json ends in no language",
        ),
        (
            ["--pivot", "en.json", "--target", "ko.json", "--to", "en", "corpus"],
            "the pivot 'en' is also in `languages`",
        ),
        (["--pivot", "absent.json", "--target", "ko.json", "corpus"], "absent.json does not exist"),
        (["--pivot", "en.json", "--target", "absent_ko.json", "corpus"], "absent_ko.json does not exist"),
    ],
)
def test_what_is_not_there_or_no_language_is_told_in_a_line(
    run: Run, tmp_path: Path, args: list[str], told: str
) -> None:
    _files(tmp_path, records(2), _in("ko", records(2)))
    write_rows(tmp_path / "translations.json", _in("ko", records(2)))
    code, out, err = run("pair", *args)
    assert (code, out, told in err, "Traceback" in err) == (2, "", True, False)


def test_no_answer_of_a_judge_is_taken_for_a_translator(run: Run, tmp_path: Path) -> None:
    run("pair", *_files(tmp_path, records(6), _in("ko", records(6))), "corpus", "-q")
    with LlmServer() as server:
        model = f"{{model: b, base_url: '{server.base_url}'}}"
        more = ["--set", "sources.0.license=mit", "--set", f"quality.back_translation={{model: {model}}}"]
        assert run("run", "corpus/recipe.yaml", "-q", *more)[0] == 0
        assert len(server.requests) == 6
    rows = Corpus(Path("corpus")).rows("quality", "ko")
    assert (set(rows["back_model"]), set(rows["model"])) == ({"b"}, {"given"})
