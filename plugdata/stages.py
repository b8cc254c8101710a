"""What each stage reads, by which settings, and computes: one function a stage, each giving its Steps.

A Step says everything that its rows depend on (`inputs`, `settings`, `version`) beside the function that makes them,
so that whether it must run can be decided without running it. Order, freshness and writing are pipeline.py's.

`measure` and `filter` are two stages, so that a threshold moves without measuring again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from plugdata import __version__, assets, languages, licenses, pair, rows, sources
from plugdata import recipe as recipes
from plugdata.calls import client, local, money
from plugdata.calls.dispatch import Job
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.pool import Member, Missing, replay
from plugdata.checks import lid
from plugdata.corpus import Corpus, Manifest, SourceRecord, sorting, stage_key
from plugdata.curate import dedup, filters
from plugdata.errors import InputError
from plugdata.publish import Facts, ModelUse, dist
from plugdata.recipe import Model, Recipe
from plugdata.review import stats
from plugdata.translate import stage as translation
from plugdata.translate.task import PROMPTS, REPAIRS, Outcome, translator
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


def source(corpus: Corpus, recipe: Recipe, records: tuple[SourceRecord, ...]) -> list[Step]:
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
        n_rows = 0
        for frame in sources.whole_groups(sorting.by_columns(read(), ["id", "ordinal"], corpus.spill)):
            n_rows += frame.height
            yield sources.merge_twins(frame, licenses.stricter)
        if not n_rows:
            raise InputError(f"no rows in {', '.join(origin.label for origin in recipe.sources)}")

    settings = {
        "limit": recipe.limit,
        "sources": [origin.model_dump(mode="json", exclude={"path"}) for origin in recipe.sources],
        "content": [record.digest for record in records],
    }
    return [Step("source", None, (), settings, sources.VERSION, rows.SOURCE, merged)]


def screen(corpus: Corpus, recipe: Recipe) -> list[Step]:
    """What is not worth a call taken out: source lint, duplicates; and at last what is another shard's."""

    def linted() -> Iterator[pl.DataFrame]:
        return (sources.lint.apply(batch) for batch in corpus.batches("source"))

    def screened() -> Iterator[pl.DataFrame]:
        found = dedup.source_duplicates(linted(), corpus.batches("source"), recipe.screen, corpus.spill)
        for batch in linted():
            yield _of_shard(dedup.screen_duplicates(batch, found), recipe.shard)

    versions = [sources.lint.VERSION, dedup.VERSION]
    settings = {**recipe.screen.model_dump(), "shard": recipe.shard}
    return [Step("screen", None, ("source",), settings, versions, rows.SCREEN, screened)]


def _of_shard(screened: pl.DataFrame, shard: str | None) -> pl.DataFrame:
    """The rows with those of other shards taken out. A row's shard follows from its id, on every machine alike."""
    if shard is None:
        return screened
    part, n = (int(number) for number in shard.split("/"))
    of = pl.col("id").str.slice(len("b2:"), 8).str.to_integer(base=16) % n + 1
    told = pl.concat_str(pl.lit("shard "), of, pl.lit(f"/{n}"))
    return rows.take_out(screened, "screen", rows.Status.DROPPED, [(rows.Reason.OTHER_SHARD, of != part, told)])


class Translation:
    """The translate stage of a recipe: its tasks, the jobs for calls/, and the rows that the ledger's answers make."""

    def __init__(self, corpus: Corpus, recipe: Recipe) -> None:
        self.pool = pool(recipe)
        self._corpus = corpus
        self._prompt = PROMPTS[recipe.translate.protocol]
        pivot = languages.get(recipe.pivot)
        self._tasks: dict[str, list[Task[Outcome]]] = {
            lang: [
                translator(pivot, languages.get(lang), recipe.translate, member.model.params) for member in self.pool
            ]
            for lang in recipe.languages
        }
        self._settings = {
            "asked": recipe.translate.model_dump(exclude={"retries", "mode"}),
            "models": [[member.served_as, member.model.params, member.model.weight] for member in self.pool],
            "prompts": [self._prompt, REPAIRS[recipe.translate.protocol]],
        }

    def jobs(self, langs: Iterable[str]) -> Iterator[Job]:
        """Every kept row with its tasks, language by language."""
        for lang in langs:
            for batch in self._corpus.batches("screen"):
                for row in batch.filter(rows.kept()).iter_rows(named=True):
                    yield row, self._tasks[lang]

    def step(self, lang: str, ledger: Ledger | None = None) -> Step:
        """The rows of a language, from the answers in a ledger; without one, only good to ask whether it is fresh."""

        def outcome(row: Mapping[str, Any]) -> tuple[Outcome, list[str]]:
            assert ledger is not None
            came_to, by = replay(row, self._tasks[lang], self.pool, ledger)
            return (translation.missing(came_to.error) if isinstance(came_to, Missing) else came_to.value), by

        def laid() -> Iterator[pl.DataFrame]:
            for batch in self._corpus.batches("screen"):
                outcomes = (outcome(row) for row in batch.filter(rows.kept()).iter_rows(named=True))
                yield translation.apply(batch, lang, self._prompt, outcomes)

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
    with Ledger(ledger_path(corpus, recipe), read_only=True) as ledger:
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


def ledger_path(corpus: Corpus, recipe: Recipe) -> Path:
    """Where a corpus's answers lie: its own ledger, or one that it shares."""
    return recipe.ledger or corpus.ledger


def pool(recipe: Recipe) -> tuple[Member, ...]:
    """What a recipe asks, each with its price. Raises InputError where there is no model, or a price is unknown."""
    if not recipe.models:
        raise InputError(
            "no model to translate with",
            "give --model NAME (what your endpoint serves, or `local`), PLUGDATA_MODEL, or `models` in the recipe",
        )
    return tuple(
        Member(model, _served_as(model), money.price_of(model, client.base_url(model))) for model in recipe.models
    )


def _served_as(model: Model) -> str:
    """What answers, in ledger keys: declared, or the weights' hash for a local model, or the model's name."""
    if model.served_as:
        return model.served_as
    if model.model != "local":
        return model.model
    known = WEIGHTS.get(model.weights)
    return f"sha256:{known.sha256}" if known else local.served_as(Path(str(model.weights)))


@contextmanager
def serving(members: Iterable[Member], say: Say) -> Iterator[list[Member]]:
    """The pool as something to call: local models are fetched, and served on loopback while the block lasts."""
    with ExitStack() as running:
        yield [
            replace(member, model=running.enter_context(_served(member.model, say)))
            if member.model.model == "local"
            else member
            for member in members
        ]


@contextmanager
def _served(model: Model, say: Say) -> Iterator[Model]:
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
