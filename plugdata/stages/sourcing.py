"""The stages before a call is paid: every record as a row, and what is not worth a call taken out."""

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path

import polars as pl

from plugdata import licenses, rows, sources
from plugdata.corpus import Corpus, SourceRecord, sorting
from plugdata.corpus.aside import aside
from plugdata.curate import dedup
from plugdata.errors import InputError
from plugdata.recipe import Recipe
from plugdata.stages import contamination, elsewhere
from plugdata.stages.step import Map, Step
from plugdata.translate import route


def source_records(recipe: Recipe) -> tuple[SourceRecord, ...]:
    """What a corpus is bound to: each source's name and the digest of its content."""
    of_sources = (sources.digest(source, Path()) for source in recipe.sources)
    of_texts = (sources.documents_digest(texts) for texts in recipe.texts)
    return tuple(
        SourceRecord(name=origin.label, digest=digest, license=origin.license)
        for origin, digest in zip(recipe.origins, chain(of_sources, of_texts), strict=True)
    )


def source(corpus: Corpus, recipe: Recipe, records: tuple[SourceRecord, ...]) -> list[Step]:
    """Every record as a row; later twins merged into the first."""

    def read() -> Iterator[pl.DataFrame]:
        ordinal = 0
        for origin in recipe.sources:
            left = None if recipe.limit is None else recipe.limit - ordinal
            if left == 0:
                return
            for frame in sources.read(
                origin, Path(), ordinal=ordinal, limit=left, lang=recipe.read_lang, responses=responses
            ):
                ordinal += frame.height
                yield frame

    def merged() -> Iterator[pl.DataFrame]:
        n_rows = 0
        for frame in sources.whole_groups(sorting.by_columns(read(), ["id", "ordinal"], corpus.spill)):
            n_rows += frame.height
            yield sources.merge_twins(frame, "source", licenses.stricter)
        if not n_rows:
            raise InputError(f"no rows in {', '.join(origin.label for origin in recipe.sources)}")

    responses = recipe.translate.fields == "all"
    settings = {
        "responses": responses,
        "limit": recipe.limit,
        "lang": recipe.read_lang,
        "sources": [origin.model_dump(mode="json", exclude={"path"}) for origin in recipe.sources],
        "labels": [record.name for record in records],
        "content": [record.digest for record in records],
    }
    return [Step("source", None, (), settings, sources.VERSION, rows.SOURCE, merged)]


def screen(corpus: Corpus, recipe: Recipe, map: Map = map) -> list[Step]:
    """What is not worth a call taken out: source lint, tasks that lose their sense, questions of evaluation sets,
    duplicates; and at last what is another shard's. `map` says where single rows are judged (corpus.Workers)."""
    policies = {} if recipe.screen.route.by == "off" else recipe.screen.route.policies
    responses = recipe.translate.fields == "all"

    def screened() -> Iterator[pl.DataFrame]:
        judge = partial(_judged, responses=responses, policies=policies, lang=recipe.read_lang)
        with aside(map(judge, corpus.batches("source", columns=_JUDGED_BY)), corpus.spill) as judged:
            questions = contamination.questions(recipe)
            clean = contamination.cleaner(questions, recipe.read_lang, "screen", corpus.batches("source"))

            def alive() -> Iterator[pl.DataFrame]:
                for batch, verdicts in zip(corpus.batches("source"), judged(), strict=True):
                    yield clean(batch.with_columns(verdicts))

            against = elsewhere.texts(recipe.screen.against)
            again = corpus.batches("source")
            found = dedup.source_duplicates(alive(), again, recipe.screen, corpus.spill, against)
            for batch in alive():
                yield of_shard(dedup.drop_source_duplicates(batch, found, "screen"), "screen", recipe.shard)

    versions = [sources.lint.VERSION, dedup.VERSION, route.VERSION]
    settings = {
        **recipe.screen.model_dump(exclude={"decontaminate", "against"}),
        "against": elsewhere.digests(recipe.screen.against, corpus),
        **contamination.settings(recipe),
        "shard": recipe.shard,
        "lang": recipe.read_lang,
        "fields": recipe.translate.fields,
    }
    return [Step("screen", None, ("source",), settings, versions, rows.SCREEN, screened)]


_JUDGED_BY = ("instruction", "input", "response", *rows.VERDICT)


def _judged(batch: pl.DataFrame, *, responses: bool, policies: Mapping[str, str], lang: str) -> pl.DataFrame:
    """What lint and route make of rows by themselves: their verdicts, task_class, policy. What a worker is asked."""
    routed = route.apply(sources.lint.apply(batch, responses), policies, lang)
    return routed.select(*rows.VERDICT, "task_class", "policy")


def of_shard(batch: pl.DataFrame, stage: str, shard: str | None) -> pl.DataFrame:
    """The rows with those of other shards taken out. A row's shard follows from its id, on every machine alike."""
    if shard is None:
        return batch
    part, n = (int(number) for number in shard.split("/"))
    of = pl.col("id").str.slice(len("b2:"), 8).str.to_integer(base=16) % n + 1
    told = pl.concat_str(pl.lit("shard "), of, pl.lit(f"/{n}"))
    return rows.take_out(batch, stage, rows.Status.DROPPED, [(rows.Reason.OTHER_SHARD, of != part, told)])
