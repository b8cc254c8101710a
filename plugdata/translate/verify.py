"""Hard checks of an answer: what is not believed to be a translation, and why.

A check gives its measurement in words, or None; they are read by people and by the model that is asked to mend the
answer. Texts the checks refuse are quarantined with the answer kept in the row, so that a person can see what was
refused. The thresholds stand with the measurements, in checks/. Soft checks belong to `filter`, which may change its
mind for nothing. One of them is looked at here too, since the model can be told of it: single words that were left
untranslated. They are worth one answer more, and never a row.

Answers are judged as they came, with marks in place of protected spans: what is masked is no evidence.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from plugdata import asking
from plugdata.checks import answered, lid, mask, refusal, spoken, untranslated
from plugdata.checks.copying import echo, is_echo
from plugdata.checks.repetition import MIN_CHARS, is_loop
from plugdata.languages import Language
from plugdata.rows import Reason
from plugdata.translate.glossary import Glossary
from plugdata.translate.protocols import Texts
from plugdata.wire import CONTEXT_LENGTH, LENGTH, Answer


class Fault(NamedTuple):
    """What is wrong with an answer: the reason, in words, and the one segment that it is true of, if it is one."""

    reason: Reason
    told: str
    segment: str | None = None


_MARK = re.compile(r"⟦(\d+)⟧")

WANT_OF_ROOM = (LENGTH, CONTEXT_LENGTH)
"""Ends of answers that a shorter text may not have."""

_SHOWN = 12
"""Words named in one message: who left more needs no list."""

_DENSEST = 4
"""Characters of a Latin script that one Chinese character may become: a source that repeats itself on purpose may be
this much shorter than its translation."""


def whole(answer: Answer, texts: Mapping[str, str], *, proven: bool) -> Fault | None:
    """An answer that did not end by itself. `proven`: closing tags will tell, where no finish_reason does."""
    if answer.finish_reason is None and not proven:
        return Fault(Reason.TRUNCATED, "nobody says that it ended")
    if answer.finish_reason == LENGTH and is_loop(answer.text or answer.thinking) and not _repetitive(texts):
        return Fault(Reason.LOOP, "the answer repeats itself until its room ends")
    cut = asking.cut_short(answer)
    return Fault(*cut) if cut else None


@dataclass(frozen=True)
class Asked:
    """What answers are judged against: languages, what identifies them, terms, the prompt's worked examples.

    `model` None: the language of an answer is not judged.
    """

    source: Language
    target: Language
    model: Callable[[], lid.Model] | None
    glossary: Glossary
    examples: frozenset[str]

    @cached_property
    def identifier(self) -> spoken.Ahead | None:
        return spoken.Ahead(self.model()) if self.model else None

    @cached_property
    def scripts(self) -> untranslated.Scripts | None:
        return untranslated.between(self.source, self.target)

    @cached_property
    def refusals(self) -> refusal.Ahead:
        return refusal.Ahead(self.source.code, self.target.code)

    def expect(self, said: Texts) -> None:
        """Prepare for `faults` of a translation: what looks through many texts at once is told of these."""
        self.refusals.expect(said.values())
        if self.identifier and all(said.values()):
            self.identifier.expect(said[_longest(said)], self.target)


def faults(asked: Asked, texts: Texts, said: Texts, *, mistaken: bool = False) -> list[Fault]:
    """All that is wrong with a translation of some texts, hardest first. A segment without text is the only fault
    named, since nothing else could be said of it. `mistaken`: the row is about a mistake, which must come back as one.
    """
    if empty := next((name for name, text in said.items() if not text), None):
        return [Fault(Reason.EMPTY_ANSWER, f"{empty} came back empty", empty)]
    polite = asked.refusals.none_refuses(said.values())  # nearly always, and told for all texts at once
    found = [
        Fault(reason, f"{name} {told}", name)
        for reason, check in OF_SEGMENT
        if not (polite and check is _refusal)
        for name, text in said.items()
        if (told := check(asked, texts[name], text))
    ]
    return [*found, *_of_language(asked, said), *of_row(asked, texts, said, mistaken=mistaken)]


def of_row(asked: Asked, texts: Texts, said: Texts, *, mistaken: bool) -> list[Fault]:
    """What is wrong with the texts of a row together, each of which may be right by itself."""
    found = []
    if told := answered.answered(texts, said, asked.source.code, asked.target.code):
        found.append(Fault(Reason.ANSWERED, told, "instruction"))
    if mistaken and (name := _no_mistake(texts, said)):
        found.append(Fault(Reason.NO_MISTAKE, f"{name} holds no mistake any more: it equals the response", name))
    return found


def left(asked: Asked, texts: Texts, said: Texts) -> dict[str, list[str]]:
    """The words that a translation leaves untranslated, by the text that they stand in; none between languages that are
    written alike."""
    if not (scripts := asked.scripts):
        return {}
    found = {name: untranslated.left(scripts, texts[name], text) for name, text in said.items()}
    return {name: words for name, words in found.items() if words}


def unfinished(left: Mapping[str, Sequence[str]]) -> list[Fault]:
    """What to tell of words that were left."""
    told = {name: ", ".join(list(dict.fromkeys(words))[:_SHOWN]) for name, words in left.items()}
    return [
        Fault(Reason.UNTRANSLATED, f"{name} leaves words untranslated: {words}", name) for name, words in told.items()
    ]


def unparsed(asked: Asked, texts: Texts, answer: str, told: str) -> Fault:
    """The fault of an answer without the form that was asked for: a refusal in prose, or `told`."""
    phrase = refusal.new_refusal("\n".join(texts.values()), answer, asked.source.code, asked.target.code)
    return Fault(Reason.REFUSAL, f"the model declined: {phrase!r}") if phrase else Fault(Reason.BAD_TAGS, told)


def marks(text: str, spans: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The marks of a text, each with what it stands for."""
    for mark in _MARK.finditer(text):
        if int(mark[1]) < len(spans):
            yield mark[0], spans[int(mark[1])]


def _marks(asked: Asked, text: str, said: str) -> str | None:
    if "⟦" not in text and "⟦" not in said and "⟧" not in said:
        return None
    due = [int(n) for n in _MARK.findall(text)]
    first = due[0] if due else 0
    if due != list(range(first, first + len(due))) or text.count("⟦") + text.count("⟧") > 2 * len(due):
        return None  # brackets of the source's own: nothing is masked
    told = mask.fault(said, len(due), first=first)
    return f"has other marks than its source: {told}" if told else None


def _refusal(asked: Asked, text: str, said: str) -> str | None:
    phrase = refusal.new_refusal(text, said, asked.source.code, asked.target.code)
    return f"declines or speaks of itself: {phrase!r}" if phrase else None


def _loop(asked: Asked, text: str, said: str) -> str | None:
    return "repeats itself without end" if is_loop(said) and not _repetitive({"": text}) else None


def _echo(asked: Asked, text: str, said: str) -> str | None:
    return f"came back untranslated ({echo(text, said):.0%} of it is the source's)" if is_echo(text, said) else None


def _copied(asked: Asked, text: str, said: str) -> str | None:
    return "is an example's, not the record's" if said in asked.examples and text not in asked.examples else None


def _glossary(asked: Asked, text: str, said: str) -> str | None:
    told = asked.glossary.missed(text, said) if asked.glossary.terms else None
    return f"does not follow the glossary: {told}" if told else None


OF_SEGMENT: tuple[tuple[Reason, Callable[[Asked, str, str], str | None]], ...] = (
    (Reason.MARKS, _marks),
    (Reason.REFUSAL, _refusal),
    (Reason.LOOP, _loop),
    (Reason.ECHO, _echo),
    (Reason.COPIED, _copied),
    (Reason.GLOSSARY, _glossary),
)
"""The hard checks of a single text, in order of precedence: what is wrong with it, after its name."""


def _of_language(asked: Asked, said: Texts) -> list[Fault]:
    """Whether the longest text is in another language; shorter ones may be too short to tell."""
    if asked.identifier is None:
        return []
    name = _longest(said)
    told = spoken.wrong_language(asked.identifier, said[name], asked.target, asked.source)
    return [Fault(Reason.LID, f"{name} is not in {asked.target.name}: {told}", name)] if told else []


def _longest(said: Texts) -> str:
    lengths = {name: len(text) for name, text in said.items()}
    return max(lengths, key=lengths.__getitem__)


def _no_mistake(texts: Texts, said: Texts) -> str | None:
    """The text whose mistake was corrected on the way, if one was: it differs from the response in the source alone."""
    for name in ("input", "instruction"):
        if name in said and "response" in said and texts[name] != texts["response"] and said[name] == said["response"]:
            return name
    return None


def _repetitive(texts: Mapping[str, str]) -> bool:
    """Whether a source itself ends in a loop, so that its translation rightly does."""
    return any(is_loop(text, MIN_CHARS // _DENSEST) for text in texts.values())
