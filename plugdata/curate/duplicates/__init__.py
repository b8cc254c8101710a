"""Which texts are duplicates of which: exact ones, and near ones whose similarity was verified.

A text's tokens are its words; in scripts without spaces between words each character is one, so that no word list and
no language is needed and mixed text works. Two texts are exact duplicates if their tokens are equal, near ones if the
Jaccard similarity of their sets of three-token shingles reaches a threshold. Going through the texts in order of
preference, one is kept unless it is the duplicate of one kept before, to which its own similarity was counted. So
chains merge nothing (A ~ B ~ C with A ≁ C keeps A and C), and one boilerplate cannot swallow a corpus, as the
transitive closure of candidates does (marin #6854: 2 of 859,092 rows were left).

The parts: tokens (texts → shingles), rarest (shingles → those by which texts meet), near (these → near-duplicates),
and here what is exact, in DuckDB, which spills to disk where memory ends. docs/duplicates.md has the figures. Must not
know what the texts are, nor why one is preferred.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import polars as pl

from plugdata.curate.duplicates.near import Near
from plugdata.curate.duplicates.tokens import Shingles, normalise, runs, shingles
from plugdata.errors import CorpusError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY = "192MB"
"""What DuckDB may hold before it spills: a million rows are planned within 600 MB (benchmarks/memory.py)."""

THREADS = min(4, os.cpu_count() or 1)
"""Frames prepared at a time: each takes some 100 MB at its largest, and what follows keeps up with no more."""

_PREFIX = "duplicates-"

FOUND: dict[str, pl.DataType] = {
    "id": pl.String(),
    "kept_id": pl.String(),  # the text kept in its place; null: it is one of `against`
    "elsewhere": pl.String(),  # the `id` in `against` of the text that it repeats
    "jaccard": pl.Float64(),  # null = exact
    "same_id": pl.String(),  # the most preferred of the texts that are exactly this one: itself, if it is that
}
"""The columns of `duplicates`."""


def duplicates(
    texts: Iterable[pl.DataFrame], near: float | None, spill: Path, against: Iterable[pl.DataFrame] = ()
) -> pl.DataFrame:
    """Every text that is a duplicate of a kept one, or of one of `against` (FOUND), sorted by id.

    Needs: id (unique), text, preference (ascending: the least is kept first; ties by id), in frames of any size and
    order; of `against` id and text. A text's counterpart is the most preferred it is a duplicate of, those of
    `against` first of all; these are kept, and are not compared among themselves. near: Jaccard similarity from which
    two texts are duplicates; null: exact ones only. No text is held in memory. spill: a directory for what exceeds
    it, made if absent and removed if empty, one call at a time. Raises CorpusError if memory and disk are full.
    """
    import duckdb

    try:
        spill.mkdir(parents=True, exist_ok=True)
        for left in spill.glob(f"{_PREFIX}*"):  # by a process that was killed
            rmtree(left)
        with TemporaryDirectory(dir=spill, prefix=_PREFIX) as folder:
            config: dict[str, str | bool | int | float | list[str]] = {
                "temp_directory": folder,
                "memory_limit": MEMORY,
                "preserve_insertion_order": False,
            }
            with duckdb.connect(config=config) as con:
                return _found(con, _given(texts, against), near, Path(folder))
    except (duckdb.IOException, duckdb.OutOfMemoryException, OSError) as error:
        raise CorpusError(f"finding duplicates needs more than memory and {spill} hold: {error}") from error
    finally:
        with suppress(OSError):  # another's files may lie there
            spill.rmdir()


def _given(texts: Iterable[pl.DataFrame], against: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Both, in frames small enough for `shingles`: id, text, preference, outside."""
    outside = (frame.select("id", "text", preference=pl.lit(0, pl.Int64), outside=True) for frame in against)
    inside = (frame.select("id", "text", pl.col("preference").cast(pl.Int64), outside=False) for frame in texts)
    for frame in chain(outside, inside):
        for start, stop in runs(frame["text"].str.len_bytes().cast(pl.Int64).to_numpy()):
            yield frame[start:stop]


def _prepared(
    frames: Iterable[pl.DataFrame], with_shingles: bool
) -> Iterator[tuple[pl.DataFrame, pl.Series, Shingles | None]]:
    """Each frame with its tokens and, if asked for, its shingles, in order. Polars and numpy let threads run."""

    def prepared(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series, Shingles | None]:
        tokens = normalise(frame["text"])
        return frame, tokens, shingles(tokens) if with_shingles else None

    with ThreadPoolExecutor(THREADS) as pool:
        waiting: deque[Future[tuple[pl.DataFrame, pl.Series, Shingles | None]]] = deque()
        for frame in frames:
            waiting.append(pool.submit(prepared, frame))
            if len(waiting) > THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _found(con: "DuckDBPyConnection", given: Iterator[pl.DataFrame], near: float | None, folder: Path) -> pl.DataFrame:
    con.execute("create table given (n bigint, id varchar, preference bigint, outside boolean, same uhugeint)")
    index = None if near is None else Near(near, folder)
    n_given = n_outside = 0
    for frame, tokens, made in _prepared(given, index is not None):
        if index and made:
            index.add(made)
        shown = frame.select("id", "preference", "outside", tokens=tokens).with_row_index("n", n_given)
        n_given, n_outside = n_given + frame.height, n_outside + int(frame["outside"].sum())
        con.register("shown", shown)
        con.execute("insert into given select n, id, preference, outside, md5_number(tokens) from shown")
        con.unregister("shown")
    con.execute(
        """create table texts as select n, id, outside, same,
             row_number() over (order by outside desc, preference, id) - 1 as place from given"""
    )
    con.execute("drop table given")
    con.execute("create table firsts as select min(place) as place, same from texts group by same")
    found = pl.DataFrame(schema={"place": pl.Int64, "kept_place": pl.Int64, "jaccard": pl.Float64})
    if index:
        places = con.sql("select n, place from texts semi join firsts using (place) order by n").pl()
        found = index.found(places["n"].to_numpy(), places["place"].to_numpy(), n_outside)
    con.register("near", found)
    twins: pl.DataFrame = con.sql(
        """select texts.id as id, case when not kept.outside then kept.id end as kept_id,
             case when kept.outside then kept.id end as elsewhere, near.jaccard as jaccard, twin.id as same_id
           from texts join firsts using (same) join texts twin on twin.place = firsts.place
           left join near on near.place = firsts.place
           join texts kept on kept.place = coalesce(near.kept_place, firsts.place)
           where kept.place <> texts.place and not texts.outside order by texts.id"""
    ).pl()
    return twins


__all__ = ["FOUND", "duplicates", "normalise"]
