"""Answers in the shapes that providers give them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugdata.wire import REFUSAL, Answer, read_answer

TRANSLATED = "Treni linaondoka saa mbili asubuhi."


def _body(message: dict[str, Any], finish_reason: Any = "stop", usage: Any = None) -> str:
    return json.dumps({"choices": [{"message": message, "finish_reason": finish_reason}], "usage": usage})


def _read(text: Any, finish_reason: Any = "stop") -> Answer:
    return read_answer(_body({"role": "assistant", "content": text}, finish_reason))


@pytest.mark.parametrize(
    "said",
    [
        f"<think>The train… 'treni'.</think>\n\n{TRANSLATED}",
        f"\n<think>\n\n</think>\n\n{TRANSLATED}",
        f"<thinking>Two o'clock in Swahili time.</thinking>{TRANSLATED}",
        f"<reasoning>a <think> b</think> c</reasoning>{TRANSLATED}",
        f"I need the Swahili for train.\n</think>\n\n{TRANSLATED}",
        f"</think>{TRANSLATED}",
        [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": TRANSLATED}],
        [{"type": "reasoning", "text": "hm"}, {"text": TRANSLATED[:9]}, {"text": TRANSLATED[9:]}],
    ],
)
def test_thinking_before_the_answer_is_no_part_of_it(said: Any) -> None:
    assert _read(said).text.strip() == TRANSLATED


@pytest.mark.parametrize(
    "said",
    [
        f"{TRANSLATED} <think>x</think> y",
        "Lebo <think> hufungua mawazo, na </think> huyafunga.",
        "<thinker>Rodin</thinker>",
        "a </thinking> b </reasoning> c",
    ],
)
def test_thinking_tags_elsewhere_are_text(said: str) -> None:
    assert _read(said) == Answer(said, "stop")


@pytest.mark.parametrize("finish_reason", ["length", "stop"])
def test_thinking_without_an_end_leaves_no_text(finish_reason: str) -> None:
    answer = _read("<think>First the verb, then", finish_reason)
    assert (answer.text, answer.finish_reason) == ("", finish_reason)


@given(st.text(), st.sampled_from(["", "<think>", "<reasoning>", "</think>"]), st.text())
def test_nothing_that_was_said_is_lost(before: str, tag: str, after: str) -> None:
    answer = _read(before + tag + after)
    assert answer.thinking + answer.text == before + tag + after


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_thinking_in_a_field_of_its_own_is_passed_over(name: str) -> None:
    assert read_answer(_body({"content": TRANSLATED, name: "hm"})) == Answer(TRANSLATED, "stop")


@pytest.mark.parametrize("content", [None, "", "\n", []])
def test_a_refusal_has_no_text(content: Any) -> None:
    assert read_answer(_body({"content": content, "refusal": "I cannot do that."})) == Answer("", REFUSAL)


@pytest.mark.parametrize("refusal", [None, ""])
def test_an_empty_refusal_field_is_none(refusal: Any) -> None:
    assert read_answer(_body({"content": TRANSLATED, "refusal": refusal})) == Answer(TRANSLATED, "stop")


def test_a_tool_call_has_no_text() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "translate", "arguments": "{}"}}
    assert read_answer(_body({"content": None, "tool_calls": [call]}, "tool_calls")) == Answer("", "tool_calls")


@pytest.mark.parametrize(
    "body", [_body({"content": "x"}, None), json.dumps({"choices": [{"message": {"content": "x"}}]})]
)
def test_a_finish_reason_that_is_not_given_is_none(body: str) -> None:
    assert read_answer(body) == Answer("x", None)


@pytest.mark.parametrize(
    ("usage", "cached"),
    [
        ({"prompt_tokens_details": {"cached_tokens": 1024}}, 1024),
        ({"prompt_tokens_details": {"cached_tokens": 0}, "prompt_cache_hit_tokens": 7}, 0),
        ({"prompt_tokens_details": None, "prompt_cache_hit_tokens": 64}, 64),
        ({"cache_read_input_tokens": 12}, 12),
        ({"prompt_tokens_details": {"cached_tokens": -1}}, None),
        ({"prompt_tokens_details": {"cached_tokens": "many"}}, None),
        ({}, None),
        ([], None),
        (None, None),
    ],
)
def test_cached_tokens_are_read_in_every_spelling(usage: Any, cached: int | None) -> None:
    assert read_answer(_body({"content": "x"}, usage=usage)).cached_tokens == cached


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("<think>"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "text", "x"]), inner),
    max_leaves=6,
)
FIELDS = ("content", "refusal", "tool_calls", "reasoning_content")


@given(st.dictionaries(st.sampled_from(FIELDS), JSON), JSON, st.dictionaries(st.just("prompt_tokens_details"), JSON))
def test_whatever_stands_in_the_fields_an_answer_is_well_typed(
    message: dict[str, Any], finish_reason: Any, usage: dict[str, Any]
) -> None:
    answer = read_answer(_body(message, finish_reason, usage))
    assert isinstance(answer.text, str) and isinstance(answer.thinking, str)
    assert answer.finish_reason is None or isinstance(answer.finish_reason, str)
    assert answer.cached_tokens is None or answer.cached_tokens >= 0
    answer.text.encode()


def test_parts_nested_deeply_are_no_text() -> None:
    nested: Any = "x"
    for _ in range(400):
        nested = [{"text": nested}]
    assert _read(nested).text == ""
