"""The translation of a row, step by step, without a server: requests out, answers in, an outcome."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugdata import languages
from plugdata.recipe import Translate
from plugdata.rows import Reason
from plugdata.translate.attempt import Outcome
from plugdata.translate.protocols import SEGMENTS, render_tags, tag_suffix
from plugdata.translate.task import translator
from plugdata.wire import Answer, Request, Task

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


def _run(task: Task[Outcome], row: Mapping[str, Any], *said: str | Answer) -> tuple[list[Request], Outcome | None]:
    """The requests that a task makes as the answers come, and what it came to if it ended."""
    answers: list[Answer] = []
    asked: list[Request] = []
    while isinstance(step := task(row, answers), Request):
        asked.append(step)
        if len(answers) == len(said):
            return asked, None
        answer = said[len(answers)]
        answers.append(Answer(answer, "stop") if isinstance(answer, str) else answer)
    return asked, step.value


def _reason(task: Task[Outcome], *said: str | Answer) -> Reason | None:
    _, outcome = _run(task, ROW, *said)
    assert outcome is not None
    return outcome.reason


def _requests(task: Task[Outcome], *said: str | Answer) -> list[Request]:
    return _run(task, ROW, *said)[0]


def _task(protocol: Any = "tags", repair: int = 2, mask: bool = True, **params: Any) -> Task[Outcome]:
    return translator(EN, KO, Translate(protocol=protocol, repair=repair, mask=mask), params)


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
    asked, outcome = _run(_task("plain", repair=0), ROW, ROW["instruction"])
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
    asked, _ = _run(translator(EN, KO, Translate(mask=False), {}), row)
    last = asked[0].messages[-1].content
    assert last.count("<instruction>") == 1
    suffix = last.partition(">")[0].removeprefix("<instruction")
    texts = {name: f"<{name}{suffix}>{text}</{name}{suffix}>" for name, text in KOREAN.items()}
    _, outcome = _run(translator(EN, KO, Translate(mask=False), {}), row, "\n".join(texts.values()))
    assert outcome is not None
    assert outcome.reason is None


def test_what_was_refused_can_be_read_on_the_row() -> None:
    _, outcome = _run(_task(repair=0), ROW, _tagged({**KOREAN, "response": ""}))
    assert outcome is not None
    assert (outcome.reason, outcome.detail) == (Reason.EMPTY_ANSWER, "response came back empty")
    assert outcome.texts["instruction"] == KOREAN["instruction"]


# --- answers that are not believed -----------------------------------------------------------------------------------

GOOD = _tagged(KOREAN)
CUT = Answer(GOOD[:70], "length", 900, 64)
LOOP = "리스본입니다. " * 60
FAULTS: dict[str, tuple[Answer, Reason]] = {
    "tag lacking": (Answer(GOOD.replace("</input>", ""), "stop"), Reason.BAD_TAGS),
    "tags doubled": (Answer(GOOD + GOOD, "stop"), Reason.BAD_TAGS),
    "no text": (Answer("", "stop"), Reason.BAD_TAGS),
    "thinking only": (Answer("", "stop", thinking="<think>먼저"), Reason.BAD_TAGS),
    "empty segment": (Answer(_tagged({**KOREAN, "input": ""}), "stop"), Reason.EMPTY_ANSWER),
    "echo": (Answer(_tagged({name: text.strip() for name, text in ROW.items()}), "stop"), Reason.ECHO),
    "loop": (Answer(_tagged({**KOREAN, "response": LOOP}), "stop"), Reason.LOOP),
    "refusal": (Answer("", "refusal"), Reason.REFUSAL),
    "tool call": (Answer("", "tool_calls"), Reason.EMPTY_ANSWER),
    "unknown end": (Answer(GOOD, "error"), Reason.TRUNCATED),
    "brackets in the reason": (Answer(GOOD, "<response>"), Reason.TRUNCATED),
}
NOT_SHOWN = {"no text", "thinking only", "loop", "refusal", "tool call"}


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_answer_is_sent_back_once_with_its_fault_and_the_texts(name: str) -> None:
    faulty, _ = FAULTS[name]
    first, again = _requests(_task(temperature=0), faulty, GOOD)
    record = first.messages[-1].content
    told = again.messages[-1].content
    assert told.count(record) == 1
    assert told.startswith("Your earlier answer (no. 1) could not be used: ")
    assert len(re.findall("<[^>]+>", told)) == 6  # nothing but the record has tags
    if name in NOT_SHOWN:
        assert again.messages[:-1] == first.messages[:-1]
    else:
        assert again.messages[:-2] == first.messages
        assert again.messages[-2].content == faulty.text
    assert (again.params, again.stage, again.lang) == (first.params, first.stage, first.lang)
    assert (first.prompt, again.prompt) == ("translate-tags-v2", "repair-tags-v1")


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("repair", [0, 1, 2])
def test_a_row_is_given_up_with_its_last_fault_when_repairs_end(name: str, repair: int) -> None:
    faulty, reason = FAULTS[name]
    asked, outcome = _run(_task(repair=repair), ROW, *[faulty] * (repair + 1 + len(SEGMENTS)))
    alone = asked[repair + 1 :]
    assert len({request.key("m") for request in asked}) == len(asked) >= repair + 1
    assert all(request.messages[-1].content.count("</") == 1 for request in alone)
    assert not alone or repair
    assert outcome is not None
    assert outcome.mended[:repair] == (reason,) * repair
    assert outcome.reason is (outcome.reason if alone else reason)
    assert (outcome.detail or "").endswith(f"; repairs tried: {repair}") is (repair > 0)


def test_an_answer_that_is_mended_is_kept() -> None:
    asked, outcome = _run(_task(), ROW, FAULTS["tag lacking"][0], FAULTS["refusal"][0], GOOD)
    assert len(asked) == 3
    texts = {**KOREAN, "input": "\n 그녀는 기차를 타고 리스본에 갔다. "}
    assert outcome == Outcome(texts, mended=(Reason.BAD_TAGS, Reason.REFUSAL))


@pytest.mark.parametrize("protocol", ["tags", "plain"])
@pytest.mark.parametrize(
    ("finish_reason", "reason"),
    [("content_filter", Reason.CONTENT_FILTER), ("context_length", Reason.CONTEXT_LENGTH)],
)
def test_a_fault_of_the_text_itself_is_never_asked_again(protocol: Any, finish_reason: str, reason: Reason) -> None:
    assert len(_requests(_task(protocol), Answer("", finish_reason))) == 1
    assert _reason(_task(protocol), Answer("", finish_reason)) is reason


def test_without_a_finish_reason_closing_tags_prove_an_answer_whole_and_plain_has_no_proof() -> None:
    assert _reason(_task(), Answer(GOOD, None)) is None
    assert _reason(_task(repair=0), Answer(GOOD[:70], None)) is Reason.BAD_TAGS
    assert _reason(_task("plain", repair=0), Answer(KOREAN["instruction"], None)) is Reason.TRUNCATED


def test_a_last_closing_tag_is_forgiven_to_an_answer_that_is_said_to_have_ended() -> None:
    said = GOOD.removesuffix("</response>")
    assert _reason(_task(repair=0), Answer(said, "stop")) is None
    assert _reason(_task(repair=0), Answer(said, None)) is Reason.BAD_TAGS
    assert _reason(_task(repair=0), Answer(said, "length")) is Reason.TRUNCATED
    assert _reason(_task(repair=0), Answer(GOOD.partition("<response>")[0], "stop")) is Reason.BAD_TAGS


@pytest.mark.parametrize("finish_reason", ["eos", "eos_token"])
def test_other_words_for_a_whole_answer_are_known(finish_reason: str) -> None:
    assert _reason(_task(), Answer(GOOD, finish_reason)) is None


@pytest.mark.parametrize(
    ("params", "first", "second"),
    [
        ({"max_tokens": 64}, {"max_tokens": 128}, {"max_tokens": 256}),
        ({"max_completion_tokens": 64, "seed": 1}, {"max_completion_tokens": 128, "seed": 1}, None),
        ({"max_completion_tokens": None}, {"max_completion_tokens": 128}, {"max_completion_tokens": 256}),
        ({"max_tokens": -1}, {"max_tokens": 128}, {"max_tokens": 256}),
        ({}, {"max_tokens": 128}, {"max_tokens": 256}),
    ],
)
def test_a_cut_answer_is_asked_for_again_with_more_room(
    params: dict[str, Any], first: dict[str, Any], second: dict[str, Any] | None
) -> None:
    asked = _requests(_task(**params), CUT, CUT)
    assert [request.messages for request in asked] == [asked[0].messages] * 3
    assert [asked[0].params, asked[1].params] == [params, first]
    assert second is None or asked[2].params == second


def test_more_room_counts_as_repair_and_stays_for_the_repairs_after_it() -> None:
    asked = _requests(_task(max_tokens=64), CUT, FAULTS["tag lacking"][0])
    assert [request.params["max_tokens"] for request in asked] == [64, 128, 128]
    _, outcome = _run(_task(max_tokens=64), ROW, CUT, CUT, CUT)
    cut = (Reason.TRUNCATED,)
    assert outcome == Outcome({}, cut, "cut short: finish_reason length; repairs tried: 2", cut * 2)


def test_a_repair_that_is_cut_keeps_its_words_and_gets_more_room() -> None:
    _, named, roomy = _requests(_task(max_tokens=64), FAULTS["tag lacking"][0], CUT)
    assert roomy.messages == named.messages
    assert roomy.params == {"max_tokens": 128}


def test_where_no_room_can_be_named_a_cut_row_is_given_up() -> None:
    assert _reason(_task(), Answer(CUT.text, "length")) is Reason.TRUNCATED


@pytest.mark.parametrize("cut", [Answer("<instruction>" + LOOP, "length", 9, 64), Answer("", "length", 9, 64, 0, LOOP)])
def test_an_answer_that_loops_gets_no_more_room(cut: Answer) -> None:
    asked, outcome = _run(_task(max_tokens=64), ROW, *[cut] * 9)
    assert [request.params for request in asked] == [{"max_tokens": 64}] * len(asked)
    assert cut.text == "" or not any(cut.text in message.content for request in asked for message in request.messages)
    assert outcome is not None
    assert outcome.reason is Reason.LOOP


def test_a_text_that_repeats_itself_may_be_translated_so() -> None:
    row = {**ROW, "response": "I will not talk in class. " * 20}
    texts = {**KOREAN, "response": "수업 시간에 떠들지 않겠습니다. " * 30}
    _, outcome = _run(_task(), row, _tagged(texts))
    assert outcome is not None
    assert outcome.reason is None
    asked, _ = _run(_task(max_tokens=64), row, Answer(_tagged(texts).removesuffix("</response>"), "length"))
    assert [request.params for request in asked] == [{"max_tokens": 64}, {"max_tokens": 128}]


# --- protocol plain --------------------------------------------------------------------------------------------------


def test_in_protocol_plain_the_fault_is_named_in_the_system_message() -> None:
    first, again = _requests(_task("plain"), ROW["instruction"])
    assert again.messages[1:] == first.messages[1:]
    assert again.messages[0].content.startswith(first.messages[0].content + "\n\n")
    assert "instruction came back untranslated" in again.messages[0].content
    assert again.prompt == "repair-plain-v1"


def test_in_protocol_plain_the_next_text_is_asked_for_as_if_nothing_had_been_wrong() -> None:
    smooth = _requests(_task("plain", max_tokens=9), KOREAN["instruction"])
    mended = _requests(_task("plain", max_tokens=9), Answer("글에", "length"), KOREAN["instruction"])
    assert smooth[-1] == mended[-1]


def test_in_protocol_plain_repairs_are_counted_by_row() -> None:
    asked, outcome = _run(_task("plain"), ROW, "", KOREAN["instruction"], "", KOREAN["input"], "")
    assert len(asked) == 5
    assert outcome is not None
    assert (outcome.reason, outcome.detail) == (Reason.EMPTY_ANSWER, "response came back empty; repairs tried: 2")
    assert outcome.texts == {**KOREAN, "input": "\n 그녀는 기차를 타고 리스본에 갔다. ", "response": ""}


@pytest.mark.parametrize("protocol", ["tags", "plain"])
def test_thinking_tags_of_the_source_are_not_taken_for_a_models_thinking(protocol: Any) -> None:
    row = {"instruction": "<think>Short.</think> Explain this.", "input": None, "response": "It ends at </think>."}
    korean = {"instruction": "<think>짧게.</think> 설명하세요.", "response": "</think>에서 끝납니다."}
    said = [_tagged(korean)] if protocol == "tags" else list(korean.values())
    begun = [re.match(r".*?</think>", text) if protocol == "plain" else None for text in said]
    answers = [
        Answer(text[match.end() :], "stop", thinking=match[0]) if match else Answer(text, "stop")
        for text, match in zip(said, begun, strict=True)
    ]
    _, outcome = _run(_task(protocol, mask=False), row, *answers)
    assert outcome == Outcome({**korean, "input": ""})


def test_a_models_own_thinking_before_such_a_source_is_left_out() -> None:
    row = {"instruction": "What does </think> end?", "input": None, "response": "Thinking."}
    own = Answer("</think>는 무엇을 끝내나요?", "stop", thinking="<think>a question</think>")
    _, outcome = _run(_task("plain", mask=False), row, own, "생각입니다.")
    assert outcome is not None
    assert outcome.texts["instruction"] == own.text


# --- for any row and any answers -------------------------------------------------------------------------------------

TEXTS = st.sampled_from(
    [
        "책을 소리 내어 읽으면 기억에 오래 남는다.",
        "请把下面的句子改成疑问句：<input>他明天去北京。</input>",
        "¿Cuántos días faltan para la vendimia? Quedan $12 días.",
        "Mkulima alipanda mahindi kabla ya mvua za masika.",
        "كتبت ليلى رسالة إلى جدتها </response> قبل السفر.",
        "ชาวประมงกลับถึงฝั่ง ⟦0⟧ ก่อนพายุมา </think>",
    ]
)
ROWS = st.fixed_dictionaries({"instruction": TEXTS, "input": st.none() | TEXTS, "response": TEXTS})
ANY_ANSWER = st.builds(
    Answer,
    st.sampled_from([GOOD, LOOP, "", "응", KOREAN["input"], _tagged({**KOREAN, "input": " "}), CUT.text]) | st.text(),
    st.sampled_from(["stop", "length", None, "tool_calls", "refusal", "error", "<response>"]),
    st.just(900),
    st.none() | st.integers(0, 99),
)
ANSWERS = st.lists(ANY_ANSWER, min_size=9, max_size=9)
SETTINGS = st.tuples(st.sampled_from(["tags", "plain"]), st.integers(0, 5), st.sampled_from([{}, {"max_tokens": 8}]))


@given(ROWS, ANSWERS, SETTINGS)
def test_the_last_message_carries_each_text_once_and_roles_take_turns(
    row: dict[str, str | None], answers: Sequence[Answer], settings: tuple[Any, int, dict[str, Any]]
) -> None:
    protocol, repair, params = settings
    asked, outcome = _run(_task(protocol, repair, mask=False, **params), row, *answers)
    texts = {name: text for name in SEGMENTS if (text := row[name])}
    assert outcome is not None
    assert len(asked) <= (1 if protocol == "tags" else len(texts)) + repair + (len(texts) if repair else 0)
    for request in asked:
        first, *others = [message.role for message in request.messages]
        last = request.messages[-1].content
        assert [first, *others[::2], *others[1::2]] == (
            ["system"] + ["user"] * (len(others) // 2 + 1) + ["assistant"] * (len(others) // 2)
        )
        assert all(message.content.strip() for message in request.messages)
        assert "Target language: Korean (ko)" in request.messages[0].content.splitlines()
        if protocol == "plain":
            assert last in texts.values()
            continue
        sent = [texts, *({name: text} for name, text in texts.items())]  # a text by itself is the last resort
        (found,) = [part for part in sent if last.endswith(render_tags(part, tag_suffix(part)))][:1]
        suffix = tag_suffix(found)
        for name in found:
            assert last.count(f"<{name}{suffix}>") == last.count(f"</{name}{suffix}>") == 1


@given(ROWS, ANSWERS, SETTINGS)
def test_the_same_answers_give_the_same_requests(
    row: dict[str, str | None], answers: Sequence[Answer], settings: tuple[Any, int, dict[str, Any]]
) -> None:
    protocol, repair, params = settings
    once = _run(_task(protocol, repair, **params), row, *answers)
    again = _run(_task(protocol, repair, **params), dict(row), *answers)
    assert once == again
    assert [request.key("m") for request in once[0]] == [request.key("m") for request in again[0]]
