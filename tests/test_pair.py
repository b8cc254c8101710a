"""Layouts: rendering, its inverse, and the stage that joins pivot and target."""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from plugdata import languages, pair
from plugdata.errors import ContractError, LanguageError
from plugdata.pair import LAYOUTS, SPACE, LayoutName, PairLayout, Parts
from plugdata.rows import PAIR, TRANSLATE

CODES = list(languages.table())
FEW = ["en", "ko", "zh", "fr", "ar"]  # for properties: few enough that a drawn label often is one of the pair's

PLUG_KO = """\
English instruction:
Name a fruit.

English response:
An apple.

한국어 응답:
사과입니다."""
PARTS = Parts("Name a fruit.", "An apple.", "사과입니다.")

languages_of_a_pair = st.lists(st.sampled_from(FEW), min_size=2, max_size=2, unique=True)
hostile_text = st.lists(
    st.one_of(
        st.sampled_from([languages.get(code).instruction_label for code in FEW]),
        st.sampled_from([languages.get(code).response_label for code in FEW]),
        st.sampled_from(["\n", "\n\n", "\r\n", "\r", "\u2028", "\x85", "\x1c", " ", "\u3000", "\u200b", "\ufeff", ":"]),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    ),
    max_size=8,
).map("".join)
bare_text = hostile_text.map(lambda text: text.strip(SPACE))


def opens_a_line(text: str, found: tuple[str, ...]) -> bool:
    return any(line.startswith(label) for line in text.split("\n") for label in found)


# --- the layouts themselves


@pytest.mark.parametrize(
    ("layout", "target", "line"),
    [
        ("plug", "zh", "Please interpret the instruction in English, and then respond both in English and in Chinese."),
        ("plug", "ko", "Please interpret the instruction in English, and then respond both in English and in Korean."),
        ("mono", "zh", "Please respond to the following user message in Chinese."),
    ],
)
def test_system_line_is_the_one_released_with_plug(layout: LayoutName, target: str, line: str) -> None:
    assert pair.system_line(layout, "en", target) == line


def test_system_line_of_another_pivot_swaps_the_names() -> None:
    line = "Please interpret the instruction in Spanish, and then respond both in Spanish and in Italian."
    assert pair.system_line("plug", "es", "it") == line


def test_labels_are_the_pivots_two_and_the_targets_response() -> None:
    assert pair.labels("plug", "en", "ko") == ("English instruction:", "English response:", "한국어 응답:")
    assert pair.labels("plug", "ko", "en") == ("한국어 지시문:", "한국어 응답:", "English response:")
    assert pair.labels("mono", "en", "ko") == ()


def test_every_layout_has_a_template_of_its_own_and_is_one_that_a_recipe_may_ask_for() -> None:
    assert [layout.template for layout in LAYOUTS.values()] == [f"{name}-v1" for name in LAYOUTS]
    assert set(LAYOUTS) == {*get_args(PairLayout), "prompt"}


EN, KO = "Name a fruit.", "과일 하나를 말해 보세요."
AS_KO = "Please respond to the following user message in Korean."


@pytest.mark.parametrize(
    ("layout", "system", "user", "assistant"),
    [
        (
            "plug-target-first",
            "Please respond in Korean, and then interpret the instruction and respond in English.",
            KO,
            "한국어 응답:\n사과입니다.\n\nEnglish instruction:\nName a fruit.\n\nEnglish response:\nAn apple.",
        ),
        (
            "plug-no-instruction",
            "Please respond both in English and in Korean.",
            KO,
            "English response:\nAn apple.\n\n한국어 응답:\n사과입니다.",
        ),
        (
            "plug-no-response",
            "Please interpret the instruction in English, and then respond in Korean.",
            KO,
            "English instruction:\nName a fruit.\n\n한국어 응답:\n사과입니다.",
        ),
        ("mono", AS_KO, KO, "사과입니다."),
        ("pivot", "", EN, "An apple."),
        ("code-switch", AS_KO, EN, "사과입니다."),
        ("code-switch-reverse", "Please respond to the following user message in English.", KO, "An apple."),
        ("translate-instruction", "Please translate the following user message into Korean.", EN, KO),
        ("translate-response", "Please translate the following user message into Korean.", "An apple.", "사과입니다."),
        ("x-instruct", AS_KO, EN, "사과입니다."),
        ("prompt", "", KO, None),
    ],
)
def test_the_turns_of_each_layout(layout: LayoutName, system: str, user: str, assistant: str | None) -> None:
    turns = [("system", system), ("user", user), ("assistant", assistant)]
    expected = [{"role": role, "content": content} for role, content in turns if content]
    assert pair.messages(PARTS._replace(instruction=KO), layout, "en", "ko") == expected


# --- render and extract


def test_each_part_stands_below_its_label_with_a_blank_line_between() -> None:
    assert pair.render(PARTS, "plug", "en", "ko") == PLUG_KO


def test_mono_is_the_bare_response() -> None:
    assert pair.render(PARTS, "mono", "en", "ko") == "사과입니다."
    assert pair.extract(PLUG_KO, "mono", "en", "ko") == Parts("", "", PLUG_KO)


def test_messages_are_system_then_target_instruction_then_rendered_parts() -> None:
    assert pair.messages(PARTS._replace(instruction="과일 하나를 말해 보세요."), "plug", "en", "ko") == [
        {"role": "system", "content": pair.system_line("plug", "en", "ko")},
        {"role": "user", "content": "과일 하나를 말해 보세요."},
        {"role": "assistant", "content": PLUG_KO},
    ]


def only(parts: Parts, layout: LayoutName) -> Parts:
    """What the answer of a layout holds of a pair."""
    held = {part.field for part in LAYOUTS[layout].parts}
    return Parts(*(text if field in held else "" for field, text in parts._asdict().items()))


@given(languages_of_a_pair, st.sampled_from(sorted(LAYOUTS)), *[bare_text] * 4)
def test_extract_gives_back_what_was_rendered_unless_a_line_starts_with_a_label(
    pair_of: list[str],
    layout: LayoutName,
    pivot_instruction: str,
    pivot_response: str,
    response: str,
    instruction: str,
) -> None:
    pivot, target = pair_of
    parts = only(Parts(pivot_instruction, pivot_response, response, instruction), layout)
    assume(not any(opens_a_line(text, pair.labels(layout, pivot, target)) for text in parts))
    assert pair.extract(pair.render(parts, layout, pivot, target), layout, pivot, target) == parts


@given(languages_of_a_pair, st.sampled_from(sorted(LAYOUTS)), *[hostile_text] * 4)
def test_the_turns_of_a_column_are_the_messages_of_each_row(
    pair_of: list[str],
    layout: LayoutName,
    instruction: str,
    pivot_instruction: str,
    pivot_response: str,
    response: str,
) -> None:
    pairs = [Parts(pivot_instruction, pivot_response, response, instruction), PARTS]
    rows = pl.DataFrame([parts._asdict() for parts in pairs])
    turns = rows.select(pair.turns(layout, *pair_of)).to_series().to_list()
    assert turns == [pair.messages(parts, layout, *pair_of) for parts in pairs]


@pytest.mark.parametrize("pivot", CODES)
def test_every_pair_of_languages_renders_and_extracts(pivot: str) -> None:
    for target in CODES:
        if languages.get(target).response_label != languages.get(pivot).response_label:
            text = pair.render(PARTS, "plug", pivot, target)
            assert pair.extract(text, "plug", pivot, target) == PARTS, target


@pytest.mark.parametrize(
    "text",
    [
        "English instruction: Name a fruit.\nEnglish response: An apple.\n한국어 응답: 사과입니다.",
        PLUG_KO.replace("\n", "\r\n") + "\r\n",
        "\n\n" + PLUG_KO.replace("\n\n", "\n\n\n\n") + "\n\n",
        "Of course!\n\n" + PLUG_KO,
    ],
    ids=["on the label's own line", "other line ends", "more blank lines", "words before the first label"],
)
def test_extract_reads_what_models_write(text: str) -> None:
    assert pair.extract(text, "plug", "en", "ko") == PARTS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "사과입니다.",
        PLUG_KO.replace("English instruction:\n", ""),
        PLUG_KO.replace("English response:", "English answer:"),
        PLUG_KO.partition("한국어")[0],
        PLUG_KO + "\n\n한국어 응답:\n배입니다.",
        "English response:\nAn apple.\n\nEnglish instruction:\nName a fruit.\n\n한국어 응답:\n사과입니다.",
        PLUG_KO.replace("English response:", " English response:"),
    ],
    ids=["empty", "bare", "no first", "no second", "cut short", "doubled", "out of order", "label after a blank"],
)
def test_extract_gives_none_for_a_missing_doubled_or_misplaced_label(text: str) -> None:
    assert pair.extract(text, "plug", "en", "ko") is None


def test_label_inside_a_line_is_text() -> None:
    parts = Parts("Write 'English response:' twice.", "- English response: English response:", "한국어 응답 : 예")
    assert pair.extract(pair.render(parts, "plug", "en", "ko"), "plug", "en", "ko") == parts


def test_label_of_a_third_language_is_text() -> None:
    parts = Parts("Name a fruit.", "Risposta in italiano:\nuna mela", "사과")
    assert pair.extract(pair.render(parts, "plug", "en", "ko"), "plug", "en", "ko") == parts


def test_shape_of_a_part_survives() -> None:
    parts = Parts("Copy:\n\n\n    indented", "| a | b |\n|---|---|\n\n\n```\n\tcode\n```", "1. 하나\n\n\n2. 둘")
    assert pair.extract(pair.render(parts, "plug", "en", "ko"), "plug", "en", "ko") == parts


# --- pairs of languages that cannot stand in one text


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_a_language_is_no_pair_with_itself(layout: LayoutName) -> None:
    with pytest.raises(LanguageError, match="pivot and target are both 'ko'"):
        pair.system_line(layout, "ko", "ko")
    with pytest.raises(LanguageError):
        pair.render(PARTS, layout, "ko", "ko")
    with pytest.raises(LanguageError):
        pair.apply(frame(row(lang="ko")), "ko")


def test_a_locale_is_no_pair_with_a_language_of_the_same_labels() -> None:
    with pytest.raises(LanguageError, match="'pt-PT' and 'pt' cannot be paired"):
        pair.labels("plug", "pt-PT", "pt")


def test_unknown_language_is_named() -> None:
    with pytest.raises(LanguageError, match="unknown language 'xx'"):
        pair.labels("plug", "en", "xx")


@pytest.fixture
def clashing_labels(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A table in which Danish answers under a label that begins like the Norwegian one's."""
    table = dict(languages.table())
    table["da"] = replace(table["da"], response_label=table["no"].response_label + " (dansk)")
    monkeypatch.setattr(languages, "table", lambda: table)
    yield
    pair.layouts.check.cache_clear()


def test_languages_whose_labels_clash_are_refused(clashing_labels: None) -> None:
    pair.layouts.check.cache_clear()
    with pytest.raises(LanguageError, match="'no' and 'da' cannot be paired: the label 'Svar på norsk:'"):
        pair.labels("plug", "no", "da")


def test_a_prompt_is_the_users_turn_alone() -> None:
    nothing = Parts("Name a fruit.", "", "", " 과일?\n")
    assert pair.messages(nothing, "prompt", "en", "ko") == [{"role": "user", "content": "과일?"}]
    assert pair.layouts_json(["prompt"], "en", ["ko"]) == {
        "prompt-v1": {
            "layout": "prompt",
            "pivot": "en",
            "user": "instruction",
            "parts": [],
            "languages": {"ko": {"system": "", "labels": []}},
        }
    }


# --- layouts.json


def test_layouts_json_is_enough_to_extract_without_this_module() -> None:
    published = json.loads(json.dumps(pair.layouts_json(LAYOUTS, "en", ["ko", "zh"])))
    assert list(published) == [layout.template for layout in LAYOUTS.values()]
    texts = PARTS._replace(instruction=KO)
    for layout, told in zip(LAYOUTS, published.values(), strict=True):
        assert told["layout"] == layout and told["pivot"] == "en" and list(told["languages"]) == ["ko", "zh"]
        turns = {turn["role"]: turn["content"] for turn in pair.messages(texts, layout, "en", "ko")}
        assert turns.get("system", "") == told["languages"]["ko"]["system"]
        assert turns["user"] == getattr(texts, told["user"])
        found, answer = told["languages"]["ko"]["labels"], turns.get("assistant", "")
        if found:
            _, *pieces = re.split("(?m)^(" + "|".join(map(re.escape, found)) + ")", answer)
            assert pieces[::2] == found
            answers = [text.strip() for text in pieces[1::2]]
        else:
            answers = [answer] * len(told["parts"])
        assert answers == [getattr(texts, field) for field in told["parts"]]


# --- fold


def test_space_is_what_python_calls_space() -> None:
    assert set(SPACE) == {char for char in map(chr, range(sys.maxunicode + 1)) if char.isspace()}


@pytest.mark.parametrize(
    ("instruction", "input", "folded"),
    [
        (" Sort these.\n", "\n b, a ", "Sort these.\n\nb, a"),
        ("Sort these.", "", "Sort these."),
        ("Sort these.", " \n", "Sort these."),
        ("Sort these.", None, "Sort these."),
        ("", "b, a", "b, a"),
        ("", "", ""),
    ],
)
def test_input_is_folded_below_the_instruction(instruction: str, input: str | None, folded: str) -> None:
    assert pair.fold(instruction, input) == folded
    assert pair.apply(frame(row(instruction=instruction, input=input)), "en")["pivot_instruction"][0] == folded


# --- the stage


def row(**values: Any) -> dict[str, Any]:
    """A kept row of contract TRANSLATE."""
    return {
        **dict.fromkeys(TRANSLATE),
        "id": "b2:1",
        "ordinal": 0,
        "source": "demo",
        "source_id": "0",
        "license": "cc0-1.0",
        "instruction": "Sort these.",
        "input": "b, a",
        "response": "a, b",
        "lang": "ko",
        "target_instruction": "정렬하세요.",
        "target_input": "나, 가",
        "target_response": "가, 나",
        "model": "demo",
        "prompt": "translate-v1",
        "n_calls": 1,
        "status": "kept",
        "reasons": [],
        **values,
    }


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=TRANSLATE)


def test_rows_come_out_as_pairs() -> None:
    pairs = pair.apply(frame(row(policy="keep-span")), "en")
    assert dict(pairs.schema) == PAIR
    assert pairs.row(0, named=True) == {
        "id": "b2:1",
        "ordinal": 0,
        "source": "demo",
        "source_id": "0",
        "license": "cc0-1.0",
        "lang": "ko",
        "pivot_lang": "en",
        "source_instruction": None,
        "source_response": None,
        "task_class": None,
        "pivot_instruction": "Sort these.\n\nb, a",
        "pivot_response": "a, b",
        "instruction": "정렬하세요.\n\n나, 가",
        "response": "가, 나",
        "model": "demo",
        "prompt": "translate-v1",
        "policy": "keep-span",
        "kept_id": None,
        "status": "kept",
        "stage": None,
        "reason": None,
        "reasons": [],
        "detail": None,
    }


def test_order_is_kept_over_languages() -> None:
    codes = ["ko", "zh", "ko", "ar", "zh"]
    pairs = pair.apply(frame(*(row(id=f"b2:{i}", lang=code) for i, code in enumerate(codes))), "en")
    assert pairs["id"].to_list() == [f"b2:{i}" for i in range(5)]
    assert pairs["lang"].to_list() == codes


def test_no_rows_give_no_pairs() -> None:
    pairs = pair.apply(frame(), "en")
    assert pairs.height == 0 and dict(pairs.schema) == PAIR


def test_lacking_column_is_named() -> None:
    with pytest.raises(ContractError, match="'target_response'"):
        pair.apply(frame(row()).drop("target_response"), "en")


@pytest.mark.parametrize(
    ("field", "column"),
    [
        ("instruction", "pivot_instruction"),
        ("input", "pivot_instruction"),
        ("response", "pivot_response"),
        ("target_instruction", "instruction"),
        ("target_input", "instruction"),
        ("target_response", "response"),
    ],
)
@pytest.mark.parametrize("label", pair.labels("plug", "en", "ko"))
def test_row_is_quarantined_when_a_line_of_any_text_starts_with_a_label(field: str, column: str, label: str) -> None:
    pairs = pair.apply(frame(row(**{field: f"one\n{label} two"}), row(id="b2:2")), "en")
    assert pairs.select("status", "stage", "reason", "reasons", "detail").rows() == [
        ("quarantined", "pair", "label-collision", ["label-collision"], f"{column}: a line starts with '{label}'"),
        ("kept", None, None, [], None),
    ]


def test_label_at_an_edge_collides_once_the_edge_is_bare() -> None:
    pairs = pair.apply(frame(row(response="\u3000 English response: a")), "en")
    assert pairs["reason"].to_list() == ["label-collision"]


def test_label_inside_a_line_or_of_another_language_does_not_collide() -> None:
    texts = row(response="see 'English response:'", target_response="中文回复\N{FULLWIDTH COLON}\n 한국어 응답: 나")
    assert pair.apply(frame(texts), "en")["status"].to_list() == ["kept"]


def test_collision_is_judged_by_the_rows_own_language() -> None:
    text = {"target_response": "中文回复\N{FULLWIDTH COLON}好"}
    pairs = pair.apply(frame(row(**text, lang="ko"), row(**text, lang="zh")), "en")
    assert pairs["status"].to_list() == ["kept", "quarantined"]


def test_row_that_is_not_kept_is_carried_with_the_texts_it_has() -> None:
    verdict = {
        "status": "dropped",
        "stage": "screen",
        "reason": "duplicate-exact",
        "reasons": ["duplicate-exact"],
        "detail": "as b2:0",
        "kept_id": "b2:0",
    }
    untranslated = dict.fromkeys(["target_instruction", "target_input", "target_response", "model", "prompt"])
    pairs = pair.apply(frame(row(**verdict, **untranslated, response="English response: x")), "en")
    assert pairs.select(verdict.keys()).row(0, named=True) == verdict
    texts = pairs.select("pivot_instruction", "pivot_response", "instruction", "response").row(0)
    assert texts == ("Sort these.\n\nb, a", "English response: x", None, None)


@pytest.mark.parametrize("nothing", ["", " \n", None])
def test_a_row_without_responses_is_kept_with_null_for_both(nothing: str | None) -> None:
    pairs = pair.apply(frame(row(response=nothing, target_response=nothing), row(target_response="\n")), "en")
    assert pairs["status"].to_list() == ["kept", "kept"]
    assert pairs.select("pivot_response", "response").rows() == [(None, None), ("a, b", "")]


@given(languages_of_a_pair, *[hostile_text] * 6)
def test_kept_rows_survive_every_layout_and_quarantined_ones_hold_a_label(
    pair_of: list[str],
    instruction: str,
    input: str,
    response: str,
    to_instruction: str,
    to_input: str,
    to_response: str,
) -> None:
    pivot, target = pair_of
    texts = {"instruction": instruction, "input": input, "response": response}
    translated = {"target_instruction": to_instruction, "target_input": to_input, "target_response": to_response}
    out = pair.apply(frame(row(**texts, **translated, lang=target)), pivot).row(0, named=True)
    assert out["pivot_instruction"] == pair.fold(instruction, input)
    assert out["instruction"] == pair.fold(to_instruction, to_input)
    fields = ("pivot_instruction", "pivot_response", "response")
    assert out["pivot_response"] == (response.strip(SPACE) or None)
    stripped = to_response.strip(SPACE)
    assert out["response"] == (stripped if out["pivot_response"] else stripped or None)
    collides = any(opens_a_line(out[f] or "", pair.labels("plug", pivot, target)) for f in (*fields, "instruction"))
    assert out["status"] == ("quarantined" if collides else "kept")
    if not collides:
        parts = Parts(*(out[field] or "" for field in fields))
        parts = parts._replace(instruction=out["instruction"])
        for layout in LAYOUTS:
            assert pair.extract(pair.render(parts, layout, pivot, target), layout, pivot, target) == only(parts, layout)


# --- docs/layouts.md


def test_the_page_on_layouts_tells_each_as_the_code_has_it() -> None:
    page = (Path(__file__).parents[1] / "docs/layouts.md").read_text(encoding="utf-8")
    told = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("|")]
    assert [row for row in told[2:]] == [
        [name, of.system or "–", of.user, "`, `".join(part.field for part in of.parts)]
        for name, of in LAYOUTS.items()
        if name != "prompt"
    ]
