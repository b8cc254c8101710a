"""The corpus directory: where things lie, how they are written, who may write, what the manifest says.

    CORPUS/
      recipe.yaml                    what was asked for, resolved
      ledger.sqlite                  every LLM call (owned by calls/)
      rows/STAGE/[LANG/]part-00000.parquet   all rows of a stage, sorted by (id, ordinal)
      manifest.json                  per stage: digest, output hash, counts; written last
      progress.json                  the stage at work, while a writer lives
      dist/                          exactly what goes to the Hub (owned by publish/)

One writer at a time (a lock that dies with its process), any number of readers. A file is written beside its name,
synced and renamed, so a reader never sees half of one. A stage holds one Parquet file with many row groups: one
rename replaces it whole, where a folder of parts could be seen half old, half new.

Knows nothing of what the stages do. Imports rows (names of columns) and errors only.
"""

import fcntl
import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple, TypeVar

import polars as pl
from pydantic import BaseModel, ConfigDict

from plugdata.errors import CorpusError, FunnelError, InputError
from plugdata.rows import Status, conform

BATCH = 5_000
"""Rows handed to a row-wise stage at a time, and in a Parquet row group: some 10 MB of instruction data."""


LOCK_TRIES, LOCK_WAIT_S = 10, 0.05
"""A writer waits half a second for those who only look."""


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Counts(_Stored):
    """One stage of the funnel: rows = kept + carried + all of `out`."""

    rows: int = 0
    kept: int = 0
    carried: int = 0  # already taken out by an earlier stage
    out: dict[str, dict[str, int]] = {}  # status → reason → rows this stage took out

    def taken(self, status: Status | None = None) -> int:
        return sum(sum(reasons.values()) for name, reasons in self.out.items() if status in (None, name))


class StageRecord(_Stored):
    """What the manifest says of a finished stage (of one language, where it has one)."""

    inputs: tuple[str, ...]  # the stages it was made from; it is forgotten when one of them is written anew
    digest: str  # of its inputs' content, its settings and its version: equal digest, equal output
    output: str  # sha256 of the Parquet file
    census: str  # which rows it holds, whatever their order and verdict
    counts: Counts


class SourceRecord(_Stored):
    name: str
    digest: str  # of the content
    license: str | None = None


class Manifest(_Stored):
    """manifest.json. `stages` is keyed "screen" or "translate/ko", in the order they ran."""

    version: int = 1
    pivot: str
    sources: tuple[SourceRecord, ...]
    stages: dict[str, StageRecord] = {}

    def without(self, key: str) -> "Manifest":
        """The manifest with a stage forgotten, and every stage that was made from it."""
        gone = {key}
        for other, record in self.stages.items():  # a stage stands after its inputs
            if gone.intersection(record.inputs):
                gone.add(other)
        return self.model_copy(update={"stages": {k: r for k, r in self.stages.items() if k not in gone}})

    def with_stage(self, key: str, record: StageRecord) -> "Manifest":
        """The manifest with a stage noted last."""
        return self.model_copy(update={"stages": {**self.without(key).stages, key: record}})


class Progress(_Stored):
    """progress.json: the stage at work. Times are Unix seconds."""

    stage: str
    done: int
    total: int
    calls: int = 0
    retries: int = 0
    started_at: float
    updated_at: float


class Written(NamedTuple):
    output: str
    census: str
    counts: Counts


def stage_key(stage: str, lang: str | None = None) -> str:
    return f"{stage}/{lang}" if lang else stage


@dataclass(frozen=True)
class Corpus:
    """A corpus directory that exists."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> "Corpus":
        """The corpus at a path, made if absent. A file, or a folder of other things, is refused (InputError)."""
        if path.exists() and not path.is_dir():
            raise InputError(f"{path} is a file, not a corpus", "name a new folder")
        if path.is_dir() and any(path.iterdir()) and not any((path / n).exists() for n in ("recipe.yaml", ".lock")):
            raise InputError(f"{path} is not a corpus and not empty", "name a new folder")
        with _writing(path):
            path.mkdir(parents=True, exist_ok=True)
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> "Corpus":
        """An existing corpus. Raises InputError where there is none."""
        if not (path / "recipe.yaml").is_file():
            what = "is not a corpus (it holds no recipe.yaml)" if path.exists() else "does not exist"
            raise InputError(f"{path} {what}", "`plugdata run RECIPE` or `plugdata translate` makes one")
        return cls(path)

    @property
    def ledger(self) -> Path:
        return self.path / "ledger.sqlite"

    @property
    def dist(self) -> Path:
        return self.path / "dist"

    @property
    def recipe(self) -> Path:
        return self.path / "recipe.yaml"

    @property
    def spill(self) -> Path:
        """Where DuckDB may put what does not fit in memory."""
        return self.path / ".spill"

    def part(self, stage: str, lang: str | None = None) -> Path:
        return self.path / "rows" / stage / (lang or "") / "part-00000.parquet"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Be the one writer. The lock is the kernel's, so it dies with the process however that ends."""
        with _writing(self.path):
            handle = open(self.path / ".lock", "a+")  # noqa: SIM115 (only its opening is "writing")
        with handle:
            for _ in range(LOCK_TRIES):  # a reader that asks `is_locked` holds it for an instant
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    time.sleep(LOCK_WAIT_S)
            else:
                raise CorpusError(
                    f"{self.path} is being written by another process",
                    f"`plugdata status {self.path}` shows how far it is",
                )
            yield

    def is_locked(self) -> bool:
        """Whether a writer is alive. Any number of readers may ask at a time."""
        try:
            with _reading(self.path / ".lock"):
                handle = open(self.path / ".lock")  # noqa: SIM115 (only its opening is "reading")
        except FileNotFoundError:
            return False
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def manifest(self) -> Manifest | None:
        """What manifest.json says; None before the first stage."""
        return _load(self.path / "manifest.json", Manifest)

    def write_manifest(self, manifest: Manifest) -> None:
        self.write_text("manifest.json", manifest.model_dump_json(indent=2) + "\n")

    def progress(self) -> Progress | None:
        return _load(self.path / "progress.json", Progress)

    def write_progress(self, progress: Progress | None) -> None:
        """Say how far the stage at work is; None when it is done. Not synced: it is news, not data."""
        path = self.path / "progress.json"
        with _writing(path):
            if progress is None:
                path.unlink(missing_ok=True)
            else:
                beside = path.with_suffix(".tmp")
                beside.write_text(progress.model_dump_json())
                beside.replace(path)

    def write_text(self, name: str, text: str) -> None:
        with replacing(self.path / name) as handle:
            handle.write(text.encode())

    def batches(self, stage: str, lang: str | None = None) -> Iterator[pl.DataFrame]:
        """The rows of a finished stage, `BATCH` at a time."""
        import pyarrow.parquet as pq

        path = self.part(stage, lang)
        with _reading(path), pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH):
                frame = pl.from_arrow(batch)
                assert isinstance(frame, pl.DataFrame)
                yield frame

    def rows(self, stage: str, lang: str | None = None) -> pl.DataFrame:
        """All rows of a finished stage."""
        path = self.part(stage, lang)
        with _reading(path):
            return pl.read_parquet(path)

    def write(
        self,
        stage: str,
        lang: str | None,
        frames: Iterable[pl.DataFrame],
        contract: Mapping[str, pl.DataType],
        census: str | None = None,
    ) -> Written:
        """Write a stage's rows and count them. `census` is that of the rows the stage was given, if any.

        Raises FunnelError, and writes nothing, if a row was lost, added or exchanged on the way.
        """
        import pyarrow.parquet as pq

        path = self.part(stage, lang)
        tally, seen = _Tally(stage), _Census()
        with _writing(path), replacing(path) as handle:
            writer: pq.ParquetWriter | None = None
            for frame in frames:
                frame = conform(frame, dict(contract))
                tally.add(frame)
                seen.add(frame)
                table = frame.to_arrow()
                writer = writer or pq.ParquetWriter(handle, table.schema, compression="zstd")
                writer.write_table(table, row_group_size=BATCH)
            if writer is None:
                empty = pl.DataFrame(schema=dict(contract)).to_arrow()
                writer = pq.ParquetWriter(handle, empty.schema, compression="zstd")
            writer.close()
            if census not in (None, str(seen)):
                raise FunnelError(f"stage {stage_key(stage, lang)} was given rows {census} and gave back {seen}")
        with open(path, "rb") as written:
            digest = hashlib.file_digest(written, "sha256").hexdigest()
        return Written(f"sha256:{digest}", str(seen), tally.counts())


class _Tally:
    """Counts of a stage, batch by batch."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self.groups: dict[tuple[str, str | None, str | None], int] = {}

    def add(self, frame: pl.DataFrame) -> None:
        for status, stage, reason, n in frame.group_by("status", "stage", "reason").len().iter_rows():
            self.groups[status, stage, reason] = self.groups.get((status, stage, reason), 0) + n

    def counts(self) -> Counts:
        out: dict[str, dict[str, int]] = {}
        kept = carried = 0
        for (status, stage, reason), n in sorted(self.groups.items(), key=str):
            if status == Status.KEPT:
                kept += n
            elif stage == self.stage:
                out.setdefault(status, {})[str(reason)] = n
            else:
                carried += n
        return Counts(rows=sum(self.groups.values()), kept=kept, carried=carried, out=out)


class _Census:
    """How many rows, and which: a sum over ids and ordinals that no order changes and a lost or exchanged row does.

    Of 60 bits of each id, which is a hash already: a library's own row hash may change with its next release.
    """

    def __init__(self) -> None:
        self.n = self.total = 0

    def add(self, frame: pl.DataFrame) -> None:
        self.n += frame.height
        of_id = pl.col("id").str.slice(len("b2:"), 15).str.to_integer(base=16).cast(pl.Int128)
        self.total = (self.total + int(frame.select((of_id * (pl.col("ordinal") + 1)).sum()).item())) % 2**64

    def __str__(self) -> str:
        return f"{self.n}:{self.total:016x}"


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `path` when the block ends well, synced; else `path` is untouched."""
    beside = path.with_name(path.name + ".tmp")
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(beside, "wb") as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn the system's refusals into a CorpusError that names the place."""
    try:
        yield
    except OSError as error:
        where = error.filename or path
        raise CorpusError(f"cannot write {where}: {error.strerror or error}", "is it full or read-only?") from error


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what makes a file of ours unreadable into a CorpusError that names it. A missing file stays one."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        what = str(error).splitlines()[0]
        raise CorpusError(
            f"{path} cannot be read: {what}",
            "damaged, or of another release; rows and manifest are made anew from the ledger if you delete them",
        ) from error


M = TypeVar("M", bound=BaseModel)


def _load(path: Path, model: type[M]) -> M | None:
    try:
        with _reading(path):
            return model.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
