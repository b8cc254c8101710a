"""Curation: language ID and filters beside raw fastText, and pair through dist at growing numbers of rows.

    python -m benchmarks.curate [--rounds 5] [--full 52000] [--rows 300000 1000000 3000000] [--skip-speed]
                                [--pairs LANG=PIVOT.json:TARGET.json ...]

- Speed: rows of four languages, or those of `--pairs`: Alpaca files, row by row the same task in English and in the
  language. Raw is `predict` on one list of all texts, stripped of code and URLs, whole. The language ID stage strips
  them itself, leaves out what is quoted of the pivot, cuts, identifies and tells scripts; the filters are the stages
  `measure` (with language ID), fit and decide, with their Parquet files read and written. Contestants take turns in
  one process; the figure is CPU time to CPU time, the median of the rounds.
- Full: `--full` rows in each of four languages, from `pair` through `dist`.
- Growth: `--rows` rows in one language each, the same way. Time a row and memory should stay as they are.

Rows are else benchmarks/synthetic.py's: no call is made. A run is a process of its own; its memory is the largest sum
of the resident sets of it and its workers, looked at every 50 ms (pages they share count for each).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import polars as pl

from benchmarks import synthetic
from benchmarks.loopback import ROOT, Cost, bar, measured, resident_mb, table
from plugdata import assets, languages, pipeline, recipe, stages
from plugdata.checks import lid
from plugdata.checks.prose import prose
from plugdata.corpus import Corpus, Manifest, SourceRecord, StageRecord, sorting, stage_key
from plugdata.curate.filters import language
from plugdata.recipe import Recipe
from plugdata.rows import FIELDS, TRANSLATE

STAGES = ("pair", "measure", "filter", "dedup", "dist")
N_SPEED = 5_000
"""Rows a language of which speed is measured: a batch, as stages have them."""
EVERY_S = 0.05
FLAT = 1.15
"""What ten times the rows may take more, of memory and of time a row: caches fill up, and sorting is n log n."""


class Spent(NamedTuple):
    """What a stage took, all processes together."""

    stage: str
    cost: Cost
    mb: float


def make(folder: Path, rows: Mapping[str, Iterable[pl.DataFrame]]) -> Recipe:
    """A corpus of rows of contract TRANSLATE that has come as far as `translate`."""
    asked = {
        "corpus": str(folder),
        "sources": [{"id": "synthetic/rows", "license": "apache-2.0"}],
        "languages": list(rows),
        "models": [{"model": "none", "base_url": "http://127.0.0.1:9/v1"}],  # nothing is sent
    }
    resolved = recipe.resolve(asked)
    corpus = Corpus.create(folder)
    source = SourceRecord(name="synthetic/rows", digest="none", license="apache-2.0")
    manifest = Manifest(pivot=resolved.pivot, sources=(source,))
    for lang, frames in rows.items():
        ordered = sorting.by_columns(iter(frames), ["id"], corpus.spill)
        written = corpus.write("translate", lang, ordered, TRANSLATE)
        record = StageRecord(inputs=(), digest="none", **written._asdict())
        manifest = manifest.with_stage(stage_key("translate", lang), record)
    corpus.write_manifest(manifest)
    corpus.write_text("recipe.yaml", recipe.dump(resolved))
    return resolved


def read(pairs: str) -> tuple[str, list[pl.DataFrame]]:
    """The language and the rows of LANG=PIVOT.json:TARGET.json."""
    lang, _, files = pairs.partition("=")
    ours, theirs = ([_texts(row) for row in json.loads(Path(file).read_text())] for file in files.split(":"))
    return lang, [synthetic.framed(ours, theirs, lang)]


def _texts(row: dict[str, str]) -> synthetic.Texts:
    return "\n\n".join(filter(None, (row["instruction"], row.get("input")))), row["output"]


def speed(n_rounds: int, rows: Mapping[str, Iterable[pl.DataFrame]]) -> None:
    """Print what a row costs, and the two bars."""
    model = lid.load(assets.fetch(assets.LID176))
    with tempfile.TemporaryDirectory() as at:
        asked = make(Path(at, "corpus"), rows)
        corpus = Corpus.open(asked.corpus)
        pipeline.run(asked, first="pair", until="pair")
        pairs = {lang: corpus.rows("pair", lang) for lang in asked.languages}
        texts = {lang: [text for field in FIELDS for text in _lines(of[field])] for lang, of in pairs.items()}

        def raw(lang: str) -> None:
            model.predict(texts[lang], k=1, threshold=0.0)

        def identified(lang: str) -> None:
            proses = pl.DataFrame([prose(pairs[lang][name]) for of in FIELDS for name in (of, f"pivot_{of}")])
            language.measured(proses, languages.get(lang), languages.get(asked.pivot), model)

        def filtered() -> None:
            for step in (*stages.measure(corpus, asked, print), *stages.filtered(corpus, asked)):
                corpus.write(step.stage, step.lang, step.frames(), step.contract)

        def spent(work: Callable[[], None]) -> float:
            return measured(work)[1].cpu_s

        filtered()  # imports, compiled patterns
        rounds = [
            (
                {lang: (spent(partial(raw, lang)), spent(partial(identified, lang))) for lang in pairs},
                spent(filtered),
            )
            for _ in range(n_rounds)
        ]

    n, n_chars = sum(map(len, pairs.values())), sum(len(text) for of in texts.values() for text in of)
    whole = [tuple(map(sum, zip(*of.values(), strict=True))) for of, _ in rounds]
    costs = {f"language ID stage, {lang}": (len(of), [by[lang] for by, _ in rounds]) for lang, of in pairs.items()}
    costs["language ID stage"] = n, [(theirs, ours) for theirs, ours in whole]
    costs["language ID + default filters"] = n, [(of[0], ours) for of, (_, ours) in zip(whole, rounds, strict=True)]
    ratios = {name: statistics.median(theirs / ours for theirs, ours in of) for name, (_, of) in costs.items()}
    print(f"\n{n:,} rows of {n_chars / n:.0f} characters in {', '.join(pairs)}; CPU, median of {n_rounds} rounds")
    lines = []
    for name, (m, of) in costs.items():
        theirs, ours = (f"{1e6 * statistics.median(each) / m:.0f}" for each in zip(*of, strict=True))
        lines.append([name, ours, theirs, f"{ratios[name]:.0%}"])
    table(["", "CPU µs a row", "of raw fastText", "rows/s to raw"], lines)
    for name, least in (("language ID stage", 0.8), ("language ID + default filters", 0.4)):
        bar(f"{name}: >= {least:.0%} of raw fastText, per core", f"{ratios[name]:.0%}", ratios[name] >= least)


def _lines(texts: pl.Series) -> list[str]:
    return prose(texts).str.replace_all("\n", " ").to_list()


def curated(n: int, langs: Sequence[str]) -> list[Spent]:
    """What each stage took, of a corpus made for it."""
    with tempfile.TemporaryDirectory() as at:
        make(Path(at, "corpus"), {lang: synthetic.translated(n, lang) for lang in langs})
        command = [sys.executable, "-m", "benchmarks.curate", "--run", str(Path(at, "corpus"))]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as process:
            assert process.stdout
            peak, done = [0.0], threading.Event()

            def watch() -> None:
                while not done.wait(EVERY_S):
                    peak[0] = max(peak[0], resident_mb(process.pid))

            watcher = threading.Thread(target=watch)
            watcher.start()
            spent = []
            for line in process.stdout:
                stage, wall, cpu = json.loads(line)
                spent.append(Spent(stage, Cost(wall, cpu), peak[0]))
                peak[0] = 0.0
            done.set()
            watcher.join()
        if process.returncode:
            sys.exit(f"the run of {n} rows ended with {process.returncode}")
    return spent


def run(folder: Path) -> None:
    """Bring a corpus up; a line a stage."""
    asked = recipe.load(folder / "recipe.yaml")
    for stage in STAGES:
        _, cost = measured(partial(pipeline.run, asked, first=stage, until=stage))
        print(json.dumps([stage, *cost]), flush=True)


def full(n: int) -> None:
    """Print what each stage takes for four languages, and the bars."""
    langs = synthetic.LANGUAGES
    spent = curated(n, langs)
    rows = n * len(langs)
    wall, cpu = (sum(getattr(one.cost, what) for one in spent) for what in ("wall_s", "cpu_s"))
    mb = max(one.mb for one in spent)
    print(f"\npair through dist, {n:,} rows in each of {', '.join(langs)}")
    lines = [[one.stage, *one.cost, 1000 * one.cost.cpu_s / rows, f"{one.mb:.0f}"] for one in spent]
    table(
        ["", "wall s", "CPU s", "CPU ms a row", "peak MB"], [*lines, ["all", wall, cpu, 1000 * cpu / rows, f"{mb:.0f}"]]
    )
    said = f"{wall:.1f} s ({cpu:.1f} s of CPU, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f})"
    bar(f"{n:,} rows x {len(langs)} languages in <= 60 s (asked for: 52,000, on 2 cores)", said, wall <= 60)
    bar("<= 1.5 GB", f"{mb:.0f} MB", mb <= 1500)


def growth(sizes: Sequence[int]) -> None:
    """Print what each stage takes at growing numbers of rows, and the bars."""
    spent = {n: curated(n, ["sw"]) for n in sizes}
    print("\npair through dist, one language (sw)")
    table(
        ["", *(f"{n:,} rows: CPU ms a row, peak MB" for n in sizes)],
        [
            [stage, *(f"{1000 * spent[n][i].cost.cpu_s / n:.3f}, {spent[n][i].mb:.0f}" for n in sizes)]
            for i, stage in enumerate(STAGES)
        ],
    )
    cpu = {n: sum(one.cost.cpu_s for one in spent[n]) / n for n in sizes}
    mb = {n: max(one.mb for one in spent[n]) for n in sizes}
    for n in sizes:
        print(f"{n:,} rows: {sum(one.cost.wall_s for one in spent[n]):.0f} s, {1000 * cpu[n]:.3f} CPU ms a row")
    few, many = min(sizes), max(sizes)
    bar(f"{many:,} rows: <= 2 GB", f"{mb[many]:.0f} MB", mb[many] <= 2000)
    more = cpu[many] / cpu[few]
    bar(f"linear: CPU a row at {many:,} rows <= {FLAT}x that at {few:,}", f"{more:.2f}x", more <= FLAT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--full", type=int, default=52_000, help="0: leave it out")
    parser.add_argument("--rows", type=int, nargs="*", default=[300_000, 1_000_000, 3_000_000])
    parser.add_argument("--skip-speed", action="store_true")
    parser.add_argument("--pairs", nargs="*", metavar="LANG=PIVOT.json:TARGET.json", help="Alpaca files, row by row")
    parser.add_argument("--run", type=Path, metavar="CORPUS", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        return run(options.run)
    if not options.skip_speed:
        made = {lang: synthetic.translated(N_SPEED, lang) for lang in synthetic.LANGUAGES}
        speed(options.rounds, dict(map(read, options.pairs)) if options.pairs else made)
    if options.full:
        full(options.full)
    if options.rows:
        growth(options.rows)


if __name__ == "__main__":
    main()
