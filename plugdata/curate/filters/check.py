"""What a filter says: why, for which rows, and the measurement in words."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import polars as pl

from plugdata.rows import FIELDS, Reason

Bounds = Mapping[str, float]
"""The fitted bounds of a language by name: ratio_response_min … (fit.fit)."""

WHOLE = pl.col("policy").ne_missing("keep-span")
"""Rows that are translated whole. In others a span is left in another language on purpose, so that language ID, the
script and what is left of the source say nothing."""


class Check(NamedTuple):
    """Why, for which rows, and the measurement in words."""

    reason: Reason
    condition: pl.Expr
    detail: pl.Expr


def of_fields(reason: Reason, condition: Callable[[str], pl.Expr], detail: Callable[[str], pl.Expr]) -> Check:
    """A check that holds where it holds for a field; the details of those fields, joined."""
    details = [pl.when(condition(field)).then(detail(field)) for field in FIELDS]
    return Check(
        reason,
        pl.any_horizontal(condition(field) for field in FIELDS),
        pl.concat_str(details, separator=" · ", ignore_nulls=True),
    )
