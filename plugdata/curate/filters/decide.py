"""The verdicts: a filter is one function and one line in FILTERS.

Thresholds are the recipe's. The soft checks (rows.AGREEMENTS, `options`) compare a target with its pivot and are
filters alike, of which most are only measured unless the recipe gives them a threshold.

Pure functions of a batch of one language: no I/O, nothing across rows, rows and their order as they came.
"""

from collections.abc import Callable, Iterator

import polars as pl

from plugdata import recipe, rows
from plugdata.curate.filters import agreement, fresh, user
from plugdata.curate.filters.check import WHOLE, Bounds, Check, of_fields
from plugdata.curate.filters.language import by_lid, by_script
from plugdata.rows import Reason, Status

Decider = Callable[[recipe.Filter, Bounds], Check]

_VISIBLE = r"[^\s\p{Z}\p{C}\u{115F}\u{1160}\u{2800}\u{3164}\u{FFA0}]"
"""What is no space, no control or format character, and none of the letters that fonts leave blank."""


def decide(batch: pl.DataFrame, settings: recipe.Filter, bounds: Bounds) -> pl.DataFrame:
    """Drop the kept rows that a filter finds fault with: status, stage, reason(s), detail (rows.FILTER).

    Needs: rows.MEASURE of one language; bounds: that language's (fit.fit). Rows: all, same order; those not kept are
    left untouched. `reason` and `detail` are those of the first filter in the order of FILTERS, `reasons` all; the
    recipe's own filters come last. Personal data is replaced in the texts where the recipe masks it.
    Raises InputError for a filter of the recipe's own that fails.
    """
    of_the_recipe = Check(Reason.USER_FILTER, pl.col("_user").is_not_null(), pl.col("_user"))
    checks = [*(of(settings, bounds) for of in FILTERS), of_the_recipe]
    judged = batch.with_columns(_user=user.failed(batch, settings.user))
    decided = rows.take_out(judged, "filter", Status.DROPPED, checks)
    return rows.conform(fresh.masked(decided, settings.pii), rows.FILTER)


def by_length(settings: recipe.Filter, bounds: Bounds) -> Check:
    """A field that is too short or too long, or in which nothing is to be seen."""
    asked = settings.length
    units = (
        ("characters", "n_chars", asked.min_chars, asked.max_chars),
        ("words", "n_words", asked.min_words, asked.max_words),
        ("tokens", "n_tokens", asked.min_tokens, asked.max_tokens),
    )

    def outside(field: str) -> Iterator[tuple[pl.Expr, pl.Expr]]:
        for unit, column, low, high in units:
            n = pl.col(f"{column}_{field}")
            yield n < pl.lit(low, pl.Int64), pl.format(f"{{}} < {low} {unit} in {field}", n)
            yield n > pl.lit(high, pl.Int64), pl.format(f"{{}} > {high} {unit} in {field}", n)
        unseen = ~pl.col(field).str.contains(_VISIBLE) & (asked.min_chars > 0)
        yield unseen, pl.lit(f"nothing is to be seen in {field}")

    def condition(field: str) -> pl.Expr:
        return pl.any_horizontal(holds.fill_null(False) for holds, _ in outside(field))

    def detail(field: str) -> pl.Expr:
        return pl.coalesce(pl.when(holds).then(told) for holds, told in outside(field))

    return of_fields(Reason.LENGTH, condition, detail)


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
            return too_little & WHOLE if check in ("leftover", "untranslated") else too_little

        def detail(field: str) -> pl.Expr:
            words = agreement.words_left(field, least) if check == "untranslated" else pl.lit("")
            return pl.format(f"{{}} < {least} in {field}{{}}", pl.col(f"{check}_{field}").round(3), words)

        return of_fields(Reason(check), condition, detail)

    return of


FILTERS: tuple[Decider, ...] = (
    by_lid,
    by_script,
    by_length,
    by_ratio,
    *map(by_agreement, rows.AGREEMENTS),
    by_options,
    fresh.by_repetition,
    fresh.by_refusal,
    fresh.by_copying,
    fresh.by_symbols,
    fresh.by_template,
    fresh.by_equal,
    fresh.by_pii,
)
