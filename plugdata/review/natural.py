"""What the stages of natural text came to: the marks of the raters, and how diverse instructions are before and after
sampling. As data, and on a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import polars as pl
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from plugdata.corpus import Corpus


class Ratings(NamedTuple):
    """The marks of a language: candidates by mark, those whose mark could not be read, and edits that were taken of
    those that were asked for."""

    marks: dict[int, int]
    abstained: int
    edited: int
    edits: int


class Asked(NamedTuple):
    """A verb and noun, and how many instructions have them before and after sampling."""

    verb: str
    noun: str
    before: int
    after: int


def ratings(corpus: Corpus, lang: str) -> Ratings | None:
    """What was rated in a language; None where nothing was."""
    if not corpus.part("rate", lang).is_file():
        return None
    rows = corpus.scan("rate", lang)
    of_use = pl.col("candidates").struct.field("reason").is_null()
    rated = rows.filter(pl.col("ratings").is_not_null()).select("candidates", "ratings")
    counted = rated.explode("candidates", "ratings").filter(of_use).group_by("ratings").len()
    marks = dict(sorted(counted.collect(engine="streaming").iter_rows(), key=lambda item: item[0] or 0))
    edited, edits = rows.select(pl.col("edited").count(), pl.col("changed").count().alias("n")).collect().row(0)
    abstained = marks.pop(None, 0)
    return Ratings(marks, abstained, edited, edits) if marks or abstained or edits else None


def lines(by_lang: Mapping[str, Ratings]) -> list[Text]:
    """A line a language: how many candidates have which mark, and how many abstained."""
    found = []
    for lang, of in by_lang.items():
        told = [f"{n} at {mark}" for mark, n in reversed(of.marks.items())]
        told += [f"{of.abstained} abstained"] if of.abstained else []
        told += [f"{of.edited} of {of.edits} edits taken"] if of.edits else []
        found.append(Text(f"rated {lang}: {', '.join(told)}"))
    return found


_TOLD = {
    "rows": "rows",
    "clusters_used": "clusters used",
    "largest_cluster_share": "share of the largest cluster",
    "topic_entropy_bits": "entropy of clusters (bits)",
    "self_overlap": "likeness to the nearest other",
    "news": "about news",
}


def diversity(measured: Mapping[str, Mapping[str, float]], asked: Mapping[str, Sequence[Asked]]) -> RenderableType:
    """A table for each language: diversity before and after sampling; and what most instructions ask for."""
    shown: list[RenderableType] = []
    for lang, of in measured.items():
        table = Table(f"diversity {lang}", box=box.SIMPLE_HEAD, pad_edge=False)
        for when in ("before", "after"):
            table.add_column(when, justify="right")
        for name, told in _TOLD.items():
            if f"{name}_before" in of:
                table.add_row(told, *(f"{of[f'{name}_{when}']:,g}" for when in ("before", "after")))
        shown.append(table)
        if told := _listed(asked.get(lang, ())):
            shown.append(Text(told))
    return Group(*shown)


def _listed(asked: Iterable[Asked]) -> str:
    return ", ".join(f"{one.verb} {one.noun} {one.before} → {one.after}" for one in asked)


def measured(corpus: Corpus) -> dict[str, Mapping[str, float]]:
    """What the diversify stage measured of each language that has it."""
    manifest = corpus.manifest()
    stages = manifest.stages if manifest else {}
    found = {key.partition("/")[2]: record.fitted for key, record in stages.items() if key.startswith("diversify/")}
    return {lang: fitted for lang, fitted in sorted(found.items()) if fitted}
