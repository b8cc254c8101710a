"""The share of a text's letters that are in its language's scripts. Vectorised; reads whole texts, knows no rows.

A letter of no script of its own (Unicode's Common: the Japanese prolonged sound mark, modifier letters) counts
neither way.

Letters of a dense script weigh more, as much as the Latin letters that would say the same: seven Chinese characters
and the titles of four films are a third of an answer in Chinese, not a tenth.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import groupby

import polars as pl

from plugdata.checks.prose import MIN_LETTERS
from plugdata.languages import Language


def share(prose: pl.Series, language: Language) -> pl.Series:
    """The share of letters in the language's scripts by weight, 0 to 1; null below MIN_LETTERS letters.

    A short text abstains because "Python", "NASA" or "Harry Potter" is a right answer in any script.
    """
    scripts = named(language.scripts)
    ours, foreign = rf"[\p{{L}}&&[{scripts}]]", rf"[\p{{L}}--[{scripts}]--\p{{Common}}]"
    # Most texts hold no foreign letter, which is told several times faster than how many there are.
    pure = pl.select(pl.when(prose.str.contains(rf"(?:{ours}[^{ours}]*){{{MIN_LETTERS}}}")).then(1.0)).to_series()
    places = prose.str.contains(foreign).arg_true()
    return pure.scatter(places, _share(prose.gather(places), ours, foreign, weight(language)))


def _share(prose: pl.Series, ours: str, foreign: str, heavy: float) -> pl.Series:
    # Taking out whole runs is several times faster than counting characters.
    rest = prose.str.replace_all(f"{ours}+", "")
    n_ours = prose.str.len_chars() - rest.str.len_chars()
    n_foreign = rest.str.count_matches(foreign)
    by_weight = n_ours * heavy / (n_foreign + n_ours * heavy)
    return pl.select(pl.when(n_ours + n_foreign >= MIN_LETTERS).then(by_weight)).to_series()


def weight(language: Language) -> float:
    """What a letter of the language weighs: the English characters that one of its characters stands for, at least 1.

    By twice the floor of its `ratio`, see languages.toml.
    """
    return max(1.0, 1 / (2 * language.ratio[0]))


def named(scripts: Iterable[str]) -> str:
    """Scripts as Polars' regular expressions name them, in a class."""
    return "".join(rf"\p{{{name}}}" for name in scripts)


@cache
def characters(pattern: str) -> str:
    """The characters that a class of Polars' holds, as ranges in a class of `re`, which has no names for scripts."""
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges(held(pattern).arg_true()))


def held(pattern: str) -> pl.Series:
    """Of each code point up to LAST_LETTER, whether a class of Polars' holds it; surrogates are in none."""
    every = ["" if 0xD800 <= point < 0xE000 else chr(point) for point in range(LAST_LETTER + 1)]
    return pl.Series(every).str.contains(pattern)


def ranges(points: Iterable[int]) -> Iterator[tuple[int, int]]:
    """The first and the last of each run of code points, which are in order."""
    for _, run in groupby(enumerate(points), lambda place: place[1] - place[0]):
        found = [point for _, point in run]
        yield found[0], found[-1]


LAST_LETTER = 0x323AF  # of Unicode's Han; behind it no script of the table of languages has letters
