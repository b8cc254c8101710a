"""The band of the ratio: fitted to a language's own rows, inside the table's."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugdata import languages, recipe, rows, stages
from plugdata.corpus import Corpus
from plugdata.curate.filters import fit
from plugdata.recipe import Filter


def measured(ratios: Sequence[float | None], n_chars: int = 200, **values: object) -> pl.LazyFrame:
    row = dict.fromkeys(rows.MEASURE) | {"status": "kept", "lang": "es", "pivot_lang": "en"} | values
    made = [row | {"ratio_response": r, "n_chars_response": n_chars} for r in ratios]
    return pl.DataFrame(made, schema=rows.MEASURE).lazy()


def band(frame: pl.LazyFrame, lang: str = "es", **ratio: object) -> tuple[float, float]:
    bounds = fit(frame, Filter.model_validate({"ratio": ratio}), "en", lang)
    return bounds["ratio_response_min"], bounds["ratio_response_max"]


def spread(middle: float, width: float, n: int = 400) -> list[float]:
    """Ratios evenly spread in their logarithm."""
    return [middle * math.exp(width * (2 * i / (n - 1) - 1)) for i in range(n)]


def test_rows_that_agree_narrow_the_band_of_the_table() -> None:
    low, high = band(measured(spread(1.1, 0.1)))
    assert (low, high) == pytest.approx((1.1 / 1.75, 1.1 * 1.75))
    assert low > languages.ratio_band("en", "es")[0] and high < languages.ratio_band("en", "es")[1]


def test_each_field_has_a_band_of_its_own() -> None:
    bounds = fit(measured(spread(1.1, 0.1)), Filter(), "en", "es")
    assert (bounds["ratio_instruction_min"], bounds["ratio_instruction_max"]) == languages.ratio_band("en", "es")


def test_few_rows_have_the_tables_band() -> None:
    assert band(measured(spread(1.1, 0.1, n=199))) == languages.ratio_band("en", "es")


@pytest.mark.parametrize("values", [{"status": "dropped"}, {"n_chars": 30}])
def test_rows_that_are_not_judged_have_no_say(values: dict[str, object]) -> None:
    assert band(measured(spread(1.1, 0.1), **values)) == languages.ratio_band("en", "es")  # type: ignore[arg-type]


def test_a_corpus_of_two_kinds_keeps_the_tables_band() -> None:
    half = spread(1.1, 0.05, 200)
    assert band(measured(half + spread(0.58, 0.02, 200))) == languages.ratio_band("en", "es")
    assert band(measured(spread(1.5, 0.05, 200) + spread(0.58, 0.02, 300))) == languages.ratio_band("en", "es")


def test_a_little_garbage_is_outside_the_band() -> None:
    low, _ = band(measured(spread(1.1, 0.05, 400) + spread(0.58, 0.02, 30)))
    assert low > 0.6


def test_room_is_left_for_code_in_a_dense_script() -> None:
    low, high = band(measured(spread(0.3, 0.05), lang="zh"), "zh")
    assert high == languages.ratio_band("en", "zh")[1] >= 1.2
    assert low > languages.ratio_band("en", "zh")[0]


@given(st.lists(st.floats(0.01, 50) | st.none(), min_size=0, max_size=30), st.sampled_from(["es", "zh", "ta", "sw"]))
def test_no_corpus_drags_the_band_outside_the_tables(ratios: list[float | None], lang: str) -> None:
    low, high = band(measured(ratios * 40, lang=lang), lang)
    floor, ceiling = languages.ratio_band("en", lang)
    assert floor <= low <= max(floor, 0.8) and min(ceiling, 1.2) <= high <= ceiling


def test_a_band_of_the_recipe_or_of_the_table_is_taken_as_it_is() -> None:
    assert band(measured(spread(1.1, 0.1)), band="table") == languages.ratio_band("en", "es")
    assert band(measured(spread(1.1, 0.1)), band=None) == languages.ratio_band("en", "es")
    assert band(measured(spread(1.1, 0.1)), band=[0.9, 1.3]) == (0.9, 1.3)


@pytest.mark.parametrize(
    ("code", "change", "stale"),
    [
        ("es", {"lid_min": 0.3}, ["filter"]),
        ("es", {"ratio": (0.6, 2.2)}, ["measure", "filter"]),
        (languages.get("es").confused[0], {"lid": ("xx",)}, ["measure"]),
        ("ko", {"lid": ("xx",), "lid_min": 0.3}, []),
    ],
)
def test_what_the_table_says_of_a_language_and_its_rivals_makes_their_stages_stale(
    code: str, change: dict[str, Any], stale: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = recipe.resolve({"corpus": "c", "sources": [{"path": "a.json"}], "languages": ["es"]})

    def settings() -> dict[str, Any]:
        corpus = Corpus(tmp_path)
        steps = [*stages.measure(corpus, asked, print), *stages.filtered(corpus, asked)]
        return {step.stage: step.settings for step in steps}

    before, table = settings(), languages.table()
    monkeypatch.setattr(languages, "table", lambda: {**table, code: replace(table[code], **change)})
    after = settings()
    assert [stage for stage in before if before[stage] != after[stage]] == stale
