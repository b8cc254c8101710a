"""How much of a translation was left in its source's language: words that stand in it as they stand in the source.

copying.py asks the same of a whole answer, to refuse what was not translated; this measures what is left over in an
answer that was. Takes prose (checks.prose). Names, numbers and single letters are no words here. Knows no language:
a source that quotes the target's language looks like a leftover.
"""

import math
from itertools import pairwise

import polars as pl

from plugdata.checks.copying import MIN_WORDS, to_translate

RUN = 3
"""Words of the shortest run that counts, as in an echo: two in a row are often a term that stays ("machine learning"),
or chance between related languages."""


def leftover(source: str, target: str) -> float | None:
    """1 − words of the target in runs of RUN or more that the source holds too / its words, 0 to 1.

    Null for an empty target, and where words stand in both but either has fewer than MIN_WORDS.
    """
    spaced = target.split()
    shared = {word for word in set(source.split()).intersection(spaced) if len(word) > 1 and word.islower()}
    if target and not any(one in shared and two in shared for one, two in pairwise(spaced)):  # far faster than below
        return 1.0
    ours, theirs = to_translate(source), to_translate(target)
    if len(ours) < MIN_WORDS or len(theirs) < MIN_WORDS:
        return None
    known = set(ours)
    if b"\1" * RUN not in bytes([word in known for word in theirs]):  # nearly always; to compare runs takes longer
        return 1.0
    runs = set(zip(*(ours[i:] for i in range(RUN)), strict=False))
    left: set[int] = set()
    for place, run in enumerate(zip(*(theirs[i:] for i in range(RUN)), strict=False)):
        if run in runs:
            left.update(range(place, place + RUN))
    return 1 - len(left) / len(theirs)


_SPACE = r"[\s\x1c-\x1f]"  # of Python: of those four Polars thinks otherwise
_SMALL_WORDS = rf"\p{{Lowercase}}[^\s\x1c-\x1f]*{_SPACE}+[^\s\x1c-\x1f]*\p{{Lowercase}}"
_SLICE = 1_000
"""Pairs whose words are looked at together: they stay in the processor's caches, and little memory is needed."""
_ODD = 0x9E3779B97F4A7C15  # 2^64 / the golden ratio: hashes of neighbouring rows lie far apart


def _settled(texts: pl.Series) -> pl.Series:
    pairs = texts.struct.unnest()
    asked = pairs.with_row_index("row").filter(pl.col("target").str.contains(_SMALL_WORDS))
    told = pairs.select(pl.when(pl.col("target") != "").then(1.0)).to_series()
    for some in asked.iter_slices(_SLICE):
        told = told.scatter(_with_neighbours(some), math.nan)
    return told


def _with_neighbours(pairs: pl.DataFrame) -> pl.Series:
    """The rows of which two neighbouring words of the target, in small letters, stand in the source; or some more."""
    ours, theirs = (_words(pairs, name) for name in ("source", "target"))
    word = pl.col("word")
    small = (word.str.len_chars() > 1) & word.str.contains(r"\p{Lowercase}") & ~word.str.contains("[A-Z]")
    held = theirs.with_row_index("at").filter(pl.col("key").is_in(ours["key"].implode())).filter(small)
    near = held.filter(pl.col("at") - pl.col("at").shift() == 1, pl.col("row") == pl.col("row").shift())
    return near["row"].unique()


def _words(pairs: pl.DataFrame, name: str) -> pl.DataFrame:
    """What white space separates, a row each: its text's row, and a key of the two."""
    words = pl.col(name).str.replace_all(rf"[{_SPACE}--\x20]", " ").str.split(" ").alias("word")
    return (
        pairs.select("row", words)
        .explode("word")
        .filter(pl.col("word") != "")
        .with_columns(key=pl.col("word").hash() + pl.col("row").cast(pl.UInt64) * _ODD)
    )


SETTLED = pl.struct("source", "target").map_batches(_settled, return_dtype=pl.Float64())
"""`leftover` of columns, as far as Polars can tell: 1.0 where no two neighbours among the target's words stand in the
source; NaN = ask. Words are compared by their hashes: where two are alike by chance the texts are asked."""
