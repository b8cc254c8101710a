"""What the filters look at, as columns: put together from the modules beside this one, and what a text is by itself."""

from typing import Any

import polars as pl

from plugdata import languages, rows
from plugdata.checks import lid, numbers, untranslated
from plugdata.checks.prose import prose
from plugdata.curate.filters import agreement, fresh, language, tokens
from plugdata.rows import FIELDS, kept

_MEASURED = {name: dtype for name, dtype in rows.MEASURE.items() if name not in rows.PAIR}


def measure(
    batch: pl.DataFrame,
    model: lid.Model,
    tokenizer: Any | None = None,
    *,
    candidates: tuple[str, ...] = (),
    find_pii: bool = True,
) -> pl.DataFrame:
    """Add what the filters look at, of both fields (rows.MEASURE).

    `model` identifies languages (lid.load), among the `candidates` if there are any (lid.scores); `tokenizer` counts
    tokens (tokens.load; without one n_tokens_* is null); `find_pii`: else `pii` is null.

    Needs: rows.PAIR, of one language. Rows: all, same order; those not kept are not measured (null).
    Soft checks compare with the pivot: `numbers_*`, `leftover_*` and `untranslated_*` its prose, the others its whole
    text.
    `lid_*`, `script_*` read the field's prose and may abstain (null); `n_chars_*`, `ratio_*` count the whole field in
    Unicode characters. An empty pivot gives a null ratio, never inf. A field that is null (a prompt alone has no
    response) is not measured. What is new in the target is told in fresh.py.
    """
    if batch.select(kept().all()).item() and batch.height:
        return rows.conform(batch.with_columns(_measured(batch, model, tokenizer, candidates, find_pii)), rows.MEASURE)
    asked = batch.with_row_index("_place").filter(kept())
    if asked.is_empty():
        return rows.conform(
            batch.with_columns(pl.lit(None, dtype).alias(n) for n, dtype in _MEASURED.items()), rows.MEASURE
        )
    measured = pl.DataFrame([asked["_place"], *_measured(asked, model, tokenizer, candidates, find_pii)])
    whole = batch.with_row_index("_place").join(measured, on="_place", how="left", maintain_order="left")
    return rows.conform(whole, rows.MEASURE)


def _measured(
    asked: pl.DataFrame, model: lid.Model, tokenizer: Any | None, candidates: tuple[str, ...], find_pii: bool
) -> list[pl.Series]:
    """The measured columns of some rows."""
    target, pivot = languages.get(asked["lang"][0]), languages.get(asked["pivot_lang"][0])
    proses = pl.DataFrame([prose(asked[name]) for half in FIELDS for name in (f"pivot_{half}", half)])
    texts = fields(asked)
    foreign = numbers.foreign_digits(texts["source"]) | numbers.foreign_digits(texts["target"])
    of_fields = [
        *agreement.measured(texts, fields(proses), foreign, untranslated.between(pivot, target)),
        *fresh.measured(texts, pivot.code, target.code, foreign),
        *_lengths(texts),
    ]
    return [
        *language.measured(proses, target, pivot, model, candidates),
        *(
            column.slice(n * asked.height, asked.height).alias(f"{column.name}_{field}")
            for column in of_fields
            for n, field in enumerate(FIELDS)
        ),
        *agreement.agreements(agreement.OF_BOTH, asked.select("pivot_instruction", "pivot_response", *FIELDS)),
        fresh.equal(asked),
        fresh.personal(texts, foreign) if find_pii else pl.Series("pii", [None] * asked.height, pl.List(pl.String)),
        *tokens.measured(asked, tokenizer),
    ]


def fields(rows: pl.DataFrame) -> pl.DataFrame:
    """`source` and `target` of all instructions, then of all responses: what is asked of both is asked once."""
    halves = [rows.select(source=f"pivot_{field}", target=field) for field in FIELDS]
    return pl.concat(halves, rechunk=True)


def _lengths(texts: pl.DataFrame) -> list[pl.Series]:
    n_chars, n_pivot = (texts[name].str.len_chars() for name in ("target", "source"))
    ratio = n_chars / n_pivot.fill_null(0).replace(0, None)
    return [n_chars.cast(pl.Int64).alias("n_chars"), ratio.alias("ratio")]
