"""How many words a text has, and what it is made of beside letters: symbols, digits, words of its source. By column.

Takes whole texts (for `copied` their prose); knows no row. What the source has as well is never counted against a
text: a formula keeps its signs, a table its figures.
"""

import polars as pl

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORD = rf"[{_UNSPACED}&&\p{{L}}]|[\p{{L}}\p{{M}}--{_UNSPACED}]+"
"""A run of letters; in scripts without spaces each letter, as everywhere in checks/."""

_SYMBOL = r"[^\p{L}\p{M}\p{N}\s]"
_DIGIT = r"\p{Nd}"
_TO_TRANSLATE = r"^[\p{Ll}\p{Lo}\p{M}]{3,}$"
"""No name, number, abbreviation or article: a word that a translation would change."""

MIN_WORDS = 8
"""Different words below which `copied` says nothing: a term that stays is a large part of a short answer."""


def n_words(texts: pl.Series) -> pl.Series:
    """Words of each text: runs of letters, and each letter of a script without spaces. Figures are none."""
    return texts.str.count_matches(_WORD)


def new_symbols(source: pl.Series, target: pl.Series) -> pl.Series:
    """The share of a text's characters that are symbols or punctuation beyond as many as its source has, 0 to 1.

    Counts are compared, not shares: a dense script says the same in a third of the letters and with as many commas.
    """
    return _beyond(_SYMBOL, source, target)


def new_digits(source: pl.Series, target: pl.Series) -> pl.Series:
    """The same of digits, of whatever script."""
    return _beyond(_DIGIT, source, target)


def _beyond(pattern: str, source: pl.Series, target: pl.Series) -> pl.Series:
    """How many more matches of one character a text has than its source, per character; null for an empty one."""
    ours, theirs = (texts.str.count_matches(pattern).cast(pl.Int64) for texts in (source.fill_null(""), target))
    n_chars = target.str.len_chars()
    return pl.select(pl.when(n_chars > 0).then((theirs - ours).clip(0) / n_chars)).to_series()


def copied(source: pl.Series, target: pl.Series) -> pl.Series:
    """The share of a text's different words that stand in its source as they are, 0 to 1. Takes prose.

    Words are what blanks separate, in small letters and of three or more: no names, and none beside a comma. Single
    words, where leftover.py wants runs: a weak model leaves every other word. Null below MIN_WORDS different words, so
    for scripts without spaces, where script.py sees what was left.
    """
    texts = pl.DataFrame({"source": source.fill_null(""), "target": target}).select(pl.all().str.split(" "))
    ours = pl.col("target").list.eval(pl.element().filter(pl.element().str.contains(_TO_TRANSLATE)))
    words = texts.with_columns(ours).with_columns(n=pl.col("target").list.n_unique())
    shared = pl.col("target").list.set_intersection("source").list.len()
    return words.select(pl.when(pl.col("n") >= MIN_WORDS).then(shared / pl.col("n"))).to_series()
