"""The verdicts: a filter is one function and one line in FILTERS.

Thresholds are the recipe's. The soft checks (rows.AGREEMENTS, `options`) compare a target with its pivot and are
filters alike, of which most are only measured unless the recipe gives them a threshold.

Pure functions of a batch of one language: no I/O, nothing across rows, rows and their order as they came.
"""

from collections.abc import Callable

import polars as pl

from plugdata import recipe, rows
from plugdata.curate.filters.check import WHOLE, Bounds, Check, of_fields
from plugdata.curate.filters.language import by_lid, by_script
from plugdata.rows import Reason, Status

Decider = Callable[[recipe.Filter, Bounds], Check]


def decide(batch: pl.DataFrame, settings: recipe.Filter, bounds: Bounds) -> pl.DataFrame:
    """Drop the kept rows that a filter finds fault with: status, stage, reason(s), detail (rows.FILTER).

    Needs: rows.MEASURE of one language; bounds: that language's (fit.fit). Rows: all, same order; those not kept are
    left untouched. `reason` and `detail` are those of the first filter in the order of FILTERS, `reasons` all.
    """
    checks = [of(settings, bounds) for of in FILTERS]
    return rows.conform(rows.take_out(batch, "filter", Status.DROPPED, checks), rows.FILTER)


def by_length(settings: recipe.Filter, bounds: Bounds) -> Check:
    """A field that is too short or too long."""
    low, high = settings.length.min_chars, settings.length.max_chars

    def detail(field: str) -> pl.Expr:
        n_chars = pl.col(f"n_chars_{field}")
        bound = pl.when(n_chars < low).then(pl.lit(f"< {low}")).otherwise(pl.lit(f"> {high}"))
        return pl.format(f"{{}} {{}} characters in {field}", n_chars, bound)

    return of_fields(Reason.LENGTH, lambda field: ~pl.col(f"n_chars_{field}").is_between(low, high), detail)


def by_ratio(settings: recipe.Filter, bounds: Bounds) -> Check:
    """A field too short or too long for its pivot; not judged where the pivot is short."""
    long_enough = settings.ratio.min_chars

    def condition(field: str) -> pl.Expr:
        low, high = bounds[f"ratio_{field}_min"], bounds[f"ratio_{field}_max"]
        outside = ~pl.col(f"ratio_{field}").is_between(low, high)
        return outside & (pl.col(f"pivot_{field}").str.len_chars() >= long_enough)

    def detail(field: str) -> pl.Expr:
        ratio = pl.col(f"ratio_{field}")
        low, high = bounds[f"ratio_{field}_min"], bounds[f"ratio_{field}_max"]
        bound = pl.when(ratio < low).then(pl.lit(f"< {low:.3g}")).otherwise(pl.lit(f"> {high:.3g}"))
        return pl.format(f"{{}} {{}} characters a pivot character in {field}", ratio.round(3), bound)

    return of_fields(Reason.RATIO, condition, detail)


def by_options(settings: recipe.Filter, bounds: Bounds) -> Check:
    """A response that is none of the choices its instruction offers, though the pivot's is."""
    least = settings.options.min
    detail = pl.format(f"{{}} < {least} of the response in the instruction", pl.col("options").round(3))
    return Check(Reason.OPTIONS, pl.col("options") < pl.lit(least, pl.Float64), detail)


def by_agreement(check: str) -> Decider:
    """The filter of a soft check: a field that agrees too little with its pivot. A recipe's null drops nothing."""

    def of(settings: recipe.Filter, bounds: Bounds) -> Check:
        least = getattr(settings, check).min

        def condition(field: str) -> pl.Expr:
            too_little = pl.col(f"{check}_{field}") < pl.lit(least, pl.Float64)
            return too_little & WHOLE if check == "leftover" else too_little

        def detail(field: str) -> pl.Expr:
            return pl.format(f"{{}} < {least} in {field}", pl.col(f"{check}_{field}").round(3))

        return of_fields(Reason(check), condition, detail)

    return of


FILTERS: tuple[Decider, ...] = (
    by_lid,
    by_script,
    by_length,
    by_ratio,
    *map(by_agreement, rows.AGREEMENTS),
    by_options,
)
