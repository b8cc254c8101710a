"""The rows that a report shows: of every language some kept ones and some of each reason, nearest to a bound first.

Half of a group are those nearest to the bound that decides it, for they tell whether it lies right; half are there by
chance, for those tell what the group is like. What a group has no bound for is all by chance.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import Any, NamedTuple

import polars as pl

from plugdata.recipe import Recipe
from plugdata.review import chosen, measured
from plugdata.review.chosen import View
from plugdata.review.measured import Bounds
from plugdata.review.screen import interval
from plugdata.review.shown import cut
from plugdata.review.stats import ALL, Line, funnel
from plugdata.rows import FIELDS, Reason, kept

KEPT, TAKEN_OUT = 60, 12
"""Rows of a language that are kept, and of each reason, if the page has room: an hour's reading for three languages."""
EXCERPT = 1200
"""Characters of a text: of 999 Alpaca rows 98 % are shorter, and a page takes some 300 rows of four such texts."""


class Measured(NamedTuple):
    """A measurement of a row: of its halves, or of the whole."""

    name: str
    values: tuple[float | None, ...]
    bounds: str


class Shown(NamedTuple):
    """A row as the page shows it. `near`: how far the measurement `bound` is from the nearer of its `limits`, the least
    of all that decide over the row; None: there is none."""

    lang: str
    values: Mapping[str, Any]  # rows.PAIR, texts cut
    near: float | None
    bound: str
    limits: Bounds
    measured: list[Measured]


def choose(views: Iterable[View], recipe: Recipe, unshown: Collection[Reason] = ()) -> list[Shown]:
    """Rows in the order in which a page takes them while it has room: the first of every group, then the second.

    unshown: reasons whose rows are left out, and with them rows that may be alike: their duplicates, and where personal
    data is taken out those that were not looked at for any.
    """
    groups = [group for view in views for group in _groups(view, recipe, unshown)]
    return [row for rank in zip_longest(*groups) for row in rank if row is not None]


def _groups(view: View, recipe: Recipe, unshown: Collection[Reason]) -> Iterator[list[Shown]]:
    """The rows of a language: those kept, then those of each stage and reason in the order of the funnel."""
    bounds = view.bounds(recipe)
    lines = [line for line in funnel(view.manifest, [view.lang or ALL]).lines if line.reason not in unshown]
    nears = [chosen.nearest(chosen.THRESHOLD, bounds), *(_near(line.reason, bounds) for line in lines)]
    shown = _shown_in(view, recipe, unshown)
    wheres = [kept(), *(_taken_out(line) & shown for line in lines)]
    sizes = [KEPT, *(TAKEN_OUT for _ in lines)]
    asked = []
    for where, near, n in zip(wheres, nears, sizes, strict=True):
        asked.append(chosen.pick(view.scan(), where, n))
        asked.append(chosen.pick(view.scan(), where, n if near is not None else 0, by=near))
    picked = [frame["ordinal"].to_list() for frame in pl.collect_all(asked, engine="streaming")]
    rows = _read(view, bounds, sorted({ordinal for some in picked for ordinal in some}))
    for nth, (near, n) in enumerate(zip(nears, sizes, strict=True)):
        by_chance, nearest = picked[2 * nth], picked[2 * nth + 1]
        ordinals = [o for pair in zip_longest(nearest, by_chance) for o in pair if o is not None]
        reason = lines[nth - 1].reason if nth else None
        of = [c for c in bounds if measured.is_share(c)] if reason is None else measured.of_reason(reason, bounds)
        chosen_rows = list(dict.fromkeys(ordinals))[:n]
        yield [_shown(view, rows[o], of if near is not None else [], bounds) for o in chosen_rows if o in rows]


def _near(reason: str, bounds: Mapping[str, Bounds]) -> pl.Expr | None:
    found = [measured.distance(column, bounds[column]) for column in measured.of_reason(reason, bounds)]
    return pl.min_horizontal(found) if found else None


def _taken_out(line: Line) -> pl.Expr:
    return (pl.col("stage") == line.stage) & (pl.col("status") == line.status) & (pl.col("reason") == line.reason)


def _shown_in(view: View, recipe: Recipe, unshown: Collection[Reason]) -> pl.Expr:
    """Which rows that were taken out may be shown."""
    names = view.scan().collect_schema().names() if unshown else []
    found = [pl.col("reasons").list.set_intersection(list(unshown)).list.len().fill_null(0) == 0] if unshown else []
    found += [pl.col("kept_id").is_null()] if "kept_id" in names else []
    if Reason.PII in unshown and recipe.filter.pii.action in ("drop", "mask") and "pii" in names:
        n_kinds = pl.col("pii").list.len()  # null: never looked at, so not masked either
        found.append(n_kinds == 0 if recipe.filter.pii.action == "drop" else n_kinds.is_not_null())
    return pl.all_horizontal(found) if found else pl.lit(True)


def _read(view: View, bounds: Mapping[str, Bounds], ordinals: list[int]) -> dict[int, dict[str, Any]]:
    """Rows by their ordinal, texts cut, with `_COLUMN`: how far each bounded measurement is from its bound."""
    distances = [measured.distance(column, limits).alias(f"_{column}") for column, limits in bounds.items()]
    found = {}
    for row in view.read(ordinals).with_columns(distances).iter_rows(named=True):
        texts = {name: row[name] and cut(row[name], EXCERPT) for half in FIELDS for name in (half, f"pivot_{half}")}
        found[row["ordinal"]] = {**row, **texts}
    return found


def _shown(view: View, row: Mapping[str, Any], near: Iterable[str], bounds: Mapping[str, Bounds]) -> Shown:
    distances = [(row[f"_{column}"], column) for column in near if row[f"_{column}"] is not None]
    distance, nearest = min(distances, default=(None, ""))
    of: dict[str, list[str]] = {}
    for column in measured.columns(view.scan().collect_schema()):
        of.setdefault(measured.base(column), []).append(column)
    limits = bounds.get(nearest, Bounds(None, None))
    found = [_measured(row, name, columns, bounds) for name, columns in of.items()]
    return Shown(view.lang or ALL, row, distance, nearest, limits, found)


def _measured(row: Mapping[str, Any], name: str, columns: list[str], bounds: Mapping[str, Bounds]) -> Measured:
    by_field = {measured.field_of(column): row[column] for column in columns}
    values = (by_field[None],) if None in by_field else tuple(by_field.get(field) for field in FIELDS)
    return Measured(name, values, " · ".join(dict.fromkeys(interval(bounds[c]) for c in columns if c in bounds)))
