"""The ledger file: what was acknowledged is on disk and stays readable, whatever becomes of the file or the disk."""

import asyncio
import json
import resource
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from plugdata.calls.ledger import tables
from plugdata.calls.ledger.entries import Stored, now
from plugdata.calls.ledger.store import Claim, Ledger
from plugdata.errors import CorpusError
from plugdata.hashing import tagged_hash
from plugdata.wire import Message, Request
from tests import asking
from tests.asking import ask, outcome, rows, select
from tests.servers.llm import LlmServer

hurry, ledger = asking.hurry, asking.ledger


def _stored(n: int) -> Stored:
    request = Request((Message("user", f"Which river is number {n}?"),))
    body = json.dumps({"choices": [{"message": {"content": f"River {n}"}, "finish_reason": "stop"}]})
    return Stored(request.key("m"), request, "m", body, 0.1, now())


def test_an_answer_is_on_disk_when_it_is_acknowledged(ledger: Ledger) -> None:
    async def put_and_look() -> list[tuple[str]]:
        await ledger.put(_stored(1))
        return select(ledger.path, "SELECT key FROM answers")

    assert asyncio.run(put_and_look()) == [(_stored(1).key,)]


def test_answers_that_come_together_share_a_commit(ledger: Ledger) -> None:
    commits: list[str] = []
    ledger._writer.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)

    async def put_all() -> None:
        await asyncio.gather(*(ledger.put(_stored(n)) for n in range(200)))

    asyncio.run(put_all())
    assert select(ledger.path, "SELECT count(*) FROM answers") == [(200,)]
    assert len(commits) <= 2


def test_a_key_keeps_its_first_answer_and_a_second_one_is_charged_beside_it(ledger: Ledger) -> None:
    first = _stored(1)
    body = first.body.replace("River 1", "Another")
    second = Stored(first.key, first.request, "m", body, 0.1, first.answered_at, nano_usd=70)

    async def put_both() -> None:
        await ledger.put(first)
        await ledger.put(second)

    asyncio.run(put_both())
    assert ledger.body(first.key) == first.body
    assert select(ledger.path, "SELECT why, nano_usd FROM charges") == [("paid-twice", 70)]
    assert ledger.money() == (70, 0)


def test_an_error_in_one_operation_undoes_its_commit_and_is_heard(ledger: Ledger) -> None:
    async def put_beside_an_error() -> tuple[object, object]:
        broken = ledger.commit(lambda db: db.execute("INSERT INTO no_such_table VALUES (1)"))
        return await asyncio.gather(ledger.put(_stored(1)), broken, return_exceptions=True)

    heard = asyncio.run(put_beside_an_error())
    assert [type(error) for error in heard] == [CorpusError, CorpusError]
    assert ledger.body(_stored(1).key) is None
    assert asyncio.run(ledger.claim(_stored(1).key, 0, None)) is Claim.OURS


def test_a_ledger_of_version_1_keeps_every_answer(tmp_path: Path) -> None:
    asked, old = rows(12), tmp_path / "old.sqlite"
    columns = (
        "key, request, body, model, prompt, stage, lang, finish_reason, prompt_tokens, completion_tokens, seconds,"
        " answered_at"
    )
    with LlmServer() as server:
        with Ledger(tmp_path / "new.sqlite") as new:
            ask(server, new, asked)
            came_to = [outcome(row, new) for row in asked]
            answers = select(new.path, f"SELECT {columns} FROM answers ORDER BY key")
        with closing(sqlite3.connect(old)) as db:
            db.executescript(tables._V1)
            db.executemany(f"INSERT INTO answers ({columns}) VALUES ({', '.join('?' * 12)})", answers)
            db.execute("INSERT INTO errors VALUES ('k', 'server', 'HTTP 500', '2026-01-01T00:00:00+00:00')")
            db.execute("PRAGMA user_version=1")
            db.commit()
        with Ledger(old) as migrated:
            assert ask(server, migrated, asked).calls == 0
            assert [outcome(row, migrated) for row in asked] == came_to
            assert migrated.last_error("k") == ("server", "HTTP 500")
            assert migrated.money() == (0, 0)
    assert select(old, f"SELECT {columns} FROM answers ORDER BY key") == answers
    for request, body, n_chars, n_text, body_hash, nano_usd, origin in select(
        old, "SELECT request, body, request_chars, text_chars, body_hash, nano_usd, origin FROM answers"
    ):
        assert tables.request_chars(json.loads(request)) == (n_chars, n_text)
        assert (body_hash, nano_usd, origin) == (tagged_hash(body), None, "online")


def test_a_reader_migrates_an_old_ledger_too(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "old.sqlite")) as db:
        db.executescript(f"{tables._V1} PRAGMA user_version=1;")
    with Ledger(tmp_path / "old.sqlite", read_only=True) as opened:
        assert opened.counts() == []


def test_a_migration_that_fails_leaves_the_old_ledger_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(f"{tables._V1} PRAGMA user_version=1;")
        values = ("k", "no JSON", "{}", "m", "p", "s", "ko", None, None, None, 0.1, "2026-01-01T00:00:00+00:00")
        db.execute(f"INSERT INTO answers VALUES ({', '.join('?' * 12)})", values)
        db.commit()
    with pytest.raises(CorpusError, match=r"old\.sqlite"):
        Ledger(path)
    assert select(path, "SELECT * FROM answers") == [values]
    assert select(path, "PRAGMA user_version") == [(1,)]


@contextmanager
def _full(ledger: Ledger) -> Iterator[None]:
    """No page can be added to the file."""
    n_pages = ledger._writer.execute("PRAGMA page_count").fetchone()[0]
    ledger._writer.execute(f"PRAGMA max_page_count={n_pages + 6}")
    yield
    ledger._writer.execute("PRAGMA max_page_count=1000000")


@contextmanager
def _limited(ledger: Ledger) -> Iterator[None]:
    """The write-ahead log cannot grow, as on a disk that is full or a quota that is used up."""
    n_bytes = ledger.path.with_name(f"{ledger.path.name}-wal").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes + 200_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def _read_only(ledger: Ledger) -> Iterator[None]:
    ledger._writer.execute("PRAGMA query_only=ON")
    yield
    ledger._writer.execute("PRAGMA query_only=OFF")


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (_full, "database or disk is full"),
        (_limited, "disk (I/O error|is full)|database or disk is full"),
        (_read_only, "attempt to write a readonly database"),
    ],
    ids=["full", "limit", "read-only"],
)
def test_a_ledger_that_cannot_be_written_stops_the_run_and_keeps_what_it_has(
    tmp_path: Path, broken: Callable[[Ledger], Iterator[None]], says: str
) -> None:
    path, asked = tmp_path / "ledger.sqlite", rows(200)
    with LlmServer() as server:
        with Ledger(path) as ledger:
            ask(server, ledger, asked[:10])
            with broken(ledger):  # type: ignore[attr-defined]
                with pytest.raises(CorpusError, match=says) as caught:
                    ask(server, ledger, asked)
                assert str(path) in str(caught.value)
        n_asked = len(server.requests)
        kept = select(path, "SELECT count(*) FROM answers")[0][0]
        assert 10 <= kept < 200
        assert kept >= n_asked - 4  # what was not acknowledged was in flight
        with Ledger(path) as ledger:
            assert ask(server, ledger, asked).calls == 200 - kept
            assert all(outcome(row, ledger).reason is None for row in asked)
    assert select(path, "PRAGMA integrity_check") == [("ok",)]


def test_a_damaged_page_stops_the_run_and_nothing_is_written_over_what_is_left(tmp_path: Path) -> None:
    path, asked = tmp_path / "ledger.sqlite", rows(80)
    with LlmServer() as server:
        with Ledger(path) as ledger:
            ask(server, ledger, asked)
        whole = path.read_bytes()
        size = select(path, "PRAGMA page_size")[0][0]
        (root,) = select(path, "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_answers_1'")[0]
        garbage = b"\xa5" * size
        path.write_bytes(whole[: (root - 1) * size] + garbage + whole[root * size :])
        with Ledger(path) as ledger, pytest.raises(CorpusError, match=r"ledger\.sqlite: database disk image is malf"):
            ask(server, ledger, rows(90))
        assert len(server.requests) == 80
        damaged = path.read_bytes()
        path.write_bytes(damaged[: (root - 1) * size] + whole[(root - 1) * size : root * size] + damaged[root * size :])
        with Ledger(path) as ledger:
            assert ask(server, ledger, asked).calls == 0
    assert select(path, "PRAGMA integrity_check") == [("ok",)]


def test_a_ledger_of_another_schema_or_none_at_all_is_refused(tmp_path: Path) -> None:
    strange = tmp_path / "strange.sqlite"
    with closing(sqlite3.connect(strange)) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(CorpusError, match="schema 99"):
        Ledger(strange)
    (tmp_path / "text.sqlite").write_text("this is no database, only some words about one " * 40)
    with pytest.raises(CorpusError, match="not a database"):
        Ledger(tmp_path / "text.sqlite")
    with closing(sqlite3.connect(tmp_path / "other.sqlite")) as db:
        db.execute("CREATE TABLE addresses (name TEXT)")
    with pytest.raises(CorpusError, match=r"other\.sqlite is not a ledger"):
        Ledger(tmp_path / "other.sqlite")


LOCAL = "25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "9p", "lustre", "fuse.sshfs", "fuse.rclone"])
def test_a_network_file_system_is_refused_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    home = tmp_path / "home dir"
    home.mkdir()
    mounted = str(home).replace(" ", "\\040")
    (tmp_path / "mountinfo").write_text(f"{LOCAL}99 25 0:50 / {mounted} rw - {kind} host:/export rw\n")
    monkeypatch.setattr(tables, "MOUNTS", tmp_path / "mountinfo")
    with pytest.raises(CorpusError, match=rf"network file system \({kind}\)") as caught:
        Ledger(home / "corpus" / "ledger.sqlite")
    assert "--ledger PATH" in caught.value.hint
    assert not (home / "corpus" / "ledger.sqlite").exists()
    with Ledger(tmp_path / "ledger.sqlite") as beside:
        assert beside.money() == (0, 0)


def test_a_disk_of_this_machine_that_is_mounted_inside_a_network_one_is_fine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer, inner = (
        f"98 25 0:50 / {tmp_path} rw - nfs4 host:/home rw\n",
        f"99 98 8:2 / {tmp_path}/disk rw - ext4 /d rw\n",
    )
    (tmp_path / "mountinfo").write_text(LOCAL + outer + inner)
    monkeypatch.setattr(tables, "MOUNTS", tmp_path / "mountinfo")
    with Ledger(tmp_path / "disk" / "ledger.sqlite") as ledger:
        assert ledger.money() == (0, 0)
    with pytest.raises(CorpusError):
        Ledger(tmp_path / "ledger.sqlite")


def test_a_new_ledger_that_another_process_is_about_to_make_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(time, "sleep", lambda seconds: other.execute("ROLLBACK"))
        with Ledger(path) as ledger:
            assert ledger.money() == (0, 0)
