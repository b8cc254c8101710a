"""The stages before a call is paid: every record as a row, and what is not worth a call taken out."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from plugdata import licenses, rows, sources
from plugdata.corpus import Corpus, SourceRecord, sorting
from plugdata.curate import dedup
from plugdata.errors import InputError
from plugdata.recipe import Recipe
from plugdata.stages import contamination, elsewhere
from plugdata.stages.step import Step
from plugdata.translate import route


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
            for frame in sources.read(
                origin, Path(), ordinal=ordinal, limit=left, lang=recipe.read_lang, responses=responses
            ):
                ordinal += frame.height
                yield frame

    def merged() -> Iterator[pl.DataFrame]:
        n_rows = 0
        for frame in sources.whole_groups(sorting.by_columns(read(), ["id", "ordinal"], corpus.spill)):
            n_rows += frame.height
            yield sources.merge_twins(frame, licenses.stricter)
        if not n_rows:
            raise InputError(f"no rows in {', '.join(origin.label for origin in recipe.sources)}")

    responses = recipe.translate.fields == "all"
    settings = {
        "responses": responses,
        "limit": recipe.limit,
        "sources": [origin.model_dump(mode="json", exclude={"path"}) for origin in recipe.sources],
        "content": [record.digest for record in records],
    }
    return [Step("source", None, (), settings, sources.VERSION, rows.SOURCE, merged)]


def screen(corpus: Corpus, recipe: Recipe) -> list[Step]:
    """What is not worth a call taken out: source lint, tasks that lose their sense, questions of evaluation sets,
    duplicates; and at last what is another shard's."""
    policies = {} if recipe.screen.route.by == "off" else recipe.screen.route.policies

    def linted() -> Iterator[pl.DataFrame]:
        for batch in corpus.batches("source"):
            yield route.apply(sources.lint.apply(batch, recipe.translate.fields == "all"), policies, recipe.read_lang)

    def screened() -> Iterator[pl.DataFrame]:
        clean = contamination.cleaner(recipe, recipe.read_lang, "screen", corpus.batches("source"))
        against = elsewhere.texts(recipe.screen.against)
        again = corpus.batches("source")
        found = dedup.source_duplicates(map(clean, linted()), again, recipe.screen, corpus.spill, against)
        for batch in map(clean, linted()):
            yield _of_shard(dedup.screen_duplicates(batch, found), recipe.shard)

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


def _of_shard(screened: pl.DataFrame, shard: str | None) -> pl.DataFrame:
    """The rows with those of other shards taken out. A row's shard follows from its id, on every machine alike."""
    if shard is None:
        return screened
    part, n = (int(number) for number in shard.split("/"))
    of = pl.col("id").str.slice(len("b2:"), 8).str.to_integer(base=16) % n + 1
    told = pl.concat_str(pl.lit("shard "), of, pl.lit(f"/{n}"))
    return rows.take_out(screened, "screen", rows.Status.DROPPED, [(rows.Reason.OTHER_SHARD, of != part, told)])
