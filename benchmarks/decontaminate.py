"""How well rows that hold a question of an evaluation set are found, what is taken for one wrongly, and the cost.

    python -m benchmarks.decontaminate [DATA …]

Questions: tests/labelled/contamination.toml, of our own writing, planted in rows in every way that counts, beside rows
that must not count. DATA: files of instruction data; false alarms are what is found in them of the English questions,
and of a fifth of their own instructions in the rest. The time is CPU time beside that of `normalise`, which makes the
words, on the same texts; both with one thread.
"""

import argparse
import os
import statistics
import sys
import time
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.loopback import bar, table
from plugdata import sources
from plugdata.curate import decontaminate
from plugdata.curate.duplicates import normalise
from plugdata.recipe import Source

PLANTED = Path(__file__).parents[1] / "tests" / "labelled" / "contamination.toml"
NEARS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.9)
ROUNDS = 5
LEAST_ROWS_S = 20_000
"""Rows a second and core (issue 5): 3 M rows pass in three minutes."""

Case = dict[str, str]
WAYS: dict[str, tuple[str, Callable[[dict[str, Any], Case], tuple[str, str]]]] = {
    "as it is": ("question", lambda lang, q: (q["text"], "")),
    "other punctuation, capitals": ("question", lambda lang, q: (f"“{q['text'].upper().strip('¿?.？。')}” …", "")),
    "one word changed": ("question", lambda lang, q: (q["changed"], "")),
    "behind a greeting": ("question", lambda lang, q: (f"{lang['greeting']} {q['text']}", "")),
    "inside a longer text": ("question", lambda lang, q: (f"{lang['before']} {q['text']} {lang['after']}", "")),
    "inside a response": (
        "question",
        lambda lang, q: (lang["greeting"], f"{lang['before']} {q['text']} {lang['after']}"),
    ),
    "another question": ("question", lambda lang, q: (q["other"], "")),
    "other numbers": ("sum", lambda lang, q: (q["other"], "")),
}
"""How a question is planted: which ones, and the row's instruction and response."""


def planted() -> dict[str, dict[str, Any]]:
    """The texts of each language."""
    return tomllib.loads(PLANTED.read_text(encoding="utf-8"))


def questions(lang: dict[str, Any]) -> pl.DataFrame:
    """The questions of a language, as an evaluation set."""
    texts = [case["text"] for case in (*lang["question"], *lang["sum"])]
    return pl.DataFrame(
        {"set": ["planted"] * len(texts), "place": [f"planted:{n}" for n in range(1, len(texts) + 1)], "text": texts}
    )


def rows(texts: Iterable[tuple[str, str]]) -> pl.DataFrame:
    """Kept rows of some instructions and responses."""
    made = [(f"r{n}", instruction, response, "kept") for n, (instruction, response) in enumerate(texts)]
    return pl.DataFrame(made, schema=["id", "instruction", "response", "status"], orient="row")


def found(lang: dict[str, Any], way: str) -> tuple[int, int]:
    """(found, planted) of the questions of a language, planted in a way."""
    which, plant = WAYS[way]
    here = rows(plant(lang, case) for case in lang[which])
    return decontaminate.contaminated([here], decontaminate.index(questions(lang))).height, here.height


def real(path: Path) -> pl.DataFrame:
    """The rows of a file."""
    return pl.concat(sources.read(Source(path=str(path)), Path())).filter(pl.col("status") == "kept")


def cost_us(frame: pl.DataFrame, index: decontaminate.Index) -> tuple[float, float]:
    """CPU microseconds a row, and of `normalise` on the same texts: medians of rounds that take turns."""
    ours, theirs = [], []
    batches = [frame[n : n + 5_000] for n in range(0, frame.height, 5_000)]
    for _ in range(ROUNDS):
        began = time.process_time()
        decontaminate.contaminated(batches, index)
        between = time.process_time()
        for batch in batches:
            normalise(batch["instruction"] + "\n" + batch["input"])
            normalise(batch["response"])
        ours.append((between - began) / frame.height * 1e6)
        theirs.append((time.process_time() - between) / frame.height * 1e6)
    return statistics.median(ours), statistics.median(theirs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", type=Path)
    data = parser.parse_args().data
    langs = planted()
    lines = []
    for way in WAYS:
        counts = {code: found(lang, way) for code, lang in langs.items()}
        lines.append([way, *(f"{n} / {of}" for n, of in counts.values())])
    table(["found of planted", *langs], lines)
    default = decontaminate.NEAR
    lines = []
    for near in NEARS:
        decontaminate.NEAR = near
        per_way = {way: [found(lang, way) for lang in langs.values()] for way in WAYS}
        told = [f"{sum(n for n, _ in c)} / {sum(of for _, of in c)}" for c in per_way.values()]
        lines.append([f"{near}{' (ours)' if near == default else ''}", *told])
    decontaminate.NEAR = default
    print()
    table(["NEAR, all languages", *WAYS], lines)
    for path in data:
        frame = real(path)
        english = decontaminate.index(questions(langs["en"]))
        fifth = frame.gather_every(5)
        text = pl.concat_str("instruction", "input", separator="\n")
        own = decontaminate.index(fifth.select(pl.lit("own").alias("set"), "place", text=text))
        rest = frame.join(fifth, on="id", how="anti")
        hits = decontaminate.contaminated([rest], own)
        print(
            f"\n{path.name}: {frame.height} rows, {decontaminate.contaminated([frame], english).height} hold one of"
            f" ours; of its own {fifth.height} questions {hits.height} stand in the other {rest.height} rows"
        )
        for match in hits["match"]:
            print(f"  {match}")
        many = pl.concat(
            [frame.with_columns(id=pl.format("{}-{}", "id", pl.lit(n))) for n in range(10_000 // frame.height + 1)]
        )
        ours, words = cost_us(many, english)
        bar(
            f"at least {LEAST_ROWS_S} rows/s and core",
            f"{1e6 / ours:,.0f} ({ours:.0f} µs a row, {words:.0f} of them for words)",
            1e6 / ours >= LEAST_ROWS_S,
        )


if __name__ == "__main__":
    if os.environ.get("POLARS_MAX_THREADS") != "1":
        os.environ["POLARS_MAX_THREADS"] = "1"
        os.execv(sys.executable, [sys.executable, "-m", "benchmarks.decontaminate", *sys.argv[1:]])
    main()
