"""Calls a second and CPU a call: bare loops against ours with the ledger on, each on the same requests, interleaved.

    python -m benchmarks.calls [--calls 4000] [--rounds 3] [--concurrency 64 256] [--profile]

The bare loops send the bodies that our task makes, keep the texts and do nothing else: no ledger, no limits, no keys.
"""

import argparse
import asyncio
import cProfile
import pstats
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.loopback import RETRIES, Cost, Server, bar, measured, member, rows, served, table, task
from plugdata.calls.dispatch import dispatch
from plugdata.calls.ledger.store import Ledger
from plugdata.wire import Request

Body = dict[str, Any]
Row = dict[str, Any]
N_PROFILED = 40
"""Functions that --profile prints."""


def bodies(server: Server, texts: list[Row]) -> list[Body]:
    """What our task would send for the rows."""
    one = member(server, 1)
    asked = (task(one)(row, []) for row in texts)
    return [{"model": "test", **request.body()} for request in asked if isinstance(request, Request)]


async def _bare(bodies: Iterable[Body], concurrency: int, send: Callable[[Body], Awaitable[str]]) -> int:
    queue, texts = iter(bodies), list[str]()

    async def work() -> None:
        for body in queue:
            texts.append(await send(body))

    await asyncio.gather(*(work() for _ in range(concurrency)))
    return len(texts)


async def openai_loop(server: Server, bodies: list[Body], concurrency: int, aio: bool) -> int:
    import openai

    http = openai.DefaultAioHttpClient() if aio else None
    async with openai.AsyncOpenAI(base_url=server.base_url, api_key="any", max_retries=0, http_client=http) as client:

        async def send(body: Body) -> str:
            reply = await client.chat.completions.create(**body)
            return str(reply.choices[0].message.content)

        return await _bare(bodies, concurrency, send)


async def aiohttp_loop(server: Server, bodies: list[Body], concurrency: int) -> int:
    import aiohttp

    url = f"{server.base_url}/chat/completions"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def send(body: Body) -> str:
            async with session.post(url, json=body) as response:
                return str((await response.json())["choices"][0]["message"]["content"])

        return await _bare(bodies, concurrency, send)


def ours(server: Server, texts: list[Row], concurrency: int) -> int:
    """`dispatch` with the real task, from rows to committed answers, on a fresh ledger."""
    pool = [member(server, concurrency)]
    tasks = [task(pool[0])]
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder, "ledger.sqlite")) as ledger:
        tally = dispatch(((row, tasks) for row in texts), pool, ledger, RETRIES, None, lambda tally: None, print)
    return tally.calls


def _contestants(server: Server, texts: list[Row], concurrency: int) -> dict[str, Callable[[], int]]:
    asked = bodies(server, texts)
    return {
        "bare AsyncOpenAI": lambda: asyncio.run(openai_loop(server, asked, concurrency, False)),
        "bare AsyncOpenAI, aiohttp": lambda: asyncio.run(openai_loop(server, asked, concurrency, True)),
        "bare aiohttp": lambda: asyncio.run(aiohttp_loop(server, asked, concurrency)),
        "ours": partial(ours, server, texts, concurrency),
    }


def compare(server: Server, n: int, concurrency: int, n_rounds: int) -> None:
    """Print one table, and its bars."""
    contestants = _contestants(server, list(rows(n)), concurrency)
    for ask in contestants.values():
        ask()  # imports and compiles
    costs: dict[str, list[Cost]] = {name: [] for name in contestants}
    busy: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(n_rounds):
        for name, ask in contestants.items():
            before = server.cpu_s()
            done, cost = measured(ask)
            if done != n:
                sys.exit(f"{name}: {done} of {n} calls")
            costs[name].append(cost)
            busy[name].append((server.cpu_s() - before) / cost.wall_s)

    def middle(name: str) -> Cost:
        return Cost(*map(statistics.median, zip(*costs[name], strict=True)))

    first = middle("bare AsyncOpenAI")
    print(f"\n{n} calls, concurrency {concurrency}, no latency, median of {n_rounds}")
    lines = []
    for name in contestants:
        one, server_share = middle(name), f"{statistics.median(busy[name]):.0%}"
        lines.append(
            [name, one.wall_s, first.wall_s / one.wall_s, 1000 * one.cpu_s / n, one.cpu_s / first.cpu_s, server_share]
        )
    table(["", "wall s", "calls/s to bare", "CPU ms a call", "CPU to bare", "server busy"], lines)
    got = middle("ours")
    for name in contestants:
        if name == "ours":
            continue
        ratio, cpu = middle(name).wall_s / got.wall_s, middle(name).cpu_s / got.cpu_s
        said = f"{ratio:.2f}x (and {cpu:.2f}x the calls a CPU second)"
        if name == "bare AsyncOpenAI":
            bar(f"c={concurrency}: >= 2.0x the calls/s of a bare AsyncOpenAI loop", said, ratio >= 2)
        elif name == "bare AsyncOpenAI, aiohttp":
            bar(f"c={concurrency}: >= 0.9x a bare AsyncOpenAI loop on the same transport", said, ratio >= 0.9)
        else:
            print(f"for comparison, c={concurrency}: ours to {name}: {said}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--profile", action="store_true", help="where ours spends its time, instead of the tables")
    options = parser.parse_args()
    with served() as server:
        for concurrency in options.concurrency:
            if options.profile:
                texts = list(rows(options.calls))
                ours(server, texts[:200], concurrency)  # imports
                profile = cProfile.Profile()
                profile.runcall(ours, server, texts, concurrency)
                pstats.Stats(profile).sort_stats("tottime").print_stats(N_PROFILED)
            else:
                compare(server, options.calls, concurrency, options.rounds)


if __name__ == "__main__":
    main()
