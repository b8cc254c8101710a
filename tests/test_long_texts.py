"""Rows longer than a call: asked for in parts, each with the part before it, and joined exactly; or not sent at all."""

import json
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugdata import languages
from plugdata.checks import mask
from plugdata.pair import fold
from plugdata.recipe import Translate
from plugdata.rows import Reason, Status
from plugdata.translate.attempt import Outcome
from plugdata.translate.protocols import PROTOCOLS, SEGMENTS, parse_paper, parse_tags, render_tags
from plugdata.translate.task import translator
from plugdata.wire import Answer, Request, Result, Task
from tests.test_record import LONG

Row = Mapping[str, Any]
Say = Callable[[Request], Answer]

FENCE = "```python\nfor name in names:\n    print(name)\n\n    count += 1\n```"
PARAGRAPHS = [
    "The ferry leaves the north pier before sunrise, and nobody on board speaks until the harbour is out of sight.",
    "Then the cook opens the galley and asks who wants tea. It is poured into tin cups that were made in 1931.",
    f"On the bridge the mate types a few lines:\n\n{FENCE}\n\nHe calls it his morning prayer, and shows it to guests.",
    "- ropes are coiled on the left side\n- lamps are filled at noon\n- the log is kept by `hand`, in ink",
    "Whoever wants to know more may read https://example.org/ferry, where the captain writes on Sundays.",
]
HEADER = "그대로 두세요.\n\n"
"""The end of what protocol plug-paper writes above a record."""
LONG_ROW = {
    "instruction": "Describe a morning on the ferry.",
    "input": "Mention the cook.",
    "response": "\n\n".join(PARAGRAPHS),
}


def texts_of(request: Request) -> dict[str, str]:
    """The texts that the last message asks for, by name; of protocol plain the one without a name."""
    last = request.messages[-1].content
    if names := re.findall(r"(?m)^<(instruction|input|response)>$", last):
        parsed = parse_tags(last, tuple(names), "")
        assert isinstance(parsed, dict)
        return parsed
    if "response_format" in request.params:
        return dict(json.loads(last[last.index("{") :]))
    if HEADER in last:
        record = last.rpartition(HEADER)[2]
        names = [
            name for name, marker in (("instruction", "user"), ("response", "assistant")) if f"<|{marker}|>" in record
        ]
        said = parse_paper(record, tuple(names), "")
        assert isinstance(said, dict)
        return said
    return {"": last}


def loudly(request: Request) -> Answer:
    """The answer of a translator into capitals, in the form that was asked for."""
    return Answer(rendered(request, {name: text.upper() for name, text in texts_of(request).items()}), "stop", 9, 64)


def rendered(request: Request, texts: Mapping[str, str]) -> str:
    if "" in texts:
        return texts[""]
    if "response_format" in request.params:
        return json.dumps(texts, ensure_ascii=False)
    if request.prompt.endswith("paper-v1"):
        return PROTOCOLS["plug-paper"].render(texts, "")
    return render_tags(texts, "")


def walk(task: Task[Outcome], row: Row, say: Say, most: int = 60) -> tuple[list[Request], Outcome]:
    """The requests that a row makes of somebody who answers as `say`, and what it came to."""
    answers: list[Answer] = []
    asked: list[Request] = []
    while isinstance(step := task(row, answers), Request):
        asked.append(step)
        assert len(asked) <= most
        answers.append(say(step))
    assert isinstance(step, Result)
    return asked, step.value


def task(**settings: Any) -> Task[Outcome]:
    params = settings.pop("params", {})
    return translator(languages.get("en"), languages.get("ko"), Translate(**settings), params)


def loud(text: str) -> str:
    """A text in capitals, but for what is protected."""
    masked = mask.mask(text)
    return mask.unmask(masked.text.upper(), masked.spans)


def cut(when: Callable[[str], bool], finish_reason: str = "length") -> Say:
    """A translator whose answers to some messages are cut."""

    def say(request: Request) -> Answer:
        answer = loudly(request)
        return Answer(answer.text[:40], finish_reason, 9, 64) if when(request.messages[-1].content) else answer

    return say


# --- in parts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_long_row_is_asked_for_in_parts_and_joined_exactly(protocol: Any) -> None:
    asked, outcome = walk(task(protocol=protocol, split_chars=300), LONG_ROW, loudly)
    assert len(asked) >= 3
    assert outcome.reason is None
    instruction, input = LONG_ROW["instruction"], LONG_ROW["input"]
    folded = protocol == "plug-paper"
    assert outcome.texts == {
        "instruction": loud(fold(instruction, input) if folded else instruction),
        "input": "" if folded else loud(input),
        "response": loud(LONG_ROW["response"]),
    }
    assert FENCE in outcome.texts["response"]
    for request in asked:
        assert sum(map(len, texts_of(request).values())) <= 300


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_part_before_is_an_earlier_turn_and_no_more_than_that(protocol: Any) -> None:
    asked, _ = walk(task(protocol=protocol, split_chars=300, examples=0), LONG_ROW, loudly)
    heads = {tuple(message for message in request.messages if message.role == "system") for request in asked}
    assert len(heads) == 1
    for before, request in pairwise(asked):
        turns = [message for message in request.messages[:-1] if message.role != "system"]
        if protocol == "plain" and len(turns) == 0:
            continue  # another text begins
        assert [turn.role for turn in turns] == ["user", "assistant"]
        assert turns[0].content == before.messages[-1].content.rpartition(HEADER)[2]
        said = {name: text.upper() for name, text in texts_of(before).items()}
        assert turns[1].content == (said.get("") or PROTOCOLS[protocol].render(said, ""))
    n_alone = sum(len([m for m in request.messages if m.role != "system"]) == 1 for request in asked)
    assert n_alone == (3 if protocol == "plain" else 1)


def test_a_row_within_the_bound_is_asked_for_whole() -> None:
    asked, _ = walk(task(), LONG_ROW, loudly)
    assert len(asked) == 1


def _ciphered(text: str) -> str:
    """Each letter as a Cyrillic one: nothing of the source's is left to look like an echo."""
    return re.sub(r"[^\W\d_]", lambda letter: chr(0x430 + ord(letter[0]) % 32), text)


def _cipher(request: Request) -> Answer:
    last = request.messages[-1].content
    _, dash, digits = last[: last.index(">")].partition("-")
    tail = dash + digits
    names = tuple(name for name in SEGMENTS if f"<{name}{tail}>\n" in last)
    texts = parse_tags(last, names, tail)
    assert isinstance(texts, dict)
    return Answer(render_tags({name: _ciphered(text) for name, text in texts.items()}, tail), "stop")


@given(LONG, LONG, st.sampled_from([200, 250, 400]))
def test_any_long_row_is_joined_exactly_or_not_sent(instruction: str, response: str, split_chars: int) -> None:
    row = {"instruction": instruction, "input": None, "response": response}
    asked, outcome = walk(task(split_chars=split_chars, repair=0, examples=0), row, _cipher)
    if outcome.reason is Reason.TOO_LONG:
        assert (asked, outcome.texts) == ([], {})
    else:
        assert outcome.reason in (None, Reason.LOOP), outcome.detail
        masked = {name: mask.mask(text) for name, text in (("instruction", instruction), ("response", response))}
        expected = {name: mask.unmask(_ciphered(found.text), found.spans) for name, found in masked.items()}
        assert outcome.reason or outcome.texts == {**expected, "input": ""}


def test_neither_a_mark_nor_a_fence_is_cut() -> None:
    sent = [texts_of(request) for request in walk(task(split_chars=200), LONG_ROW, loudly)[0]]
    marks = [n for texts in sent for text in texts.values() for n in re.findall(r"⟦(\d+)⟧", text)]
    assert marks == [str(n) for n in range(len(marks))]
    assert sum(text.count("⟦") for texts in sent for text in texts.values()) == len(marks) == 3
    bare = [texts_of(request) for request in walk(task(split_chars=200, mask=False), LONG_ROW, loudly)[0]]
    assert sum(FENCE in text for texts in bare for text in texts.values()) == 1


def test_a_part_that_is_lost_loses_the_row_and_the_rest_is_not_asked_for() -> None:
    def silent(request: Request) -> Answer:
        return Answer("", "stop") if "galley" in request.messages[-1].content else loudly(request)

    whole, _ = walk(task(split_chars=300), LONG_ROW, loudly)
    asked, outcome = walk(task(split_chars=300, repair=0), LONG_ROW, silent)
    assert len(asked) < len(whole)
    assert "galley" in asked[-1].messages[-1].content
    assert (outcome.status, outcome.reason) == (Status.QUARANTINED, Reason.BAD_TAGS)


def test_an_instruction_that_was_obeyed_in_another_answer_than_the_response_is_found_in_the_end() -> None:
    row = {"instruction": "Name the three largest rivers of the valley, please.", "input": "", "response": "x" * 0}
    row["response"] = "The largest rivers of this valley are the Aller, the Bode and the Oker, in that order."
    korean = "이 골짜기에서 가장 큰 강은 차례대로 알러강, 보데강, 오커강입니다."

    asked, outcome = walk(task(protocol="plain"), row, lambda request: Answer(korean, "stop"))
    assert len(asked) == 3  # each text, and the instruction once more with the fault named
    assert "answer" in asked[-1].messages[0].content
    assert (outcome.reason, outcome.mended) == (Reason.ANSWERED, (Reason.ANSWERED,))


# --- for want of room ------------------------------------------------------------------------------------------------


def _is_long(message: str) -> bool:
    return len(message) > 400


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("repair", [0, 1, 2])
def test_an_answer_that_is_cut_again_in_more_room_is_asked_for_in_smaller_parts(protocol: Any, repair: int) -> None:
    row = {**LONG_ROW, "input": ""}
    settings = task(protocol=protocol, repair=repair, examples=0, params={"max_tokens": 50})
    asked, outcome = walk(settings, row, cut(_is_long))
    assert outcome.reason is None
    assert outcome.texts["response"] == loud(row["response"])
    rooms = [request.params["max_tokens"] for request in asked if _is_long(request.messages[-1].content)]
    assert rooms[: repair + 1] == [50 * 2**n for n in range(repair + 1)]
    assert set(outcome.mended) == {Reason.TRUNCATED}
    assert {request.params["max_tokens"] for request in asked if not _is_long(request.messages[-1].content)} == {50}


def test_where_no_room_can_be_named_a_long_text_is_cut_at_once() -> None:
    def say(request: Request) -> Answer:
        full = loudly(request)
        return Answer(full.text[:40], "length") if _is_long(request.messages[-1].content) else full

    asked, outcome = walk(task(), LONG_ROW, say)
    assert outcome.reason is None
    assert len({request.key("m") for request in asked}) == len(asked)
    assert outcome.texts["response"] == loud(LONG_ROW["response"])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_text_beyond_the_models_context_is_cut_in_two_without_a_repair(protocol: Any) -> None:
    asked, outcome = walk(task(protocol=protocol, repair=0, examples=0), LONG_ROW, cut(_is_long, "context_length"))
    assert outcome.reason is None
    assert outcome.texts["response"] == loud(LONG_ROW["response"])
    assert set(outcome.mended) == {Reason.CONTEXT_LENGTH}
    assert all(request.prompt == PROTOCOLS[protocol].system for request in asked)


def test_a_short_text_is_not_cut_for_want_of_room() -> None:
    row = {"instruction": "Name the cook.", "input": "", "response": "Her name is Ada, and she makes the tea."}
    _, outcome = walk(task(repair=1), row, cut(lambda message: True))
    assert (outcome.reason, outcome.detail) == (Reason.TRUNCATED, "cut short: finish_reason length; repairs tried: 1")
    asked, outcome = walk(task(), row, cut(lambda message: True, "context_length"))
    assert (len(asked), outcome.reason) == (1, Reason.CONTEXT_LENGTH)


def test_an_endpoint_that_cuts_every_answer_is_given_up_on_in_the_end() -> None:
    _, outcome = walk(task(params={"max_tokens": 9}), LONG_ROW, cut(lambda message: True))
    assert outcome.reason is Reason.TRUNCATED


# --- too long --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("text", ["z" * 400, "<p>" + "word" * 100 + "</p>", "a-b_" * 100])
def test_a_text_that_cannot_be_cut_is_quarantined_and_nothing_is_sent(protocol: Any, text: str) -> None:
    row = {"instruction": "Read this aloud.", "input": None, "response": text}
    asked, outcome = walk(task(protocol=protocol, split_chars=200, mask=False), row, loudly)
    assert asked == []
    assert (outcome.status, outcome.reasons) == (Status.QUARANTINED, (Reason.TOO_LONG,))
    assert outcome.detail == "no place to cut a text at 200 characters"
    assert outcome.texts == {}


def test_what_is_masked_counts_as_short_as_it_is_sent() -> None:
    row = {"instruction": "Explain this.", "input": "", "response": "See https://example.org/" + "x" * 5_000}
    asked, outcome = walk(task(split_chars=200), row, loudly)
    assert (len(asked), outcome.reason) == (1, None)
    assert outcome.texts["response"] == "SEE https://example.org/" + "x" * 5_000
