"""`plugdata ledger` on the ledgers of real corpora: shown, checked, merged, carried elsewhere, shared, cancelled."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from plugdata import cli
from plugdata.calls.batch import run as batches
from plugdata.errors import PlugdataError
from tests.servers import llm
from tests.servers.batches import BatchApi
from tests.servers.llm import LlmServer

ROOT = Path(__file__).parents[1]
PRICED = ["--price", "1,2"]


def _source(folder: Path, numbers: range, name: str = "rows.json") -> Path:
    records = [
        {
            "instruction": f"Explain to a newcomer how the {i}th tram line runs through our town.",
            "output": f"Line {i} begins at the lake, stops at {i + 4} squares, and ends behind the old brewery.",
        }
        for i in numbers
    ]
    (folder / name).write_text(json.dumps(records))
    return folder / name


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("OPENAI_BASE_URL", "PLUGDATA_MODEL", "PLUGDATA_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-7uXhQ2LrTz")


def _plugdata(*args: object) -> tuple[int, str]:
    """Exit code and stdout, in this process."""
    done = CliRunner().invoke(cli.cli, [str(arg) for arg in args])
    if done.exception and not isinstance(done.exception, PlugdataError | SystemExit):
        raise done.exception
    return getattr(done.exception, "exit_code", done.exit_code), done.stdout


def _translated(server: LlmServer, source: Path, corpus: str, *args: object) -> None:
    asked = ["--to", "ko,sw", "--model", "m", "--base-url", server.base_url, "-q", *PRICED, *args]
    code, out = _plugdata("translate", source, corpus, *asked)
    assert code == 0, out


def _shown(path: str) -> dict[str, Any]:
    code, out = _plugdata("ledger", path, "--json")
    assert code == 0
    shown: dict[str, Any] = json.loads(out)
    return shown


def test_a_ledger_shows_calls_tokens_and_money_by_model_language_stage_and_prompt(tmp_path: Path) -> None:
    with LlmServer(
        faults=[llm.when(lambda request: "0th" in request.text, llm.attempts(1, llm.server_error()))]
    ) as server:
        _translated(server, _source(tmp_path, range(6)), "corpus")
    uses = {use["lang"]: use for use in _shown("corpus")["uses"]}
    assert {lang: (use["n_calls"], use["model"], use["stage"]) for lang, use in uses.items()} == {
        "ko": (6, "m", "translate"),
        "sw": (6, "m", "translate"),
    }
    spent = sum(use["nano_usd"] for use in uses.values())
    assert spent == sum(1000 * use["prompt_tokens"] + 2000 * use["completion_tokens"] for use in uses.values())
    assert _shown("corpus")["nano_usd"] == spent
    assert _shown("corpus/ledger.sqlite") == _shown("corpus")
    lines = [line.split() for line in _plugdata("ledger", "corpus")[1].splitlines() if line.strip()]
    assert [line[0] for line in lines[2:]] == [
        "model",
        "language",
        "sw",
        "stage",
        "prompt",
        "all",
        "answered",
        "spent:",
    ]
    assert lines[3][1:4] == ["ko", "6", f"{uses['ko']['prompt_tokens']:,}"]


def test_a_sound_ledger_verifies_and_a_changed_answer_is_found(tmp_path: Path) -> None:
    with LlmServer() as server:
        _translated(server, _source(tmp_path, range(3)), "corpus")
    assert _plugdata("ledger", "verify", "corpus") == (0, "corpus/ledger.sqlite: whole\n")
    with closing(sqlite3.connect("corpus/ledger.sqlite")) as db, db:
        (key,) = db.execute("SELECT key FROM answers LIMIT 1").fetchone()
        db.execute("UPDATE answers SET body = replace(body, 'assistant', 'Assistant') WHERE key = ?", (key,))
    code, out = _plugdata("ledger", "verify", "corpus")
    assert (code, out) == (1, f"the body does not hash to its hash (1): {key}\n")


def test_a_merged_ledger_holds_both_and_serves_a_corpus_of_both(tmp_path: Path) -> None:
    with LlmServer() as server:
        _translated(server, _source(tmp_path, range(4), "a.json"), "a")
        _translated(server, _source(tmp_path, range(4, 7), "b.json"), "b")
        assert _plugdata("ledger", "merge", "a", "b", "-o", "both.sqlite")[0] == 0
        assert _shown("both.sqlite")["nano_usd"] == _shown("a")["nano_usd"] + _shown("b")["nano_usd"]
        _translated(server, _source(tmp_path, range(7), "all.json"), "all", "--ledger", "both.sqlite")
        assert len(server.requests) == 14
    assert not Path("all/ledger.sqlite").exists()


def test_answers_that_are_exported_and_imported_are_not_paid_again(tmp_path: Path) -> None:
    with LlmServer() as server:
        _translated(server, _source(tmp_path, range(4)), "first")
        assert _plugdata("ledger", "export", "first", "answers.parquet") == (0, "answers.parquet: 8 answers\n")
        code, out = _plugdata("ledger", "import", "second.sqlite", "answers.parquet")
        assert (code, out) == (0, "8 answers added, 0 were there, 0 lines cannot be used\n")
        _translated(server, _source(tmp_path, range(5)), "second", "--ledger", "second.sqlite")
        assert len(server.requests) == 8 + 2
    Path("broken.jsonl").write_text("no answer at all\n")
    code, out = _plugdata("ledger", "import", "second.sqlite", "broken.jsonl", "--origin", "people")
    assert (code, "1 lines cannot be used" in out) == (3, True)


def test_of_two_corpora_with_one_ledger_the_second_pays_for_what_is_new_alone(tmp_path: Path) -> None:
    with LlmServer() as server:
        _translated(server, _source(tmp_path, range(6), "a.json"), "a", "--ledger", "shared.sqlite")
        assert len(server.requests) == 12
        paid = _shown("shared.sqlite")["nano_usd"]
        _translated(server, _source(tmp_path, range(3, 8), "b.json"), "b", "--ledger", "shared.sqlite")
        assert len(server.requests) == len({request.digest for request in server.requests}) == 16
        assert _plugdata("run", "b/recipe.yaml", "-q", "--until", "pair")[0] == 0  # the corpus remembers its ledger
        assert len(server.requests) == 16
    assert _shown("a") == _shown("b") == _shown("shared.sqlite")
    assert _shown("shared.sqlite")["nano_usd"] > paid > 0


def test_every_run_leaves_a_log_without_keys_or_texts(tmp_path: Path) -> None:
    faults = [llm.share(0.5, llm.server_error()), llm.when(lambda request: "1th" in request.text, llm.bad_request())]
    asked = ["translate", _source(tmp_path, range(5)), "corpus", "--to", "ko", "--model", "m"]
    with LlmServer(faults=faults, api_key=os.environ["OPENAI_API_KEY"]) as server:
        for _ in range(2):
            _plugdata(*asked, "--base-url", server.base_url, "--set", "translate.retries=1")
    logs = sorted(Path("corpus/logs").iterdir())
    assert len(logs) == 2
    for log in logs:
        text = log.read_text(encoding="utf-8")
        assert "call failed key=b2:" in text
        assert "sk-7uXhQ2LrTz" not in text
        assert "tram line" not in text and "old brewery" not in text
    assert "screen: 5 rows, 5 kept, 0 taken out" in logs[0].read_text(encoding="utf-8")


def test_open_batches_are_cancelled_and_what_they_answered_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "POLL_FIRST_S", 0.001)

    def detach(event: str, n: int) -> None:
        if event == "created":
            running.send_signal(signal.SIGINT)

    api = BatchApi(on=detach)
    with LlmServer(routes=[api]) as server:
        api.reply_to = server.reply_to
        asked = ["translate", str(_source(tmp_path, range(8))), "corpus", "--to", "ko", "--model", "m", *PRICED]
        command = [sys.executable, "-m", "plugdata", *asked, "--base-url", server.base_url]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen([*command, "--set", "translate.mode=batch"], env=environment) as running:
            running.wait(60)
        assert running.returncode == 130
        reserved = _shown("corpus")["batches"]
        assert [calls["n_calls"] for calls in reserved.values()] == [8]
        code, out = _plugdata("ledger", "cancel", "corpus", "-q")
        assert (code, out) == (0, "4 answers collected, 0 calls failed; no batch is open any more\n")
        assert [batch.status for batch in api.batches] == ["cancelled"]
        assert (_shown("corpus")["batches"], sum(use["n_calls"] for use in _shown("corpus")["uses"])) == ({}, 4)
        assert _plugdata("ledger", "cancel", "corpus", "-q")[1].startswith("0 answers collected")
