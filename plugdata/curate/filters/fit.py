"""The bounds of a language, from all its measured rows: a small table that `decide` reads and the manifest keeps."""

import polars as pl

from plugdata import languages, recipe
from plugdata.rows import FIELDS


def fit(measured: pl.LazyFrame, settings: recipe.Filter, pivot: str, lang: str) -> dict[str, float]:
    """ratio_FIELD_min and ratio_FIELD_max of both fields: the recipe's band, else that of the table of languages.

    Needs: rows.MEASURE of one language.
    """
    low, high = settings.ratio.band or languages.ratio_band(pivot, lang)
    return {f"ratio_{field}_{end}": at for field in FIELDS for end, at in (("min", low), ("max", high))}
