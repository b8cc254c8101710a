"""Ledgers at rest: counted, checked, merged, taken out and brought in; and what damage to their files does."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from io import StringIO
from itertools import permutations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from plugdata.calls.ledger import archive, tables
from plugdata.calls.ledger.archive import Calls
from plugdata.calls.ledger.merge import Merged, merge
from plugdata.calls.ledger.transfer import export, import_
from plugdata.errors import CorpusError, InputError, PlugdataError
from plugdata.hashing import tagged_hash
from plugdata.review import ledger as shown
from plugdata.wire import Message, Request, read_answer

CONTENT = {
    "answers": "key",
    "errors": "key, at, class, message",
    "charges": "key, at, why, nano_usd",
    "totals": "nano_usd",
}


def line(text: str, answer: str = "네, 맞습니다.", **rest: Any) -> dict[str, Any]:
    """An answer in our own shape."""
    request = {"served_as": "m", "messages": [{"role": "user", "content": text}], "temperature": 0}
    return {"request": request, "text": answer, "lang": "ko", "stage": "translate", "prompt": "p-v1", **rest}


def key(text: str) -> str:
    return Request((Message("user", text),), {"temperature": 0}).key("m")


def written(path: Path, *lines: Any) -> Path:
    """A file of JSON Lines; a string is a line as it stands."""
    told = (said if isinstance(said, str) else json.dumps(said, ensure_ascii=False) for said in lines)
    path.write_text("".join(f"{said}\n" for said in told), encoding="utf-8")
    return path


def ledger(path: Path, *lines: Any) -> Path:
    """A ledger with answers."""
    assert import_(path, written(path.with_suffix(".jsonl"), *lines), "people").n_bad == 0
    return path


def run_sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


def content(path: Path) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(path)) as db:
        return {table: db.execute(f"SELECT * FROM {table} ORDER BY {by}").fetchall() for table, by in CONTENT.items()}


def in_a_process(script: str, *arguments: Path) -> int:
    return subprocess.run([sys.executable, "-c", script, *map(str, arguments)], timeout=60).returncode


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    """Three ledgers that share answers, copies of answers, errors and charges."""
    same = line("하나", "일", answered_at="2026-03-01T10:00:00Z", usd=0.5)
    a = ledger(tmp_path / "a.sqlite", same, line("둘", "late", answered_at="2026-03-03T10:00:00Z", usd=0.25))
    b = ledger(tmp_path / "b.sqlite", same, line("둘", "early", answered_at="2026-03-02T10:00:00Z", usd=2))
    c = ledger(tmp_path / "c.sqlite", line("둘", "same time", answered_at="2026-03-02T10:00:00Z"), line("셋", "삼"))
    for path in (a, b):  # the same error and charge in both, one of them twice in b
        run_sql(path, "INSERT INTO errors VALUES ('k', 'server', 'HTTP 500', '2026-03-01T00:00:00+00:00')")
        run_sql(path, "INSERT INTO charges VALUES ('k', 7, 'timeout', '2026-03-01T00:00:00+00:00')")
        run_sql(path, "UPDATE totals SET nano_usd = nano_usd + 7")
    run_sql(b, "INSERT INTO charges VALUES ('k', 7, 'timeout', '2026-03-01T00:00:00+00:00')")
    run_sql(b, "UPDATE totals SET nano_usd = nano_usd + 7")
    run_sql(c, "INSERT INTO errors VALUES ('k', 'timeout', 'no answer in time', '2026-02-01T00:00:00+00:00')")
    run_sql(c, "INSERT INTO claims VALUES ('x', 'w', 11, '2026-03-01T00:00:00+00:00')")
    return [a, b, c]


class TestSummary:
    def test_calls_tokens_and_money_are_counted_by_model_stage_prompt_and_language(self, tmp_path: Path) -> None:
        usage = {"prompt_tokens": 10, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 6}}
        path = ledger(
            tmp_path / "l.sqlite",
            line("a", usage=usage, usd=0.5, answered_at="2026-03-01T23:00:00Z"),
            line("b", usage=usage, answered_at="2026-03-02T01:30:00+02:00"),
            line("c", lang="sw", usd=1, answered_at="2026-03-05T00:00:00Z"),
        )
        summary = archive.summary(path)
        ko, sw = summary.uses
        assert (ko.model, ko.stage, ko.prompt, ko.lang, sw.lang) == ("m", "translate", "p-v1", "ko", "sw")
        assert ko.sum == archive.Sum(2, 1, 20, 12, 8, 500_000_000, 0, 0.0, "2026-03-01", "2026-03-01")
        assert archive.together([ko.sum, sw.sum])[:6] == (3, 1, 20, 12, 8, 1_500_000_000)
        assert summary.nano_usd == 1_500_000_000

    def test_what_is_no_answer_is_counted_too(self, shards: list[Path]) -> None:
        run_sql(
            shards[2],
            "INSERT INTO batches VALUES ('one', 'u', 'm', 'r', 'in_progress', 40, 't')",
            "INSERT INTO batches VALUES ('two', 'u', 'm', 'r', 'collected', 99, 't')",
            "INSERT INTO batch_items VALUES ('i', 'one', '{}', 'p', 's', 'ko'), ('j', 'one', '{}', 'p', 's', 'ko')",
        )
        assert archive.summary(shards[1]).charges == {"timeout": Calls(2, 14)}
        summary = archive.summary(shards[2])
        assert summary.errors == {"timeout": 1}
        assert summary.in_flight == Calls(1, 11)
        assert summary.batches == {"in_progress": Calls(2, 40)}
        assert json.loads(json.dumps(summary.as_json()))["batches"] == {"in_progress": {"n_calls": 2, "nano_usd": 40}}

    def test_the_mean_time_is_of_calls_that_have_one(self, tmp_path: Path) -> None:
        path = ledger(tmp_path / "l.sqlite", line("a"), line("b"), line("c"))
        run_sql(path, f"UPDATE answers SET seconds = 3 WHERE key = '{key('a')}'")
        run_sql(path, f"UPDATE answers SET seconds = 1 WHERE key = '{key('b')}'")
        assert archive.summary(path).uses[0].sum.mean_s == 2

    def test_it_is_shown_by_model_language_stage_and_prompt(self, shards: list[Path]) -> None:
        console = Console(file=StringIO(), width=160)
        console.print(shown.summary(archive.summary(shards[0])))
        told = console.file.getvalue()  # type: ignore[attr-defined]
        for expected in (
            "model",
            "language",
            "ko",
            "translate",
            "p-v1",
            "$0.75",
            "2026-03-01 to 2026-03-03",
            "1 server",
        ):
            assert expected in told
        assert "charged without an answer: 1 timeout" in told

    def test_an_empty_ledger_says_so(self, tmp_path: Path) -> None:
        console = Console(file=StringIO(), width=160)
        console.print(shown.summary(archive.summary(ledger(tmp_path / "l.sqlite"))))
        assert "no answers yet" in console.file.getvalue()  # type: ignore[attr-defined]

    def test_a_ledger_that_is_not_there_is_not_made(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no such ledger"):
            archive.summary(tmp_path / "l.sqlite")
        assert not list(tmp_path.iterdir())


class TestVerify:
    def test_a_whole_ledger_has_no_problems(self, shards: list[Path]) -> None:
        assert [archive.verify(path) for path in shards] == [[], [], []]

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ("UPDATE answers SET request = replace(request, 'user', 'tool')", "the request does not hash to the key"),
            ("UPDATE answers SET request = '{'", "the request is no JSON"),
            ("UPDATE answers SET body = replace(body, '맞', '틀')", "the body does not hash to its hash"),
            ("UPDATE answers SET body = x'ff', body_hash = 'b2:'", "the body is no chat completion"),
            ("UPDATE totals SET nano_usd = nano_usd + 1", "the totals are not the sum of answers and charges"),
            ("DELETE FROM totals", "the totals are not the sum of answers and charges"),
        ],
    )
    def test_what_was_changed_by_hand_is_found(self, tmp_path: Path, change: str, told: str) -> None:
        path = ledger(tmp_path / "l.sqlite", line("a"))
        run_sql(path, change)
        assert told in [problem.what for problem in archive.verify(path)]

    def test_all_problems_are_told_with_their_number_and_the_first_keys(self, tmp_path: Path) -> None:
        path = ledger(tmp_path / "l.sqlite", *(line(str(n)) for n in range(9)))
        run_sql(path, "UPDATE answers SET body = 'x'", "UPDATE totals SET nano_usd = 5")
        problems = {problem.what: problem for problem in archive.verify(path)}
        assert problems["the body does not hash to its hash"].n == problems["the body is no chat completion"].n == 9
        assert problems["the body is no chat completion"].where == tuple(key(str(n)) for n in range(3))
        assert str(problems["the totals are not the sum of answers and charges"]).endswith("(1): 5 ≠ 0 nano-dollars")

    def test_a_page_of_garbage_is_told_wherever_it_lies(self, tmp_path: Path) -> None:
        whole = ledger(tmp_path / "whole.sqlite", *(line(str(n), "길다" * 2_000) for n in range(30)))
        run_sql(whole, "PRAGMA wal_checkpoint(TRUNCATE)")
        good, size = whole.read_bytes(), 4096
        n_pages = len(good) // size
        assert n_pages > 60
        found = 0
        for page in range(n_pages):
            garbage = random.Random(page).randbytes(size)
            hurt = tmp_path / "hurt.sqlite"
            hurt.write_bytes(good[: page * size] + garbage + good[(page + 1) * size :])
            try:
                found += bool(archive.verify(hurt))
            except CorpusError as error:  # the first pages: it does not open
                assert str(hurt) in str(error) and "\n" not in str(error)
                found += 1
        assert found == n_pages

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
    def test_a_truncated_file_is_told(self, tmp_path: Path, share: float) -> None:
        path = ledger(tmp_path / "l.sqlite", *(line(str(n), "길다" * 2_000) for n in range(30)))
        run_sql(path, "PRAGMA wal_checkpoint(TRUNCATE)")
        os.truncate(path, int(path.stat().st_size * share))
        try:
            assert archive.verify(path)
        except CorpusError as error:
            assert str(path) in str(error)


class TestMerge:
    def test_the_result_is_the_same_in_any_order(self, shards: list[Path], tmp_path: Path) -> None:
        contents = []
        for nth, order in enumerate(permutations(shards)):
            merge(order, tmp_path / f"merged-{nth}.sqlite")
            contents.append(content(tmp_path / f"merged-{nth}.sqlite"))
        assert len(contents) == 6
        assert all(other == contents[0] for other in contents)

    def test_the_earliest_answer_is_kept_and_no_money_is_lost(self, shards: list[Path], tmp_path: Path) -> None:
        merged = merge(shards, target := tmp_path / "merged.sqlite")
        with closing(sqlite3.connect(target)) as db:
            bodies = dict(db.execute("SELECT key, body FROM answers"))
            twice = db.execute("SELECT key, nano_usd FROM charges WHERE why = 'paid-twice' ORDER BY 2").fetchall()
        assert set(bodies) == {key("하나"), key("둘"), key("셋")}
        by_hash = {}
        for path, text in zip(shards[1:], ("early", "same time"), strict=True):
            with closing(sqlite3.connect(path)) as db:
                where = f"SELECT body_hash FROM answers WHERE key = '{key('둘')}'"
                by_hash[db.execute(where).fetchone()[0]] = text
        winner = by_hash[min(by_hash)]
        assert read_answer(bodies[key("둘")]).text == winner
        lost = [250_000_000] if winner == "early" else [250_000_000, 2_000_000_000]
        assert twice == [(key("둘"), nano_usd) for nano_usd in lost]
        assert merged == Merged(3, 2, 2, 2 + len(lost), 1, 2_750_000_014)
        assert archive.verify(target) == []

    def test_merging_again_changes_nothing(self, shards: list[Path], tmp_path: Path) -> None:
        merge(shards, once := tmp_path / "once.sqlite")
        merge([shards[1], once, shards[0], once], again := tmp_path / "again.sqlite")
        assert content(again) == content(once)

    def test_the_latest_error_of_a_key_stays_its_last_row(self, shards: list[Path], tmp_path: Path) -> None:
        merge(shards, target := tmp_path / "merged.sqlite")
        with closing(sqlite3.connect(target)) as db:
            last = db.execute("SELECT class FROM errors WHERE key = 'k' ORDER BY rowid DESC LIMIT 1").fetchone()
        assert last == ("server",)

    def test_an_existing_target_is_left_as_it_is(self, shards: list[Path]) -> None:
        before = content(shards[0])
        with pytest.raises(InputError, match=r"a\.sqlite exists"):
            merge(shards[1:], shards[0])
        assert content(shards[0]) == before

    @pytest.mark.parametrize("kind", ["missing", "text", "another database", "damaged"])
    def test_a_source_that_is_no_ledger_is_refused_in_one_line(
        self, shards: list[Path], tmp_path: Path, kind: str
    ) -> None:
        other = tmp_path / "other.sqlite"
        match kind:
            case "text":
                other.write_text("not a database at all, but a text that is longer than its header would be " * 9)
            case "another database":
                run_sql(other, "CREATE TABLE answers (key)")
            case "damaged":
                ledger(other, *(line(str(n), "길다" * 2_000) for n in range(30)))
                run_sql(other, "PRAGMA wal_checkpoint(TRUNCATE)")
                os.truncate(other, other.stat().st_size // 2)
        with pytest.raises(PlugdataError) as error:
            merge([*shards, other], tmp_path / "merged.sqlite")
        assert str(other) in str(error.value) and "\n" not in str(error.value)
        assert not list(tmp_path.glob("merged*"))

    def test_a_kill_leaves_a_whole_ledger_or_none(self, shards: list[Path], tmp_path: Path) -> None:
        script = (
            "import os, sys; from pathlib import Path; from plugdata.calls.ledger.merge import merge\n"
            "left, target, *sources = sys.argv[1:]; left = [int(left)]\n"
            "def kill(event, args):\n"
            "    if event in ('open', 'sqlite3.connect', 'os.rename', 'os.remove') and target in str(args[0]):\n"
            "        left[0] -= 1\n"
            "        left[0] or os.kill(os.getpid(), 9)\n"
            "sys.addaudithook(kill)\n"
            "merge([Path(path) for path in sources], Path(target))\n"
        )
        target = tmp_path / "merged.sqlite"
        codes: list[int] = []
        merge(shards, expected := tmp_path / "expected.sqlite")
        while not codes or codes[-1] != 0:
            codes.append(in_a_process(script, Path(str(len(codes) + 1)), target, *shards))
            assert len(codes) < 60
            if target.exists():
                assert content(target) == content(expected)
                target.unlink()
        assert codes.count(-signal.SIGKILL) == len(codes) - 1 > 3
        merge(shards, target)
        assert content(target) == content(expected)
        assert not list(tmp_path.glob("merged.sqlite.tmp*"))

    def test_a_full_disk_is_one_error_and_leaves_nothing(self, tmp_path: Path) -> None:
        source = ledger(tmp_path / "a.sqlite", *(line(str(n), "길다" * 2_000) for n in range(30)))
        assert _with_small_files("merge([Path(sys.argv[1])], Path(sys.argv[2]))", source, tmp_path / "merged.sqlite")
        assert not list(tmp_path.glob("merged*"))


def _with_small_files(call: str, *paths: Path) -> bool:
    """Whether a call where no file may grow past 100 kB ends in a CorpusError."""
    script = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from plugdata.calls.ledger.merge import merge; from plugdata.calls.ledger.transfer import export, import_\n"
        "from plugdata.errors import CorpusError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        f"try:\n    {call}\nexcept CorpusError as error:\n    sys.exit(40 + str(error).count('\\n'))\n"
    )
    return in_a_process(script, *paths) == 40


class TestExport:
    def test_the_round_trip_is_exact(self, shards: list[Path], tmp_path: Path) -> None:
        for path in shards:
            run_sql(path, "DELETE FROM charges", "DELETE FROM errors", f"UPDATE totals SET nano_usd = {archive.SUM}")
        merge(shards[:2], source := tmp_path / "source.sqlite")
        run_sql(source, "DELETE FROM charges", f"UPDATE totals SET nano_usd = {archive.SUM}")
        run_sql(source, "UPDATE answers SET origin = 'batch', seconds = 1.25, prompt_tokens = NULL")
        out = tmp_path / "out.parquet"
        assert export(source, out) == 2
        imported = import_(back := tmp_path / "back.sqlite", out, "ignored")
        assert imported == (2, 0, 0, 2_500_000_000, ())
        assert content(back) == content(source)
        assert import_(back, out, "ignored") == (0, 2, 0, 0, ())

    def test_rows_are_sorted_by_date_and_key_in_bounded_groups(self, tmp_path: Path) -> None:
        dates = [f"2026-03-{1 + n % 7:02}T00:00:00+00:00" for n in range(2_100)]
        path = ledger(tmp_path / "l.sqlite", *(line(str(n), answered_at=at) for n, at in enumerate(dates)))
        out = tmp_path / "out.parquet"
        assert export(path, out) == 2_100
        metadata = pq.read_metadata(out)
        assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == [1_000, 1_000, 100]
        assert metadata.row_group(0).column(0).compression == "ZSTD"
        rows = pq.read_table(out, columns=["answered_at", "key"]).to_pylist()
        assert rows == sorted(rows, key=lambda row: (row["answered_at"], row["key"]))

    def test_an_empty_ledger_is_an_empty_file(self, tmp_path: Path) -> None:
        out = tmp_path / "out.parquet"
        assert export(ledger(tmp_path / "l.sqlite"), out) == 0
        assert import_(tmp_path / "back.sqlite", out, "x").n_added == 0

    def test_a_place_that_is_the_ledger_or_no_file_is_refused(self, tmp_path: Path) -> None:
        path = ledger(tmp_path / "l.sqlite", line("a"))
        before = content(path)
        for place in (path, tmp_path / "." / "l.sqlite", tmp_path, Path(os.devnull)):
            with pytest.raises(InputError, match="not a place"):
                export(path, place)
        assert content(path) == before

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
    def test_a_full_disk_is_told_and_leaves_the_old_file(self, tmp_path: Path) -> None:
        path = ledger(tmp_path / "l.sqlite", line("a"))
        (tmp_path / "out.parquet").write_bytes(b"old")
        (tmp_path / "out.parquet.tmp").symlink_to("/dev/full")
        with pytest.raises(CorpusError, match="No space left on device"):
            export(path, tmp_path / "out.parquet")
        assert (tmp_path / "out.parquet").read_bytes() == b"old"

    def test_a_damaged_ledger_leaves_no_file(self, tmp_path: Path) -> None:
        path = ledger(tmp_path / "l.sqlite", *(line(str(n), "길다" * 2_000) for n in range(30)))
        run_sql(path, "PRAGMA wal_checkpoint(TRUNCATE)")
        os.truncate(path, path.stat().st_size // 2)
        with pytest.raises(CorpusError, match="malformed"):
            export(path, tmp_path / "out.parquet")
        assert not list(tmp_path.glob("out*"))


class TestImport:
    def test_a_text_becomes_an_answer_to_the_request_that_a_run_would_send(self, tmp_path: Path) -> None:
        path = ledger(tmp_path / "l.sqlite", line("안녕", "Habari", finish_reason="length", answered_at="2026-03-01"))
        ((found, *_),) = content(path)["answers"]
        assert found == key("안녕")
        with closing(sqlite3.connect(path)) as db:
            db.row_factory = sqlite3.Row
            row = db.execute("SELECT * FROM answers").fetchone()
        answer = read_answer(row["body"])
        assert (answer.text, answer.finish_reason) == ("Habari", "length")
        assert (row["model"], row["prompt"], row["stage"], row["lang"]) == ("m", "p-v1", "translate", "ko")
        assert (row["origin"], row["nano_usd"], row["answered_at"]) == ("people", None, "2026-03-01T00:00:00+00:00")
        assert (row["request_chars"], row["text_chars"]) == (2, 2)
        assert archive.verify(path) == []

    @pytest.mark.parametrize("raw", [False, True])
    def test_a_body_is_kept_whole_and_read_for_its_numbers(self, tmp_path: Path, raw: bool) -> None:
        body = {
            "created": 1_772_000_000,
            "choices": [{"message": {"content": "jibu \ud800", "reasoning_content": "…"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 2},
        }
        said = {"request": line("a")["request"], "body": json.dumps(body, indent=1) if raw else body}
        path = ledger(tmp_path / "l.sqlite", json.dumps(said))
        with closing(sqlite3.connect(path)) as db:
            (stored, at, tokens) = db.execute("SELECT body, answered_at, prompt_tokens FROM answers").fetchone()
        assert json.loads(stored) == body
        assert (stored == said["body"]) == raw
        assert (at, tokens) == ("2026-02-25T06:13:20+00:00", 9)

    def test_an_answer_without_a_date_has_that_of_its_file(self, tmp_path: Path) -> None:
        source = written(tmp_path / "in.jsonl", line("a"))
        os.utime(source, (1_772_000_000, 1_772_000_000))
        import_(path := tmp_path / "l.sqlite", source, "people")
        assert archive.summary(path).uses[0].sum.first_date == "2026-02-25"

    @pytest.mark.parametrize(
        ("bad", "told"),
        [
            ("{", "line 2: no JSON: Expecting"),
            ("[1]", "line 2: not a JSON object"),
            ("[" * 100_000, "line 2: nested too deeply"),
            ({"text": "a"}, "line 2: request: Field required"),
            ({"request": {"served_as": "m"}, "text": "a"}, "line 2: messages: Field required"),
            ({"request": {"served_as": "m", "messages": []}, "text": "a"}, "line 2: messages: List should have"),
            ({"request": {"served_as": "m", "messages": [{"role": "user"}]}, "text": "a"}, "messages.0.content: Field"),
            ({"request": {"messages": [{"role": "user", "content": "a"}]}, "text": "a"}, "request.served_as: what"),
            (line("b", body={"choices": []}), "either `body` or `text`"),
            ({"request": line("b")["request"]}, "either `body` or `text`"),
            ({"request": line("b")["request"], "body": {"error": "x"}}, "line 2: no choices"),
            ({"request": line("b")["request"], "body": "<html>"}, "line 2: no JSON"),
            (line("b", usd=-1), "line 2: usd: Input should be greater"),
            (line("b", answered_at="yesterday"), "line 2: answered_at: Input should be a valid datetime"),
            (line("b", finishreason="length"), "line 2: finishreason: Extra inputs"),
            ('{"request": {"served_as": "m", "stop": "\\ud800", "messages": [{"role": "user", "content": "a"}]}, '
             '"text": "a"}', "line 2: text that is not Unicode"),
        ],
    )  # fmt: skip
    def test_a_bad_line_is_told_with_its_number_and_costs_no_other(self, tmp_path: Path, bad: Any, told: str) -> None:
        source = written(tmp_path / "in.jsonl", line("first"), bad, "", line("last"))
        imported = import_(path := tmp_path / "l.sqlite", source, "people")
        assert (imported.n_added, imported.n_there, imported.n_bad) == (2, 0, 1)
        assert told in imported.problems[0] and imported.problems[0].startswith("line 2: ")
        assert {row[0] for row in content(path)["answers"]} == {key("first"), key("last")}

    def test_an_answer_that_is_there_is_left_alone(self, tmp_path: Path) -> None:
        path = ledger(tmp_path / "l.sqlite", line("a", "old", usd=1))
        before = content(path)
        source = written(tmp_path / "in.jsonl", line("a", "new", usd=5), line("b", usd=2), line("b", "again"))
        assert import_(path, source, "people") == (1, 2, 0, 2_000_000_000, ())
        after = content(path)
        assert before["answers"][0] in after["answers"]
        assert after["totals"] == [(3_000_000_000,)]

    def test_a_batch_run_by_hand_counts(self, tmp_path: Path) -> None:
        asked = {"model": "m", "messages": [{"role": "user", "content": "a"}], "temperature": 0}
        body = {"choices": [{"message": {"content": "jibu"}, "finish_reason": "stop"}]}
        requests = written(
            tmp_path / "input.jsonl",
            *({"custom_id": id, "url": "/v1/chat/completions", "body": asked} for id in ("one", "one", "b2:no", "bad")),
        )
        outputs = written(
            tmp_path / "output.jsonl",
            {"id": "r", "custom_id": "one", "response": {"status_code": 200, "body": body}, "error": None},
            {"custom_id": "b2:no", "response": {"status_code": 200, "body": body}},
            {"custom_id": "other", "response": {"status_code": 200, "body": body}},
            {"custom_id": "bad", "response": {"status_code": 400, "body": {"error": {"message": "too long"}}}},
        )
        imported = import_(path := tmp_path / "l.sqlite", outputs, "batch", requests=requests)
        assert [row[0] for row in content(path)["answers"]] == [key("a")]
        assert (imported.n_added, imported.n_bad) == (1, 4)
        for told, expected in zip(
            imported.problems,
            (
                "input.jsonl line 2: custom_id 'one'",
                "line 2: custom_id b2:no",
                "line 3: what 'other' asked",
                "too long",
            ),
            strict=True,
        ):
            assert expected in told
        assert import_(tmp_path / "other.sqlite", outputs, "batch").n_bad == 4  # nothing says what was asked
        served = import_(tmp_path / "third.sqlite", outputs, "batch", requests=requests, served_as="alias")
        assert served.n_added == 1
        assert archive.summary(tmp_path / "third.sqlite").uses[0].model == "alias"

    def test_a_kill_keeps_what_was_committed_and_the_import_goes_on(self, tmp_path: Path) -> None:
        lines = [json.dumps(line(str(n))) + "\n" for n in range(1_500)]
        os.mkfifo(pipe := tmp_path / "pipe")
        script = "import sys; from pathlib import Path; from plugdata.calls.ledger.transfer import import_\n"
        script += "import_(Path(sys.argv[1]), Path(sys.argv[2]), 'people')"
        path = tmp_path / "l.sqlite"
        with subprocess.Popen([sys.executable, "-c", script, path, pipe]) as process, pipe.open("w") as handle:
            handle.writelines(lines)
            handle.flush()  # the writing end stays open: the rest is waited for
            while not path.exists() or not _n_answers(path):
                assert process.poll() is None
            process.kill()
        assert _n_answers(path) == 1_000
        assert archive.verify(path) == []
        assert import_(path, written(tmp_path / "in.jsonl", *map(str.rstrip, lines)), "people")[:2] == (500, 1_000)

    def test_a_full_disk_is_one_error_and_keeps_what_was_there(self, tmp_path: Path) -> None:
        path = ledger(tmp_path / "l.sqlite", line("a"))
        source = written(tmp_path / "in.jsonl", *(line(str(n), "길다" * 2_000) for n in range(30)))
        before = content(path)
        assert _with_small_files("import_(Path(sys.argv[1]), Path(sys.argv[2]), 'people')", path, source)
        assert content(path) == before
        assert archive.verify(path) == []

    def test_a_source_that_is_not_there_makes_no_ledger(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"none\.jsonl"):
            import_(tmp_path / "l.sqlite", tmp_path / "none.jsonl", "people")
        assert not (tmp_path / "l.sqlite").exists()

    def test_a_database_of_something_else_is_left_alone(self, tmp_path: Path) -> None:
        run_sql(path := tmp_path / "photos.sqlite", "CREATE TABLE photos (name)")
        with pytest.raises(CorpusError, match="not a ledger"):
            import_(path, written(tmp_path / "in.jsonl", line("a")), "people")
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("photos",)]

    @pytest.mark.parametrize("kind", ["truncated", "another table", "a null", "magic only"])
    def test_a_parquet_file_that_is_no_export_is_refused_in_one_line(self, tmp_path: Path, kind: str) -> None:
        path = ledger(tmp_path / "l.sqlite", line("a"))
        export(path, out := tmp_path / "out.parquet")
        table = pq.read_table(out)
        match kind:
            case "truncated":
                os.truncate(out, out.stat().st_size // 2)
            case "another table":
                pq.write_table(pa.table({"key": ["a"]}), out)
            case "a null":
                pq.write_table(table.set_column(0, "key", pa.array([None], pa.string())), out)
            case "magic only":
                out.write_bytes(b"PAR1")
        with pytest.raises(InputError, match=r"out\.parquet is no export") as error:
            import_(tmp_path / "back.sqlite", out, "x")
        assert "\n" not in str(error.value)

    def test_a_row_of_an_export_that_was_changed_is_told_and_left_out(self, tmp_path: Path) -> None:
        path = ledger(tmp_path / "l.sqlite", *(line(text, answered_at="2026-03-01") for text in "abc"))
        export(path, out := tmp_path / "out.parquet")
        rows = pq.read_table(out)
        bodies = rows["body"].to_pylist()
        changed = pa.array([bodies[0], bodies[1].replace("네", "아니요"), bodies[2]], pa.string())
        pq.write_table(rows.set_column(rows.schema.get_field_index("body"), rows.schema.field("body"), changed), out)
        imported = import_(tmp_path / "back.sqlite", out, "x")
        assert (imported.n_added, imported.problems) == (2, ("row 2: the body does not hash to its hash",))


def _n_answers(path: Path) -> int:
    try:
        with closing(tables.reader(path)) as db:
            return int(db.execute("SELECT count(*) FROM answers").fetchone()[0])
    except CorpusError:  # in the making
        return 0


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A folder that cannot be written, with a ledger in it."""
    (folder := tmp_path / "closed").mkdir()
    ledger(folder / "l.sqlite", line("a"))
    (folder / "l.sqlite").chmod(0o444)
    folder.chmod(0o555)
    if os.access(folder, os.W_OK):
        pytest.skip("this user may write anywhere")
    yield folder
    folder.chmod(0o755)


class TestReadOnly:
    def test_a_ledger_there_can_be_read(self, closed: Path, tmp_path: Path) -> None:
        path = closed / "l.sqlite"
        assert archive.summary(path).uses[0].sum.n_calls == 1
        assert archive.verify(path) == []
        assert merge([path], tmp_path / "merged.sqlite").n_answers == 1
        assert export(path, tmp_path / "out.parquet") == 1

    def test_writing_there_is_one_error(self, closed: Path, tmp_path: Path) -> None:
        source = written(tmp_path / "in.jsonl", line("b"))
        for call in (
            lambda: export(closed / "l.sqlite", closed / "out.parquet"),
            lambda: merge([closed / "l.sqlite"], closed / "merged.sqlite"),
            lambda: import_(closed / "l.sqlite", source, "people"),
            lambda: import_(closed / "new.sqlite", source, "people"),
        ):
            with pytest.raises(CorpusError, match="closed") as error:
                call()
            assert "\n" not in str(error.value)
        assert sorted(path.name for path in closed.iterdir()) == ["l.jsonl", "l.sqlite"]


def test_hashes_are_those_of_the_ledger() -> None:
    assert key("a") == tagged_hash({"served_as": "m", "messages": [{"role": "user", "content": "a"}], "temperature": 0})
