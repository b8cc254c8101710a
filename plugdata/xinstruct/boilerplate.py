"""What the documents of a domain share: short lines that stand in several of them are its headers and footers.

Lines are known by hashes, which are counted in DuckDB, so that any number of them fits. Hashes are Polars' own: the
same in all processes of a run, and of no use after it. Knows no language and no row.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plugdata.corpus.files import writing
from plugdata.errors import CorpusError
from plugdata.xinstruct import lines

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LINE_CHARS = 200
"""Characters of a line that may be a header or footer."""

SHARE = 0.5
"""Share of a domain's documents that have a header or footer of its own, at least: headings of sections, which an
encyclopedia repeats ("History"), stand in fewer; and what has no URL is all one domain."""

MEMORY = "192MB"
"""What DuckDB may hold before it spills, as in curate.duplicates."""

_HOST = r"(?i)^(?:[a-z][a-z0-9+.-]*:)?//(?:[^/?#@]*@)?(?:www\.)?([^/?#:@]+)"


def domain(url: pl.Expr, source: pl.Expr) -> pl.Expr:
    """The host of a URL, without "www."; of none, the source's name."""
    return pl.coalesce(url.str.extract(_HOST).str.to_lowercase(), source)


def keys(texts: pl.Series, domains: pl.Series) -> pl.Series:
    """For each text the hashes of its different short lines, with its domain's (List(UInt64); [] = none).

    Lines without a letter or digit are none (rules, fences), nor are lines of fenced code.
    """
    found = _keyed(texts, domains).select("doc", "key").unique().group_by("doc").agg("key")
    return _of_each(found, len(texts))


def without(texts: pl.Series, domains: pl.Series, repeated: pl.Series) -> pl.Series:
    """The texts without the lines whose hashes are given for each (List(UInt64))."""
    places = (repeated.list.len() > 0).arg_true()
    if not len(places):
        return texts
    some, of = texts.gather(places), domains.gather(places)
    listed = pl.DataFrame({"key": repeated.gather(places)}).with_row_index("doc").explode("key")
    gone = _keyed(some, of).join(listed, on=["doc", "key"], how="semi")["row"]
    left = lines.apart(some).filter(~pl.int_range(pl.len(), dtype=pl.UInt32).is_in(gone.implode()))
    return texts.clone().scatter(places, lines.joined(left, len(some)))


def _keyed(texts: pl.Series, domains: pl.Series) -> pl.DataFrame:
    """row (of lines.apart), doc and key of the lines that count."""
    rows = lines.apart(texts).with_row_index("row")
    line = pl.col("line").str.strip_chars()
    rows = rows.with_columns(line=line).filter(
        ~pl.col("fenced")
        & (pl.col("line").str.len_chars() <= LINE_CHARS)
        & pl.col("line").str.contains(r"[\p{L}\p{N}]")
    )
    of_domain = domains.hash().gather(rows["doc"])
    return rows.select("row", "doc", key=pl.col("line").hash() ^ of_domain)


def _of_each(found: pl.DataFrame, n: int) -> pl.Series:
    """The list of each document in order; [] for one that has none."""
    every = pl.DataFrame({"doc": pl.int_range(n, eager=True, dtype=pl.UInt32)})
    return every.join(found, on="doc", how="left", maintain_order="left")["key"].fill_null([])


class Counts:
    """In how many documents of a domain a hash was. Copies of a document are one."""

    def __init__(self, con: "DuckDBPyConnection") -> None:
        self._con = con
        con.execute("create table documents (domain ubigint, doc ubigint)")
        con.execute("create table seen (domain ubigint, doc ubigint, key ubigint)")

    def add(self, documents: pl.DataFrame) -> None:
        """Count further documents. Needs: text, domain, keys (what `keys` gave)."""
        shown = documents.select(pl.col("domain").hash(), pl.col("keys").alias("key"), doc=pl.col("text").hash())
        for table, rows in (
            ("documents", shown.select("domain", "doc")),
            ("seen", shown.explode("key").drop_nulls("key").select("domain", "doc", "key")),
        ):
            self._con.register("shown", rows)
            self._con.execute(f"insert into {table} select * from shown")
            self._con.unregister("shown")

    def reaching(self, least: int) -> NDArray[np.uint64]:
        """Hashes of so many documents or more, and of SHARE of their domain's, in ascending order; what was counted is
        forgotten."""
        found = self._con.execute(
            "select key from seen join (select domain, count(distinct doc) as n from documents group by domain)"
            " using (domain) group by key, n having count(distinct doc) >= greatest(?, ? * n) order by key",
            [least, SHARE],
        ).fetchnumpy()
        self._con.execute("drop table seen; drop table documents")
        told: NDArray[np.uint64] = found["key"]
        return told


@contextmanager
def counting(spill: Path) -> Iterator[Counts]:
    """Counts that put on disk what exceeds memory. `spill`: a directory for it, made if absent and removed if empty.

    Raises CorpusError where memory and disk are full.
    """
    import duckdb

    with writing(spill):
        spill.mkdir(parents=True, exist_ok=True)
        folder = TemporaryDirectory(dir=spill)
    config: dict[str, str | bool | int | float | list[str]] = {
        "temp_directory": folder.name,
        "memory_limit": MEMORY,
        "preserve_insertion_order": False,
    }
    try:
        with folder, duckdb.connect(config=config) as con:
            yield Counts(con)
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise CorpusError(f"counting lines needs more than memory and {spill} hold: {error}") from error
    finally:
        with suppress(OSError):  # another's files may lie there
            spill.rmdir()


def among(keys: pl.Series, repeated: NDArray[np.uint64]) -> pl.Series:
    """Of each list of hashes those that are repeated (ascending)."""
    listed = pl.DataFrame({"key": keys}).with_row_index("doc").explode("key").drop_nulls()
    asked = listed["key"].to_numpy()
    at = np.searchsorted(repeated, asked)
    hit = np.zeros(len(asked), np.bool_)
    inside = at < len(repeated)
    hit[inside] = repeated[at[inside]] == asked[inside]
    found = listed.filter(pl.Series(hit)).group_by("doc").agg("key")
    return _of_each(found, len(keys))
