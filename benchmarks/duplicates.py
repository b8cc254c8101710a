"""Near-duplicates among planted ones: recall, precision, time and memory, beside peers that verify what they find.

    python -m benchmarks.duplicates [--rows 200000] [--peers PYTHON] [--only plugdata]
    python -m benchmarks.duplicates --grow 3000000
    python -m benchmarks.duplicates --templates 50000 100000 200000 400000

Every contender is a process of its own that reads the same file and gives back which row it takes out in favour of
which. CPU seconds are what is compared: wall seconds say little on a machine that does other things too. Rows are of
own words: English-like with stock phrases, Han and Thai without spaces, a twentieth made from a few templates.
Copies with known true Jaccard similarities are planted, and chains (B like A, C like B but not like A).
PYTHON is an interpreter that has the peers (benchmarks/duplicates_peers.py); one that cannot be imported is left out.
Peers are given the same tokens and shingles as ours, which finds them in Chinese and Thai too, and exact Jaccard.
"""

import argparse
import itertools
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import synthetic
from benchmarks.loopback import ROOT, bar, table
from benchmarks.memory import Peak, peak

NEAR = 0.8
PEERS = ("datasketch", "rensa", "rensa-inline")
VERIFYING = ("datasketch", "rensa")
"""Those that count the true similarity, as `rensa-inline` does not."""

LEVELS = (0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.01)
"""Copies are told by true Jaccard similarity between two of these."""

SCRIPTS = ("English", "Han", "Thai")
COPIES, CHAINS, TEMPLATE = 0.1, 0.01, 0.05
"""Shares of the rows that are copies, chains' links, made from one of TEMPLATES templates."""

TEMPLATES = 5


class Planted(NamedTuple):
    """A row made from another: its kind, the script it is in, and its true Jaccard similarity to the original."""

    kind: str  # copy, second or third link of a chain
    script: str
    original: int
    jaccard: float


class Texts:
    """Token sequences of three scripts from one seed, with Zipf's distribution."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        letters = "etaoinshrdlcumwfgypbvk"
        words = ["".join(self.rng.choices(letters, k=self.rng.randint(2, 10))) for _ in range(30_000)]
        han = [chr(code) for code in range(0x4E00, 0x4E00 + 3_000)]
        self.vocabulary = dict(zip(SCRIPTS, (words, han, [chr(code) for code in range(0xE01, 0xE2F)]), strict=True))
        self._weights = {
            script: list(itertools.accumulate(1 / (n + 10) for n in range(len(known))))
            for script, known in self.vocabulary.items()
        }
        self.phrases = {s: [self.some(s, self.rng.randint(3, 8)) for _ in range(2_000)] for s in SCRIPTS}

    def some(self, script: str, n: int) -> list[str]:
        return self.rng.choices(self.vocabulary[script], cum_weights=self._weights[script], k=n)

    def row(self, script: str, n: int) -> list[str]:
        """Some n tokens, a fifth of them in stock phrases."""
        made: list[str] = []
        while len(made) < n:
            made += self.some(script, 20) + self.rng.choice(self.phrases[script])
        return made[:n]

    def edited(self, script: str, tokens: list[str], n: int) -> list[str]:
        """With n tokens exchanged, put in or taken out."""
        made = list(tokens)
        for _ in range(n):
            at = self.rng.randrange(len(made))
            new = self.some(script, 1)
            made[at : at + self.rng.randint(0, 1)] = new if self.rng.random() < 0.8 else []
        return made


def jaccard(one: list[str], other: list[str]) -> float:
    """By the book, of the sets of three tokens in a row."""
    sets = [{tuple(tokens[i : i + 3]) for i in range(max(len(tokens) - 2, 1))} for tokens in (one, other)]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def made(n: int, seed: int = 1) -> tuple[list[list[str]], list[str], dict[int, Planted]]:
    """Tokens and script of each row, and what is planted among them, by row; originals come first."""
    texts = Texts(seed)
    rng = texts.rng
    n_copies, n_chains, n_template = (int(n * share) for share in (COPIES, CHAINS, TEMPLATE))
    templates = [texts.some("English", 40) for _ in range(TEMPLATES)]
    rows: list[list[str]] = []
    scripts: list[str] = []
    for _ in range(n - n_copies - 2 * n_chains - n_template):
        scripts.append(rng.choices(SCRIPTS, (6, 3, 2))[0])
        rows.append(texts.row(scripts[-1], rng.randint(40, 100)))
    n_originals = len(rows)
    for _ in range(n_template):
        scripts.append("English")
        rows.append(rng.choice(templates) + texts.some("English", rng.randint(12, 50)))
    planted: dict[int, Planted] = {}
    for original in rng.sample(range(n_originals), n_copies + n_chains):
        script = scripts[original]
        links = ["copy"] if len(planted) < n_copies else ["second link", "third link"]
        before = rows[original]
        for kind in links:
            before = texts.edited(script, before, rng.randint(1, 6) if kind == "copy" else 2)
            planted[len(rows)] = Planted(kind, script, original, jaccard(rows[original], before))
            rows.append(before)
            scripts.append(script)
    return rows, scripts, planted


def text_of(tokens: list[str], script: str) -> str:
    return (" " if script == "English" else "").join(tokens)


def ours(data: Path, out: Path) -> None:
    """What a peer does, with plugdata."""
    import polars as pl

    from plugdata.curate.duplicates import duplicates

    frame = pl.scan_ndjson(data).select(pl.col("id").cast(pl.String), "text", preference="id")
    with tempfile.TemporaryDirectory() as spill:
        found = duplicates(frame.collect_batches(chunk_size=5_000), NEAR, Path(spill))
    with open(out, "w") as file:
        file.writelines(f"{id} {kept}\n" for id, kept in found.select("id", "kept_id").iter_rows())


def scaled(n: int) -> None:
    """plugdata alone on n rows of 40 words that are never all in memory; every tenth is a near-duplicate."""
    import numpy as np
    import polars as pl

    from plugdata.curate.duplicates import duplicates

    def frames() -> Iterator[pl.DataFrame]:
        for start in range(0, n, 5_000):
            words = np.random.default_rng(start).zipf(1.2, (5_000, 40)) % 100_000
            words[1::10] = words[::10]
            words[1::10, 7] = 0
            texts = [" ".join(map(str, row)) for row in words.tolist()]
            ids = [f"r{number:08}" for number in range(start, start + 5_000)]
            yield pl.DataFrame({"id": ids, "text": texts}).with_columns(preference=pl.lit(0, pl.Int64))

    with tempfile.TemporaryDirectory() as spill:
        found = duplicates(frames(), NEAR, Path(spill)).height
    if not n / 10 <= found < n / 9:
        sys.exit(f"{found} near-duplicates among {n} rows")


def growth(n: int) -> None:
    """Time and memory at a tenth of the rows and at all."""
    few, many = (peak([sys.executable, "-m", "benchmarks.duplicates", "--scaled", str(rows)]) for rows in (n // 10, n))
    lines = [(n // 10, few), (n, many)]
    table(["rows", "wall s", "CPU s", "peak RSS MB"], [[r, one.wall_s, one.cpu_s, f"{one.mb:.0f}"] for r, one in lines])
    bar("memory: <= 2 GB", f"{many.mb:.0f} MB", many.mb <= 2_000)
    bar("CPU: linear, <= 12x for ten times the rows", f"{many.cpu_s / few.cpu_s:.1f}x", many.cpu_s <= 12 * few.cpu_s)


def templates(sizes: Sequence[int]) -> None:
    """Time and memory on benchmarks/synthetic.py's English rows: made of a few hundred phrases, none near another."""
    spent = []
    with tempfile.TemporaryDirectory() as at:
        data, out = Path(at, "rows.jsonl"), Path(at, "found")
        for n in sizes:
            with open(data, "w") as file:
                for id in range(n):
                    text = "\n".join(synthetic.Written(id, seed=1).texts("en"))
                    file.write(json.dumps({"id": id, "text": text}) + "\n")
            spent.append(peak(command("plugdata", sys.executable, data, out)))
            if found := out.read_text():
                sys.exit(f"duplicates among rows that have none: {found.splitlines()[0]}")
    cpu = [1e6 * one.cpu_s / n for n, one in zip(sizes, spent, strict=True)]
    lines = [[f"{n:,}", one.cpu_s, each, f"{one.mb:.0f}"] for n, one, each in zip(sizes, spent, cpu, strict=True)]
    table(["rows", "CPU s", "CPU µs a row", "peak RSS MB"], lines)
    bar(f"CPU a row at {sizes[-1]:,} rows <= 1.2x", f"{cpu[-1] / cpu[0]:.2f}x", cpu[-1] <= 1.2 * cpu[0])


def command(name: str, peers: str, data: Path, out: Path) -> list[str]:
    files = [str(data), str(out)]
    if name == "plugdata":
        return [sys.executable, "-m", "benchmarks.duplicates", "--run", *files]
    return [peers, str(ROOT / "benchmarks" / "duplicates_peers.py"), name, *files]


def can(name: str, peers: str) -> bool:
    found = subprocess.run([peers, "-c", f"import {name.partition('-')[0]}"], capture_output=True)
    return found.returncode == 0


def right(rows: list[list[str]], removed: dict[int, int]) -> int:
    """Of the rows taken out, those whose true similarity to the one kept instead reaches the threshold."""
    return sum(jaccard(rows[id], rows[kept]) >= NEAR and kept not in removed for id, kept in removed.items())


def report(rows: list[list[str]], planted: dict[int, Planted], removed: dict[str, dict[int, int]]) -> None:
    for kind in dict.fromkeys(plant.kind for plant in planted.values()):
        lines: list[list[object]] = []
        groups: dict[tuple[str, str], list[int]] = {}
        for id, plant in planted.items():
            level = next(
                f"{low}-{min(high, 1.0)}"
                for low, high in zip((0.0, *LEVELS), LEVELS, strict=False)
                if plant.jaccard < high
            )
            if plant.kind == kind:
                groups.setdefault((plant.script, level), []).append(id)
        for (script, level), ids in sorted(groups.items()):
            taken = [f"{100 * sum(id in found for id in ids) / len(ids):.2f}" for found in removed.values()]
            lines.append([script, level, len(ids), *taken])
        print(
            f"\n{kind}: % taken out, by true Jaccard similarity to its original (right: none below {NEAR}, all above)"
        )
        table(["", "Jaccard", "rows", *removed], lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--peers", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--only", action="append", metavar="NAME", help=f"of plugdata, {', '.join(PEERS)}")
    parser.add_argument("--run", nargs=2, type=Path, metavar=("DATA", "OUT"), help=argparse.SUPPRESS)
    parser.add_argument("--grow", type=int, metavar="ROWS", help="instead: time and memory of plugdata at that size")
    parser.add_argument("--templates", type=int, nargs="+", metavar="ROWS", help="instead: the same on rows of phrases")
    parser.add_argument("--scaled", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        return ours(*options.run)
    if options.scaled:
        return scaled(options.scaled)
    if options.grow:
        return growth(options.grow)
    if options.templates:
        return templates(options.templates)
    names = [name for name in ("plugdata", *PEERS) if not options.only or name in options.only]
    names = [name for name in names if name == "plugdata" or can(name, options.peers)]
    rows, scripts, planted = made(options.rows)
    removed: dict[str, dict[int, int]] = {}
    costs: dict[str, Peak] = {}
    with tempfile.TemporaryDirectory() as at:
        data = Path(at, "rows.jsonl")
        with open(data, "w") as file:
            for id, (tokens, script) in enumerate(zip(rows, scripts, strict=True)):
                file.write(json.dumps({"id": id, "text": text_of(tokens, script)}, ensure_ascii=False) + "\n")
        for name in names:
            out = Path(at, name)
            costs[name] = peak(command(name, options.peers, data, out))
            removed[name] = {int(id): int(kept) for id, kept in map(str.split, out.read_text().splitlines())}
    report(rows, planted, removed)
    due = [id for id, plant in planted.items() if plant.jaccard >= NEAR]
    found = {name: sum(id in removed[name] for id in due) / len(due) for name in names}
    print("\nA third link may rightly go although it is unlike the first: where the second is too, and stays.\n")
    table(
        ["", "wall s", "CPU s", "peak RSS MB", "% recall", "removed", "of them right"],
        [
            [
                name,
                costs[name].wall_s,
                costs[name].cpu_s,
                f"{costs[name].mb:.0f}",
                f"{100 * found[name]:.2f}",
                len(removed[name]),
                right(rows, removed[name]),
            ]
            for name in names
        ],
    )
    if "plugdata" in names:
        mine = removed["plugdata"]
        bar(
            "every row taken out has its true counterpart",
            f"{right(rows, mine)} of {len(mine)}",
            right(rows, mine) == len(mine),
        )
        bar("recall: no peer's is better", f"{100 * found['plugdata']:.2f} %", found["plugdata"] == max(found.values()))
        for name in names[1:]:
            wall, cpu = (getattr(costs[name], of) / getattr(costs["plugdata"], of) for of in ("wall_s", "cpu_s"))
            if name in VERIFYING:
                bar(f"CPU: less than {name}", f"{cpu:.2f}x (wall {wall:.2f}x)", cpu > 1)


if __name__ == "__main__":
    main()
