"""The words of a translation that stand in its source as they are, over columns: hardly any, in most pairs.

What is made of them: leftover.py judges runs of them text by text where two stand side by side; `copied` counts single
ones, for a weak model leaves every other word. Both look at the same words, so texts are split once. Takes prose
(checks.prose); knows no language and no row.
"""

import math
from typing import NamedTuple

import polars as pl

MIN_WORDS = 8
"""Different words below which `copied` says nothing of what is shared: a term that stays is a large part of a short
answer."""

_RARE = [c for c in map(chr, range(0x3001)) if c.isspace() and c not in " \t\n\r"]
_RARELY = [f"[{''.join(_RARE[at : at + 9])}]" for at in range(0, len(_RARE), 9)]
"""White space that hardly a text holds: in classes of nine, which Polars' engine looks for at three times the speed of
one class of all."""
_TO_TRANSLATE = r"^[\p{Ll}\p{Lo}\p{M}]{3,}$"
"""No name, number, abbreviation or article: a word that a translation would change."""

_SLICE = 5_000
"""Pairs whose words are looked at together: some 1 million words, so that little memory is needed. Fewer cost more: 15
µs a row of Spanish in place of 17 at 2,000 and 25 at 500."""
_ODD = 0x9E3779B97F4A7C15  # 2^64 / the golden ratio: hashes of neighbouring rows lie far apart


class Shared(NamedTuple):
    """For each pair in order."""

    leftover: pl.Series  # 1.0 where no two neighbours in small letters stand in the source; NaN = ask leftover.py
    copied: pl.Series  # the share of different words that stand in the source, 0 to 1; null for too few or no text


def shared(source: pl.Series, target: pl.Series) -> Shared:
    """What the target's words share with the source's. Words are what white space separates, compared by hashes.

    For `copied` they are in small letters and of three or more: no names, and none beside a comma. It is 0 where no
    word is shared, and null where some are of fewer than MIN_WORDS different words.
    """
    pairs = pl.DataFrame({"source": source.fill_null(""), "target": target})
    leftover = pairs.select(pl.when(pl.col("target") != "").then(1.0)).to_series()
    copied = leftover - 1
    not_ascii = pl.col("source").str.len_bytes() > pl.col("source").str.len_chars()
    may = not_ascii | pl.col("target").str.contains("[a-z]")  # what is shared has small letters, those of ASCII first
    asked = pairs.with_row_index("row").filter(may & pl.col("target").is_not_null())
    for some in asked.iter_slices(_SLICE):
        theirs = _words(some, "target").filter(pl.col("word") != "").with_row_index("at")
        held = theirs.filter(pl.col("key").is_in(_words(some, "source")["key"].implode()))
        leftover = leftover.scatter(_side_by_side(held), math.nan)
        shares = _shares(theirs, held)
        copied = copied.scatter(shares["row"], shares["copied"])
    return Shared(leftover, copied)


def _words(pairs: pl.DataFrame, name: str) -> pl.DataFrame:
    """What white space separates, a row each: its text's row, and a key of the two."""
    texts = pairs[name]
    rare = texts.to_frame().select(pl.any_horizontal(pl.all().str.contains(some) for some in _RARELY)).to_series()
    if rare.any():
        places = rare.arg_true()
        texts = texts.clone().scatter(places, texts.gather(places).str.replace_all("|".join(_RARELY), " "))
    words = texts.str.replace_many(["\n", "\t", "\r"], [" ", " ", " "]).str.split(" ").alias("word")
    return (
        pl.DataFrame([pairs["row"], words])
        .explode("word")
        .with_columns(key=pl.col("word").hash() + pl.col("row").cast(pl.UInt64) * _ODD)
    )


def _side_by_side(held: pl.DataFrame) -> pl.Series:
    """The rows of which two neighbouring words are held, of two letters or more and in small ones; or some more."""
    word = pl.col("word")
    small = (word.str.len_chars() > 1) & word.str.contains(r"\p{Lowercase}") & ~word.str.contains("[A-Z]")
    near = held.filter(small).filter(pl.col("at") - pl.col("at").shift() == 1, pl.col("row") == pl.col("row").shift())
    return near["row"].unique()


def _shares(theirs: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    """`copied` of the rows of which a word to translate is held."""
    to_translate = pl.col("word").str.contains(_TO_TRANSLATE)
    shared = held.filter(to_translate).group_by("row").agg(n=pl.col("key").n_unique())
    of_these = theirs.filter(pl.col("row").is_in(shared["row"].implode())).filter(to_translate)
    every = of_these.group_by("row").agg(m=pl.col("key").n_unique())
    share = pl.when(pl.col("m") >= MIN_WORDS).then(pl.col("n") / pl.col("m"))
    return shared.join(every, on="row").select("row", copied=share)
