"""Evaluation sets → their questions, and the digest of their content.

Owns which texts of a file, a folder or a Hub data set are what a model is asked, and in which language. Must not know
what they are compared with (curate/decontaminate.py).

A Hub data set is read whole: all configurations and splits. Its files are kept in the Hub's own cache, by commit, so
that they are fetched once, and found there where the Hub cannot be reached. Configurations, splits and files that are
named like a language (X-AlpacaEval's ko) hold that language's texts; others are taken to be of any language.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from plugdata import languages
from plugdata.errors import LanguageError, SourceError
from plugdata.recipe import Source, is_hub_id
from plugdata.sources import files
from plugdata.sources.formats import PEEK
from plugdata.sources.raw import Record
from plugdata.sources.read import digest as digest_of

QUESTIONS: dict[str, pl.DataType] = {
    "set": pl.String(),  # Hub id, or the file's or folder's name
    "place": pl.String(),  # "org/name ko/test id 17", "mine.jsonl:3"
    "lang": pl.String(),  # null = not told
    "text": pl.String(),
}
"""The columns of `questions`."""

_COLUMNS = ("instruction", "question", "prompt", "problem", "query", "text", "input", "messages", "conversations")
"""Where a question stands: the first of these columns that a set has, in capitals or not. With `instruction`, the
column `input` belongs to it, as in Alpaca."""

_ID = ("id", "question_id", "task_id", "uid", "qid")

_DATA = [f"*{suffix}{packed}" for suffix in (*files.TYPES, ".tsv", ".txt", ".arrow") for packed in ("", ".gz", ".zst")]
"""What is fetched of a Hub data set, beside its card: pictures and sound stay where they are."""


class _Part(NamedTuple):
    """A file, or a split of a configuration."""

    name: str
    lang: str | None
    records: Generator[Record, None, None]  # closed by who reads it


def digest(name: str) -> str:
    """What an evaluation set holds, as one line: "NAME sha256:…" of files, whose names tell a language; or
    "hub:ID@COMMIT". Raises SourceError."""
    if is_hub_id(name):
        return f"hub:{name}@{snapshot(name).name}"
    return f"{Path(name).name} {digest_of(Source(path=name), Path())}"


def questions(names: Sequence[str], langs: Iterable[str]) -> pl.DataFrame:
    """Every question of some evaluation sets in some languages, and those of no language told (QUESTIONS).

    Raises SourceError for a set that cannot be read, has no column of questions, or none in these languages.
    """
    wanted = {languages.get(lang).base or lang for lang in langs}
    found: list[tuple[str, str, str | None, str]] = []
    for name in names:
        label, before = name if is_hub_id(name) else Path(name).name, len(found)
        passed: list[str] = []
        for part in _hub_parts(name) if is_hub_id(name) else _file_parts(Path(name)):
            if part.lang is None or part.lang in wanted:
                with closing(part.records):
                    found += [(label, place, part.lang, text) for place, text in _texts(part)]
            else:
                passed.append(part.name)
        if len(found) == before:
            others = f", but {', '.join(sorted(passed))}" if passed else ""
            raise SourceError(f"{label} holds no question in {', '.join(sorted(wanted))}{others}", "leave it out")
    return pl.DataFrame(found, schema=QUESTIONS, orient="row")


def _texts(part: _Part) -> Iterator[tuple[str, str]]:
    """(place, text) of every question of a part."""
    records = map(_whole, part.records)
    head = list(islice(records, PEEK))
    found = {name.lower(): name for _, value in head for name in value}
    column = next((found[name] for name in _COLUMNS if name in found), None)
    if column is None:
        shown = ", ".join(found.values()) or "none"
        hint = f"call it {' or '.join(_COLUMNS)}"
        raise SourceError(f"{part.name}: no column of questions among {shown}", hint)
    beside = found.get("input") if column.lower() == "instruction" else None
    own_id = next((found[name] for name in _ID if name in found), None)
    for place, value in chain(head, records):
        more = list(_said(value.get(beside))) if beside else []
        id = value.get(own_id) if own_id else None
        shown = f"{part.name} id {id}" if isinstance(id, str | int) else place
        yield from ((shown, "\n".join([text, *more])) for text in _said(value.get(column)))


def _whole(record: Record) -> tuple[str, dict[str, Any]]:
    """The place and fields of a record. Raises SourceError for one that cannot be read."""
    if record.fault or not isinstance(record.value, dict):
        fault = record.fault or "not an object with named fields"
        raise SourceError(f"{record.place}: {fault}", "an evaluation set is read whole or not at all")
    return record.place, record.value


def _said(value: Any) -> Iterator[str]:
    """The texts of a field: its own, those of a list, and what users say in a conversation."""
    if isinstance(value, str):
        if value.strip():
            yield value
    elif isinstance(value, dict):
        if value.get("role", value.get("from")) in ("user", "human"):
            yield from _said(value.get("content", value.get("value")))
    elif isinstance(value, list):
        for item in value:
            yield from _said(item)


def _file_parts(path: Path) -> Iterator[_Part]:
    for file in files.listed(path):
        yield _Part(file.name, _lang(file.name.split(".")[0]), (record for record in files.records(file)))


def _hub_parts(name: str) -> Iterator[_Part]:
    """Every split of every configuration."""
    from datasets import get_dataset_config_names, load_dataset
    from datasets.exceptions import DatasetsError

    folder = str(snapshot(name))
    try:
        for config in get_dataset_config_names(folder):
            for split, rows in load_dataset(folder, config, streaming=True).items():
                label = f"{name} {split if config == 'default' else f'{config}/{split}'}"
                yield _Part(label, _lang(config) or _lang(str(split)), _records(label, rows))
    except (DatasetsError, ValueError, OSError) as error:
        raise SourceError(f"{name} cannot be read: {_line(error)}", _COPY) from error


def _records(label: str, rows: Any) -> Generator[Record, None, None]:
    if rows.features:
        rows = rows.decode(False)  # pictures and sound stay as they are: nothing here looks at them
    for number, row in enumerate(rows, 1):
        yield Record(f"{label} row {number}", row)


def snapshot(name: str, patterns: Sequence[str] = ("README.md", *_DATA)) -> Path:
    """The folder in the Hub's cache that holds a data set's files, or some of them; it is called like their commit.

    Raises SourceError where they cannot be had.
    """
    from httpx2 import HTTPError
    from huggingface_hub import errors, snapshot_download
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    had_bars = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        return Path(snapshot_download(name, repo_type="dataset", allow_patterns=list(patterns)))
    except (errors.GatedRepoError, errors.RepositoryNotFoundError) as error:
        raise SourceError(f"{name}: it does not exist on the Hub, or not for you", _ACCESS) from error
    except (HTTPError, OSError) as error:
        said = f"it is not in the Hub's cache, and cannot be fetched: {_line(error)}"
        raise SourceError(f"{name}: {said}", _COPY) from error
    finally:
        if had_bars:
            enable_progress_bars()


def _line(error: Exception) -> str:
    """The first line of what a library says."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


_ACCESS = (
    "check the id; a gated or private data set needs its terms accepted and HF_TOKEN set; a folder is written ./folder"
)
_COPY = "a copy downloaded elsewhere can be named by its path"


def _lang(name: str) -> str | None:
    """The language that a configuration, split or file is named like: a code, or an English name."""
    try:
        found = languages.get(name)
    except LanguageError:
        named = [la for la in languages.table().values() if la.name.lower() == name.lower()]
        if not named:
            return None
        found = named[0]
    return found.base or found.code
