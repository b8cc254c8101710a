"""What each stage reads, by which settings, and computes: one function a stage, each giving its Steps.

A Step says everything that its rows depend on (`inputs`, `settings`, `version`) beside the function that makes them,
so that whether it must run can be decided without running it. Order, freshness and writing are pipeline.py's.

`measure` and `filter` are two stages, so that a threshold moves without measuring again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from plugdata import __version__, assets, languages, licenses, pair, rows, sources
from plugdata import recipe as recipes
from plugdata.calls import local
from plugdata.calls.dispatch import Job, Missing, replay
from plugdata.calls.ledger import Ledger
from plugdata.checks import lid
from plugdata.corpus import Corpus, Manifest, SourceRecord, stage_key
from plugdata.curate import dedup, filters
from plugdata.errors import InputError
from plugdata.publish import Facts, ModelUse, dist
from plugdata.recipe import Model, Recipe
from plugdata.review import stats
from plugdata.translate import stage as translation
from plugdata.translate.task import PROMPTS, Outcome, translator
from plugdata.wire import Task

Say = Callable[[str], None]

WEIGHTS = {None: assets.QWEN_MEDIUM, "small": assets.QWEN_SMALL, "medium": assets.QWEN_MEDIUM}
"""The weights that `model: local` may name."""
LOCAL_CONTEXT_TOKENS = 4096
"""Context of a local model for each request in flight: a row of instruction data, twice, and room to spare."""


@dataclass(frozen=True)
class Step:
    """One file of rows. The rows of the first input, and no others, come out of `frames`; `source` has no input."""

    stage: str
    lang: str | None
    inputs: tuple[str, ...]
    settings: Any
    version: Any
    contract: Mapping[str, pl.DataType]
    frames: Callable[[], Iterable[pl.DataFrame]]

    @property
    def key(self) -> str:
        return stage_key(self.stage, self.lang)


def source_records(recipe: Recipe) -> tuple[SourceRecord, ...]:
    """What a corpus is bound to: each source's name and the digest of its content."""
    return tuple(
        SourceRecord(name=source.label, digest=sources.digest(source, Path()), license=source.license)
        for source in recipe.sources
    )


def source(recipe: Recipe, records: tuple[SourceRecord, ...]) -> list[Step]:
    """Every record as a row; later twins merged into the first."""

    def read() -> Iterator[pl.DataFrame]:
        ordinal = 0
        for origin in recipe.sources:
            left = None if recipe.limit is None else recipe.limit - ordinal
            if left == 0:
                return
            for frame in sources.read(origin, Path(), ordinal=ordinal, limit=left, lang=recipe.pivot):
                ordinal += frame.height
                yield frame

    def merged() -> Iterator[pl.DataFrame]:
        frames = list(read())
        if not frames:
            raise InputError(f"no rows in {', '.join(origin.label for origin in recipe.sources)}")
        yield sources.merge_twins(pl.concat(frames), licenses.stricter).sort("id", "ordinal")

    settings = {
        "limit": recipe.limit,
        "sources": [origin.model_dump(mode="json", exclude={"path"}) for origin in recipe.sources],
        "content": [record.digest for record in records],
    }
    return [Step("source", None, (), settings, sources.VERSION, rows.SOURCE, merged)]


def screen(corpus: Corpus, recipe: Recipe) -> list[Step]:
    """What is not worth a call taken out: source lint, duplicates."""

    def screened() -> Iterator[pl.DataFrame]:
        linted = pl.concat(sources.lint.apply(batch) for batch in corpus.batches("source"))
        yield dedup.screen_duplicates(linted, recipe.screen, corpus.spill)

    versions = [sources.lint.VERSION, dedup.VERSION]
    return [Step("screen", None, ("source",), recipe.screen.model_dump(), versions, rows.SCREEN, screened)]


class Translation:
    """The translate stage of a recipe: its tasks, the jobs for calls/, and the rows that the ledger's answers make."""

    def __init__(self, corpus: Corpus, recipe: Recipe, model: Model) -> None:
        self.served_as = served_as(model)
        self._corpus = corpus
        self._prompt = PROMPTS[recipe.translate.protocol]
        pivot = languages.get(recipe.pivot)
        self._tasks: dict[str, Task[Outcome]] = {
            lang: translator(pivot, languages.get(lang), recipe.translate, model.params) for lang in recipe.languages
        }
        asked = recipe.translate.model_dump(exclude={"retries"})
        self._settings = {"asked": asked, "params": model.params, "served_as": self.served_as, "prompt": self._prompt}

    def jobs(self, langs: Iterable[str]) -> Iterator[Job]:
        """Every kept row with its task, language by language."""
        for lang in langs:
            for batch in self._corpus.batches("screen"):
                for row in batch.filter(rows.kept()).iter_rows(named=True):
                    yield row, self._tasks[lang]

    def step(self, lang: str, ledger: Ledger | None = None) -> Step:
        """The rows of a language, from the answers in a ledger; without one, only good to ask whether it is fresh."""

        def outcome(row: Mapping[str, Any]) -> tuple[Outcome, int]:
            assert ledger is not None
            came_to, n_calls = replay(row, self._tasks[lang], ledger, self.served_as)
            return (translation.missing(came_to.error) if isinstance(came_to, Missing) else came_to.value), n_calls

        def laid() -> Iterator[pl.DataFrame]:
            for batch in self._corpus.batches("screen"):
                outcomes = (outcome(row) for row in batch.filter(rows.kept()).iter_rows(named=True))
                yield translation.apply(batch, lang, self.served_as, self._prompt, outcomes)

        return Step("translate", lang, ("screen",), self._settings, translation.VERSION, rows.TRANSLATE, laid)


def pairs(corpus: Corpus, recipe: Recipe) -> list[Step]:
    """Pivot and target joined; what could not be rendered taken out."""

    def joined(batch: pl.DataFrame) -> pl.DataFrame:
        return pair.apply(batch, recipe.pivot)

    labels = {lang: pair.layouts_json(pair.LAYOUTS, recipe.pivot, [lang]) for lang in recipe.languages}
    return [
        _row_wise(corpus, "pair", "translate", lang, labels[lang], pair.VERSION, rows.PAIR, joined)
        for lang in recipe.languages
    ]


def measure(corpus: Corpus, recipe: Recipe, say: Say) -> list[Step]:
    """What the filters look at, as columns. The language ID model is fetched when the first row needs it."""
    path = recipe.filter.lid.model
    identity = assets.LID176.sha256 if path is None else _sha256(Path(path))
    model = cache(lambda: lid.load(assets.fetch(assets.LID176, path, say=say)))

    def measured(batch: pl.DataFrame) -> pl.DataFrame:
        return filters.measure(batch, model())

    known = {lang: (languages.get(lang).lid, languages.get(lang).scripts, identity) for lang in recipe.languages}
    return [
        _row_wise(corpus, "measure", "pair", lang, known[lang], filters.MEASURE_VERSION, rows.MEASURE, measured)
        for lang in recipe.languages
    ]


def filtered(corpus: Corpus, recipe: Recipe) -> list[Step]:
    """The recipe's thresholds applied to the measurements."""
    settings = recipe.filter.model_dump(exclude={"lid": {"model"}})
    bands = {lang: languages.ratio_band(recipe.pivot, lang) for lang in recipe.languages}

    def decided(batch: pl.DataFrame) -> pl.DataFrame:
        return filters.decide(batch, recipe.filter)

    return [
        _row_wise(
            corpus, "filter", "measure", lang, (settings, bands[lang]), filters.DECIDE_VERSION, rows.FILTER, decided
        )
        for lang in recipe.languages
    ]


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


def publish(corpus: Corpus, recipe: Recipe, manifest: Manifest) -> dist.Built:
    """dist/, built from the rows that are kept and from what ledger and manifest tell of them."""
    with Ledger(corpus.ledger, read_only=True) as ledger:
        uses = [use for use in ledger.counts() if use.lang in recipe.languages]
    by_model = {model: [use for use in uses if use.model == model] for model in dict.fromkeys(u.model for u in uses)}
    facts = Facts(
        pivot=recipe.pivot,
        funnel={lang: list(stats.stage_counts(manifest, lang).items()) for lang in recipe.languages},
        models=[
            ModelUse(
                model,
                sum(use.n_calls for use in used),
                sum(use.prompt_tokens for use in used),
                sum(use.completion_tokens for use in used),
                min(use.first_date for use in used),
                max(use.last_date for use in used),
            )
            for model, used in by_model.items()
        ],
        prompts=sorted({use.prompt for use in uses}),
        recipe_text=recipes.public(recipe),
        manifest_text=_ordered(manifest, recipe).model_dump_json(indent=2) + "\n",
        version=__version__,
    )
    return dist.build(corpus.dist, {lang: corpus.part("dedup", lang) for lang in recipe.languages}, recipe, facts)


def _ordered(manifest: Manifest, recipe: Recipe) -> Manifest:
    """The manifest with the recipe's languages alone, stages in their order: the same however a corpus came about."""
    order = [(stage, None if stage in rows.SHARED else lang) for stage in rows.CONTRACTS for lang in recipe.languages]
    keys = dict.fromkeys(stage_key(stage, lang) for stage, lang in order)
    return manifest.model_copy(update={"stages": {key: manifest.stages[key] for key in keys}})


def served_as(model: Model) -> str:
    """What answers, in ledger keys: declared, or the weights' hash for a local model, or the model's name."""
    if model.served_as:
        return model.served_as
    if model.model != "local":
        return model.model
    known = WEIGHTS.get(model.weights)
    return f"sha256:{known.sha256}" if known else local.served_as(Path(str(model.weights)))


@contextmanager
def serving(model: Model, say: Say) -> Iterator[Model]:
    """The model as something to call: a local one is fetched, and served on loopback while the block lasts."""
    if model.model != "local":
        yield model
        return
    known = WEIGHTS.get(model.weights)
    path = assets.fetch(known, say=say) if known else Path(str(model.weights))
    slots = model.limits.concurrency
    with local.serve(path, slots=slots, context_tokens=LOCAL_CONTEXT_TOKENS) as base_url:
        yield model.model_copy(update={"base_url": base_url})


def _row_wise(
    corpus: Corpus,
    stage: str,
    before: str,
    lang: str,
    settings: Any,
    version: int,
    contract: Mapping[str, pl.DataType],
    apply: Callable[[pl.DataFrame], pl.DataFrame],
) -> Step:
    """A Step whose rows follow, batch by batch, from those of the stage before it in the same language."""

    def frames() -> Iterator[pl.DataFrame]:
        return (apply(batch) for batch in corpus.batches(before, lang))

    return Step(stage, lang, (stage_key(before, lang),), settings, version, contract, frames)


def _sha256(path: Path) -> str:
    try:
        return assets.sha256_of(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
