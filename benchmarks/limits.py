"""How much of a provider's limit is used: a sliding window, with the limit in the recipe, and told by headers alone.

    python -m benchmarks.limits [--rpm 1200] [--windows 3] [--window-s 60]

One after the other, so that they do not take each other's CPU. A run of (windows + 1) x rpm calls cannot end sooner
than `windows` windows after its first call, however it paces itself: the share of the allowed rate is that time over
the time between the first and the last arrival at the server. A client that sends the first rpm calls in no time could
reach 100 %; what ours takes for them is the column beside. Another --window-s (to try the script) makes our minute as
short.
"""

import argparse
import tempfile
from pathlib import Path
from typing import NamedTuple

from benchmarks.loopback import RETRIES, Cost, bar, log_lines, measured, member, rows, served, table, task
from plugdata.calls import limiter
from plugdata.calls.caller import Tally
from plugdata.calls.dispatch import dispatch
from plugdata.calls.faults import Fault
from plugdata.calls.ledger.store import Ledger

CONCURRENCY = 64


class Use(NamedTuple):
    """What became of one run. `used` is the share of the allowed rate, `first_s` what the first rpm calls took."""

    used: float
    first_s: float
    n_arrived: int
    n_limited: int
    n_failed: int
    cost: Cost


def run(rpm: int, windows: int, window_s: float, told: bool) -> Use:
    """The limit in the recipe and a server that says nothing of it, or (`told`) the other way round."""
    limiter.WINDOW_S = window_s
    n = (windows + 1) * rpm
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder, "ledger.sqlite")) as ledger:
        log = Path(folder, "log")
        options = ("--rpm", rpm, "--window", window_s, "--style", "openai" if told else "none", "--log", log)
        with served(*map(str, options)) as server:
            pool = [member(server, CONCURRENCY, rpm=None if told else rpm)]
            tasks = [task(pool[0])]

            def ask() -> Tally:
                jobs = ((row, tasks) for row in rows(n))
                return dispatch(jobs, pool, ledger, RETRIES, None, lambda tally: None, lambda line: None)

            tally, cost = measured(ask)
        arrived = sorted(line["at"] for line in log_lines(log))
    used, first_s = windows * window_s / (arrived[-1] - arrived[0]), arrived[rpm - 1] - arrived[0]
    return Use(used, first_s, len(arrived), tally.faults[Fault.RATE_LIMIT], tally.failed, cost)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rpm", type=int, default=1200)
    parser.add_argument("--windows", type=int, default=3)
    parser.add_argument("--window-s", type=float, default=60.0)
    options = parser.parse_args()
    uses = {
        name: run(options.rpm, options.windows, options.window_s, told)
        for name, told in (("in the recipe", False), ("told by headers", True))
    }
    print(f"{options.rpm} in any {options.window_s:g} s, {(options.windows + 1) * options.rpm} calls each")
    table(
        [
            "the limit is",
            "share of the rate",
            "first rpm calls s",
            "wall s",
            "CPU ms a call",
            "arrived",
            "429s",
            "failed",
        ],
        [
            [name, f"{use.used:.2%}", use.first_s, use.cost.wall_s, 1000 * use.cost.cpu_s / use.n_arrived, *use[2:5]]
            for name, use in uses.items()
        ],
    )
    for name, use in uses.items():
        refused = use.n_limited / use.n_arrived
        bar(f"limit {name}: >= 98 % of the allowed rate", f"{use.used:.2%}", use.used >= 0.98)
        bar(f"limit {name}: <= 0.2 % of calls answered 429", f"{refused:.2%}", refused <= 0.002)


if __name__ == "__main__":
    main()
