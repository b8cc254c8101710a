"""The translation of a row, step by step, without a server: requests out, answers in, an outcome."""

from collections.abc import Mapping
from typing import Any

import pytest

from plugdata import languages
from plugdata.recipe import Translate
from plugdata.rows import Reason
from plugdata.translate.task import Outcome, translator
from plugdata.wire import Answer, Request, Result, Task

EN, KO = languages.get("en"), languages.get("ko")
ROW = {
    "instruction": "Name the city in the text.",
    "input": "\n She took the train to Lisbon. ",
    "response": "It is Lisbon.",
}
KOREAN = {
    "instruction": "글에 나오는 도시를 말하세요.",
    "input": "그녀는 기차를 타고 리스본에 갔다.",
    "response": "리스본입니다.",
}


def _run(task: Task[Outcome], row: Mapping[str, Any], *texts: str) -> tuple[list[Request], Outcome | None]:
    """The requests that a task makes as the answers come, and what it came to if it ended."""
    answers: list[Answer] = []
    asked: list[Request] = []
    while isinstance(step := task(row, answers), Request):
        asked.append(step)
        if len(answers) == len(texts):
            return asked, None
        answers.append(Answer(texts[len(answers)], "stop"))
    return asked, step.value


def _tagged(texts: Mapping[str, str]) -> str:
    return "\n".join(f"<{name}>{text}</{name}>" for name, text in texts.items())


def test_the_texts_of_a_row_travel_together_and_only_in_the_last_message() -> None:
    asked, outcome = _run(translator(EN, KO, Translate(), {}), ROW, _tagged(KOREAN))
    assert len(asked) == 1
    system, *examples, last = asked[0].messages
    assert "Target language: Korean (ko)" in system.content.splitlines()
    assert [message.role for message in examples] == ["user", "assistant"] * 2
    assert last.content == (
        "<instruction>\nName the city in the text.\n</instruction>\n"
        "<input>\nShe took the train to Lisbon.\n</input>\n<response>\nIt is Lisbon.\n</response>"
    )
    assert not any("Lisbon" in message.content for message in (system, *examples))
    assert outcome is not None
    assert outcome.texts == {**KOREAN, "input": "\n 그녀는 기차를 타고 리스본에 갔다. "}  # the source's edges are back


def test_protocol_plain_sends_one_text_a_call_and_nothing_but_it() -> None:
    asked, outcome = _run(translator(EN, KO, Translate(protocol="plain"), {}), ROW, *KOREAN.values())
    assert [request.messages[-1].content for request in asked] == [text.strip() for text in ROW.values()]
    assert outcome is not None
    assert outcome.reason is None


def test_protocol_plain_asks_no_more_once_the_row_is_lost() -> None:
    asked, outcome = _run(translator(EN, KO, Translate(protocol="plain"), {}), ROW, ROW["instruction"])
    assert len(asked) == 1
    assert outcome is not None
    assert outcome.reason is Reason.ECHO


@pytest.mark.parametrize("protocol", ["tags", "plain"])
def test_an_empty_input_is_not_sent_and_stays_empty(protocol: Any) -> None:
    row = {**ROW, "input": " "}
    korean = {name: text for name, text in KOREAN.items() if name != "input"}
    texts = [_tagged(korean)] if protocol == "tags" else list(korean.values())
    asked, outcome = _run(translator(EN, KO, Translate(protocol=protocol), {}), row, *texts)
    assert len(asked) == len(texts)
    assert outcome is not None
    assert outcome.texts["input"] == " "


def test_a_request_depends_on_row_and_settings_alone() -> None:
    first = translator(EN, KO, Translate(), {"temperature": 0})(ROW, [])
    again = translator(EN, KO, Translate(retries=1), {"temperature": 0})(dict(ROW, id="other"), [])
    warmer = translator(EN, KO, Translate(), {"temperature": 1})(ROW, [])
    assert isinstance(first, Request) and isinstance(again, Request) and isinstance(warmer, Request)
    assert first.key("m") == again.key("m")
    assert len({first.key("m"), first.key("n"), warmer.key("m")}) == 3


def test_a_text_that_holds_our_tags_gets_tags_of_its_own() -> None:
    row = {**ROW, "instruction": "What does <instruction>x</instruction> mean in XML?"}
    asked, _ = _run(translator(EN, KO, Translate(), {}), row)
    last = asked[0].messages[-1].content
    assert last.count("<instruction>") == 1
    suffix = last.partition(">")[0].removeprefix("<instruction")
    texts = {name: f"<{name}{suffix}>{text}</{name}{suffix}>" for name, text in KOREAN.items()}
    _, outcome = _run(translator(EN, KO, Translate(), {}), row, "\n".join(texts.values()))
    assert outcome is not None
    assert outcome.reason is None


@pytest.mark.parametrize("finish_reason", ["length", None, "tool_calls"])
def test_an_answer_that_did_not_end_by_itself_is_not_believed(finish_reason: str | None) -> None:
    step = translator(EN, KO, Translate(), {})(ROW, [Answer(_tagged(KOREAN), finish_reason)])
    assert isinstance(step, Result)
    assert step.value.reason is Reason.TRUNCATED


def test_what_was_refused_can_be_read_on_the_row() -> None:
    _, outcome = _run(translator(EN, KO, Translate(), {}), ROW, _tagged({**KOREAN, "response": ""}))
    assert outcome is not None
    assert (outcome.reason, outcome.detail) == (Reason.EMPTY_ANSWER, "response came back empty")
    assert outcome.texts["instruction"] == KOREAN["instruction"]
