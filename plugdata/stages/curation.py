"""The stages that decide which pairs are kept.

`measure` and `filter` are two stages, so that a threshold moves without measuring again.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

import polars as pl

from plugdata import languages, pair, rows
from plugdata.checks import lid
from plugdata.corpus import Corpus, stage_key
from plugdata.curate import dedup, filters
from plugdata.recipe import Recipe
from plugdata.stages import contamination, elsewhere
from plugdata.stages.models import identifier
from plugdata.stages.step import Apply, Map, Say, Step, row_wise


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
        labels = pair.all_labels(recipe.pivot, lang)
        return Step("pair", lang, inputs, labels, pair.VERSION, rows.PAIR, lambda: joined(lang))

    return [step(lang) for lang in recipe.languages]


def measure(corpus: Corpus, recipe: Recipe, say: Say, map: Map = map) -> list[Step]:
    """What the filters look at, as columns. The language ID model is fetched when the first row needs it."""
    identity, fetched = identifier(recipe, say)
    candidates = recipe.filter.lid.candidates
    wanted = recipe.filter.length.tokenizer
    find_pii = recipe.filter.pii.action != "off"

    def apply() -> Apply:
        tokenizer = filters.tokens.fetch(wanted) if wanted else None
        return partial(_measured, model=fetched(), candidates=candidates, tokenizer=tokenizer, find_pii=find_pii)

    more = (wanted and filters.tokens.identity(wanted), find_pii)

    def known(lang: str) -> tuple[object, ...]:
        rivals = candidates or languages.get(lang).confused
        about = [dataclasses.asdict(languages.get(code)) for code in (lang, recipe.pivot, *rivals)]
        told = [[of[field] for field in ("lid", "flores", "confused", "scripts", "ratio")] for of in about]
        return told, identity, candidates, more

    return [
        row_wise(corpus, "measure", "pair", lang, known(lang), filters.MEASURE_VERSION, rows.MEASURE, apply, map=map)
        for lang in recipe.languages
    ]


def check_filters(recipe: Recipe) -> None:
    """See that the recipe's own filters and its tokenizer can be used. Raises InputError."""
    filters.user.identity(recipe.filter.user)
    if recipe.filter.length.tokenizer:
        filters.tokens.load(filters.tokens.fetch(recipe.filter.length.tokenizer))


def filtered(corpus: Corpus, recipe: Recipe) -> list[Step]:
    """The recipe's thresholds applied to the measurements."""
    settings = recipe.filter.model_dump(exclude={"lid": {"model", "candidates"}, "length": {"tokenizer"}, "user": True})
    settings["user"] = filters.user.identity(recipe.filter.user)
    bands = {lang: languages.ratio_band(recipe.pivot, lang) for lang in recipe.languages}

    def step(lang: str) -> Step:
        @cache
        def bounds() -> dict[str, float]:
            return filters.fit(corpus.scan("measure", lang), recipe.filter, recipe.pivot, lang)

        def apply() -> Apply:
            return partial(filters.decide, settings=recipe.filter, bounds=bounds())

        wanted = (settings, bands[lang], languages.get(lang).lid_min)
        version = filters.DECIDE_VERSION
        return row_wise(corpus, "filter", "measure", lang, wanted, version, rows.FILTER, apply, bounds)

    return [step(lang) for lang in recipe.languages]


def deduplicated(corpus: Corpus, recipe: Recipe) -> list[Step]:
    """Duplicates decided once, over all languages, and taken out of each alike; before that, in each language, its
    questions of evaluation sets."""

    questions = cache(partial(contamination.questions, recipe))

    @cache
    def clean(lang: str) -> Apply:
        return contamination.cleaner(questions(), lang, "dedup", corpus.batches("filter", lang))

    def read(lang: str, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        return map(clean(lang), corpus.batches("filter", lang, columns and sorted({*columns, *rows.VERDICT})))

    @cache
    def decided() -> dict[str, dedup.Decided]:
        before = {lang: partial(read, lang) for lang in recipe.languages}
        against = partial(elsewhere.texts, recipe.dedup.against)
        return dedup.decide(before, recipe.dedup, corpus.spill, against)

    def of(lang: str) -> Callable[[], Iterable[pl.DataFrame]]:
        return lambda: (dedup.apply(batch, decided()[lang]) for batch in read(lang))

    def counts(lang: str) -> Callable[[], Mapping[str, float]]:
        return lambda: decided()[lang].counts

    def inputs(lang: str) -> tuple[str, ...]:
        return tuple(stage_key("filter", code) for code in [lang, *(c for c in recipe.languages if c != lang)])

    settings = {
        **recipe.dedup.model_dump(exclude={"against"}),
        "against": elsewhere.digests(recipe.dedup.against, corpus),
        **contamination.settings(recipe),
    }
    return [
        Step(
            "dedup",
            lang,
            inputs(lang),
            settings,
            dedup.VERSION,
            rows.DEDUP,
            of(lang),
            counts(lang),
        )
        for lang in recipe.languages
    ]


def _measured(
    batch: pl.DataFrame, model: Path, candidates: tuple[str, ...], tokenizer: Path | None, find_pii: bool
) -> pl.DataFrame:
    """`filters.measure` with the models of files: what a worker is asked."""
    counts = filters.tokens.load(tokenizer) if tokenizer else None
    return filters.measure(batch, lid.load(model), counts, candidates=candidates, find_pii=find_pii)
