"""From documents to passages: megabytes a second and core, step by step; and gigabytes once, with their memory.

    python -m benchmarks.passages [--mb 20] [--rounds 3] [--langs fi hi th sw id] [--gb N]

- Speed: benchmarks/pages.py's pages of each language, `--mb` of UTF-8. CPU time of each step by itself and of the whole
  stage, which also reads, puts aside, sorts and writes; in one process, the median of the rounds.
- `--gb N`: so many gigabytes in Finnish through the stage, in a process of its own with its workers; memory is the
  largest sum of their resident sets, looked at every 50 ms (pages they share count for each).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import polars as pl

from benchmarks import pages
from benchmarks.loopback import ROOT, bar, measured, resident_mb, table
from plugdata import assets, languages, recipe
from plugdata.corpus import Corpus, Workers
from plugdata.curate.duplicates import duplicates
from plugdata.recipe import Passages
from plugdata.stages.passages import passages
from plugdata.stages.sourcing import source_records
from plugdata.xinstruct import boilerplate
from plugdata.xinstruct import passages as natural

ASKED = 10
"""Megabytes a second and core (issue 8)."""
PER_FRAME = 400
"""Pages: some two megabytes."""
EVERY_S = 0.05


def steps(lang: str, mb: float) -> dict[str, float]:
    """CPU seconds of each step, of pages of so many megabytes."""
    told = [{"source": "pages", **document._asdict()} for document in pages.documents(lang, int(mb * 1e6))]
    every = pl.DataFrame(told, schema=natural.DOCUMENTS)
    frames = [every[start : start + PER_FRAME] for start in range(0, every.height, PER_FRAME)]
    model, settings, spent = assets.fetch(assets.LID176), Passages(), dict[str, float]()

    def timed(step: str, work: Callable[[], list[pl.DataFrame]]) -> list[pl.DataFrame]:
        found, cost = measured(work)
        spent[step] = cost.cpu_s
        return found

    def shared(cleaned: list[pl.DataFrame]) -> list[pl.DataFrame]:
        with boilerplate.counting(Path(at, "lines")) as counts:
            for frame in cleaned:
                counts.add(frame)
            repeated = counts.reaching(settings.repeated_lines or 2)
        return [frame.with_columns(keys=boilerplate.among(frame["keys"], repeated)) for frame in cleaned]

    def divided(known: list[pl.DataFrame]) -> list[pl.DataFrame]:
        return [natural.divided(frame, lang, "en", settings, model) for frame in known]

    def identified(rows: list[pl.DataFrame]) -> list[pl.DataFrame]:
        texts = (frame["passage"].fill_null("") for frame in rows)
        return [pl.DataFrame(natural.identified(of, languages.get(lang), languages.get("en"), model)) for of in texts]

    with tempfile.TemporaryDirectory() as at:
        shared([natural.cleaned(frames[0], lang)])  # patterns are compiled, DuckDB is imported
        natural.identified(pl.Series(["a"]), languages.get(lang), languages.get("en"), model)
        cleaned = timed("clean", lambda: [natural.cleaned(frame, lang) for frame in frames])
        known = timed("shared lines", lambda: shared(cleaned))
        rows = timed("divide and judge", lambda: divided(known))
        timed("of that, language ID", lambda: identified(rows))
        kept = pl.concat(rows).filter(pl.col("status") == "kept").unique("id", maintain_order=True)
        texts = kept.select("id", text="passage", preference=pl.int_range(pl.len()))
        timed("duplicates", lambda: [duplicates([texts], settings.near, Path(at, "near"))])
        timed("of that, exact ones", lambda: [duplicates([texts], None, Path(at, "exact"))])
        made(Path(at, "pages.jsonl"), lang, mb)
        spent["the stage"] = run(Path(at, "corpus"), Path(at, "pages.jsonl"), lang)
    return spent


def made(path: Path, lang: str, mb: float) -> None:
    """A file of pages."""
    with path.open("w", encoding="utf-8") as file:
        for page in pages.documents(lang, int(mb * 1e6)):
            file.write(
                json.dumps({"id": page.source_id, "text": page.text, "url": page.url}, ensure_ascii=False) + "\n"
            )


def run(folder: Path, path: Path, lang: str, workers: int = 1) -> float:
    """CPU seconds of the stage, of a file of pages."""
    asked = recipe.resolve(
        {
            "kind": "x-instruction",
            "corpus": str(folder),
            "texts": [{"lang": lang, "path": str(path), "license": "cc0-1.0"}],
            "languages": [lang],
            "models": [{"model": "none", "base_url": "http://127.0.0.1:9/v1"}],  # nothing is sent
        }
    )
    corpus = Corpus.create(folder)
    with Workers(workers) as pool:
        (step,) = passages(corpus, asked, source_records(asked), pool.map)
        _, cost = measured(lambda: corpus.write(step.stage, step.lang, step.frames(), step.contract))
    return cost.cpu_s


def speed(langs: list[str], mb: float, n_rounds: int) -> None:
    """Print what a megabyte costs in each language, and the bar."""
    figures = {}
    for lang in langs:
        rounds = [steps(lang, mb) for _ in range(n_rounds)]
        figures[lang] = {step: statistics.median(of[step] for of in rounds) for step in rounds[0]}
    print(f"\nCPU ms a megabyte of UTF-8 ({mb:g} MB, median of {n_rounds} rounds, load {os.getloadavg()[0]:.1f})")
    names = list(next(iter(figures.values())))
    table(["", *names], [[lang, *(f"{1000 * of[name] / mb:.0f}" for name in names)] for lang, of in figures.items()])
    parts = ("clean", "shared lines", "divide and judge", "duplicates")
    for lang, of in figures.items():
        rate = mb / sum(of[part] for part in parts)
        without = mb / sum(of[part] for part in parts[:-1])
        whole = mb / of["the stage"]
        said = f"{rate:.1f} MB/s ({without:.1f} without duplicates; the stage, read to written: {whole:.1f})"
        bar(f"{lang}: cleaning, division, language ID, duplicates >= {ASKED} MB/s and core", said, rate >= ASKED)


def large(gb: float) -> None:
    """Print what so many gigabytes take, and the most memory."""
    with tempfile.TemporaryDirectory() as at:
        path = Path(at, "pages.jsonl")
        made(path, "fi", gb * 1000)
        command = [sys.executable, "-m", "benchmarks.passages", "--run", str(Path(at, "corpus")), str(path)]
        peak, done = [0.0], threading.Event()
        with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:

            def watch() -> None:
                while not done.wait(EVERY_S):
                    peak[0] = max(peak[0], resident_mb(process.pid))

            watcher = threading.Thread(target=watch)
            watcher.start()
            _, cost = measured(process.wait)
            done.set()
            watcher.join()
        if process.returncode:
            sys.exit(f"the run ended with {process.returncode}")
    print(f"\n{gb:g} GB in fi: {cost.wall_s:.0f} s, {cost.cpu_s:.0f} s of CPU, {os.cpu_count()} cores")
    bar("<= 2 GB of memory", f"{peak[0]:.0f} MB", peak[0] <= 2000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--langs", nargs="*", default=list(pages.LANGUAGES))
    parser.add_argument("--gb", type=float, default=0)
    parser.add_argument("--run", type=Path, nargs=2, metavar=("CORPUS", "PAGES"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        folder, path = options.run
        run(folder, path, "fi", os.cpu_count() or 1)
    elif options.gb:
        large(options.gb)
    else:
        speed(options.langs, options.mb, options.rounds)


if __name__ == "__main__":
    main()
