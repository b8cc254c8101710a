"""What is new in a target: repetition, refusals, words and signs that a translation should not have, personal data.

What the pivot has as well counts against no row: poems have refrains, and a task about prompts holds tags. What each
measures is told by the function of its name in checks/; here they are asked for whole columns, and Polars finds the few
texts worth asking about wherever it can.
"""

from collections.abc import Callable

import polars as pl

from plugdata import recipe
from plugdata.checks import pii, refusal, repeats, templates, words
from plugdata.checks.equal import END_APART, MAY_BE, gives_back
from plugdata.curate.filters.check import WHOLE, Bounds, Check, of_fields
from plugdata.rows import FIELDS, Reason


def measured(texts: pl.DataFrame, source: str, target: str, foreign: pl.Series) -> list[pl.Series]:
    """n_words … template of rows.MEASURE, but for `copied`. Needs: `source` and `target`, a field each, and of which
    languages they are; where either has a digit of another script (numbers.foreign_digits)."""
    pivot, text = texts["source"], texts["target"]
    found = {
        "n_words": words.n_words(text).cast(pl.Int64),
        "symbols": words.new_symbols(pivot, text),
        "digits": words.new_digits(pivot, text, foreign),
        "refusal": _refusals(pivot, text, source, target),
        "template": _of_some(_hints_at_template(text), templates.leaked, pivot, text),
    }
    return [*(column.alias(name) for name, column in found.items()), *_repeats(pivot, text)]


def _of_some(some: pl.Series, check: Callable[[str, str], str | None], pivot: pl.Series, text: pl.Series) -> pl.Series:
    """What a check says of pairs of texts where `some` is true; null elsewhere."""
    said: list[str | None] = [None] * len(text)
    for place in some.fill_null(False).arg_true().to_list():
        said[place] = check(pivot[place] or "", text[place])
    return pl.Series(said, dtype=pl.String)


def _hints_at_template(text: pl.Series) -> pl.Series:
    return text.str.contains_any(list(templates.CLUES), ascii_case_insensitive=True)


def _refusals(pivot: pl.Series, text: pl.Series, source: str, target: str) -> pl.Series:
    """checks.refusal.new_refusal of each pair."""

    def check(ours: str, theirs: str) -> str | None:
        return refusal.new_refusal(ours, theirs, source, target)

    return _of_some(refusal.may_refuse(text, source, target), check, pivot, text)


def _repeats(pivot: pl.Series, text: pl.Series) -> list[pl.Series]:
    """Compression of each text, and in words what the suspects repeat: 0 for all others, null for what is empty."""
    pairs = list(zip(pivot.fill_null("").to_list(), text.fill_null("").to_list(), strict=True))
    pressed = pl.Series("compression", [repeats.compression(*pair) for pair in pairs], pl.Float64)
    suspects = (pressed < repeats.SUSPECT).arg_true()
    found = pl.DataFrame([repeats.new(*pairs[place]) for place in suspects], _REPEATS, orient="row")
    nothing = pl.select(pl.when(pressed.is_not_null()).then(0)).to_series()
    return [pressed, *(nothing.cast(of.dtype).scatter(suspects, of).alias(of.name) for of in found)]


_REPEATS = {"repeated": pl.Float64, "repeated_lines": pl.Float64, "run": pl.Int64}
"""repeats.Repeats as columns."""


def equal(asked: pl.DataFrame) -> pl.Series:
    """checks.equal of each row."""
    some = asked.select(*FIELDS).with_row_index("_place").filter(MAY_BE).remove(END_APART)
    given_back = [place for place, instruction, response in some.iter_rows() if gives_back(instruction, response)]
    of_pivot = asked.select(pl.col("pivot_instruction", "pivot_response").gather(given_back).fill_null("")).iter_rows()
    found = [place for place, halves in zip(given_back, of_pivot, strict=True) if not gives_back(*halves)]
    return pl.repeat(False, asked.height, eager=True).alias("equal").scatter(found, True)


def personal(texts: pl.DataFrame, foreign: pl.Series) -> pl.Series:
    """The kinds of personal data in each row, in the order of pii.KINDS: in either field (the texts are those of all
    instructions, then of all responses), in either language."""
    n_rows = texts.height // 2
    found: dict[int, set[str]] = {}
    for text in texts:
        for place in pii.may_hold(text, foreign).arg_true().to_list():
            if some := pii.kinds(text[place]):
                found.setdefault(place % n_rows, set()).update(some)
    kinds = [[kind for kind in pii.KINDS if kind in held] for held in found.values()]
    rows = pl.DataFrame({"place": [*found], "pii": kinds}, {"place": pl.UInt32, "pii": pl.List(pl.String)})
    places = pl.int_range(n_rows, dtype=pl.UInt32, eager=True).alias("place").to_frame()
    told = places.join(rows, on="place", how="left", maintain_order="left")
    return told["pii"].fill_null([])


def masked(batch: pl.DataFrame, settings: recipe.Pii) -> pl.DataFrame:
    """The rows with personal data replaced in their four texts, where the recipe says so."""
    if settings.action != "mask":
        return batch
    some = batch["pii"].list.set_intersection(list(settings.kinds)).list.len() > 0
    texts = {name: batch[name].to_list() for half in FIELDS for name in (f"pivot_{half}", half)}
    for place in some.fill_null(False).arg_true().to_list():
        for text in texts.values():
            if text[place] is not None:
                text[place] = pii.masked(text[place], settings.kinds)
    return batch.with_columns(pl.Series(name, text, dtype=pl.String) for name, text in texts.items())


def by_repetition(settings: recipe.Filter, bounds: Bounds) -> Check:
    """A field that says again what its pivot says once."""
    asked = settings.repetition
    faults: tuple[tuple[Callable[[str], pl.Expr], str, str], ...] = (
        (lambda field: _above(f"repeated_{field}", asked.ngrams), "repeated", f"> {asked.ngrams} of words"),
        (lambda field: _above(f"repeated_lines_{field}", asked.lines), "repeated_lines", f"> {asked.lines} of lines"),
        (lambda field: _above(f"run_{field}", asked.run), "run", f"> {asked.run} times one character"),
        (
            lambda field: pl.col(f"compression_{field}") < pl.lit(asked.compression, pl.Float64),
            "compression",
            f"< {asked.compression} of the pivot's size when pressed together",
        ),
    )

    def condition(field: str) -> pl.Expr:
        return pl.any_horizontal(holds(field).fill_null(False) for holds, _, _ in faults)

    def detail(field: str) -> pl.Expr:
        told = [
            pl.when(holds(field)).then(pl.format(f"{{}} {words} in {field}", pl.col(f"{name}_{field}").round(3)))
            for holds, name, words in faults
        ]
        return pl.coalesce(told)

    return of_fields(Reason.REPETITION, condition, detail)


def by_refusal(settings: recipe.Filter, bounds: Bounds) -> Check:
    """A field that declines, or speaks of itself as a model, where its pivot does not."""
    return _by_words(Reason.REFUSAL, "refusal", settings.refusal.action)


def by_template(settings: recipe.Filter, bounds: Bounds) -> Check:
    """A field that holds something of a prompt or of a trainer's template, which its pivot lacks."""
    return _by_words(Reason.TEMPLATE, "template", settings.template.action)


def _by_words(reason: Reason, column: str, action: str) -> Check:
    def detail(field: str) -> pl.Expr:
        return pl.format(f"'{{}}' in {field}", pl.col(f"{column}_{field}"))

    return of_fields(reason, lambda field: pl.col(f"{column}_{field}").is_not_null() & (action == "drop"), detail)


def by_copying(settings: recipe.Filter, bounds: Bounds) -> Check:
    """A field many of whose words the pivot has."""
    most = settings.copying.max

    def detail(field: str) -> pl.Expr:
        return pl.format(f"{{}} > {most} of different words are the pivot's in {field}", _shown(f"copied_{field}"))

    return of_fields(Reason.COPYING, lambda field: _above(f"copied_{field}", most) & WHOLE, detail)


def by_symbols(settings: recipe.Filter, bounds: Bounds) -> Check:
    """A field with many symbols or digits more than its pivot."""
    most, digits = settings.symbols.max, settings.symbols.max_digits

    def condition(field: str) -> pl.Expr:
        return _above(f"symbols_{field}", most).fill_null(False) | _above(f"digits_{field}", digits).fill_null(False)

    def detail(field: str) -> pl.Expr:
        new = pl.format(f"{{}} > {most} of characters are new symbols in {field}", _shown(f"symbols_{field}"))
        return (
            pl.when(_above(f"symbols_{field}", most))
            .then(new)
            .otherwise(pl.format(f"{{}} > {digits} of characters are new digits in {field}", _shown(f"digits_{field}")))
        )

    return of_fields(Reason.SYMBOLS, condition, detail)


def by_equal(settings: recipe.Filter, bounds: Bounds) -> Check:
    """A response that is its instruction, or the last paragraph of it, where the pivot's is not."""
    return Check(
        Reason.EQUAL, pl.col("equal") & (settings.equal.action == "drop"), pl.lit("the response is in the instruction")
    )


def by_pii(settings: recipe.Filter, bounds: Bounds) -> Check:
    """Personal data, where the recipe drops it."""
    kinds = pl.col("pii").list.set_intersection(list(settings.pii.kinds))
    return Check(Reason.PII, (kinds.list.len() > 0) & (settings.pii.action == "drop"), kinds.list.join(", "))


def _above(column: str, most: float | None) -> pl.Expr:
    return pl.col(column) > pl.lit(most, pl.Float64)


def _shown(column: str) -> pl.Expr:
    return pl.col(column).round(3)
