"""The stages that decide which pairs are kept.

`measure` and `filter` are two stages, so that a threshold moves without measuring again.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import polars as pl

from plugdata import assets, languages, pair, rows
from plugdata.checks import lid
from plugdata.corpus import Corpus, stage_key
from plugdata.curate import dedup, filters
from plugdata.errors import InputError
from plugdata.recipe import Recipe
from plugdata.stages.step import Say, Step, row_wise


def pairs(corpus: Corpus, recipe: Recipe) -> list[Step]:
    """Pivot and target joined; what could not be rendered taken out."""
    in_pivot = recipe.read_lang != recipe.pivot

    def joined(lang: str) -> Iterator[pl.DataFrame]:
        if not in_pivot:
            return (pair.apply(batch, recipe.pivot) for batch in corpus.batches("translate", lang))
        both = zip(corpus.batches("translate", lang), corpus.batches("translate", recipe.pivot), strict=True)
        return (pair.apply(batch, recipe.pivot, pivots) for batch, pivots in both)

    def step(lang: str) -> Step:
        inputs = tuple(stage_key("translate", code) for code in ((lang, recipe.pivot) if in_pivot else (lang,)))
        labels = pair.layouts_json(pair.LAYOUTS, recipe.pivot, [lang])
        return Step("pair", lang, inputs, labels, pair.VERSION, rows.PAIR, lambda: joined(lang))

    return [step(lang) for lang in recipe.languages]


def measure(corpus: Corpus, recipe: Recipe, say: Say) -> list[Step]:
    """What the filters look at, as columns. The language ID model is fetched when the first row needs it."""
    path = recipe.filter.lid.model
    identity = assets.LID176.sha256 if path is None else _sha256(Path(path))
    model = cache(lambda: lid.load(assets.fetch(assets.LID176, path, say=say)))

    def measured(batch: pl.DataFrame) -> pl.DataFrame:
        return filters.measure(batch, model())

    known = {lang: (languages.get(lang).lid, languages.get(lang).scripts, identity) for lang in recipe.languages}
    return [
        row_wise(corpus, "measure", "pair", lang, known[lang], filters.MEASURE_VERSION, rows.MEASURE, measured)
        for lang in recipe.languages
    ]


def filtered(corpus: Corpus, recipe: Recipe) -> list[Step]:
    """The recipe's thresholds applied to the measurements."""
    settings = recipe.filter.model_dump(exclude={"lid": {"model"}})
    bands = {lang: languages.ratio_band(recipe.pivot, lang) for lang in recipe.languages}

    def step(lang: str) -> Step:
        @cache
        def bounds() -> dict[str, float]:
            return filters.fit(corpus.scan("measure", lang), recipe.filter, recipe.pivot, lang)

        def decided(batch: pl.DataFrame) -> pl.DataFrame:
            return filters.decide(batch, recipe.filter, bounds())

        wanted = (settings, bands[lang])
        version = filters.DECIDE_VERSION
        return row_wise(corpus, "filter", "measure", lang, wanted, version, rows.FILTER, decided, bounds)

    return [step(lang) for lang in recipe.languages]


def deduplicated(corpus: Corpus, recipe: Recipe) -> list[Step]:
    """Duplicates decided once, over all languages, and taken out of each alike."""

    @cache
    def decided() -> dict[str, pl.DataFrame]:
        before = {lang: corpus.rows("filter", lang) for lang in recipe.languages}
        return dedup.dedup(before, recipe.dedup, corpus.spill)

    def of(lang: str) -> Callable[[], Iterable[pl.DataFrame]]:
        return lambda: [decided()[lang]]

    def inputs(lang: str) -> tuple[str, ...]:
        return tuple(stage_key("filter", code) for code in [lang, *(c for c in recipe.languages if c != lang)])

    return [
        Step(
            "dedup",
            lang,
            inputs(lang),
            recipe.dedup.model_dump(),
            dedup.VERSION,
            rows.DEDUP,
            of(lang),
        )
        for lang in recipe.languages
    ]


def _sha256(path: Path) -> str:
    try:
        return assets.sha256_of(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
