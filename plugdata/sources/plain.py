"""A file of pairs, or of texts in one language, that is no corpus → rows of rows.PAIR; and its records once more.

Owns how a record of such a file becomes a row: its place in the file is its id, so that the rows stand in the file's
order and what is decided of them can be laid beside the records when those are read a second time. Must not know what
is done with the rows.

- The texts of a record are those that sources find in it, in whatever format; of a conversation the first exchange, of
  OASST trees the conversations that sources make of them. `pivot_instruction`, `pivot_input` and `pivot_response`
  beside them make it a pair; without them, or where they are empty, the row has no pivot (null).
- What cannot be read is quarantined (bad-record); what another run took out stays out, by its `status`, `reason` and
  `detail`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from plugdata import languages, rows
from plugdata.errors import InputError, LanguageError, SourceError
from plugdata.pair import fold
from plugdata.recipe import Source
from plugdata.recipe.base import FIELDS, did_you_mean
from plugdata.rows import Reason, Status
from plugdata.sources import back, files
from plugdata.sources.formats import Shape
from plugdata.sources.raw import Record
from plugdata.sources.read import shaped_records
from plugdata.sources.records import Row, to_row

VERDICT = ("status", "reason", "detail")
"""The columns in which a file keeps what was decided of its records."""

_BATCH = 2_000
_PIVOT = {"instruction": "pivot_instruction", "input": "pivot_input", "response": "pivot_response"}
_OURS = (*FIELDS, *_PIVOT.values(), "lang")


@dataclass(frozen=True)
class Plain:
    """A user's own file: where it is, in which languages, and which of its columns holds what (ours → theirs)."""

    path: Path
    lang: str | None = None  # of all rows; None: the column `lang` says it of each
    pivot: str = "en"
    columns: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if stray := [name for name in self.columns if name not in _OURS]:
            raise InputError(f"--map: {stray[0]!r} is not a field of ours{did_you_mean(stray[0], _OURS)}")

    def theirs(self, ours: str) -> str:
        """The name of the column that holds a field of ours."""
        return self.columns.get(ours, ours)


class Given:
    """The records of such a file, and what is learnt while they go by: their columns, and whose verdicts they bear."""

    def __init__(self, plain: Plain) -> None:
        """Raises SourceError for what cannot be read."""
        if not plain.path.exists():
            raise SourceError(f"{plain.path} does not exist", "name a file, or a folder of files")
        self.plain = plain
        self.columns = back.Columns()
        self.paths = files.listed(plain.path)
        self._has_others = self._has_raw = False
        self._schemas = back.schemas(self.paths)

    def learnt(self) -> Iterator[tuple[Record, Shape]]:
        """The records, in order, and all that is to be learnt of them. Raises SourceError."""
        for schema in self._schemas:
            self.columns.declare(schema)
        found = self._records()
        while block := list(islice(found, _BATCH)):
            values = [record.value for record, _ in block if isinstance(record.value, dict)]
            self._has_raw |= len(values) < len(block)
            if not self._schemas:
                self.columns.learn(values)
            self._has_others |= any(VERDICT[0] in value and not _is_carried(value) for value in values)
            yield from block

    def values(self) -> Iterator[back.Value]:
        """The records once more, as they are written."""
        return (back.value_of(record) for record, _ in self._records())

    def verdict(self) -> dict[str, pl.DataType]:
        """The columns that say what became of a record; one of them has the text of what is none."""
        raw = {"raw": pl.String()} if self._has_raw else {}
        return {**raw, **{name: rows.VERDICT[name] for name in VERDICT}}

    def beside(self, added: Mapping[str, pl.DataType]) -> back.Columns:
        """Their columns and further ones. Raises InputError where one has such a name and another sense."""
        own = () if self._has_others else VERDICT
        if taken := [name for name in added if name in self.columns.names and name not in own]:
            raise InputError(f"{self.plain.path} has a column {taken[0]!r} of its own", "rename it, or ask for less")
        return self.columns.beside(pl.DataFrame(schema=dict(added)).to_arrow().schema)

    def _records(self) -> Iterator[tuple[Record, Shape]]:
        plain = self.plain
        columns = {ours: theirs for ours, theirs in plain.columns.items() if ours in FIELDS}
        return shaped_records(_source(plain, columns), Path(), plain.lang or plain.pivot, True)


def pairs(given: Given) -> Iterator[pl.DataFrame]:
    """Frames of rows.PAIR, a row for each record, in order; the language of what has none is null.

    Raises SourceError; LanguageError for a language that is none.
    """
    plain = given.plain
    source = _source(plain, {})
    own = languages.get(plain.lang).code if plain.lang else None
    pivot = languages.get(plain.pivot).code
    numbered = enumerate(given.learnt())
    while some := list(islice(numbered, _BATCH)):
        made = [_row(plain, source, own, pivot, record, shape, n) for n, (record, shape) in some]
        yield pl.DataFrame(made, schema=rows.PAIR, orient="row")


def id_of(ordinal: int) -> str:
    """An id that sorts as the file does. (A corpus counts its rows by the first 60 bits of their ids.)"""
    return f"b2:{ordinal + 1:015x}{0:017x}"


def number_of(id: pl.Expr) -> pl.Expr:
    """Which record of the file has an id, from 1."""
    return id.str.slice(len("b2:"), 15).str.to_integer(base=16, strict=False)


def _source(plain: Plain, columns: Mapping[str, str]) -> Source:
    return Source(path=str(plain.path), columns=dict(columns), system="ignore")


def _row(
    plain: Plain, source: Source, own: str | None, pivot: str, record: Record, shape: Shape, n: int
) -> tuple[Any, ...]:
    """A record as the columns of rows.PAIR."""
    value = record.value if isinstance(record.value, dict) else {}
    row = to_row(record, shape, source, n, n)
    beside = to_row(_pivot_of(plain, record.place, value), Shape("fields", _PIVOT), source, n, n)
    lang, unknown = (own, "") if own else _language(plain, value)
    verdict: tuple[str, str | None, str | None]
    if _is_carried(value) and value["status"] != Status.KEPT:
        verdict = (value["status"], value["reason"] or None, value["detail"] or None)
    elif fault := next((each.detail for each in (row, beside) if each.status != Status.KEPT), None) or unknown:
        verdict = (Status.QUARANTINED, row.reason or Reason.BAD_RECORD, f"{record.place}: {fault}")
    else:
        verdict = (Status.KEPT, None, None)
    status, reason, detail = verdict
    out = status != Status.KEPT
    of_row = {
        "id": id_of(n),
        "ordinal": n,
        "source": row.source,
        "source_id": row.source_id,
        "lang": lang,
        "pivot_lang": pivot,
        "pivot_instruction": _folded(beside) or None,
        "pivot_response": beside.response or None,
        "instruction": _folded(row),
        "response": row.response,
        "status": status,
        "stage": "pair" if out else None,
        "reason": reason,
        "reasons": [reason] if out and reason else [],
        "detail": detail,
    }
    return tuple(of_row.get(name) for name in rows.PAIR)


def _is_carried(value: Mapping[str, Any]) -> bool:
    """Whether a record has the verdict of an earlier run."""
    said = [value[name] for name in VERDICT if name in value]
    return len(said) == len(VERDICT) and all(isinstance(text, str | None) for text in said) and said[0] in set(Status)


def _folded(row: Row) -> str:
    return fold(row.instruction, row.input)


def _pivot_of(plain: Plain, place: str, value: Mapping[str, Any]) -> Record:
    """The pivot's half of a record."""
    return Record(place, {ours: value.get(plain.theirs(ours)) for ours in _PIVOT.values()})


def _language(plain: Plain, value: Mapping[str, Any]) -> tuple[str | None, str]:
    """The language that a record names, or why there is none."""
    column = plain.theirs("lang")
    said = value.get(column)
    if not isinstance(said, str) or not said:
        return None, f"no language in {column!r}"
    try:
        return languages.get(said).code, ""
    except LanguageError as error:
        return None, f"{column}: {error}"
