"""Hard checks of an answer: what is not believed to be a translation, and why.

A check gives (reason, detail) or None; the detail is read by people and by the model that is asked to mend it. Texts
the checks refuse are quarantined with the answer kept in the row, so that a person can see what was refused. Soft
checks belong to `filter`, which may change its mind for nothing.
"""

from collections.abc import Mapping

from plugdata.checks.copying import is_echo
from plugdata.checks.repetition import MIN_CHARS, is_loop
from plugdata.rows import Reason
from plugdata.wire import CONTENT_FILTER, CONTEXT_LENGTH, LENGTH, REFUSAL, STOP, TOOL_CALLS, Answer

Fault = tuple[Reason, str]

FINAL = frozenset({Reason.CONTENT_FILTER, Reason.CONTEXT_LENGTH})
"""Faults of the text itself: asking again would pay for the same."""

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


def segments(texts: Mapping[str, str], said: Mapping[str, str]) -> Fault | None:
    """A translation that is empty, that loops, or that is its source come back; the first such segment is named."""
    for name, text in said.items():
        if not text:
            return Reason.EMPTY_ANSWER, f"{name} came back empty"
    for name, text in said.items():
        if is_loop(text) and not _repetitive({name: texts[name]}):
            return Reason.LOOP, f"{name} repeats itself without end"
    for name, text in said.items():
        if is_echo(texts[name], text):
            return Reason.ECHO, f"{name} came back untranslated"
    return None


def _repetitive(texts: Mapping[str, str]) -> bool:
    """Whether a source itself ends in a loop, so that its translation rightly does."""
    return any(is_loop(text, MIN_CHARS // _DENSEST) for text in texts.values())
