"""Hard checks of an answer: what is not believed to be a translation, and why.

A check gives its measurement in words, or None; they are read by people and by the model that is asked to mend the
answer. Texts the checks refuse are quarantined with the answer kept in the row, so that a person can see what was
refused. The thresholds stand with the measurements, in checks/. Soft checks belong to `filter`, which may change its
mind for nothing.

Answers are judged as they came, with marks in place of protected spans: what is masked is no evidence.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from plugdata.checks import answered, lid, mask, refusal, spoken
from plugdata.checks.copying import echo, is_echo
from plugdata.checks.repetition import MIN_CHARS, is_loop
from plugdata.languages import Language
from plugdata.rows import Reason
from plugdata.translate.glossary import Glossary
from plugdata.translate.protocols import Texts
from plugdata.wire import CONTENT_FILTER, CONTEXT_LENGTH, LENGTH, REFUSAL, STOP, TOOL_CALLS, Answer

Fault = tuple[Reason, str]

_MARK = re.compile(r"⟦(\d+)⟧")

FINAL = frozenset({Reason.CONTENT_FILTER, Reason.CONTEXT_LENGTH})
"""Faults of the text itself: asking again would pay for the same."""
WANT_OF_ROOM = (LENGTH, CONTEXT_LENGTH)
"""Ends of answers that a shorter text may not have."""

_ENDED = (STOP, "eos", "eos_token")  # the last two are Together's and TGI's
_FINISH = {
    CONTENT_FILTER: (Reason.CONTENT_FILTER, "finish_reason content_filter"),
    CONTEXT_LENGTH: (Reason.CONTEXT_LENGTH, "finish_reason context_length"),
    REFUSAL: (Reason.REFUSAL, "the model declined"),
    TOOL_CALLS: (Reason.EMPTY_ANSWER, "a tool call in place of a text"),
    LENGTH: (Reason.TRUNCATED, "finish_reason length"),
}

_DENSEST = 4
"""Characters of a Latin script that one Chinese character may become: a source that repeats itself on purpose may be
this much shorter than its translation."""


def whole(answer: Answer, texts: Mapping[str, str], *, proven: bool) -> Fault | None:
    """An answer that did not end by itself. `proven`: closing tags will tell, where no finish_reason does."""
    if answer.finish_reason in _ENDED or (answer.finish_reason is None and proven):
        return None
    if answer.finish_reason == LENGTH and is_loop(answer.text or answer.thinking) and not _repetitive(texts):
        return Reason.LOOP, "the answer repeats itself until its room ends"
    return _FINISH.get(answer.finish_reason or "", (Reason.TRUNCATED, f"finish_reason {answer.finish_reason}"))


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


def faults(asked: Asked, texts: Texts, said: Texts, *, mistaken: bool = False) -> list[Fault]:
    """All that is wrong with a translation of some texts, hardest first; each check names the first segment it is
    true of. An empty segment is the only fault named, since nothing else could be said of it. `mistaken`: the row is
    about a mistake, which must come back as one."""
    if empty := next((name for name, text in said.items() if not text), None):
        return [(Reason.EMPTY_ANSWER, f"{empty} came back empty")]
    found = [(reason, told) for reason, check in CHECKS if (told := check(asked, texts, said))]
    if mistaken and (told := no_mistake(texts, said)):
        found.append((Reason.NO_MISTAKE, told))
    return found


def of_row(asked: Asked, texts: Texts, said: Texts, *, mistaken: bool) -> list[Fault]:
    """What is wrong with the texts of a row together, where each was judged by itself."""
    told = answered.answered(texts, said, asked.source.code, asked.target.code)
    found = [(Reason.ANSWERED, told)] if told else []
    if mistaken and (told := no_mistake(texts, said)):
        found.append((Reason.NO_MISTAKE, told))
    return found


def unparsed(asked: Asked, texts: Texts, answer: str, told: str) -> Fault:
    """The fault of an answer without the form that was asked for: a refusal in prose, or `told`."""
    phrase = refusal.new_refusal("\n".join(texts.values()), answer, asked.source.code, asked.target.code)
    return (Reason.REFUSAL, f"the model declined: {phrase!r}") if phrase else (Reason.BAD_TAGS, told)


def _marks(asked: Asked, texts: Texts, said: Texts) -> str | None:
    for name, text in said.items():
        if "⟦" not in texts[name] and "⟦" not in text and "⟧" not in text:
            continue
        marks = [int(n) for n in _MARK.findall(texts[name])]
        first = marks[0] if marks else 0
        if marks != list(range(first, first + len(marks))):
            continue  # marks of the source's own: nothing is masked
        if told := mask.fault(text, len(marks), first=first):
            return f"{told} in {name}"
    return None


def _refusal(asked: Asked, texts: Texts, said: Texts) -> str | None:
    for name, text in said.items():
        if phrase := refusal.new_refusal(texts[name], text, asked.source.code, asked.target.code):
            return f"{name} declines or speaks of itself: {phrase!r}"
    return None


def _loop(asked: Asked, texts: Texts, said: Texts) -> str | None:
    for name, text in said.items():
        if is_loop(text) and not _repetitive({name: texts[name]}):
            return f"{name} repeats itself without end"
    return None


def _echo(asked: Asked, texts: Texts, said: Texts) -> str | None:
    for name, text in said.items():
        if is_echo(texts[name], text):
            return f"{name} came back untranslated ({echo(texts[name], text):.0%} of it is the source's)"
    return None


def _copied(asked: Asked, texts: Texts, said: Texts) -> str | None:
    return answered.copied(texts, said, asked.examples)


def _answered(asked: Asked, texts: Texts, said: Texts) -> str | None:
    return answered.answered(texts, said, asked.source.code, asked.target.code)


def _language(asked: Asked, texts: Texts, said: Texts) -> str | None:
    if asked.model is None:
        return None
    name = max(said, key=lambda name: len(said[name]))  # the others are in the same language, or too short to tell
    told = spoken.wrong_language(asked.model(), said[name], asked.target, asked.source)
    return f"{name} is not in {asked.target.name}: {told}" if told else None


def _glossary(asked: Asked, texts: Texts, said: Texts) -> str | None:
    if not asked.glossary.terms:
        return None
    return next((told for name, text in said.items() if (told := asked.glossary.missed(texts[name], text))), None)


CHECKS: tuple[tuple[Reason, Callable[[Asked, Texts, Texts], str | None]], ...] = (
    (Reason.MARKS, _marks),
    (Reason.REFUSAL, _refusal),
    (Reason.LOOP, _loop),
    (Reason.ECHO, _echo),
    (Reason.COPIED, _copied),
    (Reason.ANSWERED, _answered),
    (Reason.LID, _language),
    (Reason.GLOSSARY, _glossary),
)
"""The hard checks, in order of precedence."""


def no_mistake(texts: Texts, said: Texts) -> str | None:
    """Whether a mistake to be corrected was corrected on the way: what differs in the source is equal in the target."""
    for name in ("input", "instruction"):
        if name in said and "response" in said and texts[name] != texts["response"] and said[name] == said["response"]:
            return f"{name} holds no mistake any more: it equals the response"
    return None


def _repetitive(texts: Mapping[str, str]) -> bool:
    """Whether a source itself ends in a loop, so that its translation rightly does."""
    return any(is_loop(text, MIN_CHARS // _DENSEST) for text in texts.values())
