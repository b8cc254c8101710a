"""Runs that reach their budget with many calls in flight: what a server would bill, against what was allowed.

    python -m benchmarks.budget [--runs 10] [--rows 3000] [--in-flight 200] [--seed 7]

Prices, budgets and faults are drawn at random. The account is the server's: it bills every request by the usage it
told, also those whose answer was lost on the way. Runs stop at the budget; a second start of each must send nothing
that it cannot pay. Money is whole nano-dollars (1e-9 USD).
"""

import argparse
import math
import random
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from benchmarks.loopback import RETRIES, Server, bar, member, rows, table, task
from plugdata.calls.dispatch import dispatch
from plugdata.calls.ledger.store import Ledger, Money
from plugdata.errors import BudgetReached, GateError
from plugdata.recipe import Price
from tests.servers import llm

LATENCY_S = 0.2
"""Of the server: as long as 200 calls take to send, so that they are in flight together."""
LOST = 0.02
"""Share of answers that are cut on the way."""
MAX_TOKENS = 512
"""Of an answer, which takes about 200 here: what is reserved for a call is some four times what it costs."""


class Run(NamedTuple):
    """Money is in 1e-9 USD: what was allowed, billed by the server, and spent by our own account."""

    price: Price
    budget: int
    billed: int
    own: Money
    in_flight: int
    answered: int
    stopped: bool


def run(n: int, in_flight: int, draw: random.Random) -> Run:
    """One run with a price and a budget of its own."""
    price = Price(input=round(draw.uniform(0.05, 5), 3), output=round(draw.uniform(0.2, 20), 3))
    lost = llm.share(LOST, llm.dropped_mid_body(), seed=str(draw.random()))
    with (
        tempfile.TemporaryDirectory() as folder,
        Ledger(Path(folder, "ledger.sqlite")) as ledger,
        llm.LlmServer([lost], latency_s=LATENCY_S) as server,
    ):
        pool = [member(Server(server.base_url, 0), in_flight, price=price, max_tokens=MAX_TOKENS)]
        tasks = [task(pool[0])]
        # A row's price is about 600 prompt and 200 answer tokens; a budget pays for a part of the rows.
        budget = round(draw.uniform(0.3, 0.9) * n * 1000 * (600 * price.input + 200 * price.output))
        stopped = False
        for _ in range(2):
            try:
                dispatch(
                    ((row, tasks) for row in rows(n)), pool, ledger, RETRIES, budget, lambda t: None, lambda s: None
                )
            except (BudgetReached, GateError):
                stopped = True
        billed = sum(_bill(request, price) for request in server.requests)
        answered = sum(call.n_calls for call in ledger.counts())
        return Run(price, budget, billed, ledger.money(), server.max_in_flight, answered, stopped)


def _bill(request: llm.Request, price: Price) -> int:
    used = llm.usage(request, llm.usual_answer(request))
    nano = [Fraction(str(usd)) * 1000 for usd in (price.input, price.output)]
    return math.ceil(used.n_prompt * nano[0] + used.n_completion * nano[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--in-flight", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    runs = [run(options.rows, options.in_flight, draw) for _ in range(options.runs)]
    table(
        ["USD per M in", "out", "budget USD", "billed / budget", "own account / budget", "answers", "most in flight"],
        [
            [
                one.price.input,
                one.price.output,
                f"{one.budget / 1e9:.4f}",
                f"{one.billed / one.budget:.2%}",
                f"{one.own.spent / one.budget:.2%}",
                one.answered,
                one.in_flight,
            ]
            for one in runs
        ],
    )
    over = sum(max(0, one.billed - one.budget) for one in runs)
    own_over = sum(max(0, one.own.spent + one.own.reserved - one.budget) for one in runs)
    used = [one.own.spent / one.budget for one in runs if one.stopped]
    bar("not one cent over the budget, by the server's account", f"{over / 1e9:.9f} USD over", over == 0)
    bar("nor by the ledger's", f"{own_over / 1e9:.9f} USD over", own_over == 0)
    most = max(one.in_flight for one in runs)
    bar(f"{options.in_flight} in flight", f"{most} at most", most == options.in_flight)
    print(
        f"stopped by the budget: {len(used)} of {len(runs)} runs, which used {min(used, default=0):.2%} of it or more"
    )


if __name__ == "__main__":
    main()
