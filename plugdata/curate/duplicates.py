"""Which texts are duplicates of which: exact ones, and near ones whose similarity was verified.

A text's tokens are its words; in scripts without spaces between words each character is one, so that no word list and
no language is needed and mixed text works. Two texts are exact duplicates if their tokens are equal, near ones if the
Jaccard similarity of their sets of three-token shingles reaches a threshold.

MinHash only proposes: DuckDB hashes, bands and groups, spilling to disk where memory ends, and rows that share no
band with any other, nearly all, never reach Python. Candidates are then compared in the order of preference, each
with rows that are kept, and a row is taken out only if its own similarity to the kept row reaches the threshold. So
chains merge nothing (A ~ B ~ C with A ≁ C keeps A and C), and one boilerplate cannot swallow a corpus, as the
transitive closure of candidates does (marin #6854: 2 of 859,092 rows were left).

MinHash is written in SQL with DuckDB's own `hash`: 125 hashes of 200,000 texts of 340 characters take 4.6 s of CPU,
as long as the library rensa with its way through Python lists (1.2 s for 50,000), for one dependency less and bounded
memory. `hash` may change with DuckDB's major version: that moves which pairs are missed (1 in 10,000 at the
threshold), never what counts as a duplicate.

Must not know what the texts are, nor why one is preferred.
"""

import random
from array import array
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from plugdata.errors import CorpusError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SHINGLE = 3
"""Tokens in a shingle. At Jaccard 0.8 it lets one changed word in thirty pass as the same text."""

MAX_HASHES = 128
"""MinHash values a text, at most: the usual number (datasketch's default)."""

RECALL = 0.999
"""Least share of pairs at the threshold that banding must propose; pairs above it are proposed more surely."""

MAX_BUCKET = 256
MAX_ASKED = 64
"""Kept rows that a bucket lists, and that a candidate is compared with (those it shares most buckets with), at most.
Thousands of rows made of one template meet in the same buckets; this bounds what they cost, to some 0.5 ms a row.
Twins at 0.8 share 8 of 25 buckets on average, not all of them the template's: among 20,000 rows that share 60 words
and have 10 to 60 of their own, 99 % of 1,605 planted twins were found, elsewhere all."""

MEMORY = "1GB"
"""What DuckDB may use before it spills: half of the 2 GB that 3 M rows may take (DESIGN §7)."""

EXACT_MEMORY = "192MB"
"""The same where exact ones alone are looked for: a million rows are planned within 600 MB (benchmarks/memory.py)."""

PART = 100_000
"""Texts hashed at a time: their minima take some 200 MB."""

_SEED = 42

_SUPERSCRIPT = r"([⁰¹²³⁴-⁹]+)"
_UNSPACED = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}])"
_NUMBER = r"([-−]?\.?\p{N}+(?:[.,:/'’\-–−]\p{N}+)*)"
_PUNCTUATION = r"[[\p{P}`´]--[%‰#@&/\\*_]]"


def duplicates(texts: Iterable[pl.DataFrame], near: float | None, spill: Path) -> pl.DataFrame:
    """Every text that is a duplicate of a kept one: `id`, `kept_id`, `jaccard` (null = exact), sorted by id.

    Needs: id (unique), text, preference (ascending: the least is kept first; ties by id), in frames of any size and
    order. Going through the texts in order of preference, a text is kept unless it is the duplicate of one kept
    before; `kept_id` is the most preferred of those. near: Jaccard similarity from which two texts are duplicates;
    null: exact ones only, for which no text is held in memory. spill: a directory for what exceeds MEMORY, made and
    removed if need be. Raises CorpusError if memory and disk are full.
    """
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {
        "temp_directory": str(spill),
        "memory_limit": EXACT_MEMORY if near is None else MEMORY,
        "preserve_insertion_order": False,
    }
    try:
        with duckdb.connect(config=config) as con:
            con.execute("create table given (id varchar, preference bigint, tokens varchar, same blob)")
            for frame in texts:
                tokens = normalise(frame["text"])
                con.register("frame", frame.select("id", "preference", tokens=tokens))
                shown = "tokens" if near is not None else "null"
                con.execute(f"insert into given select id, preference, {shown}, unhex(md5(tokens)) from frame")
                con.unregister("frame")
            con.execute(
                """create table texts as
                   select id, same, row_number() over (order by preference, id) as place from given"""
            )
            con.execute("create table firsts as select min(place) as place, same from texts group by same")
            if near is not None:
                con.execute(
                    """create table spoken as select place, tokens from firsts
                       join texts using (place) join given using (id)"""
                )
            found = [] if near is None else _near(con, near)
            schema = {"place": pl.Int64, "kept_place": pl.Int64, "jaccard": pl.Float64}
            con.register("near", pl.DataFrame(found, schema=schema, orient="row"))
            twins: pl.DataFrame = con.sql(
                """select texts.id as id, kept.id as kept_id, near.jaccard as jaccard
                   from texts join firsts using (same) left join near on near.place = firsts.place
                   join texts kept on kept.place = coalesce(near.kept_place, firsts.place)
                   where kept.place <> texts.place order by texts.id"""
            ).pl()
            return twins
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise CorpusError(f"finding duplicates needs more than memory and {spill} hold: {error}") from error


def normalise(texts: pl.Series) -> pl.Series:
    """The tokens of each text, joined by a space: what exact duplicates have in common.

    NFKC, case folded, punctuation out, white space folded. Digits stay, and with them what makes a number another:
    a sign, separators inside ("5,6 %" is not "56 %"), superscripts ("10²" is not "102"), symbols of currency and
    mathematics. A text of nothing but punctuation stays as it is.
    """
    tokens = texts.str.replace_all(_SUPERSCRIPT, "^$1").str.normalize("NFKC").str.to_lowercase()
    tokens = tokens.str.replace_many(["ß", "ς"], ["ss", "σ"])  # what casefold does beyond lower case
    tokens = tokens.str.replace_all(f"{_NUMBER}|{_PUNCTUATION}", " $1 ").str.replace_all(_UNSPACED, " $1 ")
    tokens = tokens.str.replace_all(r"\s+", " ").str.strip_chars()
    return texts.zip_with(tokens == "", tokens)


def banding(near: float) -> tuple[int, int]:
    """(bands, hashes a band): the most selective within MAX_HASHES that proposes RECALL of the pairs at `near`."""
    for n_hashes in range(MAX_HASHES, 1, -1):
        n_bands = MAX_HASHES // n_hashes
        if 1 - (1 - near**n_hashes) ** n_bands >= RECALL:
            return n_bands, n_hashes
    return MAX_HASHES, 1


def _near(con: "DuckDBPyConnection", near: float) -> list[tuple[int, int, float]]:
    """(place, place of the kept text, true Jaccard) of every near-duplicate among the texts of `spoken`."""
    n_bands, n_hashes = banding(near)
    seeds = random.Random(_SEED)
    bands = []
    for band in range(n_bands):
        least = (f"min(hash(xor(shingle, {seeds.getrandbits(63)})))" for _ in range(n_hashes))
        bands.append(f"hash({band}, {', '.join(least)})")
    con.execute("create table buckets (place bigint, bucket ubigint)")
    (n_texts,) = con.execute("select count(*) from spoken").fetchall()[0]
    n_parts = -(-n_texts // PART)
    for part in range(n_parts):
        con.execute(
            f"""insert into buckets select place, unnest(bands) from (
                  select place, [{", ".join(bands)}] as bands
                  from (select place, unnest(shingles) as shingle
                        from ({_shingles(f"(from spoken where place % {n_parts} = {part})")}))
                  group by place)"""
        )
    con.execute(
        """create table meeting as
           select place, list(bucket) as buckets from buckets
           semi join (select bucket from buckets group by bucket having count(*) > 1) using (bucket) group by place"""
    )
    con.execute("drop table buckets")
    found: list[tuple[int, int, float]] = []
    kept_in: dict[int, list[int]] = {}
    shingles_of: dict[int, array[int]] = {}
    con.execute(
        f"""select place, buckets, shingles from meeting join ({_shingles("spoken semi join meeting using (place)")})
            using (place) order by place"""
    )
    while batch := con.fetchmany(1_000):
        for place, buckets, shingles in batch:
            shared = Counter(kept for bucket in buckets for kept in kept_in.get(bucket, ()))
            asked = sorted(shared, key=lambda kept: (-shared[kept], kept))[:MAX_ASKED]
            own = set(shingles)
            for kept in sorted(asked):
                common = len(own.intersection(shingles_of[kept]))
                jaccard = common / (len(own) + len(shingles_of[kept]) - common)
                if jaccard >= near:
                    found.append((place, kept, jaccard))
                    break
            else:
                shingles_of[place] = array("Q", own)
                for bucket in buckets:
                    listed = kept_in.setdefault(bucket, [])
                    if len(listed) < MAX_BUCKET:
                        listed.append(place)
    return found


def _shingles(texts: str) -> str:
    """SQL for `place` and `shingles` (hashes, repeated as they are) of a relation; a text of fewer tokens is one."""
    ends = ", ".join(f"w[i + {n}]" for n in range(SHINGLE))
    return f"""select place, list_transform(
                 range(1, greatest(len(w) - {SHINGLE - 1}, 1) + 1), lambda i: hash({ends})) as shingles
               from (select place, list_transform(string_split(tokens, ' '), lambda x: hash(x)) as w from {texts})"""
