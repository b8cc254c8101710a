"""Evaluation sets beside a corpus: which they are, by their content, and what takes their questions out of its rows.

Before a call is paid the rows are compared with the questions in the language of the sources, at the end with those in
the language that they were translated into. All are read both times, so that a set that cannot serve in the end is
told of at the beginning.
"""

from collections.abc import Callable, Iterable

import polars as pl

from plugdata import languages
from plugdata.curate import decontaminate
from plugdata.recipe import Recipe
from plugdata.sources import evaluation


def settings(recipe: Recipe) -> dict[str, list[object]]:
    """What of a stage's settings follows from the evaluation sets; nothing where the recipe names none."""
    sets = recipe.screen.decontaminate
    return {"decontaminate": [decontaminate.VERSION, *map(evaluation.digest, sets)]} if sets else {}


def questions(recipe: Recipe) -> pl.DataFrame | None:
    """Every question of the evaluation sets (evaluation.QUESTIONS); None where the recipe names no set."""
    sets = recipe.screen.decontaminate
    return evaluation.questions(sets, [recipe.read_lang, *recipe.languages]) if sets else None


def cleaner(
    asked: pl.DataFrame | None, lang: str, stage: str, batches: Iterable[pl.DataFrame]
) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """What drops from a frame the rows that hold a question in `lang`. `batches`: all rows, looked through once."""
    if asked is None:
        return lambda batch: batch
    mine = languages.get(lang).base or lang
    index = decontaminate.index(asked.filter(pl.col("lang").is_null() | (pl.col("lang") == mine)))
    found = decontaminate.contaminated(batches, index)
    return lambda batch: decontaminate.drop(batch, found, stage)
