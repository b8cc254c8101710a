"""What a data set holds: its Parquet files alone, and what `datasets` gives a user from a folder or from the Hub.

From the Hub it is read in a process of its own, with empty caches and a token: what a stranger gets, not what this
process holds in memory or an earlier one left on disk (a missing revision falls back to a cached copy silently).

Owns the comparison of what was written with what comes back. Must not know how either came to be.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from plugdata.corpus import BATCH
from plugdata.errors import CorpusError, HubError
from plugdata.publish.shards import features

if TYPE_CHECKING:
    import pyarrow as pa


class Content(NamedTuple):
    """The rows of a split as they were read: how many, and a hash of all of them in order."""

    n_rows: int
    digest: str


_PATTERN = frozenset("*?[")


def written(dist: Path) -> dict[str, dict[str, Content]]:
    """What the Parquet files of a dist/ hold: config → split → content, that of all its files in order."""
    files: dict[str, dict[str, list[Path]]] = {}
    for path in sorted(dist.glob("*/*.parquet")):
        files.setdefault(path.parent.name, {}).setdefault(path.name.partition("-")[0], []).append(path)
    return {
        config: {split: _content(_batches(paths)) for split, paths in splits.items()}
        for config, splits in files.items()
    }


def loaded(where: str, configs: list[str], cache: str, revision: str | None = None) -> dict[str, dict[str, Content]]:
    """What `datasets` gives for every config of a folder or Hub data set. Raises CorpusError if it gives up.

    Only the cache of `datasets` is the given one; the Hub's own is set by HF_HOME before the first import.
    """
    import datasets

    found: dict[str, dict[str, Content]] = {}
    with _quiet():
        try:
            for config in configs:
                splits = datasets.load_dataset(where, config, revision=revision, cache_dir=cache)
                for split, data in splits.items():
                    if data.features != features():
                        raise CorpusError(f"{where}, config {config!r}: the columns are {data.features}")
                    batches = data.with_format("arrow").iter(BATCH)
                    found.setdefault(config, {})[str(split)] = _content(batches)
        except (datasets.exceptions.DatasetsError, OSError, ValueError) as error:
            why = str(error.__cause__ or error).strip().splitlines() or [type(error).__name__]
            is_pattern = revision is None and not _PATTERN.isdisjoint(str(Path(where).resolve()))
            hint = "to `datasets` a path with *, ? or [ is a pattern: move the corpus to another" if is_pattern else ""
            raise CorpusError(f"{where} does not load with `datasets`: {why[0]}", hint) from error
    return found


def from_hub(
    repo: str, configs: list[str], revision: str, token: str | None, folder: Path
) -> dict[str, dict[str, Content]]:
    """What `loaded` gives of a commit on the Hub to a new process whose caches lie in `folder`. Raises HubError."""
    code = (
        "import json, sys; from plugdata.publish import readback; "
        "json.dump(readback.loaded(*json.loads(sys.argv[1])), sys.stdout)"
    )
    caches = ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_DATASETS_CACHE", "HF_XET_CACHE", "HF_ASSETS_CACHE")
    mine = {name: value for name, value in os.environ.items() if name not in (*caches, "HF_TOKEN", "HF_TOKEN_PATH")}
    mine |= {"HF_HOME": str(folder), "HF_HUB_DISABLE_PROGRESS_BARS": "1", **({"HF_TOKEN": token} if token else {})}
    mine["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    asked = json.dumps([repo, configs, str(folder / "datasets"), revision])
    done = subprocess.run([sys.executable, "-c", code, asked], env=mine, capture_output=True, text=True)
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise HubError(f"{repo} cannot be loaded back: {why.removeprefix('plugdata.errors.CorpusError: ')}")
    return {
        config: {split: Content(*content) for split, content in splits.items()}
        for config, splits in json.loads(done.stdout).items()
    }


def differences(expected: Mapping[str, object], found: Mapping[str, object]) -> str:
    """The configs in which two contents differ, in words."""
    names = [name for name in {**expected, **found} if expected.get(name) != found.get(name)]
    return ", ".join(f"config {name!r}: {expected.get(name)} became {found.get(name)}" for name in names)


def _batches(paths: Iterable[Path]) -> "Iterator[pa.RecordBatch]":
    import pyarrow.parquet as pq

    for path in paths:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(BATCH)


def _content(batches: "Iterable[pa.RecordBatch | pa.Table]") -> Content:
    """A hash of each row (64 bits), and of all of those in order: no batch size changes it, a moved row does."""
    n_rows, digest = 0, hashlib.blake2b(digest_size=16)
    for batch in batches:
        frame = pl.from_arrow(batch)
        assert isinstance(frame, pl.DataFrame)
        n_rows += frame.height
        digest.update(frame.select(pl.struct(pl.all()).hash(seed=0)).to_series().to_numpy().tobytes())
    return Content(n_rows, digest.hexdigest())


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and no chatter from `datasets` meanwhile."""
    import datasets

    level, had_bars = datasets.logging.get_verbosity(), datasets.is_progress_bar_enabled()
    datasets.logging.set_verbosity_error()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.logging.set_verbosity(level)
        if had_bars:
            datasets.enable_progress_bars()
