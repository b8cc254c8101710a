"""What the questions to a model share, whichever room asks them: steps, texts in tags, ends of answers.

Tasks (wire.Task) are easiest written as a generator that yields requests and is sent answers; `follow` makes one of it.
An answer that cannot be read is asked for once more (`twice`), then the question abstains. The fault is named in the
system message and the answer is not shown, so that the last message holds its texts once, and one rule serves an answer
that rambles, loops, was cut or is empty.

Knows no stage and no prompt. What translations need beyond this, marks and several texts in one answer, stands in
translate/.
"""

import re
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from plugdata.hashing import tagged_hash
from plugdata.rows import Reason
from plugdata.wire import (
    CONTENT_FILTER,
    CONTEXT_LENGTH,
    LENGTH,
    REFUSAL,
    STOP,
    TOOL_CALLS,
    Answer,
    Request,
    Result,
)

T = TypeVar("T")
V = TypeVar("V")

Steps = Generator[Request, Answer, V]
"""What is asked, and what comes of it."""


def follow(steps: Steps[V], answers: Sequence[Answer]) -> Request | Result[V]:
    """Where steps stand after some answers: the next request, or the result."""
    try:
        request = next(steps)
        for answer in answers:
            request = steps.send(answer)
    except StopIteration as end:
        return Result(end.value)
    return request


TRIES = 2
"""Issue 4: what cannot be read is asked for again once, and then missing. A third call is better spent on another row.
"""

OF_THE_TEXT = (CONTENT_FILTER, CONTEXT_LENGTH)
"""Ends of answers that asking again would only pay for once more."""


@dataclass(frozen=True)
class Abstained:
    """No word on the question: the model answered, and why that could not be used. `ended`: the finish_reason, where
    that is why."""

    detail: str
    ended: str | None = None


def twice(ask: Callable[[str], Request], read: Callable[[Answer], T | str]) -> Steps[T | Abstained]:
    """The steps of one question. `ask` makes the request that names a fault, `read` gives what an answer says, or a
    fault in words."""
    fault = "none"
    for _ in range(TRIES):
        answer = yield ask(fault)
        said = read(answer)
        if not isinstance(said, str):
            return said
        if answer.finish_reason in OF_THE_TEXT:
            return Abstained(f"finish_reason {answer.finish_reason}", answer.finish_reason)
        fault = said
    return Abstained(fault)


FINAL = frozenset({Reason.CONTENT_FILTER, Reason.CONTEXT_LENGTH})
"""Faults of the text itself: asking again would pay for the same."""


class Fault(NamedTuple):
    """Why an answer is not believed, and that in words, for people and for the model that is asked again."""

    reason: Reason
    told: str


_ENDED = (STOP, "eos", "eos_token")  # the last two are Together's and TGI's
_ENDS = {
    CONTENT_FILTER: Fault(Reason.CONTENT_FILTER, "finish_reason content_filter"),
    CONTEXT_LENGTH: Fault(Reason.CONTEXT_LENGTH, "finish_reason context_length"),
    REFUSAL: Fault(Reason.REFUSAL, "the model declined"),
    TOOL_CALLS: Fault(Reason.EMPTY_ANSWER, "a tool call in place of a text"),
    LENGTH: Fault(Reason.TRUNCATED, "cut short: finish_reason length"),
}


def cut_short(answer: Answer) -> Fault | None:
    """The fault of an answer that did not end by itself; None too where nobody says how it ended."""
    if answer.finish_reason is None or answer.finish_reason in _ENDED:
        return None
    return _ENDS.get(answer.finish_reason, Fault(Reason.TRUNCATED, f"finish_reason {answer.finish_reason}"))


def tag_suffix(texts: Mapping[str, str], more: Iterable[str] = ()) -> str:
    """What makes the tags of these names, and `more`, unmistakable: nothing, or "-" and 4 hex digits where a text holds
    such a tag, so that no text can end itself or begin another."""
    names = "|".join(map(re.escape, (*texts, *more)))
    tag = re.compile(rf"</?(?:{names})(-[0-9a-f]{{4}})?>")
    taken = {found[1] or "" for text in texts.values() for found in tag.finditer(text)}
    suffix, seed = "", tagged_hash(dict(texts))
    while suffix in taken:
        suffix, seed = f"-{seed[-4:]}", tagged_hash(seed)
    return suffix


def in_tags(texts: Mapping[str, str], suffix: str | None = None) -> str:
    """Each text in tags of its name, on lines of its own; without a `suffix` the tags get their own."""
    if suffix is None:
        suffix = tag_suffix(texts)
    return "\n\n".join(f"<{name}{suffix}>\n{text.strip()}\n</{name}{suffix}>" for name, text in texts.items())


def ended(answer: Answer, text: str, closing: str) -> str:
    """The text of an answer with its last closing tag: weak models leave it out, and nobody misses it in an answer that
    is said to have ended by itself. One that ends in some other tag, or in half of one, is left as it is."""
    return text + closing if answer.finish_reason and closing not in text and not _LAST_TAG.search(text) else text


_LAST_TAG = re.compile(r"</?[\w-]*/?>?\s*\Z")


def read_tag(answer: str, name: str, suffix: str) -> str | Fault:
    """The text of the one tag that was asked for, edges stripped; what stands around it is passed over, since models
    like to add a word."""
    opening, closing = f"<{name}{suffix}>", f"</{name}{suffix}>"
    found = re.findall(f"{opening}|{closing}", answer)
    if found != [opening, closing]:
        lacking = [tag for tag in (opening, closing) if tag not in found]
        return Fault(Reason.BAD_TAGS, f"no {lacking[0]} in the answer" if lacking else f"more than one {opening}")
    return answer.partition(opening)[2].partition(closing)[0].strip()
