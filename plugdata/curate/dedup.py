"""Duplicates taken out: of sources before they are paid for (`source_duplicates`), and of finished pairs (`dedup`).

`dedup` decides on the pivot side and applies it to every language alike, so that parallel corpora stay parallel: what
is a duplicate in English is one in Korean, however differently it was translated. A row is never dropped where the
row kept in its place is missing (lost to a filter of that language): nobody loses both twins. Such rows are judged
once more among themselves, for two of them may be twins of the same missing row. What may remain is a row that is
near to both: kept, in one language, beside a row that was kept in its own right. That is the price of deciding once.

Which texts are duplicates is duplicates.py's business; this module knows rows and languages.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import polars as pl

from plugdata import recipe, rows
from plugdata.curate.duplicates import duplicates
from plugdata.rows import Reason, Status, kept

VERSION = 1


def source_duplicates(
    batches: Iterable[pl.DataFrame], again: Iterable[pl.DataFrame], settings: recipe.Screen, spill: Path
) -> pl.DataFrame:
    """Every kept row whose instruction, input and response together are those of an earlier kept row.

    Needs: rows.SOURCE, all rows of a corpus, and `again`, of which id and place are read; earlier is by ordinal.
    Columns: id, kept_id, jaccard (null = exact) and kept_as, the place of the row that is kept. `duplicates: near` also
    finds near-duplicates, from a Jaccard similarity of `near`; `off` finds nothing.
    """
    text = pl.concat_str("instruction", "input", "response", separator="\n", ignore_nulls=True)

    def texts() -> Iterator[pl.DataFrame]:
        for batch in batches:
            yield batch.filter(kept()).select("id", text=text, preference="ordinal")

    near = settings.near if settings.duplicates == "near" else None
    found = duplicates([] if settings.duplicates == "off" else texts(), near, spill)
    keepers = found.select(id="kept_id").unique()
    empty = pl.DataFrame(schema={"id": pl.String, "place": pl.String})
    alive = (batch.filter(kept()).select("id", "place") for batch in again) if found.height else ()
    places = pl.concat([empty, *(batch.join(keepers, on="id", how="semi") for batch in alive)])
    return found.join(
        places.rename({"id": "kept_id", "place": "kept_as"}), on="kept_id", how="left", maintain_order="left"
    )


def screen_duplicates(batch: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Drop the kept rows that `source_duplicates` found.

    Needs: rows.SOURCE. Adds: kept_id (rows.SCREEN). Rows: all, same order; those not kept are left untouched.
    """
    return rows.conform(_drop(batch, found, "screen"), rows.SCREEN)


def dedup(before: Mapping[str, pl.DataFrame], settings: recipe.Dedup, spill: Path) -> dict[str, pl.DataFrame]:
    """The rows of every language, duplicates dropped in each (rows.DEDUP).

    Needs: rows.FILTER of every language of a corpus. Adds: cluster, jaccard; sets kept_id of dropped rows. Rows: all,
    same order; those not kept are left untouched. Of duplicates the one kept in most languages stays, then the one
    with the longest pivot response, then the least id. `cluster` is the same in every language, also where the row
    it names is missing; `jaccard` is null for exact duplicates.
    """
    columns = ("id", "pivot_instruction", "pivot_response")
    present = pl.concat([frame.filter(kept()).select(*columns) for frame in before.values()])
    text = pl.concat_str(pl.col("pivot_instruction", "pivot_response").fill_null(""), separator="\n")
    texts = (
        present.group_by("id")
        .agg(pl.len().alias("n_langs"), pl.col("pivot_instruction", "pivot_response").first())
        .with_columns(text=text, n_chars=pl.col("pivot_response").str.len_chars())
        .sort("n_langs", "n_chars", "id", descending=[True, True, False])
        .select("id", "text")
        .with_row_index("preference")
    )
    found = duplicates([texts], settings.near, spill)
    clusters = pl.concat(
        [found.select("id", cluster="kept_id"), found.select(id="kept_id", cluster="kept_id").unique()]
    )
    done = {}
    for lang, frame in before.items():
        here = _here(frame.filter(kept()).select("id"), texts, found, settings, spill)
        joined = frame.join(clusters, on="id", how="left", maintain_order="left").with_columns(
            cluster=pl.when(kept()).then("cluster")
        )
        done[lang] = rows.conform(_drop(joined, here, "dedup"), rows.DEDUP)
    return done


def _here(
    ids: pl.DataFrame, texts: pl.DataFrame, found: pl.DataFrame, settings: recipe.Dedup, spill: Path
) -> pl.DataFrame:
    """The duplicates to drop in a language that keeps `ids`, with keepers that it keeps."""
    found = found.join(ids, on="id", how="semi")
    twins = found.join(ids, left_on="kept_id", right_on="id", how="semi")
    orphans = found.join(ids, left_on="kept_id", right_on="id", how="anti")
    if orphans.height < 2:
        return twins
    return pl.concat([twins, duplicates([texts.join(orphans, on="id", how="semi")], settings.near, spill)])


def _drop(frame: pl.DataFrame, found: pl.DataFrame, stage: str) -> pl.DataFrame:
    """Drop the kept rows found to be duplicates and note their kept_id and jaccard; `kept_as` names the kept row."""
    found = found.rename({"kept_id": "_kept_id"})
    if "kept_as" not in found.columns:
        found = found.with_columns(kept_as="_kept_id")
    found = found.rename({"kept_as": "_kept_as"})
    if "kept_id" not in frame.columns:
        frame = frame.with_columns(kept_id=pl.lit(None, pl.String))
    joined = frame.join(found, on="id", how="left", maintain_order="left")
    is_found, jaccard = pl.col("_kept_id").is_not_null(), pl.col("jaccard")
    joined = joined.with_columns(
        kept_id=pl.when(kept() & is_found).then("_kept_id").otherwise("kept_id"),
        jaccard=pl.when(kept()).then("jaccard"),
    )
    same, like = pl.format("same text as {}", "_kept_as"), pl.format("Jaccard {} to {}", jaccard.round(2), "_kept_as")
    checks = [
        (Reason.DUPLICATE_EXACT, is_found & jaccard.is_null(), same),
        (Reason.DUPLICATE_NEAR, is_found & jaccard.is_not_null(), like),
    ]
    return rows.take_out(joined, stage, Status.DROPPED, checks)
