"""Answers had elsewhere, as JSON Lines, made rows of a ledger's `answers`.

Two shapes: ours (`_Line`), for people and other engines; and the output of a batch run by hand at a
provider (`_Reply`), which says what was answered, with the batch's input (`_Asked`), which says what was asked.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from plugdata.calls.ledger import tables
from plugdata.errors import InputError
from plugdata.hashing import tagged_hash
from plugdata.wire import STOP, read_answer

Row = dict[str, Any]
"""A row of `answers` by column."""

WORDS = 300
"""Characters of a provider's refusal that are shown, as in faults.py."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Loose(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Message(_Loose):
    role: str
    content: str


class _Request(_Loose):
    """What a request must have; its parameters are taken as they are."""

    messages: list[_Message] = Field(min_length=1)
    served_as: str | None = None
    model: str | None = None


class _Line(_Strict):
    """An answer in our shape: a chat completion as `body` (an object, or raw as a string), or only its `text`."""

    request: dict[str, Any]
    body: dict[str, Any] | str | None = None
    text: str | None = None
    finish_reason: str = STOP
    usage: dict[str, Any] | None = None
    answered_at: datetime | None = None
    prompt: str = ""
    stage: str = ""
    lang: str = ""
    usd: float | None = Field(None, ge=0, le=1e6, allow_inf_nan=False)


class _Response(_Loose):
    status_code: int
    body: dict[str, Any]


class _Reply(_Loose):
    """A line of what OpenAI's batch API puts out."""

    custom_id: str
    response: _Response | None = None
    error: Any = None


class _Asked(_Loose):
    """A line of what it is given."""

    custom_id: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Reading:
    """What lines are read with."""

    db: sqlite3.Connection  # for what is noted on the way, in a table of its own
    origin: str
    served_as: str | None
    at: datetime

    def answer(self, line: _Line) -> Row:
        """The row of `answers` that a line is. Raises ValueError for one that is none."""
        asked = _Request.model_validate(line.request)
        served_as = asked.served_as or self.served_as or asked.model
        if served_as is None:
            raise ValueError("request.served_as: what answered is not said")
        request = {name: value for name, value in line.request.items() if name != "model"} | {"served_as": served_as}
        body = _body(line, served_as)
        said = read_answer(body)
        request_chars, text_chars = tables.request_chars(request)
        row = {
            "key": tagged_hash(request),
            "model": served_as,
            "prompt": line.prompt,
            "stage": line.stage,
            "lang": line.lang,
            "origin": self.origin,
            "finish_reason": said.finish_reason,
            "prompt_tokens": said.prompt_tokens,
            "cached_tokens": said.cached_tokens,
            "completion_tokens": said.completion_tokens,
            "request_chars": request_chars,
            "text_chars": text_chars,
            "nano_usd": None if line.usd is None else round(line.usd * 1e9),
            "seconds": 0.0,
            "answered_at": _utc(line.answered_at or _created(body) or self.at),
            "body_hash": tagged_hash(body),
            "request": json.dumps(request, sort_keys=True, separators=(",", ":"), ensure_ascii=False),
            "body": body,
        }
        "".join(text for text in row.values() if isinstance(text, str)).encode()  # SQLite stores no half surrogate pair
        return row

    def reply(self, reply: _Reply) -> Row:
        """The row that a line of a batch's output is, with what was asked. Raises ValueError for one that is none."""
        if reply.response is None or reply.response.status_code != 200:
            refusal = json.dumps(reply.error or (reply.response and reply.response.body), ensure_ascii=False)
            raise ValueError(f"no answer: {refusal[:WORDS]}")
        asked = self.db.execute("SELECT request FROM temp.asked WHERE custom_id = ?", (reply.custom_id,)).fetchone()
        if asked is None:
            raise ValueError(f"what {reply.custom_id!r} asked is not known: name the batch's input file too")
        row = self.answer(_Line(request=json.loads(asked[0]), body=reply.response.body))
        if reply.custom_id.startswith("b2:") and reply.custom_id != row["key"]:
            raise ValueError(f"custom_id {reply.custom_id} is not its request's key: was it served under another name?")
        return row

    def note(self, asked: _Asked) -> None:
        """Keep what a line of a batch's input asks. Raises ValueError for a custom_id that stood before."""
        values = (asked.custom_id, json.dumps(asked.body))
        if not self.db.execute("INSERT INTO temp.asked VALUES (?, ?) ON CONFLICT DO NOTHING", values).rowcount:
            raise ValueError(f"custom_id {asked.custom_id!r} stands there twice")


def rows(file: IO[bytes], reading: Reading, requests: Path | None) -> Iterator[Row | str]:
    """The row, or the problem, of every line that is not blank."""
    reading.db.execute("CREATE TEMP TABLE asked (custom_id TEXT PRIMARY KEY, request TEXT NOT NULL)")
    if requests is not None:
        with opened(requests) as asked:
            for n, line in enumerate(asked, 1):
                try:
                    if line.strip():
                        reading.note(_Asked.model_validate(_object(line)))
                except (ValueError, RecursionError) as error:
                    yield f"{requests.name} line {n}: {_told(error)}"
    for n, line in enumerate(file, 1):
        try:
            if line.strip():
                said = _object(line)
                if "custom_id" in said:
                    yield reading.reply(_Reply.model_validate(said))
                else:
                    yield reading.answer(_Line.model_validate(said))
        except (ValueError, RecursionError) as error:
            yield f"line {n}: {_told(error)}"


def _body(line: _Line, served_as: str) -> str:
    """The response body of a line, made of the text where there is only that."""
    if (line.body is None) == (line.text is None):
        raise ValueError("either `body` or `text` is needed")
    if isinstance(line.body, str):
        return line.body
    message = {"role": "assistant", "content": line.text}
    made = {"choices": [{"index": 0, "message": message, "finish_reason": line.finish_reason}]}
    body = {**(line.body or {"object": "chat.completion", "model": served_as, **made})}
    if line.usage is not None:
        body.setdefault("usage", line.usage)
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return text if _is_unicode(text) else json.dumps(body, separators=(",", ":"))


def _is_unicode(text: str) -> bool:
    """Whether SQLite can store it: a model may have said half a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _created(body: str) -> datetime | None:
    """When a chat completion says it was made."""
    created = json.loads(body).get("created")
    return datetime.fromtimestamp(created, UTC) if isinstance(created, int) and 0 < created < 2**32 else None


def _utc(at: datetime) -> str:
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).isoformat(timespec="seconds")


def _object(line: bytes) -> Mapping[str, Any]:
    said = json.loads(line)
    if not isinstance(said, dict):
        raise ValueError("not a JSON object")
    return said


def _told(error: Exception) -> str:
    """What is wrong with a line, in one line."""
    match error:
        case ValidationError():
            return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3])
        case json.JSONDecodeError():
            return f"no JSON: {error}"
        case UnicodeError():
            return "text that is not Unicode"
        case RecursionError():
            return "nested too deeply"
    return str(error)


def opened(source: Path) -> BufferedReader:
    """A file open for reading. Raises InputError if it cannot be."""
    try:
        return open(source, "rb")
    except OSError as error:
        raise InputError(f"{source}: {error.strerror}") from error
