"""A record → a row of rows.SOURCE: its texts, its conversation's first exchange, its id and verdict.

Owns what becomes of one record. Must not know how files are read (files.py) or formats told apart (formats.py).

Choices that are ours:

- A field that is no string is a bad record, never converted: 7.10 would come back as 7.1, true as True, and which
  of a number's spellings the source meant is not in the JSON. null, like an absent `input`, is "".
- An input that says there is none ("<noinput>", "N/A") becomes "" here, before the id is made: the row is the same
  one as that of a cleaned release, and merges with it. A bare "None" counts too: in instruction data it marks an
  absent input far oftener than it is the subject.
- A conversation's first exchange is its first two turns behind a system prompt. One that opens with an assistant's
  turn is a piece torn from a longer one, and a user's turn answered by a tool lacks what the answer rests on:
  neither has an exchange that stands on its own (NO_RESPONSE).
- A row that was published before keeps its id where `columns` names the one that holds it: its texts have been folded
  since, and the language that they were hashed in may be gone. Two records with one such id are twins.
- The id is of the texts that are used. Under `fold` the system prompt stands in the instruction, under `ignore` it
  is not used; so for every kept row id = row_id(instruction, input, response).
- A row's own `license` and the source's: the stricter, so that a declaration for the whole cannot loosen a part.
"""

import json
import re
import unicodedata
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

from plugdata import licenses
from plugdata.hashing import tagged_hash
from plugdata.recipe import Source
from plugdata.rows import Reason, Status, row_id
from plugdata.sources.formats import Shape
from plugdata.sources.raw import MAX_RAW, Record, escaped, printable

_USER = ("user", "human", "prompter")
_ASSISTANT = ("assistant", "gpt", "chatgpt", "bot", "bard", "bing", "claude", "model")
_SYSTEM = ("system", "developer")

_NO_INPUT = re.compile(
    r"[\W_]*(?:no\s*input|no input (?:is )?(?:provided|given|needed|required|necessary)|n/a|none|not applicable)[\W_]*",
    re.IGNORECASE,
)


_ID = re.compile(r"b2:[0-9a-f]{32}")


class Row(NamedTuple):
    """The columns of rows.SOURCE, in its order."""

    id: str
    ordinal: int
    source: str
    source_id: str
    license: str | None
    provenance: list[dict[str, str | None]]
    place: str
    instruction: str
    input: str
    response: str
    system: str | None
    n_turns: int
    status: str
    stage: str | None
    reason: str | None
    reasons: list[str]
    detail: str | None


@dataclass(frozen=True)
class Texts:
    """What a record says. `lacking`: why it has no first exchange, or ""."""

    instruction: str
    input: str
    response: str
    system: str = ""
    n_turns: int = 1
    lacking: str = ""


class _Bad(ValueError):
    """A record that is not what its format says, in words."""


def own_id(record: Record, shape: Shape) -> str | None:
    """The id that the source itself gives a record, if it gives one: text or a whole number."""
    value = _field(record.value, shape, "source_id") if isinstance(record.value, dict) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value.strip() and not escaped(value) else None


def to_row(record: Record, shape: Shape, source: Source, ordinal: int, index: int) -> Row:
    """The row of a record, whatever the record is. `index`: its number within the source."""
    value = record.value if isinstance(record.value, dict) else {}
    source_id = own_id(record, shape) or str(index)
    license = license_of(source.license, source.id, _field(value, shape, "license"))
    faults: list[tuple[Reason, str]] = []
    given, label = None, source.label
    try:
        texts = _texts(record, shape)
        given, label = _given_id(value, shape), _text(_field(value, shape, "source"), "source") or label
    except _Bad as error:
        texts = Texts(_raw(record), "", "", n_turns=0)
        faults.append((Reason.BAD_RECORD, str(error)))
    else:
        faults += _refusals(texts, source)
    instruction = texts.instruction or (_raw(record) if texts.lacking else "")
    if texts.system and source.system == "fold":
        instruction = f"{texts.system}\n\n{instruction}"
    if faults and (faults[0][0] == Reason.BAD_RECORD or not (texts.instruction or texts.response)):
        id = tagged_hash(["bad", source.label, record.place])
    elif given:
        id = given
    else:
        id = row_id(instruction, texts.input, texts.response, texts.system if source.system == "quarantine" else None)
    return Row(
        id=id,
        ordinal=ordinal,
        source=label,
        source_id=source_id,
        license=license,
        provenance=[{"source": label, "source_id": source_id, "license": license}],
        place=record.place,
        instruction=instruction,
        input=texts.input,
        response=texts.response,
        system=texts.system or None,
        n_turns=texts.n_turns,
        status=Status.QUARANTINED if faults else Status.KEPT,
        stage="source" if faults else None,
        reason=faults[0][0] if faults else None,
        reasons=[reason for reason, _ in faults],
        detail=faults[0][1] if faults else None,
    )


def _refusals(texts: Texts, source: Source) -> list[tuple[Reason, str]]:
    """Why a readable record is put aside, in the order of Reason."""
    found = []
    if texts.lacking:
        found.append((Reason.NO_RESPONSE, texts.lacking))
    if texts.n_turns > 1 and source.turns == "quarantine":
        found.append((Reason.MULTI_TURN, f"{texts.n_turns} exchanges; `turns: first` takes the first"))
    if texts.system and source.system == "quarantine":
        found.append((Reason.SYSTEM_PROMPT, "has a system prompt; set `system` to fold or ignore"))
    return found


def _texts(record: Record, shape: Shape) -> Texts:
    if record.fault:
        raise _Bad(record.fault)
    if not isinstance(record.value, dict):
        raise _Bad(f"record is {_kind(record.value)}")
    value: dict[str, Any] = record.value
    columns = shape.columns
    system = _text(_field(value, shape, "system"), columns.get("system", ""))
    texts = _exchange(value, shape) if shape.kind == "turns" else _fields(value, shape)
    if not shape.responses:
        texts = replace(texts, response="")
    return replace(texts, system="\n\n".join(part for part in (system, texts.system) if part.strip()))


def _fields(value: dict[str, Any], shape: Shape) -> Texts:
    def text(ours: str) -> str:
        column = shape.columns[ours]
        if column not in value and ours != "input":
            raise _Bad(f"no {column!r}")
        return _text(value.get(column), column)

    input = _cleared(text("input")) if "input" in shape.columns else ""
    texts = Texts(text("instruction"), input, text("response") if shape.responses else "")
    history = _parsed(_field(value, shape, "history"))
    if not history or not isinstance(history, list) or any(not isinstance(h, list) or len(h) != 2 for h in history):
        return texts
    # earlier exchanges: what stands in the record's own fields is the last one
    return Texts(_text(history[0][0], "history"), "", _text(history[0][1], "history"), n_turns=len(history) + 1)


def _exchange(value: dict[str, Any], shape: Shape) -> Texts:
    """The system prompt and first exchange of a conversation; of prompts alone, its first turn."""
    column = shape.columns["messages"]
    turns = _parsed(value.get(column))
    if not isinstance(turns, list):
        raise _Bad(f"{column} is {_kind(turns)}, not a list of turns" if column in value else f"no {column!r}")
    roles = [_role(turn) for turn in turns]
    start = next((n for n, role in enumerate(roles) if role != "system"), len(roles))
    system = "\n\n".join(filter(str.strip, (_said(turns[n], n) for n in range(start))))
    n_turns = sum(pair == ("user", "assistant") for pair in pairwise(roles))
    said = {"user": "", "assistant": ""}
    for n, role in enumerate(("user", "assistant") if shape.responses else ("user",), start):
        if n >= len(turns):
            what = f"the conversation ends before the {role}'s turn" if turns else f"{column} is empty"
            return Texts(said["user"], "", "", system, n_turns, what)
        if roles[n] != role:
            return Texts(said["user"], "", "", system, n_turns, f"turn {n + 1} is by {roles[n]!r}, not the {role}")
        said[role] = _said(turns[n], n)
    return Texts(said["user"], "", said["assistant"], system, n_turns)


def _role(turn: object) -> str:
    """Who speaks: user, assistant, system, or the source's own word for anyone else."""
    if not isinstance(turn, dict):
        return _kind(turn)
    if turn.get("tool_calls") or turn.get("function_call"):
        return "tool call"
    said = str(turn.get("role", turn.get("from"))).strip().lower()
    for role, words in (("user", _USER), ("assistant", _ASSISTANT), ("system", _SYSTEM)):
        if said in words:
            return role
    return said


def _said(turn: dict[str, Any], index: int) -> str:
    """What a turn says: a string, or the text parts of a list, one a line."""
    where = f"turn {index + 1}"
    content = next((turn[key] for key in ("content", "value", "text") if key in turn), None)
    if not isinstance(content, list):
        return _text(content, where)
    parts = []
    for part in content:
        if isinstance(part, dict) and part.get("type", "text") != "text":
            raise _Bad(f"{where} holds a part of type {part['type']!r}, not text")
        parts.append(_text(part.get("text") if isinstance(part, dict) else part, where))
    return "\n".join(parts)


def _text(value: object, name: str) -> str:
    """A field's text, NFC and otherwise untouched; "" for null."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _Bad(f"{name} is {_kind(value)}, not text")
    if escaped(value):
        raise _Bad(f"{name} holds half of a surrogate pair")
    return unicodedata.normalize("NFC", value)


def _field(value: dict[str, Any], shape: Shape, ours: str) -> object:
    column = shape.columns.get(ours)
    return None if column is None else value.get(column)


def _parsed(value: object) -> object:
    """A list that stands in a text, as it must in CSV; anything else as it is."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _cleared(input: str) -> str:
    return "" if len(input) < 60 and _NO_INPUT.fullmatch(input) else input


def _kind(value: object) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object", str: "text"}
    return "null" if value is None else names.get(type(value), f"of type {type(value).__name__}")


def _given_id(value: dict[str, Any], shape: Shape) -> str | None:
    """The id that a row was published with; None where `columns` names none."""
    if "id" not in shape.columns:
        return None
    found = _text(value.get(shape.columns["id"]), "id")
    if not _ID.fullmatch(found):
        raise _Bad(f"id is {found[:50]!r}, not that of a published row")
    return found


def license_of(declared: str | None, hub_id: str | None, own: object) -> str | None:
    """The licence of a record: its own or that of its source, the stricter; None where neither is told."""
    whole = licenses.normal(declared) or licenses.known_source(hub_id or "")
    said = licenses.normal(own) if isinstance(own, str) and not escaped(own) else None
    return whole if said is None else licenses.stricter([said, whole or said])


def _raw(record: Record) -> str:
    raw = record.raw if record.raw is not None else json.dumps(record.value, ensure_ascii=False, default=str)
    return unicodedata.normalize("NFC", printable(raw[:MAX_RAW]))
