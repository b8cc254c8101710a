"""Steps of a row besides its translation: what a model thinks, which class it names, and who is asked again."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from plugdata import languages
from plugdata.calls.ledger.entries import Stored, now
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.pool import Ask, Member, advance, order
from plugdata.recipe import Model, Route, Translate
from plugdata.rows import Reason, Status
from plugdata.translate.attempt import Outcome
from plugdata.translate.protocols import PROTOCOLS
from plugdata.translate.task import ROUTE_STAGE, translator
from plugdata.wire import Answer, Request, Result, Task, read_answer
from tests import asking
from tests.test_long_texts import loudly, rendered, texts_of, walk

ledger = asking.ledger

ROW = {
    "id": "b2:1",
    "instruction": "Name the city in the text.",
    "input": "She took the train to Lisbon.",
    "response": "It is Lisbon, by the sea.",
}


def _task(to: str = "ko", route: Any = "rules", **settings: Any) -> Task[Outcome]:
    source, target = languages.get("en"), languages.get(to)
    return translator(source, target, Translate(**settings), {}, route=Route.model_validate(route))


def _body(content: str | None, **more: Any) -> str:
    message = {"role": "assistant", "content": content, **more}
    return json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})


# --- a model that thinks ---------------------------------------------------------------------------------------------

THOUGHTS = [
    "Translate this. A draft: <instruction>not this</instruction> <response>nor this</response>",
    'The answer is {"instruction": "no", "input": "no", "response": "no"}.',
    "<|user|> no <|assistant|> no, not yet",
    "생각해 보자.\n\n```\n⟦0⟧\n```",
]
FORMS = ["<think>\n{}\n</think>\n\n", "<thinking>{}</thinking>", "\n<reasoning>{}</reasoning>\n", "{}\n</think>\n"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("form", FORMS)
def test_what_a_model_thinks_before_its_answer_is_no_part_of_it(protocol: Any, form: str) -> None:
    def say(request: Request) -> Answer:
        return read_answer(_body(form.format(" ".join(THOUGHTS)) + loudly(request).text))

    _, plain = walk(_task(protocol=protocol), ROW, loudly)
    _, thought = walk(_task(protocol=protocol), ROW, say)
    assert plain.reason is None
    assert thought == plain


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_thinking_in_a_field_of_its_own_is_passed_over(protocol: Any) -> None:
    def say(request: Request) -> Answer:
        return read_answer(_body(loudly(request).text, reasoning_content=" ".join(THOUGHTS)))

    assert walk(_task(protocol=protocol), ROW, say) == walk(_task(protocol=protocol), ROW, loudly)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_model_that_only_thinks_has_said_nothing_and_is_not_shown_its_thoughts(protocol: Any) -> None:
    def say(request: Request) -> Answer:
        return read_answer(_body("<think>" + " ".join(THOUGHTS)))

    asked, outcome = walk(_task(protocol=protocol, examples=0), ROW, say)
    expected = Reason.EMPTY_ANSWER if protocol == "plain" else Reason.BAD_TAGS
    assert outcome.reason is expected
    assert len(asked) > 1
    assert not any("nor this" in message.content for request in asked for message in request.messages)


# --- which class a model names ---------------------------------------------------------------------------------------


def _routing(said: str, row: Mapping[str, Any] = ROW, **settings: Any) -> tuple[list[Request], Outcome]:
    def say(request: Request) -> Answer:
        return Answer(said, "stop") if request.stage == ROUTE_STAGE else loudly(request)

    return walk(_task(route="llm", **settings), row, say)


def test_the_question_is_asked_once_for_all_languages_and_protocols() -> None:
    asked = [_routing("none", to=to, protocol=protocol)[0][0] for to in ("ko", "es-MX", "ar") for protocol in PROTOCOLS]
    assert len({request.key("m") for request in asked}) == 1
    assert {(request.stage, request.lang, request.prompt) for request in asked} == {(ROUTE_STAGE, "", "route-v1")}


@pytest.mark.parametrize("said", ["none", "None.", "I think this is about cities.", "", "codes"])
def test_a_row_of_no_class_and_a_row_whose_answer_cannot_be_read_are_ordinary(said: str) -> None:
    asked, outcome = _routing(said)
    ordinary, expected = walk(_task(), ROW, loudly)
    assert asked[1:] == ordinary
    assert outcome == expected
    assert (outcome.task_class, outcome.policy) == (None, None)


def test_a_row_of_a_class_that_is_dropped_is_not_translated() -> None:
    asked, outcome = _routing("wordplay")
    assert len(asked) == 1
    assert (outcome.status, outcome.reasons) == (Status.DROPPED, (Reason.UNTRANSLATABLE,))
    assert (outcome.task_class, outcome.policy, outcome.texts) == ("wordplay", "drop", {})
    assert outcome.detail == "wordplay: the model says so"


def test_a_row_whose_span_is_kept_is_sent_without_it() -> None:
    row = {**ROW, "instruction": "Say 'thank you' the Portuguese way.", "input": "", "response": "obrigado"}
    asked, outcome = _routing("**translation**", row)
    assert "thank you" not in asked[1].messages[-1].content
    assert "Parts of this record stay in their own language" in asked[1].messages[0].content
    assert outcome.texts["response"] == "obrigado"
    assert "thank you" in outcome.texts["instruction"]
    assert (outcome.task_class, outcome.policy) == ("translation", "keep-span")


def test_a_class_takes_the_policy_that_the_recipe_gives_it() -> None:
    def say(request: Request) -> Answer:
        return Answer("wordplay", "stop") if request.stage == ROUTE_STAGE else loudly(request)

    asked, outcome = walk(_task(route={"by": "llm", "wordplay": "translate"}), ROW, say)
    assert len(asked) == 2
    assert (outcome.reason, outcome.task_class, outcome.policy) == (None, "wordplay", "translate")


def test_a_row_that_the_rules_know_is_not_asked_about() -> None:
    row = {**ROW, "task_class": "fixed-labels", "policy": "translate"}
    asked, outcome = _routing("wordplay", row)
    assert [request.stage for request in asked] == ["translate"]
    assert outcome.task_class is None  # the row has it already


def test_the_question_is_not_put_again_where_the_translation_is() -> None:
    def say(request: Request) -> Answer:
        return Answer("fixed-labels" if request.stage == ROUTE_STAGE else "nothing", "stop")

    asked, outcome = walk(_task(route="llm", repair=2), ROW, say)
    assert [request.stage for request in asked].count(ROUTE_STAGE) == 1
    assert (outcome.reason, outcome.task_class) == (Reason.BAD_TAGS, "fixed-labels")


# --- a text by itself ------------------------------------------------------------------------------------------------

LONG = {**ROW, "response": "It is Lisbon, by the sea, where she waits until the evening for her brother."}


def _echoing(name: str, alone: bool) -> Any:
    """A translator who leaves a text as it is; also where it is asked for by itself, if `alone`."""

    def say(request: Request) -> Answer:
        texts = texts_of(request)
        left = {name} if name in texts and (alone or len(texts) > 1) else set()
        said = {one: text if one in left else text.upper() for one, text in texts.items()}
        return Answer(rendered(request, said), "stop")

    return say


@pytest.mark.parametrize("protocol", ["tags", "json_schema", "plug-paper"])
def test_a_text_that_no_repair_mends_is_asked_for_by_itself_behind_the_right_ones(protocol: Any) -> None:
    asked, outcome = walk(_task(protocol=protocol, repair=1, examples=0), LONG, _echoing("response", alone=False))
    first, again, alone = asked
    assert list(texts_of(alone)) == ["response"]
    _, said = [message for message in alone.messages[:-1] if message.role != "system"]
    assert "SHE TOOK THE TRAIN TO LISBON." in said.content
    assert LONG["response"] not in said.content
    assert (first.prompt, alone.prompt) == (PROTOCOLS[protocol].system,) * 2
    assert again.prompt == PROTOCOLS[protocol].repair
    assert outcome.mended == (Reason.ECHO, Reason.ECHO)
    assert outcome.texts["response"] == LONG["response"].upper()


def test_a_text_that_is_wrong_by_itself_too_loses_the_row() -> None:
    asked, outcome = walk(_task(repair=1), LONG, _echoing("response", alone=True))
    assert len(asked) == 3
    assert (outcome.status, outcome.reasons) == (Status.QUARANTINED, (Reason.ECHO,))
    assert outcome.detail is not None and outcome.detail.endswith("; repairs tried: 1")


def test_without_repairs_there_is_no_last_resort_either() -> None:
    asked, outcome = walk(_task(repair=0), LONG, _echoing("response", alone=False))
    assert (len(asked), outcome.reason) == (1, Reason.ECHO)


# --- asked again -----------------------------------------------------------------------------------------------------

SORRY = Answer("I'm sorry, but I can't assist with that request.", "stop")
STRONGER = {"reasons": ["refusal", "echo"], "model": {"model": "strong"}, "repair": 0}


def _by_tier(**said: Any) -> Any:
    """What the models of tier 0, 1, … say: an answer, or None for the right one."""
    return lambda request: said.get(f"tier{request.tier}") or loudly(request)


def _again(*again: Mapping[str, Any], chosen: Sequence[frozenset[str]] = (), repair: int = 0) -> Task[Outcome]:
    settings = Translate.model_validate({"repair": repair, "again": again})
    return translator(languages.get("en"), languages.get("ko"), settings, {}, again=chosen)


def test_a_row_with_the_reason_begins_anew_at_the_second_tier() -> None:
    asked, outcome = walk(_again(), ROW, _by_tier(tier0=SORRY))
    assert (len(asked), outcome.reason) == (1, Reason.REFUSAL)
    (first, second), outcome = walk(_again(STRONGER), ROW, _by_tier(tier0=SORRY))
    assert (first.tier, second.tier) == (0, 1)
    assert second.messages == first.messages
    assert outcome.reason is None


@pytest.mark.parametrize("answer", [Answer("nothing", "stop"), Answer("", "content_filter")])
def test_a_row_with_another_reason_stays_with_the_first(answer: Answer) -> None:
    asked, outcome = walk(_again(STRONGER), ROW, _by_tier(tier0=answer))
    assert [request.tier for request in asked] == [0]
    assert outcome.reason in (Reason.BAD_TAGS, Reason.CONTENT_FILTER)


def test_a_row_that_was_right_is_asked_again_only_if_it_is_named() -> None:
    assert [request.tier for request in walk(_again(STRONGER), ROW, loudly)[0]] == [0]
    named = walk(_again(STRONGER, chosen=[frozenset({"b2:1"})]), ROW, loudly)
    assert [request.tier for request in named[0]] == [0, 1]
    other = walk(_again(STRONGER, chosen=[frozenset({"b2:2"})]), ROW, loudly)
    assert [request.tier for request in other[0]] == [0]


def test_tiers_follow_each_other_as_long_as_the_reason_lasts() -> None:
    third = {**STRONGER, "model": {"model": "strongest"}}
    asked, outcome = walk(_again(STRONGER, third), ROW, _by_tier(tier0=SORRY, tier1=SORRY))
    assert [request.tier for request in asked] == [0, 1, 2]
    assert outcome.reason is None
    asked, _ = walk(_again(STRONGER, third), ROW, _by_tier(tier0=SORRY))
    assert [request.tier for request in asked] == [0, 1]


def test_without_a_model_the_same_one_gets_more_repairs_for_that_reason_alone() -> None:
    more = {"reasons": ["refusal"], "repair": 3}
    n = [len(walk(_again(*again, repair=1), ROW, lambda request: SORRY)[0]) for again in ((), (more,))]
    assert n[1] == n[0] + 3
    asked, _ = walk(_again(more, repair=1), ROW, lambda request: SORRY)
    assert {request.tier for request in asked} == {0}
    lost = [len(walk(_again(*again), ROW, lambda request: Answer("no", "stop"))[0]) for again in ((), (more,))]
    assert lost == [1, 1]


def test_a_row_that_the_last_resort_saved_gets_no_more_repairs() -> None:
    def say(request: Request) -> Answer:
        return loudly(request) if len(texts_of(request)) == 1 else Answer("no", "stop")

    asked, outcome = walk(_again(repair=1), ROW, say)
    again, same = walk(_again({"reasons": ["bad-tags"]}, repair=1), ROW, say)
    assert outcome.reason is same.reason is None
    assert [request.key("m") for request in again] == [request.key("m") for request in asked]


def test_more_repairs_come_after_a_stronger_model_has_failed_too() -> None:
    more = {"reasons": ["refusal"], "repair": 1}
    asked, outcome = walk(_again(STRONGER, more), ROW, _by_tier(tier0=SORRY))
    assert outcome.reason is None
    assert [request.tier for request in asked] == [0, 1]
    asked, _ = walk(_again(STRONGER, more), ROW, _by_tier(tier0=SORRY, tier1=SORRY))
    assert len({request.key(str(request.tier)) for request in asked}) == len(asked)
    assert [request.tier for request in asked][:3] == [0, 1, 1]


# --- who is asked ----------------------------------------------------------------------------------------------------


def _put(ledger: Ledger, ask: Ask, pool: Sequence[Member], content: str) -> None:
    by = pool[ask.member].served_as
    asyncio.run(ledger.put(Stored(ask.key, ask.request, by, _body(content), 0.1, now())))


def _asks(row: Mapping[str, Any], task: Task[Outcome], pool: Sequence[Member], ledger: Ledger) -> list[Ask]:
    step = advance(row, [task] * len(pool), order(row["id"], pool), pool, ledger, [])
    assert not isinstance(step, Result)
    return step


POOL = [Member(Model(model=name), name) for name in ("one", "two")]
TIERED = [*POOL, Member(Model(model="strong"), "strong", tier=1)]


@pytest.mark.parametrize(("repair_by", "turns"), [("next", [0, 1, 0]), ("same", [0, 0, 0])])
@pytest.mark.parametrize("row_id", ["b2:1", "b2:2", "b2:3"])
def test_a_repair_is_the_next_models_where_the_recipe_wishes(
    ledger: Ledger, row_id: str, repair_by: Any, turns: list[int]
) -> None:
    row = {**ROW, "id": row_id}
    task = _task(repair=2, repair_by=repair_by)
    places = order(row_id, POOL)
    for turn in turns:
        ask, other = _asks(row, task, POOL, ledger)
        assert (ask.member, other.member) == (places[turn], places[1 - turn])
        _put(ledger, ask, POOL, "nothing")


def test_a_row_asks_a_higher_tier_for_nothing_but_what_came_to_nothing_below(ledger: Ledger) -> None:
    asks = _asks(ROW, _again(STRONGER), TIERED, ledger)
    assert sorted(TIERED[ask.member].served_as for ask in asks) == ["one", "two"]
    _put(ledger, asks[0], TIERED, SORRY.text)
    (ask,) = _asks(ROW, _again(STRONGER), TIERED, ledger)
    assert TIERED[ask.member].served_as == "strong"
    _put(ledger, ask, TIERED, loudly(ask.request).text)
    tasks = [_again(STRONGER)] * len(TIERED)
    answers: list[tuple[int, Answer]] = []
    result = advance(ROW, tasks, order(ROW["id"], TIERED), TIERED, ledger, answers)
    assert isinstance(result, Result)
    assert result.value.reason is None
    assert [TIERED[at].served_as for at, _ in answers] == [TIERED[asks[0].member].served_as, "strong"]
