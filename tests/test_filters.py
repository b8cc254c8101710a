"""The row-wise filters: what is measured, what is dropped and why."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from plugdata import recipe, rows
from plugdata.checks import lid
from plugdata.checks.corruption import corruption
from plugdata.curate import filters
from plugdata.curate.filters.decide import FILTERS
from plugdata.recipe import Filter

ENGLISH = "The old bridge across the river was closed for repairs until the first week of spring."
KOREAN = "강을 가로지르는 오래된 다리는 봄의 첫째 주까지 수리를 위해 통행이 금지되었습니다."
SPANISH = "El viejo puente sobre el río estuvo cerrado por obras hasta la primera semana de primavera."


@pytest.fixture(scope="module")
def model(lid_model_path: Path) -> lid.Model:
    return lid.load(lid_model_path)


def pair(**values: Any) -> dict[str, Any]:
    row = dict.fromkeys(rows.PAIR)
    row |= {"id": "b2:0", "lang": "ko", "pivot_lang": "en", "status": "kept"}
    row |= {"pivot_instruction": ENGLISH, "pivot_response": ENGLISH, "instruction": KOREAN, "response": KOREAN}
    return row | values


def batch(*made: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(made), schema=rows.PAIR)


def measured(**values: Any) -> dict[str, Any]:
    row = dict.fromkeys(rows.MEASURE) | pair()
    for field in ("instruction", "response"):
        row |= {f"lid_{field}": 0.99, f"lid_{field}_top": "ko", f"script_{field}": 1.0}
        row |= {f"n_chars_{field}": 47, f"ratio_{field}": 0.5}
    return row | values


def decide(row: dict[str, Any], settings: Filter | None = None) -> dict[str, Any]:
    return decided(pl.DataFrame([row], schema=rows.MEASURE), settings).row(0, named=True)


def decided(measured: pl.DataFrame, settings: Filter | None = None) -> pl.DataFrame:
    """The verdicts on rows of one language, by bounds fitted to them."""
    settings = settings or Filter()
    ((pivot, lang),) = (
        measured.select("pivot_lang", "lang").unique().iter_rows() if measured.height else (("en", "ko"),)
    )
    return filters.decide(measured, settings, filters.fit(measured.lazy(), settings, pivot, lang))


def test_both_fields_are_measured(model: lid.Model) -> None:
    row = filters.measure(batch(pair(response=ENGLISH)), model).row(0, named=True)
    assert row["lid_instruction"] > 0.9 and row["lid_instruction_top"] == "ko"
    assert row["lid_response"] < 0.1 and row["lid_response_top"] == "en"
    assert (row["script_instruction"], row["script_response"]) == (1.0, 0.0)
    assert (row["n_chars_instruction"], row["n_chars_response"]) == (len(KOREAN), len(ENGLISH))
    assert row["ratio_instruction"] == pytest.approx(len(KOREAN) / len(ENGLISH))
    assert row["ratio_response"] == 1.0


def test_measuring_keeps_rows_order_and_columns(model: lid.Model) -> None:
    given = batch(
        pair(id="c"),
        pair(id="b"),
        pair(id="a", status="dropped", stage="pair", reason="label-collision"),
        pair(id="d"),
    )
    done = filters.measure(given, model)
    assert done.schema == pl.Schema(rows.MEASURE)
    assert_frame_equal(done.select(*rows.PAIR), given)
    assert (done["lid_response"] > 0.9).to_list() == [True, True, None, True]


def test_rows_that_are_not_kept_are_neither_measured_nor_touched(model: lid.Model) -> None:
    gone = pair(status="quarantined", stage="translate", reason="echo", reasons=["echo"], detail="came back")
    given = batch(gone | {"instruction": None, "response": None})
    done = decided(filters.measure(given, model))
    assert_frame_equal(done.select(*rows.PAIR), given)
    assert all(value is None for value in done.drop(*rows.PAIR).row(0))


def test_an_empty_batch_keeps_its_columns(model: lid.Model) -> None:
    done = decided(filters.measure(batch(), model))
    assert done.schema == pl.Schema(rows.FILTER) and done.height == 0


def test_a_field_without_prose_abstains_and_an_empty_pivot_gives_no_ratio(model: lid.Model) -> None:
    row = filters.measure(batch(pair(response="```\nprint(42)\n```", pivot_response="")), model).row(0, named=True)
    assert row["lid_response"] is None and row["lid_response_top"] is None
    assert row["script_response"] is None and row["ratio_response"] is None


def test_a_good_pair_passes_all_filters(model: lid.Model) -> None:
    done = decided(filters.measure(batch(pair()), model))
    assert done["status"].to_list() == ["kept"]
    assert done.select("stage", "reason", "reasons", "detail").row(0) == (None, None, None, None)


@pytest.mark.parametrize("field", ["instruction", "response"])
def test_pair_is_dropped_when_either_half_fails_lid(field: str) -> None:
    row = decide(measured(**{f"lid_{field}": 0.12, f"lid_{field}_top": "en"}))
    assert (row["status"], row["stage"], row["reason"], row["reasons"]) == ("dropped", "filter", "lid", ["lid"])
    assert row["detail"] == f"p(ko) 0.12 < 0.2 in {field}; looks like 'en'"


SPOKEN_FOR = {
    "lang": "ca",
    **{"lid_instruction": 0.14, "lid_instruction_top": "es", "lid_instruction_mixed": 0.0, "n_chars_instruction": 28},
    **{"lid_response": 0.95, "lid_response_top": "ca", "lid_response_mixed": 0.0, "n_chars_response": 400},
}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, None),
        ({"lid_instruction_top": "en"}, "lid"),  # the pivot
        ({"lid_instruction_top": "nl"}, "lid"),  # nothing that Catalan is confused with
        ({"pivot_lang": "es"}, "lid"),
        ({"lid_instruction": 0.05}, "lid"),
        ({"lid_instruction_mixed": 0.2}, "lid"),
        ({"n_chars_instruction": 120}, "lid"),
        ({"n_chars_response": 100}, "lid"),
        ({"lid_response": 0.6}, "lid"),
        ({"lid_response_top": "es"}, "lid"),
        ({"lid_response_mixed": 0.05}, "lid"),
        ({"lid_response": None, "lid_response_top": None, "lid_response_mixed": None}, "lid"),
    ],
)
def test_a_sure_response_speaks_for_a_short_instruction_that_sounds_like_a_neighbour(
    values: dict[str, Any], reason: str | None
) -> None:
    assert decide(measured(**(SPOKEN_FOR | values)))["reason"] == reason


def test_the_recipes_own_threshold_of_language_id_takes_the_place_of_the_fitted_one() -> None:
    row = measured(lid_response=0.4, lid_response_top="ja")
    assert decide(row)["status"] == "kept"
    assert decide(row, Filter.model_validate({"lid": {"min": 0.5}}))["detail"] == (
        "p(ko) 0.4 < 0.5 in response; looks like 'ja'"
    )


@pytest.mark.parametrize(
    ("values", "settings", "reason", "detail"),
    [
        ({"script_response": 0.2}, {}, "script", "0.2 < 0.3 of letters in the script of ko in response"),
        ({"n_chars_response": 0}, {}, "length", "0 < 1 characters in response"),
        ({"n_chars_instruction": 101}, {"length": {"max_chars": 100}}, "length", "101 > 100 characters in instruction"),
        ({"ratio_response": 0.1}, {}, "ratio", "0.1 < 0.2 characters a pivot character in response"),
        ({"ratio_response": 3}, {}, "ratio", "3.0 > 1.2 characters a pivot character in response"),
        (
            {"ratio_instruction": 0.5, "ratio_response": 0.7},
            {"ratio": {"band": (0.6, 0.9)}},
            "ratio",
            "0.5 < 0.6 characters a pivot character in instruction",
        ),
    ],
)
def test_each_filter_says_what_it_measured(
    values: dict[str, Any], settings: dict[str, Any], reason: str, detail: str
) -> None:
    row = decide(measured(**values), Filter.model_validate(settings))
    assert (row["status"], row["reason"], row["detail"]) == ("dropped", reason, detail)


def test_all_reasons_are_kept_and_the_first_filter_gives_the_detail() -> None:
    english = {"lid_response": 0.0, "lid_response_top": "en", "script_response": 0.0, "ratio_response": 9.0}
    row = decide(measured(**english, lid_instruction=0.1, lid_instruction_top="zh"))
    assert row["reasons"] == ["lid", "script", "ratio"]
    assert (
        row["detail"]
        == "p(ko) 0.1 < 0.2 in instruction; looks like 'zh' · p(ko) 0.0 < 0.2 in response; looks like 'en'"
    )


@pytest.mark.parametrize("name", [n for n in rows.MEASURE if n.startswith(("lid", "script", "ratio"))])
def test_a_measurement_that_abstained_keeps_the_row(name: str) -> None:
    assert decide(measured(**{name: None}))["status"] == "kept"


def test_the_ratio_of_a_short_pivot_is_not_judged() -> None:
    row = measured(ratio_response=5.0, pivot_response="Yes.")
    assert decide(row)["status"] == "kept"
    assert decide(row, Filter.model_validate({"ratio": {"min_chars": 4}}))["reason"] == "ratio"


def test_the_ratio_band_is_that_of_each_rows_language() -> None:
    made = [decide(measured(lang=lang, ratio_response=0.3, lid_response=None)) for lang in ("ko", "es", "zh")]
    assert [row["status"] for row in made] == ["kept", "dropped", "kept"]


def test_the_band_for_another_pivot_holds_what_both_languages_bands_allow() -> None:
    row = measured(lang="es", pivot_lang="zh", ratio_instruction=3.0, ratio_response=3.5)
    assert decide(row | {"pivot_lang": "en"})["reason"] == "ratio"
    assert decide(row)["status"] == "kept"


def test_a_moved_threshold_changes_the_verdict_of_the_same_measurement() -> None:
    row = measured(ratio_response=1.1, copied_response=0.3)
    assert decide(row)["status"] == "kept"
    assert decide(row, Filter.model_validate({"copying": {"max": 0.2}}))["reason"] == "copying"
    assert decide(row, Filter.model_validate({"ratio": {"band": (0.3, 1.0)}}))["reason"] == "ratio"


def test_every_filter_has_its_own_reason() -> None:
    bounds = filters.fit(pl.LazyFrame(schema=rows.MEASURE), Filter(), "en", "ko")
    reasons = [of(recipe.Filter(), bounds).reason for of in FILTERS]
    fresh = ["repetition", "refusal", "copying", "symbols", "template", "equal", "pii"]
    assert reasons == ["lid", "script", "length", "ratio", *rows.AGREEMENTS, "options", *fresh]


def test_soft_checks_measure_both_fields_against_the_pivot(model: lid.Model) -> None:
    given = pair(
        pivot_instruction="Is this true or false?\n\nThe bridge opened on 12 May 1953.",
        pivot_response="True",
        instruction="이것은 참인가요, 거짓인가요?\n\n다리는 1935년 5월 12일에 개통되었습니다",
        response="참",
    )
    row = filters.measure(batch(given), model).row(0, named=True)
    assert row["numbers_instruction"] == pytest.approx(1 / 2) and row["numbers_response"] is None
    assert (row["paragraphs_instruction"], row["ends_instruction"]) == (1.0, 0.0)
    assert (row["corruption_instruction"], row["corruption_response"], row["leftover_response"]) == (1.0, 1.0, 1.0)
    assert row["options"] == 1.0


def test_numbers_and_words_of_code_are_no_evidence(model: lid.Model) -> None:
    code = "```\nfor number in range(4321): print(number and so on and so forth)\n```"
    given = pair(pivot_response=f"{ENGLISH}\n{code}", response=KOREAN)
    row = filters.measure(batch(given), model).row(0, named=True)
    assert row["numbers_response"] is None and row["fences_response"] == 0.0
    same = filters.measure(batch(given | {"response": f"{KOREAN}\n{code}"}), model).row(0, named=True)
    assert (same["leftover_response"], same["fences_response"]) == (1.0, 1.0)


def test_only_suspect_texts_are_asked_about_and_come_to_the_same(model: lid.Model) -> None:
    texts = [KOREAN, "이 웹inar는 무료입니다.", "", "webinar", "e\u0301 \u0301", "un cafÃ©"]
    measured_ = filters.measure(batch(*(pair(response=text) for text in texts)), model)
    assert measured_["corruption_response"].to_list() == [corruption(ENGLISH, text) for text in texts]


def test_a_prompt_alone_has_no_measurement_of_a_response(model: lid.Model) -> None:
    done = decided(filters.measure(batch(pair(pivot_response=None, response=None)), model))
    row = done.row(0, named=True)
    assert row["status"] == "kept"
    assert all(row[name] is None for name in rows.MEASURE if name.endswith("_response") and name not in rows.PAIR)


@pytest.mark.parametrize(
    ("values", "settings", "reason", "detail"),
    [
        ({"numbers_response": 0.25}, {}, "numbers", "0.25 < 0.3 in response"),
        ({"corruption_instruction": 0.98}, {}, "corruption", "0.98 < 0.99 in instruction"),
        ({"leftover_response": 0.2}, {}, "leftover", "0.2 < 0.3 in response"),
        ({"options": 0.2}, {}, "options", "0.2 < 0.25 of the response in the instruction"),
        ({"ends_response": 0.0}, {"ends": {"min": 1}}, "ends", "0.0 < 1.0 in response"),
        (
            {"lists_instruction": 0.0, "lists_response": 0.5},
            {"lists": {"min": 0.6}},
            "lists",
            "0.0 < 0.6 in instruction · 0.5 < 0.6 in response",
        ),
    ],
)
def test_a_soft_check_below_its_threshold_drops_the_row(
    values: dict[str, Any], settings: dict[str, Any], reason: str, detail: str
) -> None:
    row = decide(measured(**values), Filter.model_validate(settings))
    assert (row["status"], row["reasons"], row["detail"]) == ("dropped", [reason], detail)


@pytest.mark.parametrize(
    "code",
    [
        "prices = [1, 2, 3, 4, 5, 6, 7, 8]\nfor price in range(5):\n    print(prices[price])",
        "`first_list = [4, 21, 11]\nturned_list = first_list[::-1]`",
    ],
)
def test_bare_code_is_in_no_language(model: lid.Model, code: str) -> None:
    both = pair(pivot_response=f"{ENGLISH}\n\n{code}", response=f"{KOREAN}\n\n{code}")
    done = decided(filters.measure(batch(both), model))
    assert done.select("reason", "lid_response_mixed").row(0) == (None, 0)


def test_a_row_with_untranslated_words_says_which(model: lid.Model) -> None:
    pivot, target = "Melt the butter and fold in the flour.", "butter를 녹이고 flour를 섞으며 butter를 더 넣으세요."
    done = decided(filters.measure(batch(pair(pivot_response=pivot, response=target), pair()), model))
    assert done["reason"].to_list() == ["untranslated", None]
    assert str(done["detail"][0]).endswith(" < 0.99 in response: butter, flour")


@pytest.mark.parametrize("check", [*rows.AGREEMENTS, "options"])
def test_a_soft_check_without_a_threshold_drops_nothing(check: str) -> None:
    columns = [name for name in rows.MEASURE if name == check or name.startswith(f"{check}_")]
    assert columns
    row = measured(**dict.fromkeys(columns, 0.0))
    assert decide(row, Filter.model_validate({check: {"min": None}}))["status"] == "kept"
    assert decide(row, Filter.model_validate({check: {"min": 0.1}}))["reason"] == check


@pytest.mark.parametrize("check", ["leftover", "untranslated"])
def test_a_kept_span_is_not_left_over(check: str) -> None:
    row = measured(**{f"{check}_instruction": 0.1})
    assert decide(row)["reason"] == check
    assert decide(row | {"policy": "keep-span"})["status"] == "kept"
