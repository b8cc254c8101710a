"""What a corpus holds, as data: the funnel, the yield, every measurement in numbers. Reads finished stages; writes
nothing, and holds no text of a row."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import polars as pl

from plugdata.calls.ledger import archive
from plugdata.corpus import Corpus, Counts, Manifest, Progress, stage_key
from plugdata.errors import FunnelError
from plugdata.recipe import Recipe
from plugdata.review import chosen, measured, natural
from plugdata.review.chosen import BY_LANGUAGE
from plugdata.review.measured import Measurement
from plugdata.rows import CONTRACTS, DEDUP, QUALITY, SHARED
from plugdata.translate.quality import Summary, summary

ALL = "all"
"""The funnel's one column before a language has a stage of its own."""


class Line(NamedTuple):
    """One line of the funnel: rows by language that a stage took out for a reason."""

    stage: str
    status: str
    reason: str
    n: dict[str, int]


class Funnel(NamedTuple):
    """rows = kept + every line, in each language; `until` is the last stage that each language has finished, `first`
    the one that read them."""

    rows: dict[str, int]
    lines: list[Line]
    kept: dict[str, int]
    until: dict[str, str]
    first: str = SHARED[0]


class Mending(NamedTuple):
    """What asking again bought in a language: rows asked for, believed at once, believed in the end; answers used."""

    rows: int
    at_once: int
    kept: int
    calls: int


class State(NamedTuple):
    """A corpus at this moment. `progress` is of the stage at work, or of the one a dead run was at; `mending` of the
    languages whose translation is finished and took a call; `quality` of those that have estimates; `ratings` of those
    whose natural text was rated."""

    funnel: Funnel
    progress: Progress | None
    running: bool
    mending: dict[str, Mending]
    quality: list[Summary]
    ratings: dict[str, natural.Ratings]

    def as_json(self) -> dict[str, Any]:
        """What `plugdata status --json` prints."""
        return {
            "running": self.running,
            "progress": self.progress.model_dump() if self.progress else None,
            "rows": self.funnel.rows,
            "kept": self.funnel.kept,
            "until": self.funnel.until,
            "taken_out": [line._asdict() for line in self.funnel.lines],
            "quality": [found._asdict() for found in self.quality],
            "repair": {lang: mending._asdict() for lang, mending in self.mending.items()},
            "ratings": {lang: ratings._asdict() for lang, ratings in self.ratings.items()},
        }


class Numbers(NamedTuple):
    """A language's rows of its last finished stage in numbers; `named`: languages that language ID named, by field."""

    stage: str
    rows: int
    kept: int
    taken_out: list[Line]
    fitted: dict[str, float]
    measurements: list[Measurement]
    named: dict[str, dict[str, int]]
    repair: Mending | None

    def as_json(self) -> dict[str, Any]:
        """What `plugdata stats --json` prints of a language."""
        taken_out = [{**line._asdict(), "n": sum(line.n.values())} for line in self.taken_out]
        measurements = {one.column: measured.as_json(one) for one in self.measurements}
        repair = self.repair._asdict() if self.repair else None
        return {**self._asdict(), "taken_out": taken_out, "measurements": measurements, "repair": repair}


def state(corpus: Corpus) -> State:
    """The funnel of all finished stages, and what a run is at. Reads while another process writes."""
    manifest, progress = corpus.manifest(), corpus.progress()
    if manifest is None:
        return State(Funnel({}, [], {}, {}), progress, corpus.is_locked(), {}, [], {})
    langs = languages_of(manifest)
    repair = {lang: found for lang in langs if (found := mending(corpus, lang)) is not None}
    estimated = [lang for lang in langs if stage_key("quality", lang) in manifest.stages]
    quality = [found for lang in estimated for found in summary(_estimates(corpus, lang))]
    ratings = {lang: marks for lang in langs if (marks := natural.ratings(corpus, lang)) is not None}
    return State(funnel(manifest, langs or [ALL]), progress, corpus.is_locked(), repair, quality, ratings)


def _estimates(corpus: Corpus, lang: str) -> pl.DataFrame:
    """What `summary` reads of a language's rows: no texts, or a large corpus would be held whole to print a line."""
    columns = [name for name in QUALITY if name not in DEDUP and name not in ("back_response", "judge_errors")]
    return pl.read_parquet(corpus.part("quality", lang), columns=["lang", *columns], glob=False)


def mending(corpus: Corpus, lang: str) -> Mending | None:
    """What repair bought in a language; None where no answer was used."""
    path = corpus.part("translate", lang)
    if not path.is_file():
        return None
    believed = pl.col("stage").is_null() | (pl.col("stage") != "translate")
    asked = pl.scan_parquet(path, glob=False).filter(pl.col("n_calls") > 0)
    n, at_once, kept, calls = (
        asked.select(
            pl.len(),
            (believed & (pl.col("mended").list.len() == 0)).sum().alias("at_once"),
            believed.sum().alias("kept"),
            pl.col("n_calls").sum(),
        )
        .collect(engine="streaming")
        .row(0)
    )
    return Mending(n, at_once, kept, calls) if n else None


def languages_of(manifest: Manifest) -> list[str]:
    """The languages that have a finished stage of their own, in order; not the pivot, whose rows are half of theirs."""
    return sorted({key.partition("/")[2] for key in manifest.stages if "/" in key} - {manifest.pivot})


def stage_counts(manifest: Manifest, lang: str) -> dict[str, Counts]:
    """The finished stages that a language's rows went through, in order."""
    keys = [(stage, stage) for stage in SHARED] + [(stage, stage_key(stage, lang)) for stage in BY_LANGUAGE]
    return {stage: manifest.stages[key].counts for stage, key in keys if key in manifest.stages}


def funnel(manifest: Manifest, langs: Sequence[str]) -> Funnel:
    """What became of every row; nothing, before a stage is finished. Raises FunnelError if rows read are not rows kept
    and rows taken out."""
    if not manifest.stages:
        return Funnel({}, [], {}, {})
    lines: dict[tuple[str, str, str], dict[str, int]] = {}
    n_rows, kept, until, first = {}, {}, {}, SHARED[0]
    for lang in langs:
        stages = stage_counts(manifest, lang)
        for stage, counts in stages.items():
            for status, reasons in counts.out.items():
                for reason, n in reasons.items():
                    lines.setdefault((stage, status, reason), {})[lang] = n
            kept[lang], until[lang] = counts.kept, stage
        first, n_rows[lang] = next((stage, counts.rows) for stage, counts in stages.items())
        n_out = sum(line.get(lang, 0) for line in lines.values())
        if n_rows[lang] != kept[lang] + n_out:
            raise FunnelError(f"{lang}: {n_rows[lang]} rows were read, {kept[lang]} are kept and {n_out} taken out")
    order = list(CONTRACTS)
    ordered = sorted(lines.items(), key=lambda item: (order.index(item[0][0]), item[0]))
    return Funnel(n_rows, [Line(*key, n) for key, n in ordered], kept, until, first)


def numbers(corpus: Corpus, recipe: Recipe) -> dict[str, Numbers]:
    """Every language that has a finished stage, in numbers. Raises FunnelError as `funnel` does."""
    manifest = corpus.manifest()
    found = {}
    for lang in languages_of(manifest) if manifest else []:
        view = chosen.view(corpus, lang)
        counted = funnel(view.manifest, [lang])
        bounds = view.bounds(recipe)
        found[lang] = Numbers(
            view.stage,
            counted.rows[lang],
            counted.kept[lang],
            counted.lines,
            view.fitted(),
            measured.measurements(view.scan(), bounds),
            measured.named(view.scan()),
            mending(corpus, lang),
        )
    return found


def used(ledger: archive.Summary | None, recipe: Recipe) -> list[archive.Use]:
    """What a ledger holds of this recipe's languages: it may be shared. "": calls that serve all of them.

    Translations of the languages that are asked for, estimates of given ones too.
    """
    if ledger is None:
        return []
    estimated = recipe.languages if recipe.last_stage == "quality" else ()
    return [
        use
        for use in ledger.uses
        if use.lang in (*recipe.asked, "") or (use.stage == "quality" and use.lang in estimated)
    ]
