"""What travels between a task and a model: Request, Answer, the call key, the task protocol.

A task (translate, and whatever else asks a model) is a pure function `next(row, answers so far)` that gives the
next Request or a final Result. calls/ loops it against an endpoint; a rerun replays it on the ledger alone, so
repair and splitting are more steps of the same function and need no word with calls/.

A request is a pure function of row, recipe and earlier answers to that row, or a rerun would pay again. Knows no
endpoint, no database, no language.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

from plugdata.hashing import canonical, tagged

R = TypeVar("R")

STOP = "stop"
LENGTH = "length"
TOOL_CALLS = "tool_calls"
CONTENT_FILTER = "content_filter"
REFUSAL = "refusal"  # ours: providers say "stop" and fill another field
CONTEXT_LENGTH = "context_length"  # ours: providers answer 400, which is an answer all the same


@dataclass(frozen=True)
class Message:
    role: str
    content: str

    @cached_property
    def canonical(self) -> bytes:
        """Its part of what a key hashes: canonical JSON. Messages that stand in every request of a task are the same
        objects there, so theirs is made once (benchmarks/replay.py: 12 µs a key in place of 18)."""
        return b'{"content":%b,"role":%b}' % (canonical(self.content), canonical(self.role))


@dataclass(frozen=True)
class Request:
    """One call. `params` are the sampling parameters and response format, sent as they are.

    `prompt`, `stage` and `lang` are noted beside the answer and are not part of the key; nor are `tier` and `turn`,
    which say who is asked: the models of a tier of the pool (calls/pool.py), beginning `turn` places after the row's
    first one.
    """

    messages: tuple[Message, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    prompt: str = ""
    stage: str = ""
    lang: str = ""
    tier: int = 0
    turn: int = 0

    def body(self) -> dict[str, Any]:
        """The JSON body of the call, less the model's name."""
        return {"messages": [{"role": m.role, "content": m.content} for m in self.messages], **self.params}

    def key(self, served_as: str) -> str:
        """What identifies the call: the same key is never paid twice. It is `tagged_hash` of `body()` and `served_as`,
        put together from the canonical JSON of the parts."""
        named = {"served_as": served_as, **self.params}
        before = canonical({name: named[name] for name in named if name < "messages"})[1:-1]
        behind = canonical({name: named[name] for name in named if name > "messages"})[1:-1]
        messages = b'"messages":[' + b",".join([message.canonical for message in self.messages]) + b"]"
        return tagged(b"{" + b",".join(filter(None, (before, messages, behind))) + b"}")


THINKING_ENDS = "</think>"
_THINKING = re.compile(r"\s*<(think|thinking|reasoning)>(?:.*?</\1>|.*)", re.DOTALL)
"""Thinking before an answer; without an end it is all thinking, since the model ran out of room or of words."""
_THOUGHTS = ("thinking", "reasoning")
"""Types of content parts that are not the answer."""


@dataclass(frozen=True)
class Answer:
    """What a model said. `finish_reason` is "stop" for a whole answer; "length", "content_filter", … otherwise.

    `thinking` is what was taken off the beginning of `text`, tags and all. `cached_tokens` are part of the prompt's.
    """

    text: str
    finish_reason: str | None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    thinking: str = ""


def read_answer(body: str) -> Answer:
    """The Answer in a response body: always well-typed text and numbers, whatever a server put there.

    Raises ValueError for a body that is not a chat completion. What does not raise once never raises again, so that
    an answer that was committed can always be read. Text parts of a list are joined, lone surrogates become U+FFFD.
    What a model thinks before it answers is no text, whether it stands in fields of its own or in <think> tags at the
    very beginning; nor is the wording of a `refusal`.
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
    thinking, text = _without_thinking(_text(message.get("content")))
    if not text.strip() and message.get("refusal"):
        thinking, text, finish_reason = "", "", REFUSAL
    usage = data.get("usage")
    return Answer(
        text=text,
        finish_reason=finish_reason if isinstance(finish_reason, str) else None,
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
        cached_tokens=_cached(usage),
        thinking=thinking,
    )


def _text(content: Any) -> str:
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict) and part.get("type") not in _THOUGHTS]
        content = "".join(text for part in parts if isinstance(text := part.get("text"), str))
    if not isinstance(content, str):
        return ""
    try:
        content.encode()  # to hear of a surrogate; there and back by UTF-16 takes ten times as long
    except UnicodeEncodeError:
        return content.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return content


def _without_thinking(text: str) -> tuple[str, str]:
    """(thinking, answer). Templates of Qwen and DeepSeek open the tag in the prompt, so its end may stand alone."""
    if begun := _THINKING.match(text):
        return begun[0], text[begun.end() :]
    thinking, end, answer = text.partition(THINKING_ENDS)
    return (thinking + end, answer) if end and "<think>" not in thinking else ("", text)


def _cached(usage: Any) -> int | None:
    """Tokens of the prompt that the provider had cached: as OpenAI, DeepSeek and gateways to Anthropic spell it."""
    details = usage.get("prompt_tokens_details") if isinstance(usage, dict) else None
    for told, name in (
        (details, "cached_tokens"),
        (usage, "prompt_cache_hit_tokens"),
        (usage, "cache_read_input_tokens"),
    ):
        if (n := _count(told, name)) is not None:
            return n
    return None


def _count(usage: Any, name: str) -> int | None:
    n = usage.get(name) if isinstance(usage, dict) else None
    return n if isinstance(n, int) and 0 <= n < 2**53 else None


@dataclass(frozen=True)
class Result(Generic[R]):
    """The end of a task for a row."""

    value: R


Task = Callable[[Mapping[str, Any], Sequence[Answer]], Request | Result[R]]
