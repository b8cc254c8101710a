"""Embeddings from an endpoint: each paid for once, whatever the endpoint answers and whenever the run ends."""

import base64
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plugdata.calls import embeddings, vectors
from plugdata.calls.ledger.store import Ledger
from plugdata.errors import (
    AuthError,
    BudgetReached,
    CorpusError,
    EndpointError,
    InputError,
    PartialError,
    PlugdataError,
    QuotaExhausted,
)
from plugdata.recipe import Model

Said = tuple[int, dict[str, str], Any]
Fault = Callable[[int, list[str]], Said | None]

TEXTS = [f"Describe the {thing} of {place}." for thing in ("rivers", "songs", "bread") for place in map(str, range(40))]


class Server:
    """`/v1/embeddings` on loopback: 4 numbers of each text, as base64 or `plain`. `fault` may answer in its place."""

    def __init__(self, fault: Fault = lambda index, texts: None, plain: bool = False) -> None:
        self.asked: list[list[str]] = []
        self.bodies: list[dict[str, Any]] = []
        self.answered: list[str] = []
        ours, numbers, lock = self, count(), threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    index = next(numbers)
                    ours.asked.append(body["input"])
                    ours.bodies.append(body)
                status, headers, said = fault(index, body["input"]) or (200, {}, embedded(body["input"], plain))
                raw = said.encode() if isinstance(said, str) else json.dumps(said).encode()
                try:
                    self.send_response(status)
                    for name, value in {**headers, "Content-Length": str(len(raw))}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(raw)
                except OSError:  # who asked is gone
                    return
                ours.answered += body["input"] if status == 200 else []

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()


def numbers_of(text: str, dimensions: int = 4) -> list[float]:
    return [float(len(text)), *(float(sum(text.encode()[at::7])) for at in range(dimensions - 1))]


def embedded(texts: Sequence[str], plain: bool = False, dimensions: int = 4) -> dict[str, Any]:
    vectors = [np.array(numbers_of(text, dimensions), "<f4") for text in texts]
    entries = [
        {"index": at, "embedding": v.tolist() if plain else base64.b64encode(v.tobytes()).decode()}
        for at, v in enumerate(vectors)
    ]
    return {"data": entries, "usage": {"prompt_tokens": 10 * len(texts), "total_tokens": 10 * len(texts)}}


def once(said: Any, status: int = 200, headers: dict[str, str] | None = None) -> Fault:
    return lambda index, texts: (status, headers or {}, said(texts) if callable(said) else said) if not index else None


def always(said: Any, status: int = 200, headers: dict[str, str] | None = None) -> Fault:
    return lambda index, texts: (status, headers or {}, said(texts) if callable(said) else said)


def model(url: str, **more: Any) -> Model:
    return Model.model_validate({"model": "e5", "base_url": url, "limits": {"concurrency": 2}, **more})


def fetch(
    folder: Path,
    of: Model,
    texts: Sequence[str] = TEXTS,
    *,
    retries: int = 2,
    budget: int | None = None,
    ledger: Ledger | None = None,
) -> np.ndarray[Any, Any]:
    member = embeddings.member(of, of.served_as or of.model)
    with vectors.opened(folder / "embeddings.sqlite", embeddings.identity(member)) as store:
        embeddings.fetch(iter([texts]), member, store, ledger, budget, retries, lambda line: None)
        return store.read(texts)


@pytest.mark.parametrize("plain", [False, True], ids=["base64", "numbers"])
def test_every_text_gets_its_own_vector_of_length_1(tmp_path: Path, plain: bool) -> None:
    with Server(plain=plain) as server:
        found = fetch(tmp_path, model(server.url))
    expected = np.array([numbers_of(text) for text in TEXTS])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.allclose(found, expected, atol=1e-3)
    assert max(map(len, server.asked)) == embeddings.PER_CALL


def test_vectors_are_told_apart_by_their_index_and_not_by_their_place(tmp_path: Path) -> None:
    def backwards(index: int, texts: list[str]) -> Said:
        return 200, {}, {"data": embedded(texts)["data"][::-1]}

    with Server() as right, Server(backwards) as other:
        straight = fetch(tmp_path, model(right.url))
        assert np.array_equal(straight, fetch(tmp_path, model(other.url, served_as="other")))


def test_a_text_is_asked_for_once_in_a_run_and_in_all_runs(tmp_path: Path) -> None:
    with Server() as server:
        fetch(tmp_path, model(server.url), [*TEXTS[:50], *TEXTS[:50]])
        fetch(tmp_path, model(server.url), TEXTS)
        fetch(tmp_path, model(server.url), TEXTS)
    assert sorted(text for call in server.asked for text in call) == sorted(TEXTS)


def test_another_model_or_parameter_has_vectors_of_its_own(tmp_path: Path) -> None:
    with Server() as server:
        for more in ({}, {"served_as": "other"}, {"params": {"dimensions": 4, "temperature": 0}}):
            fetch(tmp_path, model(server.url, **more), TEXTS[:1])
    assert len(server.asked) == 3
    assert [body.get("dimensions") for body in server.bodies] == [None, None, 4]
    assert not any("temperature" in body for body in server.bodies)


FAULTS = {
    "too few": once(lambda texts: embedded(texts[1:])),
    "too many": once(lambda texts: embedded([*texts, "more"])),
    "lengths differ": once(
        lambda texts: {"data": embedded(texts[:-1])["data"] + [{"index": len(texts) - 1, "embedding": [1.0]}]}
    ),
    "no vectors": once(lambda texts: {"data": [{"index": at, "embedding": []} for at in range(len(texts))]}),
    "a null": once(lambda texts: {"data": [{"index": at, "embedding": [None, 1.0]} for at in range(len(texts))]}),
    "no numbers": once(lambda texts: {"data": [{"index": at, "embedding": {"a": 1}} for at in range(len(texts))]}),
    "nested": once(lambda texts: {"data": [{"index": at, "embedding": [[1.0]]} for at in range(len(texts))]}),
    "not base64": once(lambda texts: {"data": [{"index": at, "embedding": "…"} for at in range(len(texts))]}),
    "one index twice": once(lambda texts: {"data": [{"index": 0, "embedding": [1.0]} for _ in texts]}),
    "an index that is no number": once(lambda texts: {"data": [{"index": "x", "embedding": [1.0]} for _ in texts]}),
    "numbers beyond all floats": once(
        lambda texts: {"data": [{"index": at, "embedding": [10**400, 1e300]} for at in range(len(texts))]}
    ),
    "numbers beyond 32 bits": once(
        lambda texts: {"data": [{"index": at, "embedding": [1e300]} for at in range(len(texts))]}
    ),
    "nested deeply": once("[" * 100_000),
    "a list": once([1, 2]),
    "null": once("null"),
    "html": once("<html>busy</html>"),
    "cut off": once('{"data": ['),
    "empty": once(""),
    "500": once({"error": {"message": "oops"}}, 500),
    "429": once({"error": {"message": "slow down"}}, 429, {"Retry-After": "0"}),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_passing_fault_is_asked_again_and_changes_nothing(tmp_path: Path, fault: Fault) -> None:
    with Server(fault) as server:
        found = fetch(tmp_path, model(server.url), TEXTS[:40])
    assert len(server.asked) == 3
    assert len({tuple(call) for call in server.asked}) == 2
    expected = np.array([numbers_of(text) for text in TEXTS[:40]])
    assert np.allclose(found, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-3)


ENDS: dict[str, tuple[Fault, type[PlugdataError], str]] = {
    "always wrong": (always([]), PartialError, "no list `data`"),
    "always 500": (always("oops", 500), PartialError, "HTTP 500"),
    "no key": (always({"error": {"message": "bad key"}}, 401), AuthError, "bad key"),
    "no money": (always({"error": {"code": "insufficient_quota", "message": "pay"}}, 429), QuotaExhausted, "pay"),
    "rejected": (always({"error": {"message": "unknown parameter"}}, 400), EndpointError, "unknown parameter"),
}


@pytest.mark.parametrize(("fault", "error", "told"), ENDS.values(), ids=ENDS.keys())
def test_a_lasting_fault_ends_the_run_in_one_line_and_keeps_what_came(
    tmp_path: Path, fault: Fault, error: type[PlugdataError], told: str
) -> None:
    with Server() as server:
        fetch(tmp_path, model(server.url), TEXTS[:32])
    with Server(fault) as server, pytest.raises(error, match=told) as raised:
        fetch(tmp_path, model(server.url), retries=0)
    assert "\n" not in str(raised.value) and raised.value.hint
    with Server() as server:
        fetch(tmp_path, model(server.url))
    assert sorted(text for call in server.asked for text in call) == sorted(TEXTS[32:])


def test_an_endpoint_that_changes_its_dimensions_is_another_model(tmp_path: Path) -> None:
    with Server() as server:
        fetch(tmp_path, model(server.url), TEXTS[:5])
    with Server(always(lambda texts: embedded(texts, dimensions=6))) as server:
        with pytest.raises(EndpointError, match="vectors of 6 numbers, and gave 4 before") as raised:
            fetch(tmp_path, model(server.url), TEXTS[:9])
        assert "served_as" in raised.value.hint
        assert fetch(tmp_path, model(server.url, served_as="e5-new"), TEXTS[:9]).shape == (9, 6)


def test_a_server_that_is_not_there_ends_the_run(tmp_path: Path) -> None:
    with Server() as gone:
        pass
    with pytest.raises(EndpointError, match="cannot be reached"):
        fetch(tmp_path, model(gone.url), TEXTS[:1])


_RUN = """
import sys
from pathlib import Path
from tests.test_embeddings import TEXTS, fetch, model
fetch(Path(sys.argv[1]), model(sys.argv[2]), TEXTS)
"""


def test_after_a_kill_no_text_that_was_committed_is_asked_for_again(tmp_path: Path) -> None:
    held, reached = threading.Event(), threading.Event()

    def third_waits(index: int, texts: list[str]) -> Said | None:
        if index >= 2:
            reached.set()
            held.wait(60)
        return None

    with Server(third_waits) as server:
        root = Path(__file__).parents[1]
        killed = subprocess.Popen(
            [sys.executable, "-c", _RUN, str(tmp_path), server.url],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        assert reached.wait(60)
        before = set(server.answered)
        killed.send_signal(signal.SIGKILL)
        assert killed.wait() == -signal.SIGKILL
        held.set()
        n_before = len(server.asked)
        assert fetch(tmp_path, model(server.url)).shape == (len(TEXTS), 4)
        again = [text for call in server.asked[n_before:] for text in call]
    assert sorted(before | set(again)) == sorted(TEXTS)
    assert len(set(again) & before) <= embeddings.PER_CALL  # answered, and not committed yet: one of two in flight
    assert len(again) == len(set(again)) < len(TEXTS)


PRICE = {"input": 1.0, "output": 0.0}  # 1,000 nano-dollars a token


def test_what_embeddings_cost_is_the_ledgers(tmp_path: Path) -> None:
    with Server() as server, Ledger(tmp_path / "ledger.sqlite") as ledger:
        fetch(tmp_path, model(server.url, price=PRICE), ledger=ledger)
        assert ledger.money() == (len(TEXTS) * 10 * 1_000, 0)
        fetch(tmp_path, model(server.url, price=PRICE), ledger=ledger)
        assert ledger.money().spent == len(TEXTS) * 10 * 1_000


def test_a_budget_is_never_exceeded_and_a_larger_one_resumes(tmp_path: Path) -> None:
    budget = 2_400_000  # a call's bound is 1.9 million, and what it costs 320,000
    with Server() as server, Ledger(tmp_path / "ledger.sqlite") as ledger:
        with pytest.raises(BudgetReached, match="no room for the next embeddings"):
            fetch(tmp_path, model(server.url, price=PRICE), budget=budget, ledger=ledger)
        assert 0 < ledger.money().spent <= budget
        assert ledger.money().reserved == 0
        fetch(tmp_path, model(server.url, price=PRICE), budget=10 * budget, ledger=ledger)
    assert sorted(text for call in server.asked for text in call) == sorted(TEXTS)


def test_an_answer_that_says_nothing_of_tokens_is_charged_at_its_bound(tmp_path: Path) -> None:
    def silent(index: int, texts: list[str]) -> Said:
        return 200, {}, {"data": embedded(texts)["data"]}

    with Server(silent) as server, Ledger(tmp_path / "ledger.sqlite") as ledger:
        fetch(tmp_path, model(server.url, price=PRICE), TEXTS[:32], ledger=ledger)
        assert ledger.money().spent > sum(len(text) for text in TEXTS[:32]) * 1_000


def test_a_try_that_may_have_been_billed_stays_charged(tmp_path: Path) -> None:
    with Server(once("<html>")) as server, Ledger(tmp_path / "ledger.sqlite") as ledger:
        fetch(tmp_path, model(server.url, price=PRICE), TEXTS[:32], ledger=ledger)
        assert ledger.money().spent > 2 * 320_000


def test_a_model_without_a_price_or_a_chat_model_in_process_is_refused_before_anything_is_sent() -> None:
    for of in (Model(model="text-embedding-3-small"), Model(model="local")):
        with pytest.raises(InputError, match=r"^diversify\.model: ") as raised:
            embeddings.member(of, "x")
        assert raised.value.hint


@pytest.mark.parametrize("content", [b"not a database, but long enough to look like a file of one", None])
def test_a_file_that_holds_no_embeddings_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "embeddings.sqlite"
    if content is None:
        Ledger(path).__exit__()
    else:
        path.write_bytes(content)
    with pytest.raises(CorpusError, match=r"embeddings\.sqlite"):
        fetch(tmp_path, model("http://127.0.0.1:9/v1"))
