"""What was measured of rows, in numbers: the columns and their bounds, quantiles, histograms, languages named.

Columns are taken as a stage's file has them: a number that is neither of the pair nor of its translation is a
measurement. `lid_response` is the measurement `lid` of the field `response`; its bound is what the manifest has as
fitted `lid_response_min` or `lid_min`, else `filter.lid.min` of the recipe. So a new filter is here without a line.

Memory: a column of numbers at a time, never a text.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import polars as pl

from plugdata.recipe import Recipe
from plugdata.rows import FIELDS, PAIR, TRANSLATE, Reason, Status

QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
"""Edges at 1 % and 5 %, for a threshold takes out a few rows of a hundred, and the box between."""

ABSTAINED = "–"
"""Stands for no name where an identifier names languages."""

_ELSEWHERE = {
    "lid_mixed": (Reason.LID, None, "filter.lid.mixed"),
    "n_chars": (Reason.LENGTH, "filter.length.min_chars", "filter.length.max_chars"),
    "n_words": (Reason.LENGTH, "filter.length.min_words", "filter.length.max_words"),
    "n_tokens": (Reason.LENGTH, "filter.length.min_tokens", "filter.length.max_tokens"),
    "compression": (Reason.REPETITION, "filter.repetition.compression", None),
    "repeated": (Reason.REPETITION, None, "filter.repetition.ngrams"),
    "repeated_lines": (Reason.REPETITION, None, "filter.repetition.lines"),
    "run": (Reason.REPETITION, None, "filter.repetition.run"),
    "copied": (Reason.COPYING, None, "filter.copying.max"),
    "digits": (Reason.SYMBOLS, None, "filter.symbols.max_digits"),
    "jaccard": (Reason.DUPLICATE_NEAR, "dedup.near", None),
    "chrf": (Reason.BACK_TRANSLATION, "quality.back_translation.min_chrf", None),
    "judge_accuracy": (Reason.JUDGE, "quality.judge.min_accuracy", None),
    "judge_fluency": (Reason.JUDGE, "quality.judge.min_fluency", None),
}
"""Measurements whose reason has another name, or whose bounds stand elsewhere than in `min` and `max` of a filter of
their own name."""


class Bounds(NamedTuple):
    """What a measurement may be; None: no limit on that side."""

    low: float | None
    high: float | None


class Measurement(NamedTuple):
    """A measured column of the rows of a language; quantiles as in QUANTILES, of those that did not abstain."""

    column: str
    n: int
    quantiles: tuple[float, ...]
    bounds: Bounds


class Bin(NamedTuple):
    """Rows whose measurement is from `low` to below `high`: kept, taken out for it, taken out for something else."""

    low: float
    high: float
    kept: int
    out: int
    other: int

    @property
    def n(self) -> int:
        return self.kept + self.out + self.other


def columns(schema: Mapping[str, pl.DataType]) -> list[str]:
    """The measurements among the columns of a stage's rows."""
    return [name for name, dtype in schema.items() if dtype.is_numeric() and name not in PAIR and name not in TRANSLATE]


def base(column: str) -> str:
    """What a column measures, whichever field it measures it of: `lid_mixed` of `lid_response_mixed`."""
    field = field_of(column)
    return column.replace(f"_{field}", "", 1) if field else column


def field_of(column: str) -> str | None:
    """The field that a column is of; None: it is of the whole row."""
    return next((field for field in FIELDS if f"_{field}" in column), None)


def is_share(column: str) -> bool:
    """Whether a measurement is a share or a ratio, which may be laid beside each other; not a count, a mark, chrF."""
    return not column.startswith(("n_", "run_", "judge_", "chrf_"))


def reason_of(base: str) -> str:
    """The reason given to a row that a measurement takes out."""
    return _ELSEWHERE[base][0] if base in _ELSEWHERE else base


def of_reason(reason: str, measured: Iterable[str]) -> list[str]:
    """The measured columns that a reason is given for."""
    return [column for column in measured if reason_of(base(column)) == reason]


def bounds(recipe: Recipe, fitted: Mapping[str, float], measured: Iterable[str]) -> dict[str, Bounds]:
    """The bounds of every measured column that has any."""
    asked = recipe.model_dump(include={"filter", "dedup", "quality"})
    found = {}
    for column in measured:
        what = base(column)
        _, low, high = _ELSEWHERE.get(what, (what, f"filter.{what}.min", f"filter.{what}.max"))
        one = Bounds(
            fitted.get(f"{column}_min", fitted.get(f"{what}_min", _at(asked, low))),
            fitted.get(f"{column}_max", fitted.get(f"{what}_max", _at(asked, high))),
        )
        if one != (None, None):
            found[column] = one
    return found


def _at(asked: Any, path: str | None) -> float | None:
    """The number at a place of the recipe; None if there is none."""
    for key in path.split(".") if path else ():
        asked = asked.get(key) if isinstance(asked, dict) else None
    return float(asked) if isinstance(asked, int | float) else None


def distance(column: str, bounds: Bounds) -> pl.Expr:
    """How far a row is from the nearer bound: 0 on it, 1 where a row without fault is (a share of 1 above a least one,
    of 0 below a most; the middle of a band of ratios, in octaves). Null: not measured.

    So two measurements compare, though one asks for 0.99 and another for 0.2.
    """
    value = pl.col(column).cast(pl.Float64)
    low, high = bounds
    if base(column) == "ratio":
        ends = [math.log2(limit) for limit in bounds if limit and math.isfinite(limit)]
        if not ends:  # from nothing to any length
            return pl.lit(None, pl.Float64)
        room = (ends[-1] - ends[0]) / 2 or 1.0
        return pl.min_horizontal((value.log(2) - end).abs() / room for end in ends)
    found = []
    if low is not None:
        found.append((value - low).abs() / (1 - low if low < 1 else low))
    if high is not None:
        found.append((value - high).abs() / (high or 1.0))
    return pl.min_horizontal(found)


def measurements(rows: pl.LazyFrame, bounds: Mapping[str, Bounds]) -> list[Measurement]:
    """Every measured column in numbers, those left out in which nothing was measured."""
    found = []
    for column in columns(rows.collect_schema()):
        value = pl.col(column).cast(pl.Float64)
        asked = [pl.len().alias("n"), *(value.quantile(q, "nearest").alias(str(q)) for q in QUANTILES)]
        n, *quantiles = rows.select(column).drop_nulls().select(asked).collect(engine="streaming").row(0)
        if n:
            found.append(Measurement(column, n, tuple(quantiles), bounds.get(column, Bounds(None, None))))
    return found


def named(rows: pl.LazyFrame) -> dict[str, dict[str, int]]:
    """By field, the rows that language ID called each language, most first; ABSTAINED where it named none.

    Of rows that it read: those with a measurement of length. Fields without any are left out.
    """
    names = rows.collect_schema().names()
    found = {}
    for field in FIELDS:
        top, read = f"lid_{field}_top", f"n_chars_{field}"
        if top in names and read in names:
            counted = rows.filter(pl.col(read).is_not_null()).group_by(pl.col(top).fill_null(ABSTAINED)).len()
            ordered = counted.sort(["len", top], descending=[True, False]).collect(engine="streaming")
            found[field] = dict(ordered.iter_rows())
    return {field: names for field, names in found.items() if names}


def histogram(rows: pl.LazyFrame, column: str, bounds: Bounds) -> list[Bin]:
    """The rows by their measurement, from the first bin that holds a row or a bound to the last.

    Shares of 0 to 1 in twentieths; ratios in quarters of an octave, what is beyond ⅛ and 8 in the last bins.
    """
    ratio = base(column) == "ratio"

    def bin_of(value: pl.Expr) -> pl.Expr:
        # 0.15 × 20 is less than 3
        at = (value.log(2) * 4).floor().clip(-12, 11) if ratio else (value * 20 + 1e-9).floor().clip(0, 19)
        return at.cast(pl.Int32)

    kind = (
        pl.when(pl.col("status") == Status.KEPT)
        .then(pl.lit("kept"))
        .when(pl.col("reasons").list.contains(reason_of(base(column))))
        .then(pl.lit("out"))
        .otherwise(pl.lit("other"))
    )
    value = pl.col(column).cast(pl.Float64)
    read = rows.filter(value.is_not_null()).group_by(at=bin_of(value), kind=kind).len()
    counts = {(at, kind): n for at, kind, n in read.collect(engine="streaming").iter_rows()}
    if not counts:
        return []
    at_bounds = [pl.select(bin_of(pl.lit(float(limit)))).item() for limit in bounds if limit is not None]
    places = [at for at, _ in counts] + at_bounds

    def edge(at: int) -> float:
        return float(2 ** (at / 4)) if ratio else at / 20

    return [
        Bin(edge(at), edge(at + 1), *(counts.get((at, kind), 0) for kind in ("kept", "out", "other")))
        for at in range(min(places), max(places) + 1)
    ]


def as_json(found: Measurement) -> dict[str, Any]:
    """A measurement as `plugdata stats --json` prints it."""
    quantiles = {f"p{100 * q:g}": value for q, value in zip(QUANTILES, found.quantiles, strict=True)}
    return {"n": found.n, **quantiles, **found.bounds._asdict()}
