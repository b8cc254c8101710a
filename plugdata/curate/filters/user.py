"""The recipe's own filters: a DuckDB expression, or a Python function, that says which rows stay.

Each reads a row's columns (rows.MEASURE) and is true for what stays; null stays too, as everywhere. It sees one row at
a time, so that a verdict does not depend on how rows are batched, and an expression reaches no file. What goes wrong in
one is told by its name.
"""

import hashlib
import importlib.util
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from plugdata import recipe, rows
from plugdata.errors import InputError
from plugdata.rows import kept

Function = Callable[[Mapping[str, Any]], object]


def identity(filters: Iterable[recipe.UserFilter]) -> list[list[str]]:
    """What the verdicts of some filters depend on: names, expressions, functions with the content of their files.

    Raises InputError for a file that cannot be read or a filter that cannot be used, before a row is judged.
    """
    nothing = pl.DataFrame(schema=rows.MEASURE)
    said = []
    for one in filters:
        if one.sql is not None:
            _by_sql(one, nothing)
            said.append([one.name, one.sql])
        else:
            path, name = _place(one)
            try:
                content = path.read_bytes()
            except OSError as error:
                raise _fault(one, f"{path} cannot be read: {error.strerror}") from None
            digest = hashlib.sha256(content).hexdigest()
            _function(one, digest)
            said.append([one.name, name, digest])
    return said


def failed(batch: pl.DataFrame, filters: Sequence[recipe.UserFilter]) -> pl.Series:
    """The name of the filter that is false for a row, or their names; null where there is none.

    Raises InputError for an expression or function that fails, with the id of the row where there is one.
    """
    dropped: list[list[str]] = [[] for _ in range(batch.height)]
    places = batch["status"].eq(rows.Status.KEPT).arg_true().to_list() if filters else []
    asked = batch.filter(kept()) if places else batch.head(0)
    for one in filters if places else ():
        said = _by_sql(one, asked) if one.sql is not None else _by_python(one, asked)
        for place, stays in zip(places, said, strict=True):
            if stays is False:
                dropped[place].append(one.name)
    return pl.Series([", ".join(names) or None for names in dropped], dtype=pl.String)


def _by_sql(one: recipe.UserFilter, asked: pl.DataFrame) -> list[bool | None]:
    import duckdb

    with duckdb.connect(config={"enable_external_access": False}) as connection:
        connection.register("asked", asked.to_arrow())
        asks = f"cast((\n{one.sql}\n) as boolean)"  # a line of its own: the expression may end in a comment
        try:
            found = connection.sql(f"select {asks} from asked")
            try:
                connection.sql(f"select 1 from asked where {asks}")
            except duckdb.BinderException:  # where a condition stands there are no aggregates and no windows
                raise _fault(one, "it takes rows together; a filter sees one row at a time") from None
            said = found.fetchall()
        except duckdb.Error as error:
            raise _fault(one, str(error).partition("\n")[0]) from None
    return [stays for (stays,) in said]


def _by_python(one: recipe.UserFilter, asked: pl.DataFrame) -> list[bool | None]:
    path, _ = _place(one)
    function = _function(one, hashlib.sha256(path.read_bytes()).hexdigest())
    said: list[bool | None] = []
    for row in asked.iter_rows(named=True):
        try:
            stays = function(row)
        except Exception as error:  # the user's code: whatever it raises is theirs to hear of
            raise _fault(one, f"{type(error).__name__}: {error} in row {row['id']}") from error
        if not isinstance(stays, bool | None):
            raise _fault(one, f"gave {stays!r} for row {row['id']}, not True, False or None")
        said.append(stays)
    return said


@cache
def _function(one: recipe.UserFilter, digest: str) -> Function:
    """The function of a file with this content."""
    path, name = _place(one)
    spec = importlib.util.spec_from_file_location(f"plugdata_user_{digest}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise _fault(one, f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise _fault(one, f"{path} has no function {name!r}")
    return function  # type: ignore[no-any-return]


def _place(one: recipe.UserFilter) -> tuple[Path, str]:
    path, _, name = (one.python or "").rpartition(":")
    return Path(path), name


def _fault(one: recipe.UserFilter, what: str) -> InputError:
    return InputError(f"filter.user {one.name!r}: {what}", "docs/filters.md shows both kinds")
