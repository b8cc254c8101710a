"""Rows with the same texts → one kept row that knows them all.

Owns the merge across sources. Must not know how rows were read, nor how licences compare (a parameter).
"""

from collections.abc import Callable, Iterable, Iterator

import polars as pl

from plugdata.rows import Reason, Status, kept, take_out


def merge_twins(rows: pl.DataFrame, stage: str, stricter: Callable[[list[str | None]], str | None]) -> pl.DataFrame:
    """Of kept rows with the same id the one with the smallest ordinal stays; later ones are dropped (DUPLICATE_ID).

    The one that stays gets the twins' provenance behind its own and the stricter of all their licences; the detail
    of a dropped one names its place. Rows: all, same order. Rows that are not kept are neither twins nor changed.
    """
    alive = rows.filter(kept())
    doubled = alive.filter(pl.col("id").is_duplicated())
    if doubled.is_empty():
        return rows
    groups = (
        doubled.sort("ordinal")
        .group_by("id", maintain_order=True)
        .agg(
            pl.col("ordinal").first().alias("_first"),
            pl.col("place").first().alias("_place"),
            pl.col("provenance").explode().alias("_provenance"),
            pl.col("license").alias("_licenses"),
        )
    )
    strict = pl.Series("_license", [stricter(found) for found in groups["_licenses"].to_list()], pl.String)
    groups = groups.with_columns(strict).drop("_licenses")
    joined = rows.join(groups, on="id", how="left", maintain_order="left")
    first = kept() & (pl.col("ordinal") == pl.col("_first"))
    merged = joined.with_columns(
        provenance=pl.when(first).then("_provenance").otherwise("provenance"),
        license=pl.when(first).then("_license").otherwise("license"),
    )
    detail = pl.format("the same texts as {}", "_place")
    later = pl.col("ordinal") > pl.col("_first")
    taken = take_out(merged, stage, Status.DROPPED, [(Reason.DUPLICATE_ID, later, detail)])
    return taken.select(rows.columns)


def whole_groups(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The same rows in frames that part no id; needs rows sorted by id."""
    held: pl.DataFrame | None = None
    for frame in frames:
        if held is not None:
            frame = pl.concat([held, frame])
        last = pl.col("id") == frame["id"][-1]
        held = frame.filter(last)
        if held.height < frame.height:
            yield frame.filter(~last)
    if held is not None:
        yield held
