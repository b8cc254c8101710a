"""The diversify stage of kind x-instruction: a topic for each instruction, and a choice that is even over topics.

Each language alone, since its passages are its own. Rows are read in batches; of those that are still kept their ids,
ratings and instructions are held, and their vectors lie in a file without a name in the corpus, which is gone with the
process. A million rows took 1.1 GB at most, the 400 MB of that file among them, which the system may take back
(`python -m benchmarks.diversify --rows 1000000`).
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import numpy as np
import polars as pl

from plugdata import languages, rows
from plugdata.calls import client, embeddings, money, vectors
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.pool import Member
from plugdata.corpus import BATCH, Corpus, stage_key
from plugdata.corpus.files import writing
from plugdata.errors import InputError
from plugdata.recipe import Model, Recipe
from plugdata.recipe.natural import Diversify
from plugdata.review.natural import Asked
from plugdata.stages.models import ledger_path, served_as
from plugdata.stages.step import Say, Step
from plugdata.xinstruct import clusters, diversity, embed, news, sampling, verbs

STAGE = "diversify"
LISTED = 20
"""Verbs and nouns of a table: as many verbs as the figure of Self-Instruct has."""


class Decided(NamedTuple):
    """Of each row that was kept before, in the order of the file: topic, is_news, out, told; and the measurements."""

    rows: pl.DataFrame
    measured: dict[str, float]


def check_embedder(recipe: Recipe) -> None:
    """See, before a call is paid, that what the stage needs is there. Raises InputError or AuthError."""
    if recipe.diversify:
        embed.check(recipe.diversify)
        if endpoint := embedder(recipe):
            client.key(endpoint.model)


def embedder(recipe: Recipe) -> Member | None:
    """The endpoint that embeds, if one does. Raises InputError where its price is unknown."""
    model = recipe.diversify.model if recipe.diversify else None
    return embeddings.member(model, served_as(model)) if isinstance(model, Model) else None


def diversified(corpus: Corpus, recipe: Recipe, say: Say, *, send: bool = True) -> list[Step]:
    """The rows of `rate` with topic and is_news, and those taken out that are too many of their kind. Without `send` no
    endpoint is asked for vectors: InputError where one would be."""
    return [_step(corpus, recipe, lang, say, send) for lang in recipe.languages]


def table(corpus: Corpus, recipe: Recipe, lang: str) -> list[Asked]:
    """The verbs and nouns that most of a language's instructions had before, with their numbers before and after.

    Empty where the pivot is not English (verbs.py) or nothing is kept.
    """
    if recipe.pivot != "en":
        return []
    columns = ("instruction", "topic", "status")

    def counts(of: pl.Expr) -> list[verbs.VerbNoun]:
        batches = corpus.batches(STAGE, lang, columns)
        return verbs.verb_nouns(text for batch in batches for text in batch.filter(of)["instruction"])

    after = {(verb, noun): n for verb, noun, n in counts(pl.col("topic").is_not_null() & rows.kept())}
    before = counts(pl.col("topic").is_not_null())[:LISTED]
    return [Asked(verb, noun, n, after.get((verb, noun), 0)) for verb, noun, n in before]


def _step(corpus: Corpus, recipe: Recipe, lang: str, say: Say, send: bool) -> Step:
    settings = recipe.diversify
    measured: dict[str, float] = {}

    def frames() -> Iterator[pl.DataFrame]:
        if settings is None:
            yield from map(_unsampled, corpus.batches("rate", lang))
            return
        if isinstance(settings.model, Model) and not send:
            told = f"the instructions of {lang} are embedded by {settings.model.model}, and nothing is to be sent"
            raise InputError(told, "`plugdata run` goes on from here")
        decided = _decided(corpus, recipe, settings, lang, say)
        measured.update(decided.measured)
        at = 0
        for batch in corpus.batches("rate", lang):
            n = int(batch.select(rows.kept().sum()).item())
            yield _applied(batch, decided.rows[at : at + n])
            at += n

    versions = [embed.VERSION, clusters.VERSION, news.VERSION, sampling.VERSION]
    inputs = (stage_key("rate", lang),)
    return Step(STAGE, lang, inputs, _identity(settings), versions, rows.DIVERSIFY, frames, lambda: measured)


def _identity(settings: Diversify | None) -> object:
    """What the choice depends on: of an endpoint what answers there, not where it is."""
    if settings is None or not isinstance(settings.model, Model):
        return settings and settings.model_dump(mode="json")
    asked = [served_as(settings.model), embeddings.params(settings.model)]
    return {**settings.model_dump(mode="json", exclude={"model"}), "model": asked}


def _decided(corpus: Corpus, recipe: Recipe, settings: Diversify, lang: str, say: Say) -> Decided:
    none = pl.DataFrame(schema={name: rows.RATE[name] for name in _HELD})
    batches = corpus.batches("rate", lang, _HELD)
    held = pl.concat([none, *(batch.filter(rows.kept()) for batch in batches)]).drop("status")
    held = held.with_row_index("_place").sort("id")
    texts = held["instruction"]
    n_clusters = settings.clusters or clusters.default_clusters(len(texts))
    with _embedder(corpus, recipe, settings, f"{STAGE}/{lang}", texts, say) as embedded:
        topics = clusters.grouped(_on_disk(texts, embedded, corpus), n_clusters, settings.seed)
    held = held.with_columns(topic=pl.Series(topics), is_news=news.is_news(texts, recipe.pivot))
    held = held.hstack(sampling.sampled(held, settings))
    decided = held.sort("_place").select("topic", "is_news", "out", "told")
    return Decided(decided, diversity.measured(held))


_HELD = ("id", "instruction", "rating", "status")


@contextmanager
def _embedder(
    corpus: Corpus, recipe: Recipe, settings: Diversify, named: str, texts: pl.Series, say: Say
) -> Iterator[embed.Embed]:
    """What gives the texts their vectors. Those of an endpoint are paid for, and committed, before it is there."""
    if isinstance(settings.model, str):
        yield embed.sentence_transformers(settings.model)
    elif settings.model is None:
        sample = texts.gather_every(max(1, -(-len(texts) // embed.SAMPLE)))  # by chance: they are in the order of ids
        spaced = languages.get(recipe.pivot).spaced
        n_topics = max(settings.clusters or 0, clusters.default_clusters(len(texts)))
        yield embed.tfidf(sample.to_list(), n_topics, settings.seed, spaced=spaced)
    elif member := embedder(recipe):
        with ExitStack() as stack:
            path, model = corpus.path / "embeddings.sqlite", embeddings.identity(member)
            store = stack.enter_context(vectors.opened(path, model))
            ledger = None
            if not money.is_free(member.price):
                ledger = stack.enter_context(Ledger(ledger_path(corpus, recipe)))
            say(f"{named}: {len(texts):,} instructions, embedded by {member.model.model}")
            budget = None if recipe.budget is None else round(recipe.budget * 1e9)
            some = _slices(texts.unique(maintain_order=True), vectors.PER_LOOK)
            embeddings.fetch(some, member, store, ledger, budget, recipe.translate.retries, say)
            yield store.read


def _on_disk(texts: pl.Series, embedded: embed.Embed, corpus: Corpus) -> embed.Vectors:
    """The vectors of texts, as an array that lies in a file."""
    with tempfile.TemporaryFile(dir=corpus.path) as file:
        n_dimensions = 1
        for part in _slices(texts, BATCH):
            made = embedded(part)
            n_dimensions = made.shape[1]
            with writing(corpus.path):
                file.write(made.tobytes())
        file.flush()
        shape = (len(texts), n_dimensions)
        return np.memmap(file, np.float32, "r", shape=shape) if len(texts) else np.zeros(shape, np.float32)


def _slices(texts: pl.Series, n: int) -> Iterator[list[str]]:
    return (part.to_series().to_list() for part in texts.to_frame().iter_slices(n))


def _unsampled(batch: pl.DataFrame) -> pl.DataFrame:
    return batch.with_columns(topic=pl.lit(None), is_news=pl.lit(None))


def _applied(batch: pl.DataFrame, decided: pl.DataFrame) -> pl.DataFrame:
    """The rows with topic and is_news, and the verdict of those that are not taken. `decided`: of the kept ones."""
    places = batch.select(rows.kept().arg_true().cast(pl.UInt32).alias("_at")).to_series()
    joined = batch.with_row_index("_at").join(decided.with_columns(places), on="_at", how="left", maintain_order="left")
    out = ((reason, pl.col("out") == reason, pl.col("told")) for reason in (rows.Reason.NEWS, rows.Reason.QUOTA))
    return rows.take_out(joined, STAGE, rows.Status.DROPPED, out)
