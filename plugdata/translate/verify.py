"""Hard checks of an answer: what is not believed to be a translation, and why.

A check gives (reason, detail) or None. Texts the checks refuse are quarantined with the answer kept in the row, so
that a person can see what was refused. Soft checks belong to `filter`, which may change its mind for nothing.
"""

from collections.abc import Mapping

from plugdata.checks.copying import is_echo
from plugdata.rows import Reason
from plugdata.wire import CONTENT_FILTER, CONTEXT_LENGTH, STOP, Answer

Fault = tuple[Reason, str]

_FINISH = {CONTENT_FILTER: Reason.CONTENT_FILTER, CONTEXT_LENGTH: Reason.CONTEXT_LENGTH}


def whole(answer: Answer) -> Fault | None:
    """An answer that did not end by itself."""
    if answer.finish_reason == STOP:
        return None
    return _FINISH.get(answer.finish_reason or "", Reason.TRUNCATED), f"finish_reason {answer.finish_reason}"


def segments(texts: Mapping[str, str], said: Mapping[str, str]) -> Fault | None:
    """A translation that is empty, or that is its source come back; the first such segment is named."""
    for name, text in said.items():
        if not text:
            return Reason.EMPTY_ANSWER, f"{name} came back empty"
    for name, text in said.items():
        if is_echo(texts[name], text):
            return Reason.ECHO, f"{name} came back untranslated"
    return None
