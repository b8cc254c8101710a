"""The translation of one row as a state machine: `next(row, answers so far)` → the next request, or the outcome.

Settings and languages are bound once (`translator`), so that what is asked depends on the row and its answers alone.
Knows no endpoint and no ledger. What is asked about a record, and how often, stands in attempt.py.

A row that comes to nothing may be asked for again (`again`, written by `plugdata retry`): by the same model, with more
repairs; or from the beginning by another one, whose requests are of a higher `tier` (calls/pool.py).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from plugdata.checks import lid
from plugdata.languages import Language
from plugdata.pair import fold
from plugdata.recipe import Route, Translate
from plugdata.rows import Reason
from plugdata.translate import route as routes
from plugdata.translate import verify
from plugdata.translate.ask import Asking
from plugdata.translate.attempt import Attempt, Outcome, Steps
from plugdata.translate.glossary import Glossary
from plugdata.translate.protocols import SEGMENTS
from plugdata.translate.record import Record, record
from plugdata.translate.route.asking import PROMPT
from plugdata.wire import Answer, Message, Request, Result

ROUTE_STAGE = "route"
"""Of the questions which class a row is, whose answers serve all languages."""


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
) -> "Translator":
    """The task that translates a row's instruction, input and response from one language into another.

    `params` are the model's sampling parameters. `model` gives what identifies languages, when it is
    needed first; None: answers are not judged by theirs. `again`: for each model of `settings.again`, ids of rows that
    it is asked for whatever came of them.
    The row needs the columns instruction, input, response, and may have task_class and policy (rows.SCREEN).
    """
    asking = Asking(source, target, settings, params, glossary or Glossary())
    asked = verify.Asked(source, target, model, asking.glossary, asking.example_texts)
    return Translator(lambda row: _steps(row, asking, asked, route or Route(), again))


HELD = 256
"""Rows that are held at their last step: more than a replay takes together (calls/pool.py)."""


class Translator:
    """A task of translation, and the rows that were stepped through lately, held where their steps stand: whoever asks
    for a row's next step with one answer more, as a replay does, is spared the steps before it."""

    def __init__(self, steps: Callable[[Mapping[str, Any]], Steps]) -> None:
        self._steps = steps
        self._held: dict[int, _Begun] = {}

    def __call__(self, row: Mapping[str, Any], answers: Sequence[Answer]) -> Request | Result[Outcome]:
        """The row's next request, or its outcome."""
        try:
            begun = self._begun(row, answers)
            request = begun.send(answers) or begun.go_on()
        except StopIteration as end:
            return Result(end.value)
        self._hold(begun)
        return request

    def read(self, row: Mapping[str, Any], answers: Sequence[Answer]) -> None:
        """Read the answers, and leave it to the row's next step to judge the last of them: several rows that are read
        one after the other, and then judged, go faster."""
        try:
            begun = self._begun(row, answers)
            begun.send(answers)
        except StopIteration:
            return  # to be stepped through again
        self._hold(begun)

    def _begun(self, row: Mapping[str, Any], answers: Sequence[Answer]) -> "_Begun":
        begun = self._held.pop(id(row), None)
        return begun if begun and begun.leads_to(row, answers) else _Begun(row, self._steps(row))

    def _hold(self, begun: "_Begun") -> None:
        self._held[id(begun.row)] = begun
        if len(self._held) > HELD:
            del self._held[next(iter(self._held))]


@dataclass
class _Begun:
    """A row and its steps, the answers they were sent, and the request they wait at (None: they may go on)."""

    row: Mapping[str, Any]
    steps: Steps
    request: Request | None = None
    sent: list[Answer] = field(default_factory=list)

    def leads_to(self, row: Mapping[str, Any], answers: Sequence[Answer]) -> bool:
        """Whether these are the steps of a row after the first of some answers."""
        return self.row is row and self.sent == list(answers[: len(self.sent)])

    def go_on(self) -> Request:
        """The request the steps come to with what they were sent. Raises StopIteration at the end."""
        while self.request is None:
            self.request = next(self.steps)
        return self.request

    def send(self, answers: Sequence[Answer]) -> Request | None:
        """The request the steps wait at once the last of some answers is read. Raises StopIteration at the end."""
        for answer in answers[len(self.sent) :]:
            self.go_on()
            self.request = self.steps.send(answer)
            self.sent.append(answer)
        return self.request


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
    attempt = Attempt(sent, asking, asked, policy, 0, settings.repair, ())
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
        attempt = Attempt(sent, asking, asked, policy, tier, repair, mended)
        outcome = yield from _asking_once(attempt.run(), answered)
    return replace(outcome, **named) if named else outcome


def _asking_once(steps: Steps, answered: dict[str, Answer]) -> Steps:
    """Steps of which those that were answered before, in an attempt with fewer repairs, are not asked again."""
    try:
        request = next(steps)
        while True:
            if request is None:
                yield None
                request = next(steps)
                continue
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
