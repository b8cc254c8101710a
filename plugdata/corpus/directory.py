"""The directory: what lies where, one writer, rows written and counted.

Knows nothing of what the stages do.
"""

import fcntl
import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import polars as pl
from pydantic import BaseModel

from plugdata.corpus.files import reading, replacing, writing
from plugdata.corpus.manifest import Counts, Manifest, Progress, stage_key
from plugdata.errors import CorpusError, FunnelError, InputError
from plugdata.rows import Status, conform

BATCH = 5_000
"""Rows handed to a row-wise stage at a time, and in a Parquet row group: some 10 MB of instruction data."""


LOCK_TRIES, LOCK_WAIT_S = 10, 0.05
"""A writer waits half a second for those who only look."""


class Written(NamedTuple):
    output: str
    census: str
    counts: Counts


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
        with writing(path):
            path.mkdir(parents=True, exist_ok=True)
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> "Corpus":
        """An existing corpus. Raises InputError where there is none."""
        if not (path / "recipe.yaml").is_file():
            what = "is not a corpus (it holds no recipe.yaml)" if path.exists() else "does not exist"
            made = "`plugdata run RECIPE` or `plugdata translate` makes one"
            ledger = path / "ledger.sqlite"  # of a judge
            raise InputError(f"{path} {what}", f"`plugdata ledger {ledger}`?" if ledger.is_file() else made)
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
        with writing(self.path):
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
            with reading(self.path / ".lock"):
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
        with writing(path):
            if progress is None:
                path.unlink(missing_ok=True)
            else:
                beside = path.with_suffix(".tmp")
                beside.write_text(progress.model_dump_json())
                beside.replace(path)

    def write_text(self, name: str, text: str) -> None:
        with replacing(self.path / name) as handle:
            handle.write(text.encode())

    def n_rows(self, stage: str, lang: str | None = None) -> int | None:
        """Rows in a stage's file by its footer; None where there is no file, or a damaged one."""
        import pyarrow.parquet as pq

        try:
            with reading(self.part(stage, lang)):
                return int(pq.read_metadata(self.part(stage, lang)).num_rows)
        except (FileNotFoundError, CorpusError):
            return None

    def batches(
        self, stage: str, lang: str | None = None, columns: Sequence[str] | None = None
    ) -> Iterator[pl.DataFrame]:
        """The rows of a finished stage, `BATCH` at a time; of all columns or of some."""
        path = self.part(stage, lang)
        with reading(path):
            found = pl.scan_parquet(path, glob=False)
            yield from (found.select(columns) if columns else found).collect_batches(chunk_size=BATCH)

    def rows(self, stage: str, lang: str | None = None) -> pl.DataFrame:
        """All rows of a finished stage."""
        path = self.part(stage, lang)
        with reading(path):
            return pl.read_parquet(path, glob=False)

    def scan(self, stage: str, lang: str | None = None) -> pl.LazyFrame:
        """All rows of a finished stage, to be asked for less than all."""
        path = self.part(stage, lang)
        with reading(path):
            found = pl.scan_parquet(path, glob=False)
            found.collect_schema()  # a damaged file is told here, with its name
            return found

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
        schema = pl.DataFrame(schema=dict(contract)).to_arrow().schema
        with writing(path), replacing(path) as handle:
            # without dictionaries: nearly all of a row is texts of its own, and zstd finds what is said again
            with pq.ParquetWriter(handle, schema, compression="zstd", use_dictionary=False) as writer:
                for frame in frames:
                    frame = conform(frame, dict(contract))
                    tally.add(frame)
                    seen.add(frame)
                    writer.write_table(frame.to_arrow(), row_group_size=BATCH)
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


M = TypeVar("M", bound=BaseModel)


def _load(path: Path, model: type[M]) -> M | None:
    try:
        with reading(path):
            return model.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
