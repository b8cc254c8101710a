"""Files that are replaced whole or not at all, and the system's refusals in a line that names the place."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import polars as pl

from plugdata.errors import CorpusError


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `path` when the block ends well, synced; else `path` is untouched."""
    if path.is_dir():
        raise CorpusError(f"{path} is a folder", "name a file")
    beside = path.with_name(path.name + ".tmp")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(beside, "wb") as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            beside.replace(path)
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)  # the rename itself is on disk only then
            finally:
                os.close(folder)
        finally:
            beside.unlink(missing_ok=True)


def swap(new: Path, folder: Path) -> None:
    """Put a new folder in the place of one, or where there is none, by two renames.

    A kill between the two leaves the old one as `displaced(folder)`.
    """
    old = displaced(folder)
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def displaced(folder: Path) -> Path:
    """Where the old content of a folder lies between the two renames of `swap`."""
    return folder.with_name(f".{folder.name}.old")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's refusals into a CorpusError that names the place."""
    try:
        yield
    except OSError as error:
        where = error.filename or path
        raise CorpusError(f"cannot write {where}: {error.strerror or error}", "is it full or read-only?") from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what makes a file of ours unreadable into a CorpusError that names it. A missing file stays one."""
    try:
        yield
    except FileNotFoundError:
        raise
    except PermissionError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror}") from error
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        what = str(error).splitlines()[0]
        raise CorpusError(
            f"{path} cannot be read: {what}",
            "damaged, or of another release; rows and manifest are made anew from the ledger if you delete them",
        ) from error
