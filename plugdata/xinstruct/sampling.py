"""Which rows are taken: fewer about news, and as evenly from every topic as the rows allow.

The paper samples by cluster but names no quota, so this is ours: as many rows of every topic, and what
small ones lack is shared out among the others; within one the best rated come first, then chance. Its own corpus shows
why: a third of its verbs are "write", most often a news article or a headline. Knows columns, no corpus.
"""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import polars as pl

from plugdata.recipe.natural import Diversify
from plugdata.rows import Reason

VERSION = 1
"""Raised when the same topics would give another choice."""


def sampled(rows: pl.DataFrame, settings: Diversify) -> pl.DataFrame:
    """The columns `out`, the reason why a row is not taken (null: it is), and `told`, how many are, in words.

    Needs: id, topic, rating, is_news. Rows: all, same order. News is at most the settings' share of the rows that are
    wanted, which are all where the settings do not say; it is thinned out topic by topic too, before the quotas.
    """
    wanted = min(settings.rows or rows.height, rows.height)
    news, n_news = rows["is_news"].fill_null(False), int(rows["is_news"].sum())
    most_news = n_news if settings.news is None else int(settings.news * wanted)
    out = pl.Series([None] * rows.height, dtype=pl.String)
    told = out.clone()
    if n_news > most_news:
        surplus = news.arg_true().filter(~chosen(rows.filter(news), most_news, settings.seed))
        out = out.scatter(surplus, str(Reason.NEWS))
        told = told.scatter(surplus, f"{n_news:,} of {rows.height:,} rows are about news, {most_news:,} are taken")
    left = out.is_null()
    surplus = left.arg_true().filter(~chosen(rows.filter(left), wanted, settings.seed))
    out = out.scatter(surplus, str(Reason.QUOTA))
    counts = rows.select("topic", out=out).with_columns(
        _of=pl.len().over("topic"), _taken=pl.col("out").is_null().sum().over("topic")
    )
    of_topic = pl.format("topic {}: {} of {} rows are taken", "topic", "_taken", "_of")
    return counts.select("out", told=pl.when(pl.col("out") == Reason.QUOTA).then(of_topic).otherwise(told))


def quotas(sizes: Sequence[int], n: int) -> list[int]:
    """How many to take of each group to have `n` in all, or all where there are not so many.

    As even as it can be: no group gives two fewer than another unless it gives all it has.
    """
    left, taken = n, [0] * len(sizes)
    by_size = sorted(range(len(sizes)), key=lambda at: sizes[at])
    for place, at in enumerate(by_size):
        taken[at] = min(sizes[at], left // (len(sizes) - place))
        left -= taken[at]
    for at, size in enumerate(sizes):
        if left and taken[at] < size:
            taken[at] += 1
            left -= 1
    return taken


def chosen(rows: pl.DataFrame, n: int, seed: int) -> pl.Series:
    """Whether each row is among the `n` that are taken, as evenly from its topics as they allow.

    Needs: id, topic, rating. Within a topic the higher rating comes first, then chance (of id and seed).
    """
    by_chance = np.fromiter((_chance(id, seed) for id in rows["id"]), np.uint64, rows.height)
    sizes = rows.group_by("topic").len().sort("topic")
    most = sizes.select("topic", _most=pl.Series(quotas(sizes["len"].to_list(), n), dtype=pl.Int64))
    place = pl.struct(-pl.col("rating").fill_null(0), "_chance", "id").rank("ordinal").over("topic")
    return (
        rows.with_columns(_chance=pl.Series(by_chance))
        .join(most, on="topic", how="left", maintain_order="left")
        .select(place <= pl.col("_most"))
        .to_series()
    )


def _chance(id: str, seed: int) -> int:
    return int.from_bytes(blake2b(f"{seed} {id}".encode(), digest_size=8).digest())
