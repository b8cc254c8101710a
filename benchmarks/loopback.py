"""What the benchmarks share: the test server in a process of its own, rows of own text, CPU seconds, tables.

Knows nothing of what a benchmark measures.
"""

import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import plugdata
from plugdata import languages
from plugdata.calls.pool import Member
from plugdata.hashing import tagged_hash
from plugdata.recipe import Limits, Model, Price, Translate
from plugdata.translate.attempt import Outcome
from plugdata.translate.task import translator
from plugdata.wire import Task

T = TypeVar("T")

ROOT = Path(plugdata.__file__).parent.parent
CHARS = 400
"""Of a row, about (FIELD.md's measurements were made with as many)."""
RETRIES = Translate().retries

_WORDS = """
the harbour master|an old beekeeper|our night nurse|the village baker|a careful archivist|the younger gardener|an actor
keeps|repairs|describes|measures|paints|borrows|compares|collects|explains|moves|counts|sells|draws|hides|cleans|sorts
copper kettles|winter maps|broken clocks|letters from abroad|seed potatoes|wooden masks|rain gauges|fishing nets|keys
behind the chapel|near the salt works|before the first frost|under a tin roof|along the canal|in a narrow attic|at noon
while a ferry leaves|as the choir rehearses|after the fair|between two storms|without asking anyone|with great patience
for the visitors|on a borrowed ladder|against all advice|by lamplight|in the old customs house|beside the river mill"""
"""A sentence takes one phrase of each line: half a million of them."""


class Server(NamedTuple):
    """A running test server."""

    base_url: str
    pid: int

    def cpu_s(self) -> float:
        """CPU seconds that it has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def served(*options: str) -> Iterator[Server]:
    """The test server with these options (python -m tests.servers.llm --help), in a process of its own."""
    command = [sys.executable, "-m", "tests.servers.llm", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield Server(process.stdout.readline().strip(), process.pid)
        finally:
            process.kill()


def rows(n: int, seed: int = 1, chars: int = CHARS) -> Iterator[dict[str, Any]]:
    """Rows of about so many characters, all different: sentences drawn from our own words."""
    draw = random.Random(seed)
    phrases = [line.split("|") for line in _WORDS.strip().splitlines()]

    def sentence() -> str:
        said = " ".join(draw.choice(line) for line in phrases)
        return f"{said[0].upper()}{said[1:]}."

    for i in range(n):
        row = {"instruction": f"In case {i}, say what happens: {sentence()}", "input": "", "response": sentence()}
        while sum(map(len, row.values())) < chars - 30:
            row["response"] += " " + sentence()
        yield {"id": tagged_hash([seed, i]), **row}


def write_source(path: Path, n: int, chars: int = CHARS) -> None:
    """A JSONL source of `rows`."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows(n, chars=chars):
            file.write(json.dumps({name: row[name] for name in ("instruction", "input", "response")}) + "\n")


def member(
    server: Server, concurrency: int, *, rpm: int | None = None, price: Price | None = None, **params: Any
) -> Member:
    """The server as the one member of a pool."""
    limits = Limits(concurrency=concurrency, rpm=rpm)
    model = Model(
        model="test", base_url=server.base_url, limits=limits, params={"temperature": 0, **params}, price=price
    )
    return Member(model, "test", price) if price else Member(model, "test")


def task(of: Member, repair: int = 2) -> Task[Outcome]:
    """The real translation task, English to Korean."""
    return translator(languages.get("en"), languages.get("ko"), Translate(repair=repair), of.model.params)


class Cost(NamedTuple):
    """What a piece of work took; CPU of this process and of its children that have ended."""

    wall_s: float
    cpu_s: float


def measured(work: Callable[[], T]) -> tuple[T, Cost]:
    started, cpu = time.perf_counter(), _cpu_s()
    result = work()
    return result, Cost(time.perf_counter() - started, _cpu_s() - cpu)


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def log_lines(path: Path) -> list[dict[str, Any]]:
    """The requests in a server's log, without a last line that is still being written."""
    whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n") if path.exists() else ("", "", "")
    return [json.loads(line) for line in whole.splitlines()]


def table(head: Sequence[str], lines: Sequence[Sequence[object]]) -> None:
    """Print a Markdown table."""
    for line in (head, ["---"] * len(head), *lines):
        print("| " + " | ".join(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in line) + " |")


def bar(says: str, value: str, met: bool) -> None:
    """Print what is asked for and what was measured."""
    print(f"bar: {says}: measured {value}{'' if met else ' (MISSED)'}", flush=True)


def resident_mb(root: int) -> float:
    """Memory of a process and its children, as it is now."""
    total = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if root in (int(entry.name), parent):
                    total += int((entry / "statm").read_text().split()[1])
            except (FileNotFoundError, ProcessLookupError):  # it has ended
                continue
    return total * os.sysconf("SC_PAGE_SIZE") / 1e6
