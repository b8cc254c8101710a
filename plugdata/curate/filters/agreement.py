"""The soft checks as columns: how far a target agrees with its pivot (rows.AGREEMENTS, `options`, `copied`).

What each measures is told by the function of its name in checks/. Polars tells most of it for whole columns at once;
only where it cannot is the function asked, pair by pair.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import polars as pl

from plugdata import languages
from plugdata.checks import corruption, leftover, numbers, options, punctuation, structure, untranslated
from plugdata.checks.shared import shared


class Check(NamedTuple):
    """What Polars can tell of columns, and what is asked of texts where that is NaN: 0 to 1, null = not judged."""

    settled: pl.Expr
    asked: Callable[..., float | None] | None = None  # None: nothing is left to be asked
    some: pl.Expr | None = None  # where there is anything to be told: null elsewhere


OF_TEXT = {
    "lists": Check(structure.LISTS, some=structure.MAY_LIST),
    "tables": Check(structure.TABLES, structure.tables),
    "headings": Check(structure.HEADINGS, structure.headings),
    "fences": Check(structure.FENCES, structure.fences, structure.MAY_FENCE),
    "paragraphs": Check(structure.PARAGRAPHS),
    "verse": Check(structure.VERSE, structure.verse),
    "quotes": Check(punctuation.QUOTES, punctuation.quotes, punctuation.MAY_QUOTE),
    "ends": Check(punctuation.ENDS),
    "corruption": Check(corruption.SETTLED, corruption.corruption),
}
OF_BOTH = {"options": Check(options.SETTLED, options.options)}


def measured(
    texts: pl.DataFrame, proses: pl.DataFrame, foreign: pl.Series, scripts: untranslated.Scripts | None
) -> list[pl.Series]:
    """Every column of rows.AGREEMENTS, and `copied`.

    Needs: `source` and `target`, as they are and as prose (checks.prose), a field each; where either has a digit of
    another script (numbers.FOREIGN_DIGIT); what to look for where the languages are written differently.
    """
    whole = proses.select(pl.all_horizontal(pl.all().is_not_null())).to_series()
    words = shared(proses["source"], proses["target"])
    settled: dict[str, tuple[pl.Series, Callable[..., float | None]]] = {
        "numbers": (numbers.settled(proses, foreign), numbers.numbers),
        "leftover": (words.leftover, leftover.leftover),
        "untranslated": (untranslated.settled(scripts, proses), partial(untranslated.untranslated, scripts)),
    }
    columns = [words.copied.alias("copied"), *agreements(OF_TEXT, texts)]
    for name, (told, check) in settled.items():
        judged = pl.select(pl.when(whole).then(told)).to_series()
        columns.append(_asked(check, proses, judged).alias(name))
    return columns


def agreements(checks: Mapping[str, Check], texts: pl.DataFrame) -> list[pl.Series]:
    """What each check says of each row of texts, by the checks' names; null where a text is null."""
    whole = ~pl.any_horizontal(pl.all().is_null())
    of_all = [
        (pl.when(whole).then(check.settled) if check.some is None else whole & check.some).alias(name)
        for name, check in checks.items()
    ]
    told = texts.lazy().select(of_all).collect()  # lazy: what they have in common is computed once
    return [_said(check, texts, told[name]).alias(name) for name, check in checks.items()]


def words_left(field: str, least: float | None) -> pl.Expr:
    """ ": " and the words that a field leaves untranslated, where its `untranslated` is below `least`; else nothing."""

    def told(row: Mapping[str, Any]) -> str:
        score, target, pivot = row[f"untranslated_{field}"], languages.get(row["lang"]), row["pivot_lang"]
        if least is None or score is None or score >= least:
            return ""
        scripts = untranslated.between(languages.get(pivot), target)
        words = untranslated.left(scripts, row[f"pivot_{field}"], row[field]) if scripts else []
        return f": {', '.join(dict.fromkeys(words))}" if words else ""

    asked = pl.struct("lang", "pivot_lang", f"pivot_{field}", field, f"untranslated_{field}")
    return asked.map_batches(lambda rows: pl.Series(map(told, rows), dtype=pl.String), pl.String)


def _said(check: Check, texts: pl.DataFrame, told: pl.Series) -> pl.Series:
    if check.some is None:
        return _asked(check.asked, texts, told.cast(pl.Float64))
    places = told.arg_true()
    some = texts.select(pl.all().gather(places))
    of_some = some.lazy().select(check.settled.cast(pl.Float64)).collect().to_series()
    return pl.repeat(None, len(told), dtype=pl.Float64, eager=True).scatter(places, _asked(check.asked, some, of_some))


def _asked(check: Callable[..., float | None] | None, texts: pl.DataFrame, told: pl.Series) -> pl.Series:
    """What was told, and what the check says itself where that is NaN."""
    places = told.is_nan().arg_true()
    if check is None or places.is_empty():
        return told
    said = [check(*row) for row in texts.select(pl.all().gather(places)).iter_rows()]
    return told.scatter(places, pl.Series(said, dtype=pl.Float64))
