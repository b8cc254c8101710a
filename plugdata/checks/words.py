"""How many words a text has, and what it is made of beside letters: symbols, digits. By column.

Takes whole texts; knows no row. What the source has as well is never counted against a
text: a formula keeps its signs, a table its figures.
"""

import polars as pl

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORD = rf"[{_UNSPACED}&&\p{{L}}]|[\p{{L}}\p{{M}}--{_UNSPACED}]+"
"""A run of letters; in scripts without spaces each letter, as everywhere in checks/."""

_SYMBOL = r"[^\p{L}\p{M}\p{N}\s]"


def n_words(texts: pl.Series) -> pl.Series:
    """Words of each text: runs of letters, and each letter of a script without spaces. Figures are none."""
    return texts.str.count_matches(_WORD)


def new_symbols(source: pl.Series, target: pl.Series) -> pl.Series:
    """The share of a text's characters that are symbols or punctuation beyond as many as its source has, 0 to 1.

    Counts are compared, not shares: a dense script says the same in a third of the letters and with as many commas.
    """
    return _beyond(source.str.count_matches(_SYMBOL), target.str.count_matches(_SYMBOL), target)


def new_digits(source: pl.Series, target: pl.Series, foreign: pl.Series) -> pl.Series:
    """The same of digits, of whatever script. `foreign`: where either has others than ASCII's (numbers.foreign_digits),
    which take three times as long to count."""
    places = foreign.arg_true()

    def n(texts: pl.Series) -> pl.Series:
        return texts.str.count_matches("[0-9]").scatter(places, texts.gather(places).str.count_matches(r"\p{Nd}"))

    return _beyond(n(source), n(target), target)


def _beyond(ours: pl.Series, theirs: pl.Series, target: pl.Series) -> pl.Series:
    """How many more of something a text has than its source, per character; null for an empty one."""
    n_new = (theirs.cast(pl.Int64) - ours.fill_null(0).cast(pl.Int64)).clip(0)
    n_chars = target.str.len_chars()
    return pl.select(pl.when(n_chars > 0).then(n_new / n_chars)).to_series()
