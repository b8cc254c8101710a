"""Peak memory of `plugdata plan` and of the calls themselves, at a tenth of the rows and at all of them.

    python -m benchmarks.memory [--rows 1000000] [--skip-calls]

Every figure is the peak RSS of a process of its own, as the kernel counted it (ru_maxrss of wait4). Rows are short and
all different; the calls get a fiftieth of them, from a generator, so that only what calls/ holds can grow.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.loopback import RETRIES, ROOT, Server, bar, member, rows, served, table, task, write_source
from plugdata.calls.dispatch import dispatch
from plugdata.calls.ledger.store import Ledger

CHARS = 150
CONCURRENCY = 64
CALLS_SHARE = 50
FLAT = 1.15
"""Ten times the rows may take this much more: caches of the allocator and of SQLite fill up."""


class Peak(NamedTuple):
    mb: float
    wall_s: float
    cpu_s: float


def peak(command: list[str]) -> Peak:
    """What a command took. Exits where it fails."""
    began = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: ended with {process.returncode}")
    return Peak(used.ru_maxrss / 1024, time.perf_counter() - began, used.ru_utime + used.ru_stime)


def plan(n: int) -> Peak:
    """`plugdata plan` of so many rows."""
    with tempfile.TemporaryDirectory() as at:
        folder = Path(at)
        write_source(folder / "rows.jsonl", n, CHARS)
        recipe = {
            "corpus": str(folder / "corpus"),
            "sources": [{"path": str(folder / "rows.jsonl"), "license": "apache-2.0"}],
            "languages": ["ko"],
            "models": [{"model": "test", "base_url": "http://127.0.0.1:9/v1"}],  # nothing is sent
        }
        (folder / "recipe.yaml").write_text(json.dumps(recipe))
        return peak([sys.executable, "-m", "plugdata", "plan", str(folder / "recipe.yaml")])


def calls(server: Server, n: int) -> Peak:
    """`ask` in a process of its own."""
    return peak([sys.executable, "-m", "benchmarks.memory", "--rows", str(n), "--ask", server.base_url])


def ask(base_url: str, n: int) -> None:
    """So many rows' answers into a fresh ledger."""
    pool = [member(Server(base_url, 0), CONCURRENCY)]
    tasks = [task(pool[0])]
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder, "ledger.sqlite")) as ledger:
        jobs = ((row, tasks) for row in rows(n, chars=CHARS))
        dispatch(jobs, pool, ledger, RETRIES, None, lambda tally: None, lambda line: None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--skip-calls", action="store_true")
    parser.add_argument("--ask", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask:
        return ask(options.ask, options.rows)
    found = [("plan", n, plan(n)) for n in (options.rows // 10, options.rows)]
    if not options.skip_calls:
        with served() as server:
            most = options.rows // CALLS_SHARE
            found += [("calls", n, calls(server, n)) for n in (most // 10, most)]
    table(
        ["", "rows", "peak RSS MB", "wall s", "CPU ms a row"],
        [[what, n, f"{one.mb:.0f}", one.wall_s, 1000 * one.cpu_s / n] for what, n, one in found],
    )
    planned = found[1][2].mb
    bar(f"plan of {options.rows} rows: <= 600 MB", f"{planned:.0f} MB", planned <= 600)
    if not options.skip_calls:
        few, many = (one.mb for _, _, one in found[2:])
        bar(f"calls: flat, <= {FLAT}x for ten times the rows", f"{many / few:.2f}x", many <= FLAT * few)


if __name__ == "__main__":
    main()
