"""Frames of any number in sorted order, in bounded memory: runs are sorted, put on disk, and merged.

Polars sorts a run and the merge takes whole stretches of rows, so Python sees no row. DuckDB's sort spills keys but
pins what they stand for: with 192 MB it gave up at 300,000 rows of 1.7 kB.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from plugdata.corpus.directory import BATCH
from plugdata.corpus.files import writing

if TYPE_CHECKING:
    import pyarrow as pa

RUN_BYTES = 64_000_000
"""Of the rows sorted at a time; sorting takes as much again. 3 M rows of 1.2 kB make 60 runs."""

STRETCH = 1_000
"""Rows of each run that are held while merging: of 60 runs, 70 MB."""


def by_columns(frames: Iterable[pl.DataFrame], columns: Sequence[str], spill: Path) -> Iterator[pl.DataFrame]:
    """The rows of all frames, sorted, BATCH at a time. `spill`: a directory for what exceeds memory, made if absent.

    The columns have no nulls. Raises CorpusError where the disk has no room.
    """
    path = spill / "runs.parquet"
    try:
        ends = _write_runs(frames, columns, path)
        if ends:
            yield from _batches(_merged(path, ends, columns))
    finally:
        path.unlink(missing_ok=True)
        with suppress(OSError):  # another's files may lie there
            spill.rmdir()


def _write_runs(frames: Iterable[pl.DataFrame], columns: Sequence[str], path: Path) -> list[int]:
    """Write sorted runs, in row groups of STRETCH, and give the row group at which each ends."""
    import pyarrow.parquet as pq

    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    writer: pq.ParquetWriter | None = None
    ends: list[int] = []
    for table in _runs(frames, columns):
        with writing(path):
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table, row_group_size=STRETCH)
        ends.append((ends[-1] if ends else 0) + -(-table.num_rows // STRETCH))
        del table  # or it would be held while the next one grows
    if writer:
        with writing(path):
            writer.close()
    return ends


def _runs(frames: Iterable[pl.DataFrame], columns: Sequence[str]) -> "Iterator[pa.Table]":
    waiting: list[pl.DataFrame] = []
    n_bytes = 0

    def run() -> "pa.Table":
        rows = pl.concat(waiting)
        waiting.clear()
        return rows.sort(columns).to_arrow()

    for frame in frames:
        waiting.append(frame)
        n_bytes += int(frame.estimated_size())
        if n_bytes >= RUN_BYTES:
            yield run()
            n_bytes = 0
    if any(frame.height for frame in waiting):
        yield run()


def _merged(path: Path, ends: Sequence[int], columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """The rows of all runs in order, a frame at a time: those up to the least of the last rows at hand."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, pre_buffer=False) as file:

        def stretches(start: int, end: int) -> Iterator[pl.DataFrame]:
            for group in range(start, end):
                frame = pl.from_arrow(file.read_row_group(group))
                assert isinstance(frame, pl.DataFrame)
                yield frame

        at_hand = [(next(run), run) for run in (stretches(*ends) for ends in pairwise((0, *ends)))]
        while at_hand:
            bound = min(head.select(columns).row(-1) for head, _ in at_hand)
            taken, left = [], []
            for head, run in at_hand:
                n = head.select(_up_to(columns, bound).sum()).item()
                taken.append(head.head(n))
                rest = head.slice(n) if n < head.height else next(run, None)
                if rest is not None:
                    left.append((rest, run))
            at_hand = left
            yield pl.concat(taken).sort(columns)


def _up_to(columns: Sequence[str], bound: tuple[Any, ...]) -> pl.Expr:
    """Whether a row stands no later than one with these values."""
    found = pl.lit(True)
    for name, value in reversed(list(zip(columns, bound, strict=True))):
        found = (pl.col(name) < value) | ((pl.col(name) == value) & found)
    return found


def _batches(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The same rows, BATCH to a frame but for the last."""
    waiting: list[pl.DataFrame] = []
    for frame in frames:
        waiting.append(frame)
        if sum(one.height for one in waiting) >= BATCH:
            whole = pl.concat(waiting)
            while whole.height >= BATCH:
                yield whole.head(BATCH)
                whole = whole.slice(BATCH)
            waiting = [whole]
    rest = pl.concat(waiting)
    if rest.height:
        yield rest
