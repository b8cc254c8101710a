"""The bounds of a language, from all its measured rows: a small table that `decide` reads and the manifest keeps.

The band of the ratio is that of the table of languages, narrowed to what the corpus's own rows say: the middle of their
log ratios, N_SPREADS robust standard deviations (median absolute deviation) to either side, never less than a factor
of LEAST. Only rows inside the table's band are asked, so garbage drags it nowhere; it always leaves the room for code
that the table leaves (0.8 to 1.2); and where it would leave out more than MOST_OUT of them, those rows are of two
kinds and it is not believed.

Measured on 999 real rows and their rule-based translations (Apertium): into Spanish the response band is 0.61 to 1.88
in place of 0.55 to 2.25, into Catalan 0.60 to 1.84 in place of 0.50 to 2.05; none of the 3,626 texts with a pivot of 40
characters is outside.
"""

import math

import polars as pl

from plugdata import languages, recipe
from plugdata.curate.filters.language import fit_lid
from plugdata.rows import FIELDS, kept

MIN_ROWS = 200
"""Fewer are no sample: the band of the table."""

N_SPREADS = 6.0
"""Of the 3,626 texts 12 are more than five deviations from the middle, 5 more than six; LEAST keeps those."""
LEAST = 1.75
"""Long texts vary little (a deviation of 5 %), so that six of theirs would leave out a right text that is mostly code
(0.64) or a list (1.5)."""
MOST_OUT = 0.1
_ROOM = (0.8, 1.2)
"""As in languages.toml: a rightly translated text that is mostly code, numbers and addresses keeps its length."""


def fit(measured: pl.LazyFrame, settings: recipe.Filter, pivot: str, lang: str) -> dict[str, float]:
    """ratio_FIELD_min and ratio_FIELD_max of both fields; lid_min.

    Needs: rows.MEASURE of one language; few columns are read, and no texts.
    """
    return _ratio_bounds(measured, settings.ratio, pivot, lang) | fit_lid(measured, settings, lang)


def _ratio_bounds(measured: pl.LazyFrame, settings: recipe.Ratio, pivot: str, lang: str) -> dict[str, float]:
    """The recipe's band, or the table's, or the table's as narrowed to the rows."""
    table = languages.ratio_band(pivot, lang)
    found: dict[str, float] = {}
    for field in FIELDS:
        band = settings.band
        if band == "fitted":
            band = _fitted(measured, field, settings.min_chars, table)
        found[f"ratio_{field}_min"], found[f"ratio_{field}_max"] = table if band == "table" else band
    return found


def _fitted(measured: pl.LazyFrame, field: str, min_chars: int, table: tuple[float, float]) -> tuple[float, float]:
    ratio, n_chars = pl.col(f"ratio_{field}"), pl.col(f"n_chars_{field}")
    asked = kept() & ratio.is_between(*table) & (ratio > 0) & (n_chars >= min_chars * ratio)  # n_chars / ratio: pivot's
    logs = measured.filter(asked).select(ratio.log()).collect(engine="streaming").to_series()
    if len(logs) < MIN_ROWS:
        return table
    middle = logs.median()
    assert isinstance(middle, float)
    spread = (logs - middle).abs().median()
    assert isinstance(spread, float)
    width = max(math.log(LEAST), N_SPREADS * 1.4826 * spread)  # 1.4826: of a normal distribution, its deviation
    low = max(table[0], min(_ROOM[0], math.exp(middle - width)))
    high = min(table[1], max(_ROOM[1], math.exp(middle + width)))
    n_in = logs.is_between(math.log(low), math.log(high)).sum()
    return (low, high) if n_in >= (1 - MOST_OUT) * len(logs) else table
