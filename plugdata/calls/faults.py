"""What an endpoint's refusal means: every way a call can fail, as one class each.

Knows the words and statuses of providers; what is done about a class stands in retry.py.
"""

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from plugdata.wire import CONTENT_FILTER, CONTEXT_LENGTH

WORDS = 300
"""Characters of a provider's text that are shown: a line or three."""


class Fault(StrEnum):
    QUOTA = "quota"
    AUTH = "auth"
    MODEL = "model"
    RATE_LIMIT = "rate-limit"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    UNREACHABLE = "unreachable"
    SERVER = "server"
    BAD_BODY = "bad-body"
    CONTENT_FILTER = "content-filter"
    CONTEXT_LENGTH = "context-length"
    REJECTED = "rejected"


PASSING = frozenset({Fault.TIMEOUT, Fault.CONNECTION, Fault.UNREACHABLE, Fault.SERVER, Fault.BAD_BODY})
RETRYABLE = PASSING | {Fault.RATE_LIMIT}
MAY_BE_BILLED = frozenset({Fault.TIMEOUT, Fault.CONNECTION, Fault.BAD_BODY})
"""Faults of calls that the provider may have answered, and charged for, all the same."""
OF_THE_TEXT = {Fault.CONTENT_FILTER: CONTENT_FILTER, Fault.CONTEXT_LENGTH: CONTEXT_LENGTH}
"""Faults that are answers, with the finish_reason they are stored as."""


_ROOM = re.compile(r"max_(?:completion_|new_|output_)?tokens")


class Stopped(Exception):
    """The run is stopping: this call was not sent."""


class Elsewhere(Exception):
    """Another endpoint of the pool is better asked: this call was not sent."""


class CallFault(Exception):
    """One failed call: its class, the provider's own words, and the answer's headers if there was an answer.

    `of_room`: a rejection that speaks of the bound on the answer. Of an endpoint that has answered others it is about
    this request alone, which asked for more room than the model has.
    """

    def __init__(self, kind: Fault, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.headers = headers or {}
        self.of_room = kind is Fault.REJECTED and _ROOM.search(message) is not None


def of_status(status: int, body: str, headers: Mapping[str, str]) -> CallFault:
    """The fault of an HTTP answer other than 200."""
    code, message = _provider_words(body)
    says = f"HTTP {status}: {message}" if message else f"HTTP {status}"
    return CallFault(_kind(status, f"{code} {message}".lower()), says, headers)


def text_fault(fault: CallFault) -> str:
    """The body that is stored for a fault that is an answer (see wire.read_answer)."""
    return json.dumps({"plugdata_fault": OF_THE_TEXT[fault.kind], "message": str(fault)}, ensure_ascii=False)


def _kind(status: int, words: str) -> Fault:
    if "insufficient_quota" in words or status == 402 or "exceeded your current quota" in words:
        return Fault.QUOTA
    if "content_filter" in words or "content management policy" in words or "content_policy" in words:
        return Fault.CONTENT_FILTER
    if status in (401, 403):
        return Fault.AUTH
    if status == 429:
        return Fault.RATE_LIMIT
    if status in (408, 409, 425) or status >= 500:
        return Fault.SERVER
    if status == 404 and "model" in words:
        return Fault.MODEL
    if "context_length" in words or "context length" in words or "maximum context" in words:
        return Fault.CONTEXT_LENGTH
    return Fault.REJECTED


def _provider_words(body: str) -> tuple[str, str]:
    """(code, message) of an error body of any shape; its first characters where the shape is unknown."""
    try:
        data: Any = json.loads(body)
    except (ValueError, RecursionError):
        return "", " ".join(body.split())[:WORDS]
    error = data.get("error", data) if isinstance(data, dict) else data
    if isinstance(error, dict):
        return f"{error.get('code') or ''} {error.get('type') or ''}", str(error.get("message") or error)[:WORDS]
    return "", str(error)[:WORDS]
