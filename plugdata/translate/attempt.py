"""The translation of a record by one model, answer by answer: what it asks, what it believes, when it gives up.

It is written as a generator that yields requests and is sent answers. An answer that is not believed is asked for
again, up to `repair` times a row:

    cut short (length)      the same request with twice the room. The cut answer is not shown: it was on its way to
                            being right. One that loops gets no more room. Where no room is left, or the text is
                            longer than the model's context, the text is cut in two, which counts as no repair
    content filter          never again: the text itself is at fault
    all else                with the fault named, see ask.py; after the last repair the texts that are at fault once
                            more, each by itself

An answer that is believed but leaves single words untranslated is worth a repair too, one in a row: the better of the
two counts, and what is still left in it is for `filter` to judge. More would spend what other faults need.

What a row sends stands in record.py, how in protocols.py and ask.py, what is believed in verify.py.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace

from plugdata.asking import FINAL, ended
from plugdata.checks import mask
from plugdata.rows import Reason, Status
from plugdata.translate import verify
from plugdata.translate.ask import Asking, Turn
from plugdata.translate.protocols import SEGMENTS
from plugdata.translate.record import Record, Unit, assembled, halves, joined, loads
from plugdata.wire import LENGTH, STOP, THINKING_ENDS, Answer, Request


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


Steps = Generator[Request | None, Answer, Outcome]
"""What is asked, and what comes of it. At None nothing is asked: an answer is read and comes to be judged next, which
goes faster for many rows in turn; whoever has no others goes on at once (`next`)."""


class _Lost(Exception):
    """A row comes to nothing: an answer is not believed, and is not asked for again."""

    def __init__(self, faults: Sequence[verify.Fault], said: Mapping[Unit, str]) -> None:
        self.faults = faults
        self.said = said


class Attempt:
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
        self.may_finish = policy != "keep-span"  # whose texts hold words of the source's language on purpose
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
                before = Turn.of(units, said) if len(parts) > 1 else None
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
    ) -> Generator[Request | None, Answer, dict[Unit, str]]:
        """The translations of the texts that do not go with the others, asked for once more. Raises _Lost."""
        units = next((units for units in parts if any(unit.name == faults[0].segment for unit in units)), None)
        if units is None or self.repairs >= self.repair:
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
    ) -> Generator[Request | None, Answer, list[str]]:
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
            said, faults = yield from self.judged(texts, answer)
            if not faults:
                said = yield from self.finished(texts, said, first, request, answer, nth)
                return [said[unit.name] for unit in units]
            reason = faults[0].reason
            again = None
            if reason not in FINAL and self.repairs < self.repair:
                told = "; ".join(fault.told for fault in faults)
                again = self.prompt.again(first, request, answer, reason, told, nth)
            self.mended.append(reason)
            if again is None:
                return (yield from self.otherwise(units, before, answer, said, faults))
            request, nth = self.repairing(again), nth + 1

    def repairing(self, request: Request) -> Request:
        """A request that repairs, counted, and put to the model whose turn it is."""
        self.repairs += 1
        return replace(request, turn=self.repairs if self.settings.repair_by == "next" else 0)

    def finished(
        self, texts: Mapping[str, str], said: dict[str, str], first: Request, request: Request, answer: Answer, nth: int
    ) -> Generator[Request | None, Answer, dict[str, str]]:
        """What `answer` to `request` said, or a repair in which fewer words are left untranslated."""
        left = verify.left(self.asked, texts, said) if self.may_finish and self.repairs < self.repair else {}
        if not left:
            return said
        self.may_finish = False
        told = "; ".join(fault.told for fault in verify.unfinished(left))
        again = self.prompt.again(first, request, answer, Reason.UNTRANSLATED, told, nth)
        if again is None:
            return said
        self.mended.append(Reason.UNTRANSLATED)
        repaired, faults = yield from self.judged(texts, (yield self.repairing(again)))
        if faults:
            return said
        still_left = verify.left(self.asked, texts, repaired)
        return repaired if sum(map(len, still_left.values())) < sum(map(len, left.values())) else said

    def judged(
        self, texts: Mapping[str, str], answer: Answer
    ) -> Generator[Request | None, Answer, tuple[dict[str, str], list[verify.Fault]]]:
        """What an answer says, and what is wrong with it."""
        said, faults = self.read(texts, answer)
        if not faults:
            self.asked.expect(said)
            yield None
            faults = verify.faults(self.asked, texts, said, mistaken=self.is_mistaken)
        return said, faults

    def otherwise(
        self,
        units: Sequence[Unit],
        before: Turn | None,
        answer: Answer,
        said: Mapping[str, str],
        faults: Sequence[verify.Fault],
    ) -> Generator[Request | None, Answer, list[str]]:
        """The translations of some units that did not come in one answer, asked for in smaller parts: for want of room,
        or as a last resort after repairs, when texts that nothing is wrong with are kept. Raises _Lost."""
        reason = faults[0].reason
        if answer.finish_reason in verify.WANT_OF_ROOM and reason is not Reason.LOOP:
            if smaller := halves(units):
                in_view = answer.finish_reason == LENGTH  # what is too long for the context gets no longer
                return (yield from self.in_parts(units, smaller, before, in_view=in_view))
        elif len(units) > 1 and self.repairs and reason not in FINAL:
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
    ) -> Generator[Request | None, Answer, list[str]]:
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

    def read(self, texts: Mapping[str, str], answer: Answer) -> tuple[dict[str, str], list[verify.Fault]]:
        """What an answer says, or why it says nothing."""
        if fault := verify.whole(answer, texts, proven=self.protocol.proves_its_end):
            return {}, [fault]
        text, names, suffix = _text(answer, texts), tuple(texts), self.prompt.suffix(texts)
        said = self.protocol.parse(ended(answer, text, self.protocol.end(names, suffix)), names, suffix)
        if isinstance(said, str):
            return {}, [verify.unparsed(self.asked, texts, answer.text, said)]
        if self.sent.spans:
            said = {name: mask.normalise(text) for name, text in said.items()}
        return said, []


def _text(answer: Answer, texts: Mapping[str, str]) -> str:
    """The answer's text. Where a source speaks of </think> and the answer seems not to, it was no model's thinking."""
    is_taken_off = THINKING_ENDS in answer.thinking and THINKING_ENDS not in answer.text
    if is_taken_off and any(THINKING_ENDS in text for text in texts.values()):
        return answer.thinking + answer.text
    return answer.text
