"""The first stage of kind x-instruction: natural text as passages, one row each; what is of no use taken out.

Documents are read once, cleaned, and put aside, while the lines that a domain's documents share are counted; then they
are divided. Their passages are sorted by id, as the rows of `source` are, and compared: twins, duplicates, a domain's
share, another shard's.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from plugdata import languages, licenses, rows, sources
from plugdata.corpus import Corpus, SourceRecord, sorting
from plugdata.corpus.aside import aside
from plugdata.curate import dedup
from plugdata.recipe import Recipe, Screen
from plugdata.rows import Reason, Status, kept
from plugdata.sources.documents import Document, documents
from plugdata.stages.models import identifier
from plugdata.stages.sourcing import of_shard
from plugdata.stages.step import Map, Say, Step
from plugdata.xinstruct import boilerplate
from plugdata.xinstruct import passages as natural

FRAME_CHARS, FRAME_DOCUMENTS = 1_000_000, 5_000
"""Of the documents cleaned at a time, about: as much text as a batch of instruction data holds (corpus.BATCH). What is
made of them takes some ten times as much."""


def passages(
    corpus: Corpus,
    recipe: Recipe,
    records: tuple[SourceRecord, ...],
    map: Map = map,
    say: Say = lambda line: None,
) -> list[Step]:
    """The passages of each language, and a row for each document without one (rows.PASSAGES), sorted by id.

    `records` say what the recipe's texts hold (source_records). `recipe.limit` and a collection's own bound documents,
    of each language and of the collection. `map` says where single documents are cleaned and divided (corpus.Workers);
    `say` gets a line where the model of language ID (`recipe.filter.lid.model`) is fetched.
    """
    identity, fetched = identifier(recipe, say)
    content = [(texts.lang, record.digest) for texts, record in zip(recipe.texts, records, strict=True)]

    def step(lang: str) -> Step:
        texts = [origin for origin in recipe.texts if origin.lang == lang]
        about = [languages.get(code) for code in (lang, recipe.pivot, *languages.get(lang).confused)]
        settings: dict[str, Any] = {
            **recipe.passages.model_dump(mode="json"),
            "texts": [origin.model_dump(mode="json", exclude={"path"}) for origin in texts],
            "labels": [origin.label for origin in texts],
            "content": [digest for of, digest in content if of == lang],
            "limit": recipe.limit,
            "shard": recipe.shard,
            "languages": [[of.code, of.lid, of.flores, of.confused, of.scripts, of.ratio] for of in about],
            "lid": identity,
        }
        versions = [natural.VERSION, dedup.VERSION]
        frames = partial(_rows, corpus, recipe, lang, map, fetched)
        return Step("passages", lang, (), settings, versions, rows.PASSAGES, frames)

    return [step(lang) for lang in recipe.languages]


def _rows(corpus: Corpus, recipe: Recipe, lang: str, map: Map, model: Callable[[], Path]) -> Iterator[pl.DataFrame]:
    """All rows of a language, sorted by id, judged."""
    asked = recipe.passages
    by_id = sorting.by_columns(_divided(corpus, recipe, lang, map, model), ["id", "ordinal"], corpus.spill)
    with aside(_merged(by_id), corpus.spill) as merged:
        alike = Screen(duplicates="exact" if asked.near is None else "near", near=asked.near or 1.0, max_cluster=None)
        found = dedup.source_duplicates(_as_source(merged()), merged(), alike, corpus.spill)
        single = (dedup.drop_source_duplicates(batch, found, "passages") for batch in merged())
        for batch in single if asked.per_domain is None else _capped(single, asked.per_domain):
            yield of_shard(batch, "passages", recipe.shard)


def _divided(corpus: Corpus, recipe: Recipe, lang: str, map: Map, model: Callable[[], Path]) -> Iterator[pl.DataFrame]:
    """The passages of all documents of a language in reading order, with their ordinals."""
    asked = recipe.passages
    clean = partial(natural.cleaned, lang=lang)
    divide = partial(natural.divided, lang=lang, pivot=recipe.pivot, settings=asked, model=model())
    with boilerplate.counting(corpus.spill / "lines") as counts:

        def counted() -> Iterator[pl.DataFrame]:
            for frame in map(clean, _documents(recipe, lang)):
                if asked.repeated_lines:
                    counts.add(frame.select("text", "domain", "keys"))
                yield frame

        with aside(counted(), corpus.spill / "documents") as cleaned:
            shared = counts.reaching(asked.repeated_lines) if asked.repeated_lines else np.empty(0, np.uint64)
            known = (frame.with_columns(keys=boilerplate.among(frame["keys"], shared)) for frame in cleaned())
            n_rows = 0
            for frame in map(divide, known):
                yield frame.with_columns(pl.col("ordinal") + n_rows)
                n_rows += frame.height


def _documents(recipe: Recipe, lang: str) -> Iterator[pl.DataFrame]:
    """The documents of a language (natural.DOCUMENTS), `recipe.limit` at most."""
    every = (
        (origin.label, document) for origin in recipe.texts if origin.lang == lang for document in documents(origin)
    )
    waiting: list[tuple[str, Document]] = []
    n_chars = 0
    for source, document in islice(every, recipe.limit):
        waiting.append((source, document))
        n_chars += len(document.text)
        if n_chars >= FRAME_CHARS or len(waiting) == FRAME_DOCUMENTS:
            yield _framed(waiting)
            waiting, n_chars = [], 0
    if waiting:
        yield _framed(waiting)


def _framed(found: list[tuple[str, Document]]) -> pl.DataFrame:
    told = [{"source": source, **document._asdict()} for source, document in found]
    return pl.DataFrame(told, schema=natural.DOCUMENTS)


def _merged(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Of rows sorted by id, twins in one."""
    for frame in sources.whole_groups(frames):
        yield sources.merge_twins(frame, "passages", licenses.stricter)


def _as_source(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The rows as `dedup.source_duplicates` reads them."""
    none = pl.lit(None, pl.String)
    return (frame.with_columns(instruction="passage", input=none, response=none) for frame in frames)


def _capped(batches: Iterable[pl.DataFrame], most: int) -> Iterator[pl.DataFrame]:
    """Of each domain's kept rows the first by id, so many at most. An id is a hash: that is chance, and stays so."""
    taken: dict[str, int] = {}
    for batch in batches:
        told = batch.with_columns(domain=pl.when(kept()).then(boilerplate.domain(pl.col("url"), pl.col("source"))))
        before = pl.Series([taken.get(of, 0) for of in told["domain"]], dtype=pl.Int64)
        beyond = pl.lit(before) + pl.int_range(pl.len()).over("domain") >= most
        detail = pl.format("more than {} of {}", most, "domain")
        capped = rows.take_out(told, "passages", Status.DROPPED, [(Reason.DOMAIN_CAP, beyond, detail)])
        for domain, n in told.drop_nulls("domain").group_by("domain").len().iter_rows():
            taken[domain] = taken.get(domain, 0) + n
        yield capped.select(batch.columns)
