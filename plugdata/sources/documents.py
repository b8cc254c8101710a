"""A collection of natural text → its documents, one by one, each with its place, origin and licence.

Owns which columns of a collection hold what, and which reader a file gets. Must not know what becomes of a document.

- Memory does not grow with a collection, a file or a document: what is longer than text.MAX_CHARS comes in parts, of
  which the second has "#2" behind its source_id, and so on.
- What cannot be read is a Document with a `fault`: a record, a document with damaged bytes, or a whole file, so that
  the others of its folder are read all the same. An error (SourceError) is what is wrong with the collection: it is
  not there, it has no document at all, or a single file or Hub data set has no column of text.
- A Hub data set is read as it streams. Columns are told record by record: JSON Lines need not all have the same.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from plugdata.errors import SourceError
from plugdata.recipe.base import did_you_mean
from plugdata.recipe.natural import TEXT_COLUMNS, Texts
from plugdata.sources import encodings, files, hub, wiki
from plugdata.sources.formats import PEEK, Shape
from plugdata.sources.raw import Record, escaped
from plugdata.sources.records import license_of, own_id
from plugdata.sources.text import BLANK_LINE, LINE, MAX_CHARS, Found, parts_of, pieces

_COLUMNS = {
    "text": ("text", "content", "raw_content", "body", "passage", "document"),
    "url": ("url", "source_url", "link", "u"),
    "date": ("date", "timestamp", "date_download", "date_publish", "published", "crawl_date", "ts"),
    "source_id": ("source_id", "id", "doc_id", "docid", "uuid"),
    "license": ("license", "licence"),
}
"""Our field → what it is called, the likeliest first: CulturaX, FineWeb-2, Wikipedia, RedPajama (raw_content), CC-News
(date_publish), HPLT (u, ts)."""

_MOST = 512 * 2**20
"""Bytes of a JSON array, which is read whole: with its text in memory some 2 GiB, which is what a run may take."""


class Document(NamedTuple):
    """One text of a collection, or a part of a long one."""

    place: str  # "fi.jsonl:17"; of a folder "AA/wiki_00:1"
    source_id: str  # the source's own id, else the URL, else its ordinal there; "…#2" of a second part
    text: str  # NFC, without white space at its edges
    url: str | None = None
    date: str | None = None
    license: str | None = None  # its own or the source's, the stricter
    fault: str = ""  # why it holds no text


def documents(texts: Texts, folder: Path = Path()) -> Iterator[Document]:
    """The documents of a collection, in order, `texts.limit` at most. folder: what a relative path is relative to.

    Raises SourceError for a collection that is not there, holds no document or has no column of text.
    """
    path = folder / Path(str(texts.path)).expanduser()
    found = _of_hub(texts) if texts.id else _of_files(path, texts)
    license_as = lru_cache(partial(license_of, texts.license, texts.id))  # else a quarter of the time, of short lines
    ordinal = -1
    for one in islice(found, texts.limit):
        ordinal += one.part == 1
        text, fault = unicodedata.normalize("NFC", one.text), one.fault
        if not fault and escaped(text):
            fault = "not valid UTF-8, or half of a surrogate pair"
        yield Document(
            place=one.place,
            source_id=(one.id or one.url or str(ordinal)) + (f"#{one.part}" if one.part > 1 else ""),
            text="" if fault else text,
            url=one.url,
            date=one.date,
            license=license_as(one.license),
            fault=fault,
        )
    if ordinal < 0:
        raise SourceError(
            f"{texts.id or path} holds no document", "is it the split, configuration or folder you meant?"
        )


def documents_digest(texts: Texts, folder: Path = Path()) -> str:
    """What the collection holds, as one line: as sources.digest. Raises SourceError."""
    if texts.id:
        return hub.digest(texts)
    path = folder / Path(str(texts.path)).expanduser()
    return files.digest(path, files.listed(path, files.TEXT_TYPES, deep=True))


class _NoColumn(SourceError):
    """Records without a column that must be there."""


def _of_hub(texts: Texts) -> Iterator[Found]:
    return _of_records(hub.records(texts), texts, str(texts.id))


def _of_files(path: Path, texts: Texts) -> Iterator[Found]:
    for file in files.listed(path, files.TEXT_TYPES, deep=True):
        name = file.relative_to(path).as_posix() if path.is_dir() else file.name
        n_found = 0
        try:
            for found in _of_file(file, name, texts):
                n_found += 1
                yield found
        except SourceError as error:
            if isinstance(error, wiki.NoParser) or (isinstance(error, _NoColumn) and not path.is_dir()):
                raise
            yield Found(
                name, "", str(error).removeprefix(f"{file} ").removeprefix(f"{name} ").removeprefix(f"{name}: ")
            )
        else:
            if not n_found:
                yield Found(name, "", "empty")


def _of_file(file: Path, name: str, texts: Texts) -> Iterator[Found]:
    kind = files.type_of(file, files.TEXT_TYPES)
    if kind == ".parquet":
        yield from _of_records(files.records(file, name), texts, name)
        return
    with files.reading(file):
        with files.opened(file) as stream:
            head = stream.read(encodings.SAMPLE)
        seen = encodings.look(head, texts.lang)
        if fault := encodings.no_text(head) if kind == ".xml" else seen.fault:  # XML says its encoding itself
            yield Found(name, "", fault)
        elif kind == ".xml":
            with files.opened(file) as stream:
                yield from wiki.articles(stream, name)
        elif kind in (".txt", "wiki") and not (kind == "wiki" and head.startswith(b"{")):
            with files.opened(file) as stream:
                chunks = encodings.chunks(stream, seen.encoding)
                if head.lstrip().startswith(b"<doc id="):
                    yield from wiki.extracted(chunks, name)
                else:
                    yield from _of_text(chunks, name, texts)
        else:
            yield from _of_records(files.records(file, name, _MOST), texts, name)


def _of_text(chunks: Iterable[str], name: str, texts: Texts) -> Iterator[Found]:
    ends = {"file": None, "line": LINE, "paragraphs": BLANK_LINE}[texts.documents]
    return (Found(f"{name}:{line}", text, part=part) for line, part, text in pieces(chunks, ends))


def _of_records(records: Iterable[Record], texts: Texts, where: str) -> Iterator[Found]:
    """The documents of records. Raises _NoColumn where a column that must be there is in none of the first."""

    @lru_cache(maxsize=64)  # more sets of columns than a collection can well have
    def shape(names: tuple[str, ...]) -> Shape:
        return Shape("fields", _columns(named, names))

    named = dict[str, str](texts.columns.items())
    held: list[Found] = []
    n_chars = 0
    missing, names = {"text", *named}, dict[str, None]()
    for record in records:
        if not isinstance(record.value, dict):
            found = [Found(record.place, "", record.fault or "not an object with named fields")]
        else:
            found = _of_fields(record, record.value, shape(tuple(record.value)))
        if missing:
            if isinstance(record.value, dict):
                names |= dict.fromkeys(record.value)
                missing -= shape(tuple(record.value)).columns.keys()
            held += found
            n_chars += sum(len(one.text) for one in found)
            if missing and len(held) < PEEK and n_chars < MAX_CHARS:
                continue
            if missing and names:
                break
            missing, found, held = set(), held, []
        yield from found
    if missing and names:
        raise _no_column(named, where, min(missing, key=TEXT_COLUMNS.index), list(names))
    yield from held


def _columns(named: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """Our field → the column that holds it."""
    lower = {name.lower(): name for name in reversed(names)}
    usual = {ours: next((lower[name] for name in theirs if name in lower), "") for ours, theirs in _COLUMNS.items()}
    return {ours: theirs for ours, theirs in {**usual, **named}.items() if theirs in names}


def _no_column(named: Mapping[str, str], where: str, ours: str, names: Sequence[str]) -> SourceError:
    hint = f"columns found: {', '.join(names[:20])}; map them with `columns` (text: body)"
    theirs = named.get(ours)
    if theirs is None:
        return _NoColumn(f"{where}: no column of text", hint)
    return _NoColumn(f"{where}: no column {theirs!r} for `{ours}`{did_you_mean(theirs, names)}", hint)


def _of_fields(record: Record, value: Mapping[str, object], shape: Shape) -> list[Found]:
    def field(ours: str) -> str | None:
        said = value[shape.columns[ours]] if ours in shape.columns else None
        if said is None or said == "":
            return None
        said = said.isoformat() if isinstance(said, date) else said
        return str(said) if isinstance(said, str | int | float) and not escaped(str(said)) else None

    column = shape.columns.get("text")
    text = value[column] if column else None
    fault = ""
    if not column:
        fault = "no column of text"
    elif not isinstance(text, str | None):
        fault = f"{column} is not text"
    parts = parts_of(text) if isinstance(text, str) else [""]
    own = own_id(record, shape), field("url"), field("date"), field("license")
    found = (Found(record.place, part.strip(), fault, number, *own) for number, part in enumerate(parts, 1))
    return [one if one.text or one.fault else one._replace(fault="empty") for one in found if one.text or one.part == 1]
