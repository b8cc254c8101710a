"""What a row's texts become on the wire, and back."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plugdata import languages
from plugdata.translate.protocols import (
    PAPER_MARKERS,
    PROTOCOLS,
    SEGMENTS,
    edges,
    parse_json,
    parse_paper,
    parse_tags,
    render_tags,
    tag_suffix,
)
from plugdata.translate.record import Unit, assembled, loads, record

EN, KO = languages.get("en"), languages.get("ko")

PIECES = [
    *(f"<{slash}{name}{suffix}>" for slash in ("", "/") for name in SEGMENTS for suffix in ("", "-00ff", "-")),
    *PAPER_MARKERS.values(),
    *(
        "⟦0⟧",
        "⟦1⟧",
        "⟦",
        "⟧",
        "〚0〛",
        "```",
        "`",
        "~~~\n",
        '"',
        '\\"',
        "\\u0041",
        "\\ud800",
        "{",
        "}",
        '{"instruction": "x"}',
    ),
    *("<think>", "</think>", "$$", "\\(", "%s", "{name}", "http://a.b", "\n", "\n\n", "\u2028", "\x85", "\0", "\t"),
    *(
        "שלום",
        "مرحبا",
        "\u202e",
        "\u200f",
        "\u2066",
        "e\u0301",
        "\u0301",
        "क्‍ष",
        "ไทย",
        "中文。",
        "한국어",
        "🏳️‍🌈",
        "\ufeff",
    ),
]
HOSTILE = st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=6).map("".join)


def _bare(texts: dict[str, str]) -> dict[str, str]:
    return {name: core for name in SEGMENTS if (core := texts.get(name, "").strip())}


TEXTS = st.dictionaries(st.sampled_from(SEGMENTS), HOSTILE, min_size=1).map(_bare).filter(bool)
PAPER_TEXTS = TEXTS.map(lambda texts: {name: text for name, text in texts.items() if name != "input"}).filter(
    lambda texts: texts and not any(marker in text for marker in PAPER_MARKERS.values() for text in texts.values())
)


@pytest.mark.parametrize("protocol", ["tags", "json_schema"])
@given(TEXTS)
def test_parse_gives_back_what_render_wrote(protocol: str, texts: dict[str, str]) -> None:
    render, parse = PROTOCOLS[protocol].render, PROTOCOLS[protocol].parse
    suffix = tag_suffix(texts)
    assert parse(render(texts, suffix), tuple(texts), suffix) == texts


@given(PAPER_TEXTS)
def test_the_papers_form_gives_back_texts_that_hold_none_of_its_markers(texts: dict[str, str]) -> None:
    protocol = PROTOCOLS["plug-paper"]
    assert protocol.parse(protocol.render(texts, ""), tuple(texts), "") == texts


@given(TEXTS)
def test_plain_is_the_text_itself(texts: dict[str, str]) -> None:
    protocol = PROTOCOLS["plain"]
    for name, text in texts.items():
        assert protocol.parse(protocol.render({name: text}, ""), (name,), "") == {name: text}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(HOSTILE, HOSTILE, HOSTILE)
@example("What do <|user|> and <|assistant|> mean?", "", "<|assistant|> opens an answer.")
def test_a_row_that_is_sent_and_comes_back_unchanged_is_the_row(
    protocol: str, instruction: str, input: str, response: str
) -> None:
    sent = record(
        instruction,
        "" if protocol == "plug-paper" else input,
        response,
        masked=True,
        comments=False,
        split_chars=6_000,
        keep=None,
    )
    assert sent.units is not None
    used = PROTOCOLS[protocol]
    said: dict[Unit, str] = {}
    for part in loads(sent.units, 6_000, together=used.together):
        texts = {unit.name: unit.text for unit in part}
        suffix = tag_suffix(texts)
        parsed = used.parse(used.render(texts, suffix), tuple(texts), suffix)
        assert parsed == texts
        said |= {unit: texts[unit.name] for unit in part}
    back = assembled(sent, said, EN, KO)
    assert back["instruction"] == instruction
    assert back["response"] == response


@given(TEXTS)
def test_each_text_stands_in_the_message_once_between_its_own_tags(texts: dict[str, str]) -> None:
    suffix = tag_suffix(texts)
    message = render_tags(texts, suffix)
    assert all(message.count(f"<{name}{suffix}>") == message.count(f"</{name}{suffix}>") == 1 for name in texts)


@given(st.text())
def test_edges_join_to_the_text(text: str) -> None:
    before, core, after = edges(text)
    assert before + core + after == text
    assert core == text.strip()


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("<instruction>하나</instruction>", "no <response> in the answer"),
        ("<response>둘</response><instruction>하나</instruction>", "out of order"),
        ("<instruction>하나</instruction><response>둘</response><response>셋</response>", "doubled"),
        ("<instruction>하나</instruction><response>둘", "no </response>"),
        ("", "no <instruction>"),
        ("<instruction>하나 <input>x</input></instruction><response>둘</response>", "<input> inside <instruction>"),
    ],
)
def test_an_answer_with_other_tags_is_told_in_words(answer: str, fault: str) -> None:
    said = parse_tags(answer, ("instruction", "response"), "")
    assert isinstance(said, str)
    assert fault in said


def test_a_tag_that_was_not_asked_for_is_passed_over() -> None:
    answer = "<instruction>하나</instruction>\n<input></input>\n<response>둘</response>"
    assert parse_tags(answer, ("instruction", "response"), "") == {"instruction": "하나", "response": "둘"}


def test_tags_of_another_suffix_are_text() -> None:
    answer = "<instruction-00ff>a <response>b</response></instruction-00ff>"
    assert parse_tags(answer, ("instruction",), "-00ff") == {"instruction": "a <response>b</response>"}


# --- json_schema -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("", "no JSON object"),
        ("No.", "no JSON object"),
        ('{"instruction": "하나"', "not a JSON object"),
        ('{"instruction": "하나"}', "'response' is missing"),
        ('{"instruction": "하나", "response": "둘", "input": ""}', "'input' is not one asked for"),
        ('{"instruction": "하나", "response": ["둘"]}', "'response' is not a text"),
        ('{"instruction": "하나", "response": null}', "'response' is not a text"),
        ('{"instruction": "하나", "response": "둘"} {"instruction": "셋", "response": "넷"}', "not a JSON object"),
        ("[" * 100_000, "no JSON object"),
        ('{"a":' * 100_000 + "}", "not a JSON object"),
    ],
)
def test_an_answer_that_is_not_the_object_asked_for_is_told_in_words(answer: str, fault: str) -> None:
    said = parse_json(answer, ("instruction", "response"), "")
    assert isinstance(said, str)
    assert fault in said


@pytest.mark.parametrize(
    "answer",
    [
        '```json\n{"response": "둘", "instruction": "하나"}\n```',
        'Sure!\n{"instruction": " 하나\\n", "response": "둘"}\nAnything else?',
        '{"instruction": "\\ud558\\ub098", "response": "둘"}',
    ],
)
def test_what_stands_around_the_object_and_how_it_is_spelt_does_not_matter(answer: str) -> None:
    assert parse_json(answer, ("instruction", "response"), "") == {"instruction": "하나", "response": "둘"}


def test_line_breaks_that_a_model_left_raw_in_its_json_are_read() -> None:
    assert parse_json('{"response": "하나\n둘"}', ("response",), "") == {"response": "하나\n둘"}


@pytest.mark.parametrize("spelt", ["\\ud83d", "\\ude00", "\\ude00\\ud83d"])
def test_half_a_surrogate_becomes_a_character_that_can_be_written(spelt: str) -> None:
    said = parse_json(f'{{"response": "둘 {spelt}!"}}', ("response",), "")
    assert isinstance(said, dict)
    assert "\ufffd" in said["response"].encode("utf-8").decode("utf-8")


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert parse_json('{"response": "\\ud83d\\ude00"}', ("response",), "") == {"response": "😀"}


@given(TEXTS)
def test_the_form_asked_for_is_the_form_that_is_sent(texts: dict[str, str]) -> None:
    protocol = PROTOCOLS["json_schema"]
    schema: Any = protocol.params(tuple(texts))["response_format"]["json_schema"]
    sent = json.loads(protocol.render(texts, ""))
    assert schema["strict"] is True
    assert list(schema["schema"]["properties"]) == schema["schema"]["required"] == list(sent) == list(texts)
    assert schema["schema"]["additionalProperties"] is False


# --- plug-paper ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("하나", "none"),
        ("<|user|> 하나", "<|user|>"),
        ("<|assistant|> 둘 <|user|> 하나", "<|assistant|> <|user|>"),
        ("<|user|> 하나 <|assistant|> 둘 <|assistant|> 셋", "<|user|> <|assistant|> <|assistant|>"),
    ],
)
def test_markers_lacking_doubled_or_out_of_order_are_told(answer: str, fault: str) -> None:
    said = parse_paper(answer, ("instruction", "response"), "")
    assert said == f"markers lacking, doubled or out of order: {fault}"


def test_words_before_the_first_marker_are_passed_over() -> None:
    answer = "번역:\n<|user|> 하나\n\n<|assistant|>둘\n"
    assert parse_paper(answer, ("instruction", "response"), "") == {"instruction": "하나", "response": "둘"}
