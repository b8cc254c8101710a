"""The translation of one row as a state machine: `next(row, answers so far)` → the next request, or the outcome.

Settings and languages are bound once (`translator`), so that what is asked depends on the row and its answers alone.
Knows no endpoint and no ledger. It is written as a generator that yields requests and is sent answers; what a row sends
stands in record.py, how in protocols.py and ask.py, what is believed in verify.py.

An answer that is not believed is asked for again, up to `repair` times a row:

    cut short (length)      the same request with twice the room. The cut answer is not shown: it was on its way to
                            being right. One that loops gets no more room. Where no room is left, or the text is
                            longer than the model's context, the text is cut in two, which counts as no repair
    content filter          never again: the text itself is at fault
    all else                with the fault named, see ask.py; after the last repair the texts that are at fault once
                            more, each by itself

A row that comes to nothing may be asked for again (`again`, written by `plugdata retry`): by the same model, with more
repairs; or from the beginning by another one, whose requests are of a higher `tier` (calls/pool.py).
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from plugdata.checks import lid, mask
from plugdata.languages import Language
from plugdata.pair import fold
from plugdata.recipe import Route, Translate
from plugdata.rows import Reason, Status
from plugdata.translate import route as routes
from plugdata.translate import verify
from plugdata.translate.ask import Asking, Turn
from plugdata.translate.glossary import Glossary
from plugdata.translate.protocols import SEGMENTS
from plugdata.translate.record import Record, Unit, assembled, halves, joined, loads, record
from plugdata.translate.route.asking import PROMPT
from plugdata.wire import LENGTH, STOP, THINKING_ENDS, Answer, Message, Request, Result, Task

ROUTE_STAGE = "route"
"""Of the questions which class a row is, whose answers serve all languages."""


@dataclass(frozen=True)
class Outcome:
    """What the translation of a row came to: texts by segment name, or the reasons why they are not believed.

    `mended`: the reason of each faulty answer on the way. `task_class`, `policy`: as a model named them (route: llm);
    None where the rules or nobody did.
    """

    texts: Mapping[str, str]
    reasons: tuple[Reason, ...] = ()
    detail: str | None = None
    mended: tuple[Reason, ...] = ()
    task_class: str | None = None
    policy: str | None = None

    @property
    def reason(self) -> Reason | None:
        """The first of the reasons."""
        return self.reasons[0] if self.reasons else None

    @property
    def status(self) -> Status:
        match self.reason:
            case None:
                return Status.KEPT
            case Reason.CALL_FAILED:
                return Status.FAILED
            case Reason.UNTRANSLATABLE:
                return Status.DROPPED
            case _:
                return Status.QUARANTINED


Steps = Generator[Request, Answer, Outcome]


class _Lost(Exception):
    """A row comes to nothing: an answer is not believed, and is not asked for again."""

    def __init__(self, faults: Sequence[verify.Fault], said: Mapping[Unit, str]) -> None:
        self.faults = faults
        self.said = said


def translator(
    source: Language,
    target: Language,
    settings: Translate,
    params: Mapping[str, Any],
    *,
    route: Route | None = None,
    model: Callable[[], lid.Model] | None = None,
    glossary: Glossary | None = None,
    again: Sequence[frozenset[str]] = (),
) -> Task[Outcome]:
    """The task that translates a row's instruction, input and response from one language into another.

    `params` are the model's sampling parameters. `model` gives what identifies languages, when it is
    needed first; None: answers are not judged by theirs. `again`: for each model of `settings.again`, ids of rows that
    it is asked for whatever came of them.
    The row needs the columns instruction, input, response, and may have task_class and policy (rows.SCREEN).
    """
    asking = Asking(source, target, settings, params, glossary or Glossary())
    asked = verify.Asked(source, target, model, asking.glossary, asking.example_texts)

    held: dict[int, _Begun] = {}

    def next_step(row: Mapping[str, Any], answers: Sequence[Answer]) -> Request | Result[Outcome]:
        begun = held.pop(id(row), None)
        try:
            if begun is None or not begun.leads_to(row, answers):
                steps = _steps(row, asking, asked, route or Route(), again)
                begun = _Begun(row, steps, next(steps))
            for answer in answers[len(begun.sent) :]:
                begun.request = begun.steps.send(answer)
                begun.sent.append(answer)
        except StopIteration as end:
            return Result(end.value)
        held[id(row)] = begun
        if len(held) > HELD:
            del held[next(iter(held))]
        return begun.request

    return next_step


HELD = 256
"""Rows that are held at their last step: more than a replay takes together (calls/pool.py)."""


@dataclass
class _Begun:
    """A row that was stepped through lately, where its steps stand: whoever asks for its next step with one answer
    more, as a replay does, is spared the steps before it."""

    row: Mapping[str, Any]
    steps: Steps
    request: Request
    sent: list[Answer] = field(default_factory=list)

    def leads_to(self, row: Mapping[str, Any], answers: Sequence[Answer]) -> bool:
        """Whether these are the steps of a row after the first of some answers."""
        same = all(sent is answer for sent, answer in zip(self.sent, answers, strict=False))
        return self.row is row and len(self.sent) <= len(answers) and same


def _steps(
    row: Mapping[str, Any], asking: Asking, asked: verify.Asked, route: Route, chosen: Sequence[frozenset[str]]
) -> Steps:
    """What a row asks: which class it is of, where that is for a model to say; its translation; and that once more."""
    task_class, policy = row.get("task_class"), row.get("policy")
    named: dict[str, Any] = {}
    if route.by == "llm" and task_class is None:
        system, user = routes.ask({name: row[name] or "" for name in SEGMENTS}, asking.source.name)
        messages = (Message("system", system), Message("user", user))
        said = routes.parse((yield Request(messages, asking.params, PROMPT, ROUTE_STAGE)).text)
        if said in route.policies:
            task_class, policy = said, route.policies[said]
            named = {"task_class": task_class, "policy": policy}
        if policy == "drop":
            return Outcome({}, (Reason.UNTRANSLATABLE,), f"{task_class}: the model says so", **named)
    settings = asking.settings
    if policy == "equivalent-error" and not asking.protocol.together:  # texts that do not see each other cannot agree
        policy = "keep-span"
        named = {"task_class": task_class, "policy": policy}
    sent = _record(row, settings, task_class if policy == "keep-span" else None)
    if sent.units is None:
        return Outcome({}, (Reason.TOO_LONG,), f"no place to cut a text at {settings.split_chars} characters", **named)
    attempt = _Attempt(sent, asking, asked, policy, 0, settings.repair, ())
    answered: dict[str, Answer] = {}
    outcome = yield from _asking_once(attempt.run(), answered) if settings.again else attempt.run()
    n_models = 0
    for again in settings.again:
        n_models += again.model is not None
        wanted = chosen[n_models - 1] if again.model and chosen else frozenset()
        if outcome.reason not in again.reasons and row.get("id") not in wanted:
            continue
        tier, repair, mended = attempt.tier, attempt.repair + again.repair, attempt.mended_before
        if again.model:
            tier, repair, mended = n_models, again.repair, (*attempt.mended, *outcome.reasons[:1])
        attempt = _Attempt(sent, asking, asked, policy, tier, repair, mended)
        outcome = yield from _asking_once(attempt.run(), answered)
    return replace(outcome, **named) if named else outcome


def _asking_once(steps: Steps, answered: dict[str, Answer]) -> Steps:
    """Steps of which those that were answered before, in an attempt with fewer repairs, are not asked again."""
    try:
        request = next(steps)
        while True:
            key = request.key(str(request.tier))
            if key not in answered:
                answered[key] = yield request
            request = steps.send(answered[key])
    except StopIteration as end:
        outcome: Outcome = end.value
        return outcome


def _record(row: Mapping[str, Any], settings: Translate, keep: str | None) -> Record:
    instruction, input, response = ((row[name] or "") for name in SEGMENTS)
    if settings.protocol == "plug-paper":
        instruction, input = fold(instruction, input), ""
    return record(
        instruction,
        input,
        response if settings.fields == "all" else "",
        masked=settings.mask,
        comments=settings.comments,
        split_chars=settings.split_chars,
        keep=keep,
    )


class _Attempt:
    """The translation of a record by the models of one tier: how far it is, and what it took."""

    def __init__(
        self,
        sent: Record,
        asking: Asking,
        asked: verify.Asked,
        policy: str | None,
        tier: int,
        repair: int,
        mended: Sequence[Reason],
    ) -> None:
        self.sent = sent
        self.settings = asking.settings
        self.protocol = asking.protocol
        self.prompt = asking.prompt(sent, policy)
        self.asked = asked
        self.is_mistaken = policy == "equivalent-error"
        self.tier = tier
        self.repair = repair
        self.repairs = 0
        self.mended_before = mended
        self.mended = list(mended)

    def run(self) -> Steps:
        """The outcome of the record."""
        translated: dict[Unit, str] = {}
        before: Turn | None = None
        parts = loads(self.sent.units or (), self.settings.split_chars, together=self.protocol.together)
        try:
            for units in parts:
                said = yield from self.fulfil(units, before)
                translated |= zip(units, said, strict=True)
                before = Turn.of(units, said)
            if len(parts) > 1 and (faults := self.of_row(translated)):
                translated |= yield from self.agreeing(parts, translated, faults)
        except _Lost as lost:
            return self.outcome({**translated, **lost.said}, lost.faults)
        return self.outcome(translated, ())

    def outcome(self, translated: Mapping[Unit, str], faults: Sequence[verify.Fault]) -> Outcome:
        tried = f"; repairs tried: {self.repairs}" if faults and self.repairs else ""
        detail = " · ".join(fault.told for fault in faults) + tried if faults else None
        texts = {}
        if translated or not faults:
            texts = assembled(self.sent, translated, self.asked.source, self.asked.target)
        reasons = dict.fromkeys(fault.reason for fault in faults)
        return Outcome(texts, tuple(reasons), detail, tuple(self.mended))

    def of_row(self, translated: Mapping[Unit, str]) -> list[verify.Fault]:
        """What is wrong with a row whose texts came in several answers, each of which is right by itself."""
        texts = {name: "" for name in SEGMENTS}
        said = dict(texts)
        for unit, text in translated.items():
            texts[unit.name] += unit.text
            said[unit.name] += text
        return verify.of_row(self.asked, texts, said, mistaken=self.is_mistaken)

    def agreeing(
        self, parts: Sequence[Sequence[Unit]], translated: Mapping[Unit, str], faults: Sequence[verify.Fault]
    ) -> Generator[Request, Answer, dict[Unit, str]]:
        """The translations of the texts that do not go with the others, asked for once more. Raises _Lost."""
        (units,) = [units for units in parts if any(unit.name == faults[0].segment for unit in units)][:1]
        if self.repairs >= self.repair:
            raise _Lost(faults, {})
        self.mended.append(faults[0].reason)
        said = yield from self.fulfil(units, None, faults, {unit.name: translated[unit] for unit in units})
        found = dict(zip(units, said, strict=True))
        if faults := self.of_row({**translated, **found}):
            raise _Lost(faults, found)
        return found

    def fulfil(
        self,
        units: Sequence[Unit],
        before: Turn | None,
        faults: Sequence[verify.Fault] = (),
        said: Mapping[str, str] | None = None,
    ) -> Generator[Request, Answer, list[str]]:
        """The translations of some units, in order; `faults` of `said`, an earlier one, are named. Raises _Lost."""
        texts = {unit.name: unit.text for unit in units}
        first = self.prompt.first(texts, before, self.tier)
        request, nth = first, 1
        if said is not None:
            shown = Answer(self.protocol.render(said, self.prompt.suffix(texts)), STOP)
            request = self.prompt.again(first, first, shown, faults[0].reason, faults[0].told, nth) or first
            self.repairs += 1
        while True:
            answer = yield request
            said, faults = self.judge(texts, answer)
            if not faults:
                return [said[unit.name] for unit in units]
            reason = faults[0].reason
            again = None
            if reason not in verify.FINAL and self.repairs < self.repair:
                told = "; ".join(fault.told for fault in faults)
                again = self.prompt.again(first, request, answer, reason, told, nth)
            self.mended.append(reason)
            if again is None:
                return (yield from self.otherwise(units, before, answer, said, faults))
            self.repairs += 1
            turn = self.repairs if self.settings.repair_by == "next" else 0
            request, nth = replace(again, turn=turn), nth + 1

    def otherwise(
        self,
        units: Sequence[Unit],
        before: Turn | None,
        answer: Answer,
        said: Mapping[str, str],
        faults: Sequence[verify.Fault],
    ) -> Generator[Request, Answer, list[str]]:
        """The translations of some units that did not come in one answer, asked for in smaller parts: for want of room,
        or as a last resort after repairs, when texts that nothing is wrong with are kept. Raises _Lost."""
        reason = faults[0].reason
        if answer.finish_reason in verify.WANT_OF_ROOM and reason is not Reason.LOOP:
            if smaller := halves(units):
                in_view = answer.finish_reason == LENGTH  # what is too long for the context gets no longer
                return (yield from self.in_parts(units, smaller, before, in_view=in_view))
        elif len(units) > 1 and self.repairs and reason not in verify.FINAL:
            blamed = {fault.segment for fault in faults}
            right = [unit for unit in units if None not in blamed and unit.name not in blamed]
            if right:
                before = Turn.of(right, [said[unit.name] for unit in right])
            found = []
            for unit in units:
                found += [said[unit.name]] if unit in right else (yield from self.fulfil([unit], before))
            return self.checked(units, found)
        self.mended.pop()
        raise _Lost(faults, {unit: said[unit.name] for unit in units if unit.name in said})

    def in_parts(
        self, units: Sequence[Unit], smaller: Sequence[Sequence[Unit]], before: Turn | None, *, in_view: bool
    ) -> Generator[Request, Answer, list[str]]:
        """The translations of some units, asked for in smaller parts, each with the one before it in view or without.
        Raises _Lost."""
        said: list[str] = []
        for part in smaller:
            if any(unit.has_words for unit in part):
                said += yield from self.fulfil(part, before if in_view else None)
                before = Turn.of(part, said[-len(part) :])
            else:
                said += [unit.text for unit in part]
        if len(units) > 1:
            return self.checked(units, said)
        pieces = [unit for part in smaller for unit in part]
        return [joined(pieces, said, self.asked.source, self.asked.target)]

    def checked(self, units: Sequence[Unit], said: Sequence[str]) -> list[str]:
        """Translations of some units that came apart, if they go together. Raises _Lost."""
        found = dict(zip(units, said, strict=True))
        if faults := self.of_row(found):
            raise _Lost(faults, found)
        return list(said)

    def judge(self, texts: Mapping[str, str], answer: Answer) -> tuple[dict[str, str], list[verify.Fault]]:
        """What an answer says, and why it is not believed."""
        if fault := verify.whole(answer, texts, proven=self.protocol.proves_its_end):
            return {}, [fault]
        said = self.protocol.parse(_text(answer, texts), tuple(texts), self.prompt.suffix(texts))
        if isinstance(said, str):
            return {}, [verify.unparsed(self.asked, texts, answer.text, said)]
        if self.sent.spans:
            said = {name: mask.normalise(text) for name, text in said.items()}
        return said, verify.faults(self.asked, texts, said, mistaken=self.is_mistaken)


def _text(answer: Answer, texts: Mapping[str, str]) -> str:
    """The answer's text. Where a source speaks of </think> and the answer seems not to, it was no model's thinking."""
    is_taken_off = THINKING_ENDS in answer.thinking and THINKING_ENDS not in answer.text
    if is_taken_off and any(THINKING_ENDS in text for text in texts.values()):
        return answer.thinking + answer.text
    return answer.text
