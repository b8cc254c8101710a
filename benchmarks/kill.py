"""kill -9 at random instants of a run, and a rerun after each: what is asked for twice, and what is lost.

    python -m benchmarks.kill [--rows 2000] [--kills 30] [--seed 7]

Each `plugdata run` is killed after a random number of its calls has arrived at the server, and a random while: calls
are in flight then. What is committed is read from the ledger before the next start, and compared with the server's
log of what arrives after it; what was in flight is what the killed process had claimed.
"""

import argparse
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.loopback import ROOT, bar, log_lines, served, table, write_source
from plugdata.rows import Status

CONCURRENCY = 16
LATENCY_S = 0.1
"""Of the server, so that calls are in flight at every instant after the first."""
POLL_S = 0.002
GIVE_UP_S = 120.0
"""For a start to get its calls out: a hundred times what one takes."""
KILLED_SHARE = 0.8
"""Of the rows, which are answered under runs that are killed; the last run asks for the rest."""


def start(folder: Path, base_url: str) -> "subprocess.Popen[bytes]":
    """`plugdata run` in a process of its own."""
    (folder / "recipe.yaml").write_text(
        json.dumps(
            {
                "corpus": str(folder / "corpus"),
                "sources": [{"path": str(folder / "rows.jsonl"), "license": "apache-2.0"}],
                "languages": ["ko"],
                "models": [{"model": "test", "base_url": base_url, "limits": {"concurrency": CONCURRENCY}}],
            }
        )
    )
    command = [sys.executable, "-m", "plugdata", "run", str(folder / "recipe.yaml")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def committed(ledger: Path) -> set[str]:
    """Digests, as the server makes them, of the requests that have an answer."""
    with closing(sqlite3.connect(ledger)) as db:
        found = [json.loads(request) for (request,) in db.execute("SELECT request FROM answers")]
    return {_digest({"model": request.pop("served_as"), **request}) for request in found}


def in_flight(ledger: Path) -> int:
    """Calls that the killed process had claimed."""
    with closing(sqlite3.connect(ledger)) as db:
        return int(db.execute("SELECT count(*) FROM claims").fetchone()[0])


def _digest(request: dict[str, Any]) -> str:
    return sha256(json.dumps(request, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def kill_when(process: "subprocess.Popen[bytes]", log: Path, n_arrived: int, then_s: float) -> bool:
    """Kill a run `then_s` after so many requests have arrived in all. False if it ended before."""
    until = time.monotonic() + GIVE_UP_S
    while _n_lines(log) < n_arrived:
        if process.poll() is not None:
            return False
        if time.monotonic() > until:
            process.kill()
            sys.exit(f"a run sent nothing for {GIVE_UP_S:.0f} s")
        time.sleep(POLL_S)
    time.sleep(then_s)
    process.kill()
    return process.wait() < 0


def _n_lines(log: Path) -> int:
    return log.read_bytes().count(b"\n") if log.exists() else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    most = max(1, round(2 * KILLED_SHARE * options.rows / options.kills) - CONCURRENCY)
    n_kills = n_claimed = n_again = 0
    with tempfile.TemporaryDirectory() as at:
        folder = Path(at)
        log, ledger = folder / "log", folder / "corpus" / "ledger.sqlite"
        write_source(folder / "rows.jsonl", options.rows)
        with served("--latency", str(LATENCY_S), "--log", str(log)) as server:
            began = time.monotonic()
            while True:
                before = committed(ledger) if ledger.exists() else set()
                n_before = _n_lines(log)
                run = start(folder, server.base_url)
                killed = n_kills < options.kills and kill_when(
                    run, log, n_before + draw.randint(1, most), draw.uniform(0, LATENCY_S)
                )
                told = run.communicate()[1].decode()
                n_again += sum(line["digest"] in before for line in log_lines(log)[n_before:])
                if not killed:
                    break
                n_kills += 1
                n_claimed += in_flight(ledger)
            wall_s = time.monotonic() - began
        arrived = [line["digest"] for line in log_lines(log)]
        if run.returncode:
            sys.exit(f"the last run ended with {run.returncode}: {told}")
        parts = pl.read_parquet(folder / "corpus" / "rows" / "translate" / "ko" / "*.parquet")
        kept = parts.filter(pl.col("status") == Status.KEPT).height
        answered = committed(ledger)
    if not answered <= set(arrived):
        sys.exit("the ledger holds requests that the server never saw: the two are not compared rightly")
    n_repeats = len(arrived) - len(set(arrived))
    table(
        ["rows", "kills", "in flight at them", "calls arrived", "repeats", "answers", "rows kept", "wall s"],
        [[options.rows, n_kills, n_claimed, len(arrived), n_repeats, len(answered), kept, wall_s]],
    )
    bar(f"{options.kills} kills while calls are in flight", f"{n_kills}", n_kills == options.kills)
    bar("0 rows lost", f"{options.rows - kept}", options.rows == kept)
    bar("0 committed answers asked for again", f"{n_again}", n_again == 0)
    bar("repeats at the server <= calls in flight at the kills", f"{n_repeats} <= {n_claimed}", n_repeats <= n_claimed)


if __name__ == "__main__":
    main()
