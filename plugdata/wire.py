"""What travels between a task and a model: Request, Answer, the call key, the task protocol.

A task (translate, and whatever else asks a model) is a pure function `next(row, answers so far)` that gives the
next Request or a final Result. calls/ loops it against an endpoint; a rerun replays it on the ledger alone, so
repair and splitting are more steps of the same function and need no word with calls/.

A request is a pure function of row, recipe and earlier answers to that row, or a rerun would pay again. Knows no
endpoint, no database, no language.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from plugdata.rows import tagged_hash

R = TypeVar("R")

STOP = "stop"
CONTENT_FILTER = "content_filter"
CONTEXT_LENGTH = "context_length"  # ours: providers answer 400, which is an answer all the same


@dataclass(frozen=True)
class Message:
    role: str
    content: str


@dataclass(frozen=True)
class Request:
    """One call. `params` are the sampling parameters and response format, sent as they are.

    `prompt`, `stage` and `lang` are noted beside the answer and are not part of the key.
    """

    messages: tuple[Message, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    prompt: str = ""
    stage: str = ""
    lang: str = ""

    def body(self) -> dict[str, Any]:
        """The JSON body of the call, less the model's name."""
        return {"messages": [{"role": m.role, "content": m.content} for m in self.messages], **self.params}

    def key(self, served_as: str) -> str:
        """What identifies the call: the same key is never paid twice."""
        return tagged_hash({"served_as": served_as, **self.body()})


@dataclass(frozen=True)
class Answer:
    """What a model said. `finish_reason` is "stop" for a whole answer; "length", "content_filter", … otherwise."""

    text: str
    finish_reason: str | None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


def read_answer(body: str) -> Answer:
    """The Answer in a response body: always well-typed text and numbers, whatever a server put there.

    Raises ValueError for a body that is not a chat completion. What does not raise once never raises again, so that
    an answer that was committed can always be read. Text parts of a list are joined, lone surrogates become U+FFFD.
    A 400 that speaks of the text itself (content filter, context length) is a body too: see calls/retry.py.
    """
    try:
        data = json.loads(body)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(data, dict):
        raise ValueError("not a JSON object")
    if isinstance(fault := data.get("plugdata_fault"), str):
        return Answer("", fault)
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise ValueError("no choices")
    message = choices[0].get("message")
    if not isinstance(message, dict):
        raise ValueError("a choice without a message")
    finish_reason = choices[0].get("finish_reason")
    usage = data.get("usage")
    return Answer(
        text=_text(message.get("content")),
        finish_reason=finish_reason if isinstance(finish_reason, str) else None,
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
    )


def _text(content: Any) -> str:
    if isinstance(content, list):
        content = "".join(_text(part.get("text")) for part in content if isinstance(part, dict))
    return content.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if isinstance(content, str) else ""


def _count(usage: Any, name: str) -> int | None:
    n = usage.get(name) if isinstance(usage, dict) else None
    return n if isinstance(n, int) and 0 <= n < 2**53 else None


@dataclass(frozen=True)
class Result(Generic[R]):
    """The end of a task for a row."""

    value: R


Task = Callable[[Mapping[str, Any], Sequence[Answer]], Request | Result[R]]
