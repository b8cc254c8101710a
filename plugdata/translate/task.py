"""The translation of one row as a state machine: `next(row, answers so far)` → the next request, or the outcome.

Settings and languages are bound once (`translator`), so that what is asked depends on the row and its answers
alone. Knows no endpoint and no ledger.

An answer that is not believed is asked for again, up to `repair` times a row:

    cut short (length)      the same request with twice the room. The cut answer is not shown: it was on its way to
                            being right. One that loops gets no more room
    content filter,         never again: the text itself is at fault
      context length
    all else, tags          the answer as the assistant's turn, then a last user message that names the fault and
                            carries each text once more (the wire contract). Where the answer has no text, or loops,
                            that message stands in place of the first one instead: an empty turn is refused by some
                            providers, two user turns in a row by some templates, and a loop that is shown goes on
    all else, plain         the fault is named in the system message, for the last one holds nothing but the text. The
                            answer is not shown: models that need this protocol would copy it
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from plugdata import prompts
from plugdata.languages import Language
from plugdata.recipe import Translate
from plugdata.rows import Reason, Status
from plugdata.translate import verify
from plugdata.translate.protocols import SEGMENTS, edges, parse_tags, render_tags, tag_suffix
from plugdata.wire import LENGTH, THINKING_ENDS, Answer, Message, Request, Result, Task

STAGE = "translate"
PROMPTS = {"tags": "translate-tags-v1", "plain": "translate-plain-v1"}
"""The template of each protocol."""
REPAIRS = {"tags": "repair-tags-v1", "plain": "repair-plain-v1"}
"""The template by which each protocol names a fault."""

_ROOM = ("max_tokens", "max_completion_tokens")
"""The parameters that bound an answer. A request without either gets the first, which all servers that have a small
default of their own know."""


@dataclass(frozen=True)
class Outcome:
    """What the translation of a row came to: texts by segment name, or the reason why there are none."""

    texts: Mapping[str, str]
    reason: Reason | None = None
    detail: str | None = None

    @property
    def status(self) -> Status:
        if self.reason is None:
            return Status.KEPT
        return Status.FAILED if self.reason is Reason.CALL_FAILED else Status.QUARANTINED


@dataclass(frozen=True)
class _Errand:
    """Texts of a row that one answer translates: what is asked first, and how the answer's text is taken apart."""

    texts: Mapping[str, str]
    first: Request
    read: Callable[[str], dict[str, str] | str]  # the segments, or in words what is wrong with the tags


def translator(source: Language, target: Language, settings: Translate, params: Mapping[str, Any]) -> Task[Outcome]:
    """The task that translates a row's instruction, input and response from one language into another.

    `params` are the model's sampling parameters. The row needs the columns instruction, input, response.
    """
    prompt = PROMPTS[settings.protocol]
    tags = settings.protocol == "tags"
    system = prompts.template(prompt).substitute(
        source_name=source.name, target_name=target.name, target_code=target.code
    )
    shots = list(zip(prompts.examples(source.code), prompts.examples(target.code), strict=False))[: settings.examples]
    worked = [(_sent(asked._asdict()), _sent(answered._asdict())) for asked, answered in shots]

    def ask(turns: Sequence[tuple[str, str]], text: str) -> Request:
        earlier = [
            Message(role, said) for turn in turns for role, said in zip(("user", "assistant"), turn, strict=True)
        ]
        messages = (Message("system", system), *earlier, Message("user", text))
        return Request(messages, params, prompt, STAGE, target.code)

    def errands(texts: Mapping[str, str]) -> list[_Errand]:
        if tags:
            suffix = tag_suffix(texts)
            first = ask([(render_tags(a, ""), render_tags(b, "")) for a, b in worked], render_tags(texts, suffix))
            return [_Errand(texts, first, lambda said: parse_tags(said, tuple(texts), suffix))]
        turns = [(a[name], b[name]) for a, b in worked for name in a]
        return [_plain(name, text, ask(turns, text)) for name, text in texts.items()]

    def judge(errand: _Errand, answer: Answer) -> tuple[dict[str, str], verify.Fault | None]:
        """What an answer says, and why it is not believed."""
        if fault := verify.whole(answer, errand.texts, proven=tags):
            return {}, fault
        said = errand.read(_text(answer, errand.texts))
        if isinstance(said, str):
            return {}, (Reason.BAD_TAGS, said)
        return said, verify.segments(errand.texts, said)

    def repair(first: Request, latest: Request, answer: Answer, fault: verify.Fault, nth: int) -> Request | None:
        """The request to make in place of one whose answer is not believed, if there is any."""
        reason, detail = fault
        if reason in verify.FINAL:
            return None
        if answer.finish_reason == LENGTH:
            return None if reason is Reason.LOOP else _with_more_room(latest, answer)
        *before, last = first.messages
        # no brackets: the last message holds each tag once
        words = {"nth": nth, "fault": detail.translate({ord("<"): '"', ord(">"): '"'}), "target_name": target.name}
        named = prompts.template(REPAIRS[settings.protocol]).substitute(words, record=last.content)
        if not tags:
            messages = (Message("system", f"{before[0].content}\n\n{named}"), *first.messages[1:])
        elif reason is Reason.LOOP or not answer.text.strip():
            messages = (*before, Message("user", named))
        else:
            messages = (*first.messages, Message("assistant", answer.text), Message("user", named))
        return replace(latest, messages=messages, prompt=REPAIRS[settings.protocol])

    def next_step(row: Mapping[str, Any], answers: Sequence[Answer]) -> Request | Result[Outcome]:
        texts = _sent(row)
        come = iter(answers)
        translated: dict[str, str] = {}
        repairs = 0
        for errand in errands(texts):
            request, nth = errand.first, 1
            while True:
                if (answer := next(come, None)) is None:
                    return request
                said, fault = judge(errand, answer)
                if fault is None:
                    translated |= said
                    break
                again = repair(errand.first, request, answer, fault, nth) if repairs < settings.repair else None
                if again is None:
                    tried = f"; repairs tried: {repairs}" if repairs else ""
                    return Result(Outcome({**translated, **said}, fault[0], fault[1] + tried))
                request, nth, repairs = again, nth + 1, repairs + 1
        return Result(Outcome({name: _edged(row[name] or "", translated.get(name, "")) for name in SEGMENTS}))

    return next_step


def _sent(texts: Mapping[str, Any]) -> dict[str, str]:
    """The texts of a row that have something to translate, edge white space off, in order."""
    return {name: core for name in SEGMENTS if (core := edges(texts[name] or "")[1])}


def _edged(source: str, text: str) -> str:
    """A translation with the source's edge white space put back."""
    before, _, after = edges(source)
    return before + text + after


def _plain(name: str, text: str, first: Request) -> _Errand:
    return _Errand({name: text}, first, lambda said: {name: said.strip()})


def _text(answer: Answer, texts: Mapping[str, str]) -> str:
    """The answer's text. Where a source speaks of </think> and the answer seems not to, it was no model's thinking."""
    of_the_source = any(THINKING_ENDS in text for text in texts.values())
    if of_the_source and THINKING_ENDS in answer.thinking and THINKING_ENDS not in answer.text:
        return answer.thinking + answer.text
    return answer.text


def _with_more_room(request: Request, answer: Answer) -> Request | None:
    """The request with twice the room its answer had, if that is known."""
    room = {name: n for name in _ROOM if isinstance(n := request.params.get(name), int) and n > 0}
    if not room and answer.completion_tokens:
        room = {next((name for name in _ROOM if name in request.params), _ROOM[0]): answer.completion_tokens}
    return replace(request, params={**request.params, **{name: 2 * n for name, n in room.items()}}) if room else None
