"""The share of a text's letters that are in its language's scripts. Vectorised; reads whole texts, knows no rows.

A letter of no script of its own (Unicode's Common: the Japanese prolonged sound mark, modifier letters) counts
neither way.
"""

import polars as pl

from plugdata.checks.prose import MIN_LETTERS
from plugdata.languages import Language


def share(prose: pl.Series, language: Language) -> pl.Series:
    """The share of letters in the language's scripts, 0 to 1; null below MIN_LETTERS letters.

    A short text abstains because "Python", "NASA" or "Harry Potter" is a right answer in any script.
    """
    scripts = "".join(rf"\p{{{name}}}" for name in language.scripts)
    # Taking out whole runs is several times faster than counting characters; what is left is short where all is well.
    rest = prose.str.replace_all(rf"[\p{{L}}&&[{scripts}]]+", "")
    ours = prose.str.len_chars() - rest.str.len_chars()
    letters = ours + rest.str.count_matches(r"[\p{L}--\p{Common}]")
    return pl.select(pl.when(letters >= MIN_LETTERS).then(ours / letters)).to_series()
