"""A bad day at a provider against a good one: what becomes of every row, and how many calls that takes.

    python -m benchmarks.storm [--rows 1000]

The storm is issue 3's: 10 % 429, 5 % 500, 3 % dropped connections, 3 % broken JSON, 5 % cut answers, 3 % missing
tags, 2 % empty answers, 2 % refusals. The server decides by content and attempt, so that every run meets the same.
"""

import argparse
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from benchmarks.loopback import RETRIES, Cost, bar, log_lines, measured, member, rows, served, table, task
from plugdata.calls.caller import Tally
from plugdata.calls.dispatch import dispatch
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.pool import Missing, replay
from tests.servers import llm

CONCURRENCY = 64


class Day(NamedTuple):
    """What became of the rows, by status or reason; `faulty` is the share of arrivals the server answered wrongly."""

    rows: Counter[str]
    calls: int
    faulty: float
    tally: Tally
    cost: Cost


def day(n: int, stormy: bool) -> Day:
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder, "ledger.sqlite")) as ledger:
        log = Path(folder, "log")
        with served(*(["--faults", "storm"] if stormy else []), "--log", str(log)) as server:
            pool = [member(server, CONCURRENCY)]
            tasks = [task(pool[0])]

            def ask() -> Tally:
                jobs = ((row, tasks) for row in rows(n))
                return dispatch(jobs, pool, ledger, RETRIES, None, lambda tally: None, lambda line: None)

            tally, cost = measured(ask)
        became: Counter[str] = Counter()
        for row in rows(n):
            step, _ = replay(row, tasks, pool, ledger)
            if isinstance(step, Missing):
                became["failed" if step.error else "unaccounted for"] += 1
            else:
                became[step.value.reason or "kept"] += 1
        arrived = log_lines(log)
    struck = sum(_is_struck(line["attempt"], line["digest"]) for line in arrived) if stormy else 0
    return Day(became, len(arrived), struck / len(arrived), tally, cost)


def _is_struck(attempt: int, digest: str) -> bool:
    """Whether the storm answers this arrival with a fault: its own decision, made once more."""
    request = llm.Request(0, attempt, {}, {}, 0.0, digest, "", answer=lambda request: "any")
    return any(fault(request) for fault in llm.storm())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1000)
    options = parser.parse_args()
    day(100, stormy=False)  # imports
    fine, storm = day(options.rows, stormy=False), day(options.rows, stormy=True)
    table(
        ["", "faulty answers", "calls", "calls a row", "rows kept", "the others", "wall s", "CPU ms a call"],
        [
            [
                name,
                f"{one.faulty:.1%}",
                one.calls,
                one.calls / options.rows,
                one.rows["kept"],
                ", ".join(f"{n} {what}" for what, n in one.rows.most_common() if what != "kept") or "none",
                one.cost.wall_s,
                1000 * one.cost.cpu_s / one.calls,
            ]
            for name, one in (("fault-free", fine), ("storm", storm))
        ],
    )
    print("faults: " + ", ".join(f"{n} {kind}" for kind, n in storm.tally.faults.most_common()))
    print(f"wall time: {storm.cost.wall_s / fine.cost.wall_s:.1f}x the fault-free run's")
    told = sum(storm.rows.values()) - storm.rows["unaccounted for"]
    bar(f"every row accounted for ({options.rows})", str(told), told == options.rows)
    lost = 1 - storm.rows["kept"] / fine.rows["kept"]
    bar("kept within 2 % of the fault-free run", f"{lost:.1%} fewer", lost <= 0.02)
    allowed, took = 1.1 / (1 - storm.faulty), storm.calls / fine.calls
    bar(f"calls <= 1.1 / (1 - f) = {allowed:.2f}x the fault-free run's", f"{took:.2f}x", took <= allowed)


if __name__ == "__main__":
    main()
