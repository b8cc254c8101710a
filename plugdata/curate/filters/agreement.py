"""The soft checks as columns: how far a target agrees with its pivot (rows.AGREEMENTS, `options`).

What each measures is told by the function of its name in checks/. Polars tells most of it for whole columns at once;
only where it cannot is the function asked, pair by pair.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import polars as pl

from plugdata.checks import corruption, leftover, numbers, options, punctuation, structure
from plugdata.rows import FIELDS


class Check(NamedTuple):
    """What Polars can tell of columns, and what is asked of texts where that is NaN: 0 to 1, null = not judged."""

    settled: pl.Expr
    asked: Callable[..., float | None] | None = None  # None: nothing is left to be asked


OF_PROSE = {
    "numbers": Check(numbers.SETTLED, numbers.numbers),
    "leftover": Check(leftover.SETTLED, leftover.leftover),
}
OF_TEXT = {
    "lists": Check(structure.LISTS),
    "tables": Check(structure.TABLES, structure.tables),
    "headings": Check(structure.HEADINGS, structure.headings),
    "fences": Check(structure.FENCES, structure.fences),
    "paragraphs": Check(structure.PARAGRAPHS),
    "verse": Check(structure.VERSE, structure.verse),
    "quotes": Check(punctuation.QUOTES, punctuation.quotes),
    "ends": Check(punctuation.ENDS),
    "corruption": Check(corruption.SETTLED, corruption.corruption),
}
OF_BOTH = {"options": Check(options.SETTLED, options.options)}


def measured(asked: pl.DataFrame, proses: pl.DataFrame) -> list[pl.Series]:
    """Every column of rows.AGREEMENTS, and `options`.

    Needs: both fields and the pivot's, as they are (`asked`) and as prose (`proses`, checks.prose).
    """
    columns = []
    for field in FIELDS:
        for checks, texts in ((OF_PROSE, proses), (OF_TEXT, asked)):
            found = agreements(checks, texts.select(source=f"pivot_{field}", target=field))
            columns += [column.alias(f"{column.name}_{field}") for column in found]
    halves = [f"{pivot}{field}" for pivot in ("pivot_", "") for field in FIELDS]
    return [*columns, *agreements(OF_BOTH, asked.select(halves))]


def agreements(checks: Mapping[str, Check], texts: pl.DataFrame) -> list[pl.Series]:
    """What each check says of each row of texts, by the checks' names; null where a text is null."""
    whole = ~pl.any_horizontal(pl.all().is_null())
    settled = [pl.when(whole).then(check.settled).cast(pl.Float64).alias(name) for name, check in checks.items()]
    told = texts.lazy().select(settled).collect()  # lazy: what they have in common is computed once
    return [_asked(check, texts, told[name]) for name, check in checks.items()]


def _asked(check: Check, texts: pl.DataFrame, told: pl.Series) -> pl.Series:
    """What was told, and what the check says itself where that is NaN."""
    places = told.is_nan().arg_true()
    if check.asked is None or places.is_empty():
        return told
    said = [check.asked(*row) for row in texts.select(pl.all().gather(places)).iter_rows()]
    return told.scatter(places, pl.Series(said, dtype=pl.Float64))
