"""The rows of a published folder that an export is made of: of each language those of one layout, by ascending id.

Owns which configs are read. Reads CONFIG/SPLIT-*.parquet, as dist/ has them and a download from the Hub too. Rows of a
language that are published apart, because they cannot share a licence, are read as one.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from plugdata import languages, pair
from plugdata.corpus import BATCH
from plugdata.corpus.files import reading
from plugdata.errors import InputError
from plugdata.recipe import did_you_mean

_TURN = pl.Struct({"role": pl.String(), "content": pl.String()})
_READ: dict[str, pl.DataType] = {
    **dict.fromkeys(("id", "source", "license"), pl.String()),
    "messages": pl.List(_TURN),
    **dict.fromkeys(("pivot_instruction", "pivot_response", "instruction", "response"), pl.String()),
}


class Config(NamedTuple):
    """A config of the published folder, or those of one language and layout, which differ in their licence, as one."""

    name: str
    lang: str
    pivot: str
    layout: str
    splits: Mapping[str, Sequence[Sequence[Path]]]  # the files of each config that has the split


def is_published(folder: Path) -> bool:
    """Whether a folder is what write() reads: a dist/, or a data set as it is downloaded."""
    return any(folder.glob("*/*.parquet"))


def choose(
    published: Path, layout: str | None, langs: Sequence[str], splits: Sequence[str]
) -> list[tuple[Config, pair.LayoutName]]:
    """For each language the configs to read as one, with the splits to write, and the layout to write them in."""
    asked_for = None if layout is None else _layout(layout)
    by_language: dict[str, list[Config]] = {}
    for config in _configs(published):
        by_language.setdefault(config.lang, []).append(config)
    asked = list(dict.fromkeys(languages.get(lang).code for lang in langs)) or sorted(by_language)
    chosen = []
    for lang in asked:
        if lang not in by_language:
            raise InputError(f"{published} has no rows in {lang!r}", f"there are {', '.join(sorted(by_language))}")
        of = by_language[lang]
        first = next((config for config in of if not config.name.startswith(f"{lang}-{config.layout}")), of[0])
        read = layout if any(config.layout == layout for config in of) else first.layout
        config = _as_one([config for config in of if config.layout == read])
        wanted = asked_for or _layout(config.layout)
        if not pair.LAYOUTS[_layout(config.layout)].parts:
            raise InputError(f"{published}: {lang!r} has no responses to train on", "they are instructions alone")
        if not pair.LAYOUTS[wanted].parts:
            raise InputError(f"the layout {wanted!r} has no responses to train on", "name one that has")
        kept = {split: parts for split, parts in config.splits.items() if not splits or split in splits}
        chosen.append((config._replace(splits=kept), wanted))
    there = {split for configs in by_language.values() for config in configs for split in config.splits}
    for split in splits:
        if split not in there:
            raise InputError(f"{published} has no split {split!r}", f"there are {', '.join(sorted(there))}")
    return chosen


def batches(parts: Sequence[Sequence[Path]]) -> Iterator[pl.DataFrame]:
    """The rows of some lists of files, each list by id, as one list by id."""
    if len(parts) == 1:
        yield from _read(parts[0])
        return
    rows = heapq.merge(*map(_rows, parts), key=itemgetter(0))
    while batch := list(islice(rows, BATCH)):
        yield pl.DataFrame(batch, schema=_READ, orient="row")


def _configs(published: Path) -> list[Config]:
    """The configs of a published folder, by name."""
    import pyarrow.parquet as pq

    found: dict[str, dict[str, list[Path]]] = {}
    for path in sorted(published.glob("*/*.parquet")):
        found.setdefault(path.parent.name, {}).setdefault(path.name.partition("-")[0], []).append(path)
    configs = []
    for name, splits in found.items():
        first = next(iter(splits.values()))[0]
        with reading(first), pq.ParquetFile(first) as file:
            wanted = [*_READ, "lang", "pivot_lang", "layout"]
            if lacking := [column for column in wanted if column not in file.schema_arrow.names]:
                raise InputError(
                    f"{first} lacks the column {lacking[0]!r}", "is it a data set that plugdata published?"
                )
            batch = next(file.iter_batches(1, columns=["lang", "pivot_lang", "layout"]), None)
        if batch is not None and batch.num_rows:
            lang, pivot, layout = (column[0].as_py() for column in batch.columns)
            configs.append(Config(name, lang, pivot, layout, {split: [paths] for split, paths in splits.items()}))
    if not configs:
        raise InputError(f"{published} holds no rows", "an export reads CONFIG/SPLIT-*.parquet")
    return configs


def _as_one(configs: Sequence[Config]) -> Config:
    splits = sorted({split for config in configs for split in config.splits})
    return configs[0]._replace(
        splits={split: [part for config in configs for part in config.splits.get(split, ())] for split in splits}
    )


def _layout(name: str) -> pair.LayoutName:
    """The layout of a name. Raises InputError."""
    for known in pair.LAYOUTS:
        if known == name:
            return known
    known_ones = [known for known, of in pair.LAYOUTS.items() if of.parts]
    raise InputError(f"no layout {name!r}{did_you_mean(name, known_ones)}", f"there are {', '.join(known_ones)}")


def _rows(paths: Sequence[Path]) -> Iterator[tuple[Any, ...]]:
    for frame in _read(paths):
        yield from frame.iter_rows()


def _read(paths: Sequence[Path]) -> Iterator[pl.DataFrame]:
    import pyarrow.parquet as pq

    for path in paths:
        # without pre_buffer=False pyarrow keeps what it read until the file is closed: 1 kB a row
        with reading(path), pq.ParquetFile(path, pre_buffer=False) as file:
            for batch in file.iter_batches(BATCH, columns=[*_READ]):
                frame = pl.from_arrow(batch)
                assert isinstance(frame, pl.DataFrame)
                yield frame.select(*_READ)
