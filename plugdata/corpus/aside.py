"""Frames put aside on disk, to be gone through more than once: what is costly to make and too much to hold."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import polars as pl

from plugdata.corpus.files import writing


@contextmanager
def aside(frames: Iterable[pl.DataFrame], spill: Path) -> Iterator[Callable[[], Iterator[pl.DataFrame]]]:
    """The frames again and again, one at a time, in their order, each as it came; there is one at least.

    spill: a directory for them, made if absent and removed if empty. Raises CorpusError where the disk has no room.
    """
    import pyarrow as pa

    path = spill / "aside.arrow"

    def again() -> Iterator[pl.DataFrame]:
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as stream:
            for batch in stream:
                yield pl.DataFrame(pa.Table.from_batches([batch]))

    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        writer: pa.RecordBatchStreamWriter | None = None
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.OSFile(str(path), "wb") as file:
            for frame in frames:
                table = frame.rechunk().to_arrow()
                with writing(path):
                    writer = writer or pa.ipc.new_stream(file, table.schema, options=options)
                    writer.write_table(table)
            if writer:
                writer.close()
        yield again
    finally:
        path.unlink(missing_ok=True)
        with suppress(OSError):  # another's files may lie there
            spill.rmdir()
