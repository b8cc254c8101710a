"""The row-wise filters: `measure` (costly, adds columns) and `decide` (cheap, gives verdicts).

They are apart so that moving a threshold measures nothing again. A filter is one function and one line in FILTERS:
it reads measured columns and the recipe's thresholds, and says for which rows it holds and why. Both fields of a pair
are judged alike, for a PLUG row trains on both; a measurement that abstained (null) takes nothing out.

Thresholds are the recipe's. The soft checks (rows.AGREEMENTS, `options`) compare a target with its pivot and are
filters alike, of which most are only measured unless the recipe gives them a threshold.

Pure functions of a batch: no I/O, nothing across rows, rows and their order as they came. Batches may hold several
languages.
"""

from collections.abc import Callable
from typing import NamedTuple

import polars as pl

from plugdata import languages, recipe, rows
from plugdata.checks import corruption, lid, punctuation, script, structure
from plugdata.checks.leftover import leftover
from plugdata.checks.numbers import numbers
from plugdata.checks.options import options
from plugdata.checks.prose import prose
from plugdata.rows import Reason, Status, kept

MEASURE_VERSION = 2
DECIDE_VERSION = 2

STAGE = "filter"
FIELDS = ("instruction", "response")
_WHOLE = pl.col("policy").ne_missing("keep-span")
"""Rows that are translated whole. In others a span is left in another language on purpose, so that language ID, the
script and what is left of the source say nothing."""

Agreement = Callable[[str, str], float | None]
"""A soft check: how far a target agrees with its pivot, 0 to 1; None = nothing to judge."""

_MEASURED = {name: dtype for name, dtype in rows.MEASURE.items() if name not in rows.PAIR}

_OF_PROSE: dict[str, Agreement] = {"numbers": numbers, "leftover": leftover}
_OF_TEXT: dict[str, Agreement] = {
    "lists": structure.lists,
    "tables": structure.tables,
    "headings": structure.headings,
    "fences": structure.fences,
    "paragraphs": structure.paragraphs,
    "verse": structure.verse,
    "quotes": punctuation.quotes,
    "ends": punctuation.ends,
}


class Check(NamedTuple):
    """Why, for which rows, and the measurement in words."""

    reason: Reason
    condition: pl.Expr
    detail: pl.Expr


def measure(batch: pl.DataFrame, model: lid.Model) -> pl.DataFrame:
    """Add what the filters look at, of both fields (rows.MEASURE). `model` identifies languages (lid.load).

    Needs: rows.PAIR. Rows: all, same order; those not kept are not measured (null).
    Soft checks compare with the pivot: `numbers_*`, `leftover_*` its prose, the others its whole text.
    `lid_*`, `script_*` read the field's prose and may abstain (null); `n_chars_*`, `ratio_*` count the whole field in
    Unicode characters. An empty pivot gives a null ratio, never inf. A field that is null (a prompt alone has no
    response) is not measured.
    """
    numbered = batch.with_row_index("_place")
    measured = [_measured(part, model) for part in numbered.filter(kept()).partition_by("lang", maintain_order=True)]
    measured.append(pl.DataFrame(schema={"_place": pl.UInt32(), **_MEASURED}))
    whole = numbered.join(pl.concat(measured), on="_place", how="left", maintain_order="left")
    return rows.conform(whole, rows.MEASURE)


def decide(batch: pl.DataFrame, settings: recipe.Filter) -> pl.DataFrame:
    """Drop the kept rows that a filter finds fault with: status, stage, reason(s), detail (rows.FILTER).

    Needs: rows.MEASURE. Rows: all, same order; those not kept are left untouched. `reason` and `detail` are those of
    the first filter in the order of FILTERS, `reasons` all.
    """
    banded = batch.join(_bands(batch, settings.ratio), on=["lang", "pivot_lang"], how="left", maintain_order="left")
    decided = rows.take_out(banded, STAGE, Status.DROPPED, [of(settings) for of in FILTERS])
    return rows.conform(decided, rows.FILTER)


def by_lid(settings: recipe.Filter) -> Check:
    """A field that the identifier doubts *and* would call another language.

    Both, because it doubts right texts of the languages it knows least: of real Swahili passages of 100 to 300
    letters 33 % score below 0.5, and none of those is called another language; of Spanish translations 6.4 % score
    below, half of them called Spanish all the same. English left in place is called English.
    """
    least = settings.lid.min

    def detail(field: str) -> pl.Expr:
        looks_like = pl.format("; looks like '{}'", pl.col(f"lid_{field}_top"))
        return pl.format(f"p({{}}) {{}} < {least} in {field}", "lang", pl.col(f"lid_{field}").round(3)) + looks_like

    def condition(field: str) -> pl.Expr:
        doubted = (pl.col(f"lid_{field}") < least) & (pl.col(f"lid_{field}_top") != pl.col("lang"))
        return doubted & _WHOLE

    return _of_fields(Reason.LID, condition, detail)


def by_script(settings: recipe.Filter) -> Check:
    """A field whose letters are of other scripts."""
    least = settings.script.min

    def detail(field: str) -> pl.Expr:
        return pl.format(
            f"{{}} < {least} of letters in the script of {{}} in {field}", pl.col(f"script_{field}").round(3), "lang"
        )

    return _of_fields(Reason.SCRIPT, lambda field: (pl.col(f"script_{field}") < least) & _WHOLE, detail)


def by_length(settings: recipe.Filter) -> Check:
    """A field that is too short or too long."""
    low, high = settings.length.min_chars, settings.length.max_chars

    def detail(field: str) -> pl.Expr:
        n_chars = pl.col(f"n_chars_{field}")
        bound = pl.when(n_chars < low).then(pl.lit(f"< {low}")).otherwise(pl.lit(f"> {high}"))
        return pl.format(f"{{}} {{}} characters in {field}", n_chars, bound)

    return _of_fields(Reason.LENGTH, lambda field: ~pl.col(f"n_chars_{field}").is_between(low, high), detail)


def by_ratio(settings: recipe.Filter) -> Check:
    """A field too short or too long for its pivot; not judged where the pivot is short. Needs the band's columns."""
    long_enough = settings.ratio.min_chars

    def condition(field: str) -> pl.Expr:
        outside = ~pl.col(f"ratio_{field}").is_between("_ratio_min", "_ratio_max")
        return outside & (pl.col(f"pivot_{field}").str.len_chars() >= long_enough)

    def detail(field: str) -> pl.Expr:
        ratio = pl.col(f"ratio_{field}")
        low, high = pl.col("_ratio_min"), pl.col("_ratio_max")
        below = pl.format("< {}", low.round(3))
        bound = pl.when(ratio < low).then(below).otherwise(pl.format("> {}", high.round(3)))
        return pl.format(f"{{}} {{}} characters a pivot character in {field}", ratio.round(3), bound)

    return _of_fields(Reason.RATIO, condition, detail)


def by_options(settings: recipe.Filter) -> Check:
    """A response that is none of the choices its instruction offers, though the pivot's is."""
    least = settings.options.min
    detail = pl.format(f"{{}} < {least} of the response in the instruction", pl.col("options").round(3))
    return Check(Reason.OPTIONS, pl.col("options") < pl.lit(least, pl.Float64), detail)


def by_agreement(check: str) -> Callable[[recipe.Filter], Check]:
    """The filter of a soft check: a field that agrees too little with its pivot. A recipe's null drops nothing."""

    def of(settings: recipe.Filter) -> Check:
        least = getattr(settings, check).min

        def condition(field: str) -> pl.Expr:
            too_little = pl.col(f"{check}_{field}") < pl.lit(least, pl.Float64)
            return too_little & _WHOLE if check == "leftover" else too_little

        def detail(field: str) -> pl.Expr:
            return pl.format(f"{{}} < {least} in {field}", pl.col(f"{check}_{field}").round(3))

        return _of_fields(Reason(check), condition, detail)

    return of


FILTERS: tuple[Callable[[recipe.Filter], Check], ...] = (
    by_lid,
    by_script,
    by_length,
    by_ratio,
    *map(by_agreement, rows.AGREEMENTS),
    by_options,
)


def _measured(part: pl.DataFrame, model: lid.Model) -> pl.DataFrame:
    """The measured columns of kept rows of one language, beside `_place`."""
    language = languages.get(part["lang"][0])
    columns = [part["_place"]]
    for field in FIELDS:
        pivot, text = part[f"pivot_{field}"], part[field]
        pivot_prose, text_prose = prose(pivot), prose(text)
        p, top = lid.scores(model, text_prose, language)
        n_chars = text.str.len_chars()
        columns += [
            p.alias(f"lid_{field}"),
            top.alias(f"lid_{field}_top"),
            script.share(text_prose, language).alias(f"script_{field}"),
            n_chars.cast(pl.Int64).alias(f"n_chars_{field}"),
            (n_chars / pivot.fill_null("").str.len_chars().replace(0, None)).alias(f"ratio_{field}"),
            *(_agreement(check, pivot_prose, text_prose).alias(f"{name}_{field}") for name, check in _OF_PROSE.items()),
            *(_agreement(check, pivot, text).alias(f"{name}_{field}") for name, check in _OF_TEXT.items()),
            _corruption(pivot, text).alias(f"corruption_{field}"),
        ]
    halves = [part[name].fill_null("") for name in ("pivot_instruction", "pivot_response", *FIELDS)]
    chosen = [options(*texts) for texts in zip(*halves, strict=True)]
    return pl.DataFrame([*columns, pl.Series("options", chosen, pl.Float64)]).select("_place", *_MEASURED)


def _agreement(check: Agreement, pivot: pl.Series, text: pl.Series) -> pl.Series:
    """A soft check of each pair of texts; null where either is null."""
    pairs = zip(pivot.to_list(), text.to_list(), strict=True)
    found = [None if ours is None or theirs is None else check(ours, theirs) for ours, theirs in pairs]
    return pl.Series(found, dtype=pl.Float64)


def _corruption(pivot: pl.Series, text: pl.Series) -> pl.Series:
    """corruption.corruption of each pair: Polars finds the few texts worth asking about, thirty times as fast."""
    suspect = text.str.contains(corruption.PATTERN)
    asked = _agreement(corruption.corruption, pivot.fill_null(""), text.set(~suspect, None))
    return pl.select(pl.when(suspect).then(asked).when(text != "").then(1.0)).to_series()


def _bands(batch: pl.DataFrame, settings: recipe.Ratio) -> pl.DataFrame:
    """lang, pivot_lang, _ratio_min, _ratio_max: the recipe's band for all, or the table's for each."""
    pairs = batch.select("lang", "pivot_lang").unique().drop_nulls()
    bands = [settings.band or languages.ratio_band(pivot, lang) for lang, pivot in pairs.iter_rows()]
    return pairs.with_columns(
        pl.Series("_ratio_min", [low for low, _ in bands], pl.Float64),
        pl.Series("_ratio_max", [high for _, high in bands], pl.Float64),
    )


def _of_fields(reason: Reason, condition: Callable[[str], pl.Expr], detail: Callable[[str], pl.Expr]) -> Check:
    """A check that holds where it holds for a field; the details of those fields, joined."""
    details = [pl.when(condition(field)).then(detail(field)) for field in FIELDS]
    return Check(
        reason,
        pl.any_horizontal(condition(field) for field in FIELDS),
        pl.concat_str(details, separator=" · ", ignore_nulls=True),
    )
