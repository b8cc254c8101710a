"""How well the rules of the route find the task classes of hand-labelled rows, and what they cost.

    python -m benchmarks.route [--wrong]

Rows: tests/labelled/route.jsonl, of our own writing. "held out": written after the rules, which have not been changed
since to suit them. The time is CPU time in one process, the median of rounds over all rows.
"""

import argparse
import statistics
import time

from benchmarks.loopback import bar, table
from plugdata.translate import route
from tests.labelled import Labelled, Score, score
from tests.labelled import route as labelled

ROUNDS = 20
MOST_US = 40
"""Microseconds a row at most: 52,000 rows, the size of Alpaca, in two seconds."""


def found(row: Labelled) -> str | None:
    """The class that the rules give."""
    hit = route.classify(row.instruction, row.input, row.response)
    return hit.task_class if hit else None


def cost_us(rows: list[Labelled]) -> float:
    """CPU microseconds a row."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for row in rows:
            found(row)
        rounds.append((time.process_time() - began) / len(rows) * 1e6)
    return statistics.median(rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wrong", action="store_true", help="also print the rows that got another class")
    options = parser.parse_args()
    rows = labelled()
    names = (*route.CLASSES, None)
    sets = [[row for row in rows if row.held_out is held_out] for held_out in (False, True)]
    tuned, held = (score(part, found, names) for part in sets)
    table(
        ["class", "tuned: rows", "precision", "recall", "held out: rows", "precision", "recall"],
        [[name or "(ordinary)", *_cells(tuned[name]), *_cells(held[name])] for name in names],
    )
    for part, scores in zip(("tuned", "held out"), (tuned, held), strict=True):
        right, n = sum(one.n_right for one in scores.values()), sum(one.n for one in scores.values())
        print(f"{part}: {right} of {n} rows right ({right / n:.1%})")
    if options.wrong:
        for row in rows:
            if found(row) != row.task_class:
                print(f"{row.task_class} taken for {found(row)}: {row.instruction}")
    us = cost_us(rows)
    bar(f"at most {MOST_US} µs of CPU a row", f"{us:.1f} µs", us <= MOST_US)


def _cells(one: Score) -> list[str | int]:
    return [one.n, f"{one.precision:.0%}", f"{one.recall:.0%}"]


if __name__ == "__main__":
    main()
