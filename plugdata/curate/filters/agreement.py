"""The soft checks as columns: how far a target agrees with its pivot (rows.AGREEMENTS, `options`).

What each measures is told by the function of its name in checks/; here they are asked for whole columns.
"""

from collections.abc import Callable

import polars as pl

from plugdata.checks import corruption, punctuation, structure
from plugdata.checks.leftover import leftover
from plugdata.checks.numbers import numbers
from plugdata.checks.options import options
from plugdata.rows import FIELDS

Agreement = Callable[[str, str], float | None]
"""A soft check: how far a target agrees with its pivot, 0 to 1; None = nothing to judge."""

_OF_PROSE: dict[str, Agreement] = {"numbers": numbers, "leftover": leftover}
_OF_TEXT: dict[str, Agreement] = {
    "lists": structure.lists,
    "tables": structure.tables,
    "headings": structure.headings,
    "fences": structure.fences,
    "paragraphs": structure.paragraphs,
    "verse": structure.verse,
    "quotes": punctuation.quotes,
    "ends": punctuation.ends,
}


def measured(asked: pl.DataFrame, proses: pl.DataFrame) -> list[pl.Series]:
    """Every column of rows.AGREEMENTS, and `options`.

    Needs: both fields and the pivot's, as they are (`asked`) and as prose (`proses`, checks.prose).
    """
    columns = []
    for field in FIELDS:
        pivot, text = asked[f"pivot_{field}"], asked[field]
        prose, pivot_prose = proses[field], proses[f"pivot_{field}"]
        columns += [
            *(_agreement(check, pivot_prose, prose).alias(f"{name}_{field}") for name, check in _OF_PROSE.items()),
            *(_agreement(check, pivot, text).alias(f"{name}_{field}") for name, check in _OF_TEXT.items()),
            _corruption(pivot, text).alias(f"corruption_{field}"),
        ]
    halves = [asked[name].fill_null("") for name in ("pivot_instruction", "pivot_response", *FIELDS)]
    chosen = [options(*texts) for texts in zip(*halves, strict=True)]
    return [*columns, pl.Series("options", chosen, pl.Float64)]


def _agreement(check: Agreement, pivot: pl.Series, text: pl.Series) -> pl.Series:
    """A soft check of each pair of texts; null where either is null."""
    pairs = zip(pivot.to_list(), text.to_list(), strict=True)
    found = [None if ours is None or theirs is None else check(ours, theirs) for ours, theirs in pairs]
    return pl.Series(found, dtype=pl.Float64)


def _corruption(pivot: pl.Series, text: pl.Series) -> pl.Series:
    """corruption.corruption of each pair: Polars finds the few texts worth asking about, thirty times as fast."""
    suspect = text.str.contains(corruption.PATTERN)
    asked = _agreement(corruption.corruption, pivot.fill_null(""), text.set(~suspect, None))
    return pl.select(pl.when(suspect).then(asked).when(text != "").then(1.0)).to_series()
