"""A source → frames of rows.SOURCE, and the digest of its content.

Owns the way from a recipe's Source to rows, in source order and bounded memory. What a file, a Hub data set, a
format, a record is stands in the modules beside this one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

import polars as pl

from plugdata import rows
from plugdata.errors import SourceError
from plugdata.recipe import Source
from plugdata.sources import files, hub, oasst
from plugdata.sources.formats import CONVERSATION, PEEK, Shape, detect
from plugdata.sources.raw import Record
from plugdata.sources.records import Row, own_id, to_row

_BATCH = 2_000
"""Rows in a frame: a conversation's raw record may be long, and only its first exchange is kept."""


def read(
    source: Source,
    folder: Path,
    *,
    ordinal: int = 0,
    limit: int | None = None,
    lang: str = "en",
    responses: bool = True,
) -> Iterator[pl.DataFrame]:
    """Frames with the columns of rows.SOURCE, a row for each record, in source order.

    ordinal: that of the first row; every record gets one, bad ones too. limit: rows at most (`source.limit` bounds
    too). folder: what a relative path is relative to. lang: the language of the OASST trees to take, the pivot.
    responses: False for prompts alone, with "" as response and an id of the rest, whatever else the source holds.
    Raises SourceError for a source that cannot be read, holds no record, or whose columns cannot be made out.
    """
    bounds = [bound for bound in (limit, source.limit) if bound is not None]
    shaped = islice(shaped_records(source, folder, lang, responses), min(bounds, default=None))
    found = (to_row(record, shape, source, ordinal + n, n) for n, (record, shape) in enumerate(shaped))
    n_frames = 0
    while batch := list(islice(found, _BATCH)):
        yield _frame(batch)
        n_frames += 1
    if not n_frames:
        hint = f"is it what you meant? Of OASST trees only those in {lang!r} are read"
        raise SourceError(f"{source.id or _path(source, folder)} holds no record", hint)


def digest(source: Source, folder: Path) -> str:
    """What the source holds, as one line.

    "sha256:…" of a file (of names and digests, for a folder), "hub:ID[CONFIG/SPLIT]@COMMIT" of a Hub data set.

    Raises SourceError where the source cannot be read or reached.
    """
    if source.id:
        return hub.digest(source)
    path = _path(source, folder)
    return files.digest(path, files.listed(path))


def has_ids(source: Source, folder: Path, lang: str = "en") -> bool:
    """Whether the source gives its records ids of its own: each object among the first thousand records has one.

    Raises SourceError as `read` does.
    """
    head = islice(shaped_records(source, folder, lang, False), PEEK)
    return all(own_id(record, shape) for record, shape in head if isinstance(record.value, dict))


def shaped_records(source: Source, folder: Path, lang: str, responses: bool) -> Iterator[tuple[Record, Shape]]:
    """Every record of the source with the shape to read it by. Each file of a folder may have its own."""
    if source.id:
        yield from _with_shape(source, source.id, hub.records(source), lang, responses)
        return
    for file in files.listed(_path(source, folder)):
        yield from _with_shape(source, file.name, files.records(file), lang, responses)


def _with_shape(
    source: Source, where: str, records: Iterator[Record], lang: str, responses: bool
) -> Iterator[tuple[Record, Shape]]:
    head = list(islice(records, PEEK))
    if not head:
        return
    objects = [record.value for record in head if isinstance(record.value, dict)]
    if not objects:
        fault = head[0].fault or "not an object with named fields"
        raise SourceError(
            f"{where} holds no record that can be read; {head[0].place}: {fault}", "is it instruction data?"
        )
    shape = detect(source, where, objects, responses)
    found: Iterable[Record] = chain(head, records)
    if shape.kind == "flat-tree":
        found, shape = oasst.from_flat(found, lang), replace(CONVERSATION, responses=responses)
    elif shape.kind == "nested-tree":
        found, shape = oasst.from_nested(found, lang), replace(CONVERSATION, responses=responses)
    for record in found:
        yield record, shape


def _path(source: Source, folder: Path) -> Path:
    return folder / Path(str(source.path)).expanduser()


def _frame(batch: list[Row]) -> pl.DataFrame:
    return rows.conform(pl.DataFrame(batch, schema=rows.SOURCE, orient="row"), rows.SOURCE)
