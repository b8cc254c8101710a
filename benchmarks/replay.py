"""What it costs to turn committed answers into checked rows: the translate stage on a ledger that holds all of them.

    python -m benchmarks.replay [--rows 4000]

Rows of 40 to 2,000 characters, a tenth of them with code, translated by the pseudo-translator of the tests, so that
every answer is read, unmasked and put to every hard check. CPU time in one process and one thread of Polars, the least
of rounds (what else a machine does only adds to it); beside it, in the same rounds, what no reader can do without: the
answer's body, and its JSON.
"""

import argparse
import json
import os
import sqlite3
import tempfile
import time
from functools import partial
from pathlib import Path

os.environ["POLARS_MAX_THREADS"] = "1"  # before Polars is imported

from benchmarks.loopback import bar, served, table
from plugdata import pipeline, stages
from plugdata import recipe as recipes
from plugdata.calls.ledger.store import Ledger
from plugdata.corpus import Corpus
from plugdata.recipe import Recipe
from plugdata.rows import kept
from plugdata.translate.record import record

ROUNDS = 9
MOST_MS = 0.2
"""Milliseconds a row at most (issue 4): 52,000 rows in four languages in 42 s on one core."""
LANGUAGES = ("ko", "es", "zh")
SENTENCES = (
    "The river rises in the hills and turns a mill before it reaches the town.",
    "Count the boats at the pier, then write down how many are painted red.",
    "A good answer names the reason first and gives an example after it.",
    "In 1987 the bridge was closed for 14 weeks while its cables were changed.",
)
CODE = "\n\n```python\nfor boat in pier:\n    print(boat.name)  # red ones first\n```\n"


def write_source(path: Path, n: int) -> None:
    """`n` rows that all differ, of lengths as instruction data has them."""
    with path.open("w", encoding="utf-8") as file:
        for i in range(n):
            text = " ".join(SENTENCES[(i + k) % len(SENTENCES)] for k in range(1 + i * 7 % 20))
            row = {
                "instruction": f"Explain note {i} in your own words.",
                "input": f"Note {i}: {SENTENCES[i % 4]}" if i % 3 == 0 else "",
                "output": f"Note {i}. {text}{CODE if i % 10 == 0 else ''}",
            }
            file.write(json.dumps(row) + "\n")


def recipe(folder: Path, base_url: str) -> Recipe:
    """A recipe for the rows of `folder`."""
    return recipes.resolve(
        {
            "corpus": str(folder / "corpus"),
            "sources": [{"path": str(folder / "rows.jsonl"), "license": "apache-2.0"}],
            "languages": list(LANGUAGES),
            "screen": {"duplicates": "off"},
            "models": [{"model": "test", "base_url": base_url, "limits": {"concurrency": 64}}],
        },
        where="benchmark",
    )


def checked(corpus: Corpus, asked: Recipe, lang: str, ledger: Ledger) -> tuple[int, int]:
    """(rows, rows kept) of the translate stage, made from the ledger alone."""
    frames = list(stages.Translation(corpus, asked).step(lang, ledger).frames())
    return sum(frame.height for frame in frames), sum(frame.filter(kept()).height for frame in frames)


def answered(lang: str, db: sqlite3.Connection) -> list[str]:
    """The keys of a language's answers."""
    return [key for (key,) in db.execute("SELECT key FROM answers WHERE lang = ?", [lang])]


def bare(ledger: Ledger, keys: list[str]) -> None:
    """Every answer's body, parsed."""
    for key in keys:
        json.loads(ledger.body(key) or "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4_000)
    n = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as at, served() as server:
        folder = Path(at)
        write_source(folder / "rows.jsonl", n)
        asked = recipe(folder, server.base_url)
        corpus = pipeline.run(asked, until="translate")
        lines = []
        worst = 0.0
        with Ledger(corpus.ledger, read_only=True) as ledger:
            for lang in LANGUAGES:
                keys = ledger.read(partial(answered, lang))
                ours, least, counts = [], [], (0, 0)
                for _ in range(ROUNDS):
                    began = time.process_time()
                    record.cache_clear()  # a corpus is longer than the cache
                    counts = checked(corpus, asked, lang, ledger)
                    ours.append((time.process_time() - began) / n * 1e3)
                    began = time.process_time()
                    bare(ledger, keys)
                    least.append((time.process_time() - began) / n * 1e3)
                ms, floor = min(ours), min(least)
                worst = max(worst, ms)
                lines.append([lang, f"{counts[0]}", f"{counts[1]}", f"{ms:.3f}", f"{floor:.3f}", f"{ms / floor:.1f} ×"])
    table(["lang", "rows", "kept", "ms a row", "body and JSON alone", "ratio"], lines)
    bar(f"at most {MOST_MS} ms of CPU a row", f"{worst:.3f} ms", worst <= MOST_MS)


if __name__ == "__main__":
    main()
