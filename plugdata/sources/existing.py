"""Translations that one already has, laid beside the rows of a corpus: by the records' own ids, else by order.

Owns how a record of the one file finds its row of the other. A file that cannot be laid beside the sources without
a guess is refused whole (InputError); a row that the file merely lacks is told why, and so becomes a row without a
translation, never one with a neighbour's. Must not know whether a translation is any good.

- An id counts only if the records have it themselves: the number that a row without one bears as `source_id` says
  where it stood, so it pairs nothing (files whose ids start at 1 would be off by one throughout).
- Rows that were published before have the corpus's own ids: a file whose `columns` name them is paired by those.
- The translations wait in SQLite on disk: each is fetched once, when its row comes by, in whatever order the rows
  have, so that nothing is sorted and memory does not grow with the file.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

import polars as pl

from plugdata.corpus.files import writing
from plugdata.errors import CorpusError, InputError
from plugdata.recipe import Source
from plugdata.recipe.translation import Existing
from plugdata.rows import kept
from plugdata.sources.read import has_ids, read

COLUMNS = {
    "target_instruction": pl.String(),
    "target_input": pl.String(),
    "target_response": pl.String(),
    "lacking": pl.String(),  # why a kept row has no translation
}
"""What `beside` adds to rows."""


def source_of(given: Existing, pivots: Sequence[Source]) -> Source:
    """Existing translations as something that sources read: as the pivot's records are, so that the texts match."""
    folded = any(pivot.system == "fold" for pivot in pivots)
    return Source(path=given.path, columns=given.columns, system="fold" if folded else "ignore")


def beside(
    given: Existing,
    pivots: Sequence[Source],
    batches: Callable[[], Iterable[pl.DataFrame]],
    spill: Path,
    *,
    folder: Path = Path(),
    limit: int | None = None,
    responses: bool = True,
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[pl.DataFrame]:
    """The batches with COLUMNS added: each kept row's translation, or why there is none.

    Needs: rows.SOURCE, all rows of a corpus, twice. Rows: all, same order; those not kept get nulls. `limit` is that
    of all sources, at which they were cut: what `given` holds beyond it is left alone; of what else is nobody's, `say`
    gets a line. folder: what relative paths are relative to. spill: a directory for the translations meanwhile, made
    and removed if need be.
    Raises: SourceError for a file that cannot be read; InputError where records cannot be told to belong together;
    CorpusError if the disk is full.
    """
    path = spill / "existing.sqlite"
    with writing(spill):
        spill.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # what a killed run left
    name = Path(given.path).name
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.executescript("pragma journal_mode = off; pragma synchronous = off; begin")
            _load_given(db, read(source_of(given, pivots), folder, lang=given.lang, responses=responses))
            _load_pivot(db, batches())
            key = "id" if "id" in given.columns else "source_id"
            if key == "source_id" and not _has_common_ids(db, given, pivots, folder):
                _check_counts(db, name, pivots, limit)
                key = "ordinal"
            elif key == "source_id" and limit is None:
                _say_left_over(db, name, say)
            for batch in batches():
                yield _beside(db, batch, key, name)
    except sqlite3.Error as error:
        raise CorpusError(f"laying {name} beside its source needs more than {spill} holds: {error}") from error
    finally:
        path.unlink(missing_ok=True)
        with suppress(OSError):  # another's files may lie there
            spill.rmdir()


def _load_given(db: sqlite3.Connection, frames: Iterable[pl.DataFrame]) -> None:
    db.execute("create table given (ordinal integer primary key, id, source_id, instruction, input, response, fault)")
    fault = pl.when(~kept()).then(pl.format("{}: {}", "place", "detail"))
    # what could not be read has its number for an id, which may be another's own
    own = pl.when(kept() | (pl.col("source_id") != pl.col("ordinal").cast(pl.String))).then("source_id")
    for frame in frames:
        found = frame.select("ordinal", "id", own, "instruction", "input", "response", fault=fault)
        db.executemany("insert into given values (?, ?, ?, ?, ?, ?, ?)", found.iter_rows())
    db.execute("create index given_by_id on given (id)")
    db.execute("create index given_by_source_id on given (source_id)")


def _load_pivot(db: sqlite3.Connection, frames: Iterable[pl.DataFrame]) -> None:
    """Every row, its id as `source_id` if it could be used: twins and bad records need no translation."""
    db.execute("create table pivot (ordinal, source_id, id)")
    usable = pl.when((pl.col("stage") != "source").fill_null(True)).then("source_id")
    for frame in frames:
        db.executemany(
            "insert into pivot values (?, ?, ?)", frame.select("ordinal", usable, id="source_id").iter_rows()
        )
    db.execute("create index pivot_by_id on pivot (source_id)")


def _has_common_ids(db: sqlite3.Connection, given: Existing, pivots: Sequence[Source], folder: Path) -> bool:
    """Whether rows are to be paired by id. Raises InputError if they must be and cannot."""
    if given.by == "order":
        return False
    names = {"pivot": _name(pivots), "given": Path(given.path).name}
    own = {
        "pivot": all(has_ids(pivot, folder) for pivot in pivots),
        "given": has_ids(source_of(given, pivots), folder, given.lang),
    }
    lacking = next((name for table, name in names.items() if not own[table]), None)
    if lacking and given.by == "auto":
        return False
    if lacking:
        raise InputError(f"{lacking}: not every record has an id of its own, so nothing can be paired by id", _ID_HINT)
    for table, name in names.items():
        if doubled := _doubled(db, table):
            if given.by == "auto" and _same_ids_in_order(db):
                return False
            raise InputError(
                f"{name}: the id {doubled!r} stands more than once, so nothing can be paired by id", _ID_HINT
            )
    (n_common,) = db.execute("select count(*) from pivot join given using (source_id)").fetchone()
    if not n_common:
        raise InputError(f"{names['given']} has no id in common with {names['pivot']}", _ID_HINT)
    return True


_ID_HINT = "name the column of the ids (source_id=…), or pair by order if the records stand in the same order"


def _doubled(db: sqlite3.Connection, table: str) -> str | None:
    """An id that more than one record of a table has."""
    grouped = f"select source_id from {table} where source_id is not null group by source_id having count(*) > 1"
    found = db.execute(f"{grouped} limit 1").fetchone()
    return found[0] if found else None


def _say_left_over(db: sqlite3.Connection, name: str, say: Callable[[str], None]) -> None:
    nobodys = "source_id is not null and source_id not in (select id from pivot where id is not null)"
    n, first = db.execute(f"select count(*), min(source_id) from given where {nobodys}").fetchone()
    if n:
        say(f"{name}: {n} {'record has an id' if n == 1 else 'records have ids'} that no row has, e.g. {first!r}")


def _same_ids_in_order(db: sqlite3.Connection) -> bool:
    """Whether both tables have the same ids in the same order, so that order pairs as ids would."""
    other = "select 1 from pivot join given using (ordinal) where pivot.id is not given.source_id limit 1"
    return db.execute(other).fetchone() is None


def _check_counts(db: sqlite3.Connection, name: str, pivots: Sequence[Source], limit: int | None) -> None:
    """Raise InputError if one file holds other records than the other, as far as counts can tell."""
    (n_given,) = db.execute("select count(*) from given").fetchone()
    (n_pivot,) = db.execute("select count(*) from pivot").fetchone()
    cut_at = {limit, pivots[0].limit if len(pivots) == 1 else None}
    if n_given == n_pivot or (n_given > n_pivot and n_pivot in cut_at):
        return
    holds = "holds" if len(pivots) == 1 else "hold"
    raise InputError(
        f"{_name(pivots)} {holds} {n_pivot:,} records, {name} {n_given:,}: they cannot be paired by order",
        "pair them by ids that both files have, or give each record of the one its place in the other",
    )


def _beside(db: sqlite3.Connection, batch: pl.DataFrame, key: str, name: str) -> pl.DataFrame:
    sql = f"select instruction, input, response, fault from given where {key} = ?"
    found: list[tuple[str | None, ...]] = []
    for sought, alive in batch.select(key, kept()).iter_rows():
        texts = db.execute(sql, (sought,)).fetchone() if alive else (None,) * len(COLUMNS)
        if texts is None:
            texts = (None, None, None, f"{name} has no record with the id {sought!r}")
        elif texts[-1] is not None:
            texts = (None, None, None, texts[-1])
        found.append(texts)
    return batch.hstack(pl.DataFrame(found, schema=COLUMNS, orient="row"))


def _name(sources: Sequence[Source]) -> str:
    return " and ".join(source.id or Path(str(source.path)).name for source in sources)
