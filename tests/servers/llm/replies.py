"""What a chat request asks for, and the replies to it: the usual answer, any completion, an error.

It must not know sockets, nor the order in which requests are answered.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from tests.servers.llm.translator import WORDS, translate


@dataclass
class Request:
    """One chat request, recorded when it has arrived whole."""

    index: int  # order of arrival, from 0
    attempt: int  # how many equal requests came before
    json: dict[str, Any]
    headers: dict[str, str]  # lower-case names
    at: float  # time.monotonic() of arrival
    digest: str  # sha256 of the canonical JSON: equal requests, equal digests
    text: str  # the last user message
    status: int | None = None  # what was answered; None while in flight, or if the connection was dropped
    answer: Callable[[Request], str] | None = None  # the server's own, instead of the pseudo-translation
    usual: str | None = None  # the usual answer once it was asked for: limits count it and completions hold it


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    drop: Literal["never", "before", "mid-body"] = "never"
    delay_s: float = 0.0  # how long the server sits on it


Fault = Callable[[Request], Reply | None]

TARGET_LINE = re.compile(r"^Target language: [^()\n]+\(([A-Za-z]{2,3})(?:-[\w-]+)?\)\s*$", re.MULTILINE)
SEGMENT = re.compile(r"<(instruction|input|response)((?:-[0-9a-f]{4})?)>(.*?)</\1\2>", re.DOTALL)


def contents(request_json: Mapping[str, Any], role: str | None = None) -> list[str]:
    """The texts of the messages (of one role), parts joined, in order."""
    texts = []
    for message in request_json.get("messages", []):
        if role is None or message.get("role") == role:
            content = message.get("content") or ""
            texts.append(content if isinstance(content, str) else "".join(part.get("text", "") for part in content))
    return texts


def target_language(request: Request) -> str | None:
    """The base code (`pt` of `pt-BR`) of the first `Target language:` line, or None."""
    found = (TARGET_LINE.search(text) for text in contents(request.json))
    return next((match[1].lower() for match in found if match), None)


def is_answerable(request: Request) -> bool:
    """Whether there is a usual answer: the server's own, or a known target language."""
    return request.answer is not None or target_language(request) in WORDS


def segments(request: Request) -> list[tuple[str, str]]:
    """(tag with its suffix, text) of the last user message, in order; empty for protocol plain."""
    return [(name + suffix, text) for name, suffix, text in SEGMENT.findall(request.text)]


def translations(request: Request) -> list[tuple[str, str]]:
    lang = target_language(request) or ""
    return [(tag, translate(text, lang)) for tag, text in segments(request)]


def render(tagged: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"<{tag}>{text}</{tag}>" for tag, text in tagged)


def usual_answer(request: Request) -> str:
    """What the server's own `answer` says, or the pseudo-translator to a request that keeps the wire contract."""
    if request.usual is None:
        request.usual = (request.answer or pseudo_translation)(request)
    return request.usual


def pseudo_translation(request: Request) -> str:
    tagged = translations(request)
    if not tagged:
        return translate(request.text, target_language(request) or "")
    if request.json.get("response_format", {}).get("type", "text") != "text":
        return json.dumps(dict(tagged), ensure_ascii=False)
    return render(tagged)


def n_tokens(text: str) -> int:
    return len(text.encode()) // 4 + 1


class Usage(NamedTuple):
    n_prompt: int
    n_completion: int


def usage(request: Request, content: str) -> Usage:
    """The tokens of the request and of `content`, as far as the request allows."""
    n_completion, allowed = n_tokens(content), max_tokens(request)
    n_prompt = sum(4 + n_tokens(text) for text in contents(request.json))
    return Usage(n_prompt, min(n_completion, allowed) if allowed else n_completion)


def max_tokens(request: Request) -> int | None:
    return request.json.get("max_completion_tokens") or request.json.get("max_tokens")


def completion(request: Request, content: str, finish_reason: str | None = "stop") -> Reply:
    """A 200 with `content`, cut with finish_reason length where the request allows fewer tokens."""
    allowed = max_tokens(request)
    if allowed and n_tokens(content) > allowed:
        content, finish_reason = content.encode()[: 4 * allowed - 4].decode(errors="ignore"), "length"
    n_prompt, n_completion = usage(request, content)
    message = {"role": "assistant", "content": content}
    return json_reply(
        200,
        {
            "id": f"chatcmpl-{request.index}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": request.json.get("model", ""),
            "choices": [{"index": 0, "message": message, "finish_reason": finish_reason, "logprobs": None}],
            "usage": {
                "prompt_tokens": n_prompt,
                "completion_tokens": n_completion,
                "total_tokens": n_prompt + n_completion,
            },
        },
    )


def right(request: Request) -> Reply:
    """The completion without a fault."""
    return completion(request, usual_answer(request))


def json_reply(status: int, body: object, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, json.dumps(body, ensure_ascii=False).encode(), headers or {})


def error_reply(
    status: int,
    message: str,
    kind: str,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    param: str | None = None,
) -> Reply:
    return json_reply(status, {"error": {"message": message, "type": kind, "param": param, "code": code}}, headers)
