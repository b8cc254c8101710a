"""Duplicates taken out: of sources before they are paid for (`source_duplicates`), and of finished pairs (`decide`).

`decide` looks at the pivot side and applies what it finds to every language alike, so that parallel corpora stay
parallel: what is a duplicate in English is one in Korean, however differently it was translated. A row is never
dropped where the row kept in its place is missing (lost to a filter of that language): nobody loses both twins. Such
rows are judged once more among themselves, for two of them may be twins of the same missing row. What may remain is a
row that is near to both: kept, in one language, beside a row that was kept in its own right. That is the price of
deciding once; `per_language` does not pay it, and gives up being parallel.

Then the target side, in each language alone: a weak model answers different rows with the same text. By default only
texts that are equal there, instruction and response together, count: pivots that are not near-duplicates may well be
translated into near-duplicates and still teach two things.

A row kept in place of very many (`max_cluster`) is more likely a template that many tasks share ("Classify this
sentence: …") than one text copied, and to drop them all is what ruins a corpus; so near-duplicates of such a row all
stay, each with its `cluster` and `jaccard`, and are counted. Exact duplicates never stay.

Which texts are duplicates is duplicates/'s business; this module knows rows and languages, and no file.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from plugdata import recipe, rows
from plugdata.curate.duplicates import duplicates
from plugdata.errors import ContractError
from plugdata.rows import AGREEMENTS, FIELDS, Reason, Status, kept

VERSION = 3

MIN_CLUSTER = 100
"""Rows that any cluster may have, so that a small corpus is not ruled by its hundredth. Of 999 rows of Alpaca the
largest cluster has 2."""

Frames = Iterable[pl.DataFrame]
Read = Callable[[Sequence[str]], Frames]
"""All rows of a language afresh: these columns, batch by batch, in the same order and batches in every language."""

_AGREEMENTS = [f"{check}_{field}" for check in AGREEMENTS for field in FIELDS]
_LONGEST = 2**32

PAIR = tuple(f"{half}{field}" for half in ("pivot_", "") for field in FIELDS)
"""The texts of a pair, of which its sides are made."""


def side(half: str) -> pl.Expr:
    """What is compared of one side of a pair, instruction and response; half: "pivot_" or "". Needs: PAIR.

    A pivot without a response, as over natural text, goes with that of the target: many passages have one instruction.
    """
    return pl.concat_str(pl.col(f"{half}instruction").fill_null(""), _response(half), separator="\n")


def _response(half: str) -> pl.Expr:
    return pl.coalesce(pl.col(f"{half}response").replace("", None), "response", pl.lit(""))


class Decided(NamedTuple):
    """What becomes of a language's duplicates: by id, and in numbers for the manifest."""

    rows: pl.DataFrame
    counts: Mapping[str, float]


def source_duplicates(
    batches: Frames, again: Frames, settings: recipe.Screen, spill: Path, against: Frames = ()
) -> pl.DataFrame:
    """Every kept row whose instruction, input and response together are those of an earlier kept row, or of a text of
    `against` (id, text).

    Needs: rows.SOURCE, all rows of a corpus, and `again`, of which id and place are read; earlier is by ordinal.
    Columns: id, kept_id, jaccard (null = exact) and kept_as, the place of the row that is kept. `duplicates: near` also
    finds near-duplicates, from a Jaccard similarity of `near`; `off` finds nothing.
    """
    text = pl.concat_str("instruction", "input", "response", separator="\n", ignore_nulls=True)
    counted = _Counted(batch.filter(kept()).select("id", text=text, preference="ordinal") for batch in batches)
    near = settings.near if settings.duplicates == "near" else None
    off = settings.duplicates == "off"
    found = duplicates([] if off else counted, near, spill, [] if off else against)
    found = _spared(found, counted.n, settings.max_cluster).filter(~pl.col("spared"))
    keepers = found.select(id="kept_id").unique()
    empty = pl.DataFrame(schema={"id": pl.String, "place": pl.String})
    alive = (batch.filter(kept()).select("id", "place") for batch in again) if found.height else ()
    places = pl.concat([empty, *(batch.join(keepers, on="id", how="semi") for batch in alive)])
    found = found.join(places.rename({"id": "kept_id"}), on="kept_id", how="left", maintain_order="left")
    return found.select("id", "kept_id", "jaccard", kept_as=pl.coalesce("place", "elsewhere"))


def drop_source_duplicates(batch: pl.DataFrame, found: pl.DataFrame, stage: str) -> pl.DataFrame:
    """Drop the kept rows that `source_duplicates` found.

    Needs: rows of the texts that it was given, sorted by id. Adds: kept_id (the stage's contract, rows.CONTRACTS).
    Rows: all, same order; those not kept are left untouched.
    """
    return rows.conform(_drop(batch, found.with_columns(drop=True, side=pl.lit("")), stage), rows.CONTRACTS[stage])


def decide(
    before: Mapping[str, Read], settings: recipe.Dedup, spill: Path, against: Callable[[], Frames] = list
) -> dict[str, Decided]:
    """What becomes of the duplicates in every language; `apply` does it. Small: rows that are no duplicate are absent.

    Needs: rows.FILTER of every language of a corpus; against: texts of other data sets (id, text), read anew each
    time. Of duplicates the one kept in most languages stays, then the one whose soft checks agree best (the mean of
    all that were measured, in hundredths; 1 where none was), then the one with the longest pivot response, then the
    least id.
    """
    if settings.per_language:
        return {lang: _of_language({lang: read}, lang, None, settings, spill, against) for lang, read in before.items()}
    together = _in_pivot(before, settings, spill, against)
    return {lang: _of_language(before, lang, together, settings, spill, against) for lang in before}


def apply(batch: pl.DataFrame, decided: Decided) -> pl.DataFrame:
    """The batch with its duplicates dropped (rows.DEDUP).

    Needs: rows.FILTER. Adds: cluster, jaccard; sets kept_id of dropped rows. Rows: all, same order; those not kept are
    left untouched. `cluster` names the row kept in most languages, also where that row is missing; a row that stays
    with a `jaccard` was spared.
    """
    return rows.conform(_drop(batch, decided.rows, "dedup"), rows.DEDUP)


def _of_language(
    before: Mapping[str, Read],
    lang: str,
    together: pl.DataFrame | None,
    settings: recipe.Dedup,
    spill: Path,
    against: Callable[[], Frames],
) -> Decided:
    """What becomes of a language's duplicates; `together`: what is decided for all languages, if it is."""
    read = before[lang]
    found = _in_pivot({lang: read}, settings, spill, against) if together is None else together
    clusters = found.select("id", "cluster").drop_nulls()
    if together is not None:
        found = _here(found, before, lang, settings, spill)
    found = found.with_columns(side=pl.lit(""))
    if settings.target != "off":
        more = _in_target(read, found, settings, spill, against)
        clusters = pl.concat([clusters, more.select("id", "cluster").drop_nulls()])
        found = pl.concat([found, more.with_columns(side=pl.lit("target "))])
    keepers = clusters.select(id="cluster", cluster="cluster").unique("id")
    clusters = pl.concat([clusters, keepers]).unique("id", keep="first", maintain_order=True)
    dropped = found.filter(~pl.col("spared"))
    sizes = clusters.group_by("cluster").len()
    counts = {
        "clusters": sizes.height,
        "rows_of_largest_cluster": max(sizes["len"].to_list(), default=0),
        "clusters_spared": found.filter("spared")["cluster"].n_unique(),
        "rows_spared": found.height - dropped.height,
    }
    lost = dropped.filter(pl.col("elsewhere").is_not_null())["id"]  # among them what was kept in place of others
    told = found.select(
        "id",
        "jaccard",
        "side",
        kept_id=pl.when(~pl.col("spared") & ~pl.col("kept_id").is_in(lost.implode())).then("kept_id"),
        kept_as=pl.coalesce("kept_id", "elsewhere"),
        drop=~pl.col("spared"),
    ).unique("id", keep="first", maintain_order=True)
    every = clusters.join(told, on="id", how="full", coalesce=True).sort("id")
    return Decided(every, {name: float(n) for name, n in counts.items()})


def _in_pivot(
    before: Mapping[str, Read], settings: recipe.Dedup, spill: Path, against: Callable[[], Frames]
) -> pl.DataFrame:
    """The duplicates among the pivot's texts of the rows kept in any of the languages."""
    texts = _Counted(_elected(before, "pivot_"))
    return _spared(duplicates(texts, settings.near, spill, against()), texts.n, settings.max_cluster)


def _here(
    found: pl.DataFrame, before: Mapping[str, Read], lang: str, settings: recipe.Dedup, spill: Path
) -> pl.DataFrame:
    """Those of the duplicates that a language keeps, with keepers that it keeps."""
    named = pl.concat([found["id"], found["kept_id"].drop_nulls(), found["same_id"]]).unique().sort().to_frame("id")
    here = pl.concat(
        [
            named.clear(),
            *(
                _within(named, batch).join(batch.filter(kept()), on="id", how="semi")
                for batch in before[lang](["id", "status"])
            ),
        ]
    )
    found = found.join(here, on="id", how="semi", maintain_order="left")
    is_there = pl.col("kept_id").is_null() | pl.col("kept_id").is_in(here["id"].implode())
    lost = found.filter(~is_there & ~pl.col("spared")).select("id")
    if lost.height < 2:
        return found.filter(is_there)
    texts = (frame.join(lost, on="id", how="semi") for frame in _elected(before, "pivot_"))
    again = duplicates(texts, settings.near, spill).with_columns(cluster="kept_id", spared=False)
    return pl.concat([found.filter(is_there), again])


def _in_target(
    read: Read, found: pl.DataFrame, settings: recipe.Dedup, spill: Path, against: Callable[[], Frames]
) -> pl.DataFrame:
    """The duplicates among a language's own texts of those rows that stay. What was kept in place of others stays,
    unless another data set has it."""
    gone = found.filter(~pl.col("spared")).select("id").sort("id")
    keepers = found.select(id="kept_id").drop_nulls().unique()
    texts = _Counted(frame.join(_within(gone, frame), on="id", how="anti") for frame in _elected({"": read}, ""))
    near = settings.near if settings.target == "near" else None
    more = _spared(duplicates(texts, near, spill, against()), texts.n, settings.max_cluster)
    return more.filter(pl.col("elsewhere").is_not_null() | ~pl.col("id").is_in(keepers["id"].implode()))


def _elected(before: Mapping[str, Read], half: str) -> Iterator[pl.DataFrame]:
    """id, text (of the first language that has the row) and preference of the rows kept in any language.

    half: see `side`.
    """
    needed = ["id", "status", *PAIR, *_AGREEMENTS]
    n_chars = _response(half).str.len_chars().cast(pl.Int64)
    agreement = pl.mean_horizontal(_AGREEMENTS).fill_null(1)
    for batches in zip(*(read(needed) for read in before.values()), strict=True):
        if any(not batch["id"].equals(batches[0]["id"]) for batch in batches):
            raise ContractError("the languages of a corpus have other rows", "was it made by another release?")
        present = pl.concat([batch.filter(kept()) for batch in batches])
        grouped = present.group_by("id", maintain_order=True).agg(
            text=side(half).first(),
            n_chars=n_chars.first(),
            rank=pl.len().cast(pl.Int64) * 101 + (agreement.mean() * 100).round().cast(pl.Int64),
        )
        yield grouped.select("id", "text", preference=-(pl.col("rank") * _LONGEST + pl.col("n_chars")))


def _spared(found: pl.DataFrame, n_texts: int, max_cluster: float | None) -> pl.DataFrame:
    """Add `cluster`, the kept_id so far, and `spared`: near-duplicates of a text that has very many. Of exact twins
    among these one is spared, which is the others' `kept_id` then."""
    size = pl.len().over("kept_id") + 1
    bound = pl.lit(None, pl.Int64) if max_cluster is None else max(MIN_CLUSTER, int(max_cluster * n_texts))
    many = (pl.col("jaccard").is_not_null() & pl.col("kept_id").is_not_null() & (size > bound)).fill_null(False)
    is_twin = many & (pl.col("same_id") != pl.col("id"))
    return found.with_columns(
        cluster="kept_id",
        kept_id=pl.when(is_twin).then("same_id").otherwise("kept_id"),
        jaccard=pl.when(~is_twin).then("jaccard"),
        spared=many & ~is_twin,
    )


def _within(found: pl.DataFrame, batch: pl.DataFrame) -> pl.DataFrame:
    """What may concern a batch: a few of many, as both are sorted by id."""
    return found.filter(pl.col("id").is_between(pl.lit(batch["id"].min()), pl.lit(batch["id"].max())))


class _Counted:
    """Frames, and how many rows they had once they were gone through."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self.n = 0

    def __iter__(self) -> Iterator[pl.DataFrame]:
        for frame in self._frames:
            self.n += frame.height
            yield frame


def _drop(batch: pl.DataFrame, found: pl.DataFrame, stage: str) -> pl.DataFrame:
    """Drop the kept rows found to be duplicates and note what is known of them; `kept_as` names their counterpart."""
    if "kept_id" not in batch.columns:
        batch = batch.with_columns(kept_id=pl.lit(None, pl.String))
    mine = _within(found, batch).rename({"kept_id": "_kept_id"})
    joined = batch.join(mine, on="id", how="left", maintain_order="left")
    noted = [name for name in ("cluster", "jaccard") if name in joined.columns]
    joined = joined.with_columns(pl.when(kept()).then(name).alias(name) for name in noted).with_columns(
        kept_id=pl.when(kept()).then(pl.coalesce("_kept_id", "kept_id")).otherwise("kept_id")
    )
    drop, jaccard = pl.col("drop").fill_null(False), pl.col("jaccard")
    same = pl.format("same {}text as {}", "side", "kept_as")
    like = pl.format(
        "Jaccard {} to {}{}",
        jaccard.round(2),
        pl.when(pl.col("side") != "").then(pl.lit("the target text of ")).otherwise(pl.lit("")),
        "kept_as",
    )
    checks = [
        (Reason.DUPLICATE_EXACT, drop & jaccard.is_null(), same),
        (Reason.DUPLICATE_NEAR, drop & jaccard.is_not_null(), like),
    ]
    return rows.take_out(joined, stage, Status.DROPPED, checks)
