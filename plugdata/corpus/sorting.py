"""Frames of any number in sorted order, in bounded memory: DuckDB sorts, and spills to disk what exceeds it."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import polars as pl

from plugdata.corpus.directory import BATCH
from plugdata.corpus.files import writing
from plugdata.errors import CorpusError

MEMORY = "192MB"
"""What a sort may hold before it spills: a million rows are planned within 600 MB (benchmarks/memory.py)."""


def by_columns(frames: Iterable[pl.DataFrame], columns: Sequence[str], spill: Path) -> Iterator[pl.DataFrame]:
    """The rows of all frames, sorted, a batch at a time. `spill`: a directory for what exceeds memory, made if absent.

    Raises CorpusError where the disk has no room.
    """
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {"temp_directory": str(spill), "memory_limit": MEMORY}
    unsorted = spill / "unsorted.parquet"
    try:
        if not _written(frames, unsorted):
            return
        with duckdb.connect(config=config) as con:
            ordered = con.read_parquet(str(unsorted)).order(", ".join(columns))
            for batch in ordered.to_arrow_reader(BATCH):
                frame = pl.from_arrow(batch)
                assert isinstance(frame, pl.DataFrame)
                yield frame
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise CorpusError(f"sorting needs more than memory and {spill} hold: {error}") from error
    finally:
        unsorted.unlink(missing_ok=True)
        with suppress(OSError):  # another's files may lie there
            spill.rmdir()


def _written(frames: Iterable[pl.DataFrame], path: Path) -> bool:
    """Write all frames to a Parquet file; whether there were any."""
    import pyarrow.parquet as pq

    writer: pq.ParquetWriter | None = None
    for frame in frames:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            table = frame.to_arrow()
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)
    if writer is None:
        return False
    with writing(path):
        writer.close()
    return True
