"""What was measured of a corpus, in numbers, and which rows are chosen to look at."""

import json
import math
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugdata import recipe as recipes
from plugdata import rows
from plugdata.corpus import Corpus
from plugdata.recipe import Filter, Recipe
from plugdata.review import chosen, measured, stats
from plugdata.review.measured import Bounds
from tests import commands, reviewed
from tests.commands import Run

run = commands.run

FIRST = {"corpus": "c", "sources": [{"path": "a.json"}], "languages": ["ko"], "models": [{"model": "m"}]}


def _recipe(**settings: object) -> Recipe:
    return recipes.resolve({**FIRST, **settings})


def _rows(column: str, values: list[float | None]) -> pl.LazyFrame:
    n = len(values)
    found = {"status": ["kept"] * n, "reasons": [[]] * n, column: values}
    return pl.LazyFrame(found, schema={"status": pl.String, "reasons": pl.List(pl.String), column: pl.Float64})


def test_every_threshold_of_the_filters_bounds_a_measurement() -> None:
    found = measured.bounds(_recipe(), {}, measured.columns(rows.QUALITY))
    bounds = {limit for one in found.values() for limit in one if limit is not None}
    asked = {
        (name, key): limit
        for name, block in Filter()
        if name != "ratio" and not isinstance(block, tuple)  # its band is fitted; a user's filters
        for key, limit in block.model_dump().items()
        if isinstance(limit, int | float) and not isinstance(limit, bool)
    }
    assert len(asked) >= 10
    assert {key: limit for key, limit in asked.items() if limit not in bounds} == {}


def test_every_measurement_has_a_reason() -> None:
    found = {measured.reason_of(measured.base(column)) for column in measured.columns(rows.QUALITY)}
    assert found <= set(rows.Reason)


@pytest.mark.parametrize(
    ("fitted", "expected"),
    [
        ({}, Bounds(0.7, None)),
        ({"lid_min": 0.2}, Bounds(0.2, None)),
        ({"lid_min": 0.2, "lid_response_min": 0.3, "lid_instruction_min": 0.9}, Bounds(0.3, None)),
    ],
)
def test_a_fitted_bound_comes_before_the_recipes(fitted: dict[str, float], expected: Bounds) -> None:
    asked = _recipe(filter={"lid": {"min": 0.7}})
    assert measured.bounds(asked, fitted, ["lid_response"]) == {"lid_response": expected}


def test_quantiles_are_of_the_rows_that_were_measured() -> None:
    values = [at / 100 for at in range(101)]
    (found,) = measured.measurements(_rows("lid_response", [*values, None, None]), {})
    assert (found.column, found.n, found.bounds) == ("lid_response", 101, Bounds(None, None))
    assert found.quantiles == pytest.approx(measured.QUANTILES)
    assert measured.measurements(_rows("lid_response", [None]), {}) == []


@given(st.lists(st.floats(0, 1) | st.sampled_from([at / 20 for at in range(21)]), min_size=1))
def test_a_share_is_counted_in_the_bin_that_holds_it(values: list[float]) -> None:
    bins = measured.histogram(_rows("lid_response", list(values)), "lid_response", Bounds(0.45, None))
    assert sum(one.n for one in bins) == len(values)
    assert any(one.low <= 0.45 < one.high for one in bins)
    for one in bins:
        inside = [v for v in values if one.low - 1e-9 <= v < one.high + 1e-9 or (v == 1 and one.high == 1)]
        assert one.n <= len(inside)


@given(st.lists(st.floats(0.01, 100), min_size=1))
def test_a_ratio_is_counted_by_quarters_of_an_octave(values: list[float]) -> None:
    bins = measured.histogram(_rows("ratio_response", list(values)), "ratio_response", Bounds(0.5, 2.0))
    assert sum(one.n for one in bins) == len(values)
    assert all(math.isclose(one.high / one.low, 2**0.25) for one in bins)
    assert bins[0].low <= 0.5 and bins[-1].high > 2
    assert bins[0].low >= 1 / 8 and bins[-1].high <= 8


@pytest.mark.parametrize(
    ("column", "bounds", "value", "expected"),
    [
        ("lid_response", Bounds(0.2, None), 0.2, 0.0),
        ("lid_response", Bounds(0.2, None), 1.0, 1.0),
        ("corruption_response", Bounds(0.99, None), 1.0, 1.0),
        ("corruption_response", Bounds(0.99, None), 0.985, 0.5),
        ("lid_response_mixed", Bounds(None, 0.1), 0.0, 1.0),
        ("lid_response_mixed", Bounds(None, 0.1), 0.12, 0.2),
        ("ratio_response", Bounds(0.5, 2.0), 1.0, 1.0),
        ("ratio_response", Bounds(0.5, 2.0), 4.0, 1.0),
        ("ratio_response", Bounds(0.5, 2.0), 2**0.5, 0.5),
        ("ratio_response", Bounds(0.0, 2.0), 1.0, 1.0),
        ("n_chars_response", Bounds(1, 200), 150, 0.25),
        ("lid_response", Bounds(0.2, None), None, None),
    ],
)
def test_distances_to_bounds_of_different_measurements_compare(
    column: str, bounds: Bounds, value: float | None, expected: float | None
) -> None:
    (found,) = _rows(column, [value]).select(measured.distance(column, bounds)).collect().row(0)
    assert found == (expected if expected is None else pytest.approx(expected))


def test_rows_taken_out_for_a_measurement_are_told_from_others() -> None:
    found = pl.LazyFrame(
        {
            "status": ["kept", "dropped", "dropped", "quarantined"],
            "reasons": [[], ["numbers", "lid"], ["ratio"], ["echo"]],
            "lid_response": [0.92, 0.91, 0.93, None],
        }
    )
    ((low, high, kept, out, other),) = measured.histogram(found, "lid_response", Bounds(None, None))
    assert (low, high, kept, out, other) == (0.9, 0.95, 1, 1, 1)


def test_statistics_are_those_of_the_rows(run: Run, tmp_path: Path) -> None:
    corpus = reviewed.write(tmp_path / "corpus")
    code, out, _ = run("stats", "corpus", "--json")
    told = json.loads(out)
    assert (code, told["running"], told["models"], list(told["languages"])) == (0, False, [], list(reviewed.LANGS))
    thai, rows_of = told["languages"]["th"], corpus.rows("dedup", "th")
    assert (thai["stage"], thai["rows"], thai["kept"]) == ("dedup", 35, 23)
    assert thai["rows"] == thai["kept"] + sum(line["n"] for line in thai["taken_out"])
    assert {"stage": "filter", "status": "dropped", "reason": "lid", "n": 3} in thai["taken_out"]
    assert thai["fitted"] == reviewed.FITTED
    ratio = thai["measurements"]["ratio_response"]
    assert (ratio["n"], ratio["low"], ratio["high"]) == (rows_of["ratio_response"].count(), 0.4, 2.0)
    assert ratio["p50"] == rows_of["ratio_response"].quantile(0.5, "nearest")
    assert (ratio["p0"], ratio["p100"]) == (rows_of["ratio_response"].min(), rows_of["ratio_response"].max())
    assert thai["named"] == {"instruction": {"th": 32}, "response": {"th": 29, "en": 3}}
    code, out, _ = run("stats", "corpus")
    assert code == 0 and max(map(len, out.splitlines())) <= 80
    for line in ("th: 23 of 35 rows kept, after dedup", "named, response: th 29 · en 3"):
        assert line in out
    assert " ratio_response          32      0.4–2 " in out


@pytest.mark.parametrize("command", ["status", "stats"])
def test_before_the_sources_are_read_nothing_is_finished(command: str, run: Run, tmp_path: Path) -> None:
    for name in ("en.json", "es.json"):
        (tmp_path / name).write_text('[{"title": "of another kind"}]')
    assert run("pair", "--pivot", "en.json", "--target", "es.json", "corpus", "--license", "mit")[0] == 2
    assert Corpus(tmp_path / "corpus").manifest() is not None
    assert run(command, "corpus")[:2] == (0, "nothing finished yet\n")
    assert run(command, "corpus", "--json")[0] == 0


def test_a_field_that_no_row_has_names_no_language() -> None:
    read = {"n_chars_instruction": [9, 9], "n_chars_response": [None, None]}
    top = {"lid_instruction_top": ["es", None], "lid_response_top": [None, None]}
    found = pl.LazyFrame({**read, **top}, schema_overrides=dict.fromkeys(top, pl.String))
    assert measured.named(found) == {"instruction": {"es": 1, measured.ABSTAINED: 1}}


def test_nothing_finished_is_said(run: Run, tmp_path: Path) -> None:
    corpus = reviewed.write(tmp_path / "corpus", until="screen")
    code, out, _ = run("stats", "corpus")
    assert (code, "screen" in out) == (0, True)
    (corpus.path / "manifest.json").unlink()
    assert run("stats", "corpus")[:2] == (0, "nothing finished yet\n")


@pytest.mark.parametrize(("by", "column", "bound"), [("lid", "lid_response", 0.4), ("ratio", "ratio_response", 2.0)])
def test_sample_shows_the_rows_nearest_to_a_bound_first(
    run: Run, tmp_path: Path, by: str, column: str, bound: float
) -> None:
    reviewed.write(tmp_path / "corpus")
    asked = ("sample", "corpus", "--lang", "th", "--status", "dropped", "--by", by, "--json", "-n", 50)
    code, out, _ = run(*asked, "--reason", by)
    values = [json.loads(line)[column] for line in out.splitlines()]
    assert code == 0 and len(values) >= 2
    assert values == sorted(values, key=lambda value: abs(value - bound))


def test_sample_by_chance_is_the_seeds_alone(run: Run, tmp_path: Path) -> None:
    reviewed.write(tmp_path / "corpus", n_plain=100)

    def ids(*options: object) -> list[str]:
        out = run("sample", "corpus", "--lang", "ko", "-n", 20, "--json", *options)[1]
        return [json.loads(line)["id"] for line in out.splitlines()]

    assert ids() == ids("--by", "random") == ids("--seed", 0)
    assert len(set(ids())) == 20
    assert len(set(ids()) & set(ids("--seed", 1))) < 15


def test_on_a_terminal_rows_go_through_the_pager(tmp_path: Path) -> None:
    reviewed.write(tmp_path / "corpus")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "plugdata", "sample", "corpus", "--lang", "ko", "-n", "1"]
    environment = {**os.environ, "PAGER": "cat -n", "TERM": "xterm", "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(command, cwd=tmp_path, stdout=theirs, stdin=theirs, env=environment):
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # the other end is closed
            while more := os.read(ours, 65536):
                shown += more
    os.close(ours)
    assert re.match(r"\s+1\t.*b2:", shown.decode())


@pytest.mark.parametrize(
    ("until", "by", "said"),
    [
        ("dedup", "rato", "no bound of 'rato' in ar; did you mean 'ratio'?"),
        ("translate", "lid", "nothing is measured of ar yet"),
    ],
)
def test_an_order_that_there_is_not_is_refused(run: Run, tmp_path: Path, until: str, by: str, said: str) -> None:
    reviewed.write(tmp_path / "corpus", until=until)
    code, out, err = run("sample", "corpus", "--by", by)
    assert (code, out) == (2, "") and said in err


def test_rows_that_are_only_translated_keep_the_verdict_they_have(tmp_path: Path) -> None:
    corpus = reviewed.write(tmp_path / "corpus", until="translate")
    kept = chosen.sample(corpus, "ar", 100, status="kept")
    assert set(kept["status"]) == {"kept"}
    state = stats.state(Corpus(corpus.path))
    assert kept.height == state.funnel.kept["ar"]
    assert kept.filter(pl.col("instruction").str.contains("الرصيف"))["pivot_instruction"].str.contains("pier").all()


def test_every_row_taken_out_is_given_in_source_order(tmp_path: Path) -> None:
    out = chosen.taken_out(reviewed.write(tmp_path / "corpus"), "th")
    assert out["ordinal"].to_list() == [4, 5, 7, 9, 10, 11, 12, 13, 16, 20, 21, 24]
