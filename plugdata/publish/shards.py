"""The Parquet files of one language: its kept rows, in every layout and split.

Owns how a row becomes a published row (columns, messages, split), the order of rows and the shape of the files.
Must not know what else lies in dist/.

- A split is a hash of (seed, id) against a cut point, so that growth moves no row and a row is on the same side in
  every language and layout. A split that would be empty is left out of that config.
- Rows are handled a batch at a time, and leave in row groups of a fixed number of rows: the size of a batch, or of
  the row groups they came in, changes no byte.
"""

import functools
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from plugdata import pair
from plugdata.corpus import BATCH
from plugdata.errors import ContractError
from plugdata.publish import COLUMNS, Config, Sample, Size
from plugdata.recipe import Recipe
from plugdata.rows import DEDUP, kept, tagged_hash

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP = 1_000
"""Rows in a Parquet row group: some 5 MB, so that the Hub's viewer reads a page without fetching a file."""

_PUBLISHED_AS = {"lid_score": "lid_response", "length_ratio": "ratio_response"}  # published name → name in the rows

_READ = [name for name in DEDUP if name in {*COLUMNS, *_PUBLISHED_AS.values(), "status"}]


def write(
    folder: Path, lang: str, path: Path, common: pl.Series | None, recipe: Recipe, n_samples: int
) -> tuple[list[Config], list[Sample]]:
    """Write every config of one language, LANG for the first layout and LANG-LAYOUT for the others.

    Rows: the kept ones of the Parquet file at `path`, and of those the ids in `common` (sorted) if that is given.
    Gives the configs, and the first rows as samples. Raises ContractError for rows out of order.
    """
    of = layouts(recipe)
    names = {layout: lang if layout == of[0] else f"{lang}-{layout}" for layout in of}
    files: dict[str, dict[str, _File]] = {name: {} for name in names.values()}
    samples: list[Sample] = []
    with ExitStack() as open_files:
        for frame in _batches(path, lang, common):
            shown = frame.select(pl.col(Sample._fields).fill_null("")).head(n_samples - len(samples))
            samples += [Sample(*row) for row in shown.iter_rows()]
            splits = pl.Series([split(recipe, id) for id in frame["id"]], dtype=pl.String)
            for layout, name in names.items():
                table = _table(frame, layout)
                for which in ("train", "validation"):
                    part = table.filter((splits == which).to_arrow())
                    if part.num_rows and which not in files[name]:
                        at = folder / name / f"{which}-00000-of-00001.parquet"
                        files[name][which] = _File(at, open_files)
                    if part.num_rows:
                        files[name][which].add(part)
        sizes = {name: {which: files[name][which].finish() for which in sorted(files[name])} for name in files}
    return [
        Config(name, lang, layout, sizes[name], sum(file.path.stat().st_size for file in files[name].values()))
        for layout, name in names.items()
    ], samples


def layouts(recipe: Recipe) -> tuple[pair.LayoutName, ...]:
    """The layouts to publish, each once, the default one first; of instructions alone there is but one."""
    return ("prompt",) if recipe.translate.fields == "instruction" else tuple(dict.fromkeys(recipe.layouts))


def require(path: Path) -> None:
    """Raise ContractError if a Parquet file lacks a column that is published."""
    import pyarrow.parquet as pq

    names = pq.read_schema(path).names
    if lacking := [name for name in _READ if name not in names]:
        raise ContractError(f"{path} lacks the column {lacking[0]!r}", "was the corpus made by another release?")


def split(recipe: Recipe, id: str) -> str:
    """The split of a row: "train" or "validation"."""
    place = int(tagged_hash([recipe.split.seed, id]).removeprefix("b2:")[:13], 16) / 16**13  # 52 bits: exact in a float
    return "validation" if place < recipe.split.validation else "train"


class _File:
    """A Parquet file in the making, written in row groups of `ROW_GROUP` however its rows arrive."""

    def __init__(self, path: Path, open_files: ExitStack) -> None:
        import pyarrow.parquet as pq

        path.parent.mkdir(exist_ok=True)
        self.path, self.size, self.waiting = path, Size(0, 0), features().arrow_schema.empty_table()
        self.handle = open_files.enter_context(path.open("wb"))
        self.writer = pq.ParquetWriter(
            self.handle,
            features().arrow_schema,
            compression="zstd",
            use_content_defined_chunking=True,  # a grown corpus uploads only what is new
            write_page_index=True,  # the Hub's viewer reads a page without its row group
        )

    def add(self, table: "pa.Table") -> None:
        import pyarrow as pa

        self.waiting = pa.concat_tables([self.waiting, table])
        while self.waiting.num_rows >= ROW_GROUP:
            self._write_group()

    def finish(self) -> Size:
        if self.waiting.num_rows:
            self._write_group()
        self.writer.close()
        self.handle.flush()
        os.fsync(self.handle.fileno())
        return self.size

    def _write_group(self) -> None:
        group = self.waiting.slice(0, ROW_GROUP).combine_chunks()
        self.waiting = self.waiting.slice(ROW_GROUP)
        self.writer.write_table(group)
        self.size = Size(self.size.n_rows + group.num_rows, self.size.n_bytes + group.nbytes)


def _batches(path: Path, lang: str, common: pl.Series | None) -> Iterator[pl.DataFrame]:
    """The rows to publish, by ascending id. Raises ContractError if the kept ones are not sorted, each id once."""
    import pyarrow.parquet as pq

    last = ""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH, columns=_READ):
            frame = pl.from_arrow(batch)
            assert isinstance(frame, pl.DataFrame)
            frame = frame.filter(kept())
            if frame.is_empty():
                continue
            ids = frame["id"]
            if ids[0] <= last or not ids.is_sorted() or ids.n_unique() != len(ids):
                raise ContractError(f"{path}: the kept rows of {lang!r} are not sorted by id, each once")
            last = ids[-1]
            if common is not None:
                among = common.slice(start := common.search_sorted(ids[0]), common.search_sorted(last, "right") - start)
                frame = frame.filter(ids.is_in(among.implode()))
            if not frame.is_empty():
                yield frame


def _table(frame: pl.DataFrame, layout: pair.LayoutName) -> "pa.Table":
    """The published columns of some rows of one language in one layout."""
    (pivot, lang), *_ = frame.select("pivot_lang", "lang").iter_rows()
    flat = frame.with_columns(
        layout=pl.lit(layout),
        template=pl.lit(pair.LAYOUTS[layout].template),
        messages=pair.turns(layout, pivot, lang),
        **{published: pl.col(name) for published, name in _PUBLISHED_AS.items()},
    )
    return flat.select(*COLUMNS).to_arrow().cast(features().arrow_schema)


@functools.cache
def features() -> Any:
    """The published columns as `datasets` describes them."""
    import datasets

    turn = {"role": datasets.Value("string"), "content": datasets.Value("string")}
    kinds = {"messages": datasets.List(turn)}
    return datasets.Features({name: kinds.get(kind) or datasets.Value(kind) for name, (kind, _) in COLUMNS.items()})
