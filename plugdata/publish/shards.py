"""The Parquet files of one language: its kept rows, in every layout and split.

Owns how a row becomes a published row (columns, messages, split), the order of rows, the names of configs and the
shape of the files. Must not know what else lies in dist/.

- A split is a hash of (seed, id) against a cut point, so that growth moves no row and a row is on the same side in
  every language and layout. A split that would be empty is left out of that config.
- Rows are handled a batch at a time, and leave in row groups of a fixed number of rows: the size of a batch, or of
  the row groups they came in, changes no byte.
- A file is closed before a row group would take it past `SHARD_BYTES`; how many there are, which each name tells, is
  known when the last is closed.
"""

import functools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import polars as pl

from plugdata import licenses, pair
from plugdata.corpus import BATCH
from plugdata.errors import ContractError, GateError
from plugdata.hashing import tagged_hash
from plugdata.publish import COLUMNS, Config, Sample, Size
from plugdata.recipe import Recipe
from plugdata.rows import DEDUP, kept

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ROW_GROUP = 1_000
"""Rows in a Parquet row group: some 5 MB, so that the Hub's viewer reads a page without fetching a file."""

SHARD_BYTES = 500_000_000
"""Bytes of rows in a file, at most (its footer adds a few kB a row group): what `datasets` takes for its own files, its
MAX_SHARD_SIZE."""

_PUBLISHED_AS = {"lid_score": "lid_response", "length_ratio": "ratio_response"}  # published name → name in the rows

_READ = [name for name in DEDUP if name in {*COLUMNS, *_PUBLISHED_AS.values(), "status"}]


def write(
    folder: Path,
    lang: str,
    path: Path,
    common: pl.Series | None,
    recipe: Recipe,
    n_samples: int,
    apart: Sequence[str] = (),
) -> tuple[list[Config], list[Sample]]:
    """Write every config of one language: LANG for the first layout and LANG-LAYOUT for the others.

    Rows: the kept ones of the Parquet file at `path`, and of those the ids in `common` (sorted) if that is given.
    apart: licences whose rows are configs of their own, LANG-LICENCE and LANG-LAYOUT-LICENCE; none: all together.
    Gives the configs that have rows, and the first rows as samples. Raises ContractError for rows out of order,
    GateError for licences that would share a config.
    """
    of = layouts(recipe)
    groups: Sequence[str | None] = apart or (None,)
    made: dict[tuple[pair.LayoutName, str | None], dict[str, _Files]] = {
        (layout, license): {} for layout in of for license in groups
    }
    names = {key: _name(lang, "" if key[0] == of[0] else key[0], key[1]) for key in made}
    _refuse_shared(names)
    samples: list[Sample] = []
    with ExitStack() as open_files:
        for frame in _batches(path, lang, common):
            shown = frame.select(pl.col(Sample._fields).fill_null("")).head(n_samples - len(samples))
            samples += [Sample(*row) for row in shown.iter_rows()]
            splits = pl.Series([split(recipe, id) for id in frame["id"]], dtype=pl.String)
            under = pl.Series([licenses.normal(name) for name in frame["license"]], dtype=pl.String)
            tables = {layout: _table(frame, layout) for layout in of}
            for (layout, license), files in made.items():
                for which in ("train", "validation"):
                    chosen = splits == which if license is None else (splits == which) & (under == license)
                    part = tables[layout].filter(chosen.to_arrow())
                    if part.num_rows and which not in files:
                        files[which] = _Files(folder / names[layout, license], which, open_files)
                    if part.num_rows:
                        files[which].add(part)
        sizes = {key: {which: files[which].finish() for which in sorted(files)} for key, files in made.items()}
    return [
        Config(names[key], lang, key[0], sizes[key], sum(part.n_file_bytes for part in files.values()), key[1])
        for key, files in made.items()
        if files
    ], samples


def _name(lang: str, layout: str, license: str | None) -> str:
    """The name of a config, and so of a folder: a licence of somebody's own is spelt in letters that both may hold."""
    return "-".join(filter(None, [lang, layout, re.sub(r"[^\w.]+", "-", license or "").strip("-.").lower()]))


def _refuse_shared(names: Mapping[tuple[pair.LayoutName, str | None], str]) -> None:
    """Raise GateError if two licences are spelt so alike that their rows would be one config."""
    taken: dict[str, str | None] = {}
    for (_, license), name in names.items():
        if name in taken:
            raise GateError(
                f"the licences {taken[name]!r} and {license!r} would both be the config {name!r}",
                "if they are one, spell it alike in `sources[i].license`; else rename one there",
            )
        taken[name] = license


def layouts(recipe: Recipe) -> tuple[pair.LayoutName, ...]:
    """The layouts to publish, each once, the default one first; of instructions alone there is but one."""
    return ("prompt",) if recipe.translate.fields == "instruction" else tuple(dict.fromkeys(recipe.layouts))


def require(path: Path) -> None:
    """Raise ContractError if a Parquet file lacks a column that is published, or told of in the card."""
    import pyarrow.parquet as pq

    names = pq.read_schema(path).names
    if lacking := [name for name in DEDUP if name not in names]:
        raise ContractError(f"{path} lacks the column {lacking[0]!r}", "was the corpus made by another release?")


def split(recipe: Recipe, id: str) -> str:
    """The split of a row: "train" or "validation"."""
    place = int(tagged_hash([recipe.split.seed, id]).removeprefix("b2:")[:13], 16) / 16**13  # 52 bits: exact in a float
    return "validation" if place < recipe.split.validation else "train"


class _Files:
    """The Parquet files of a split in the making, written in row groups of `ROW_GROUP` however its rows arrive."""

    def __init__(self, folder: Path, which: str, open_files: ExitStack) -> None:
        folder.mkdir(exist_ok=True)
        self._folder, self._which, self._open_files = folder, which, open_files
        self._paths: list[Path] = []
        self._handle: IO[bytes] | None = None
        self._writer: pq.ParquetWriter | None = None
        self._waiting = features().arrow_schema.empty_table()
        self._size = Size(0, 0)
        self.n_file_bytes = 0

    def add(self, table: "pa.Table") -> None:
        import pyarrow as pa

        self._waiting = pa.concat_tables([self._waiting, table])
        while self._waiting.num_rows >= ROW_GROUP:
            self._write_group()

    def finish(self) -> Size:
        """Write what is left, and give the files their names."""
        if self._waiting.num_rows:
            self._write_group()
        self._close()
        for at, path in enumerate(self._paths):
            path.rename(self._folder / f"{self._which}-{at:05}-of-{len(self._paths):05}.parquet")
        return self._size

    def _write_group(self) -> None:
        group = self._waiting.slice(0, ROW_GROUP).combine_chunks()
        self._waiting = self._waiting.slice(ROW_GROUP)
        # what a group takes in the file is known once it is there; in memory it takes more
        if self._handle is not None and self._handle.tell() + group.nbytes > SHARD_BYTES:
            self._close()
        if self._writer is None:
            self._open()
        assert self._writer is not None
        self._writer.write_table(group)
        self._size = Size(self._size.n_rows + group.num_rows, self._size.n_bytes + group.nbytes)

    def _open(self) -> None:
        import pyarrow.parquet as pq

        self._paths.append(self._folder / f"{self._which}-{len(self._paths):05}")
        self._handle = self._open_files.enter_context(self._paths[-1].open("wb"))
        self._writer = pq.ParquetWriter(
            self._handle,
            features().arrow_schema,
            compression="zstd",
            use_content_defined_chunking=True,  # a grown corpus uploads only what is new
            write_page_index=True,  # the Hub's viewer reads a page without its row group
        )

    def _close(self) -> None:
        if self._writer is None or self._handle is None:
            return
        self._writer.close()
        self._handle.flush()
        os.fsync(self._handle.fileno())
        self.n_file_bytes += self._handle.tell()
        self._handle.close()
        self._writer = self._handle = None


def _batches(path: Path, lang: str, common: pl.Series | None) -> Iterator[pl.DataFrame]:
    """The rows to publish, by ascending id. Raises ContractError if the kept ones are not sorted, each id once."""
    import pyarrow.parquet as pq

    last = ""
    with pq.ParquetFile(path, pre_buffer=False) as file:
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
