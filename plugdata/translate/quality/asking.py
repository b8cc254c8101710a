"""What both estimates share: an answer that cannot be read is asked for once more, then the estimate abstains.

The fault is named in the system message and the answer is not shown, so that the last message holds its texts once
(the wire contract), and one rule serves an answer that rambles, loops, was cut or is empty.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from plugdata.wire import CONTENT_FILTER, CONTEXT_LENGTH, Answer, Request, Result

T = TypeVar("T")

STAGE = "quality"

TRIES = 2
"""Issue 4: an estimate is asked for again once, and then missing. It is a sample: a third call is better spent on
another row."""

_OF_THE_TEXT = (CONTENT_FILTER, CONTEXT_LENGTH)
"""Ends that asking again would only pay for once more."""


@dataclass(frozen=True)
class Abstained:
    """No estimate: the model answered, and why that could not be used."""

    detail: str


def ask_twice(
    ask: Callable[[str], Request], read: Callable[[Answer], T | str], answers: Sequence[Answer]
) -> Request | Result[T | Abstained]:
    """What the answers come to. `ask` makes the request that names a fault, `read` gives what an answer says, or a
    fault in words."""
    fault = "none"
    for answer in answers[:TRIES]:
        said = read(answer)
        if not isinstance(said, str):
            return Result(said)
        if answer.finish_reason in _OF_THE_TEXT:
            return Result(Abstained(f"finish_reason {answer.finish_reason}"))
        fault = said
    return ask(fault) if len(answers) < TRIES else Result(Abstained(fault))
