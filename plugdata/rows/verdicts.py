"""Ids, and what takes a row out. Knows no stage: whoever takes rows out says which one it is."""

import unicodedata
from collections.abc import Iterable

import polars as pl

from plugdata.errors import ContractError
from plugdata.hashing import tagged_hash
from plugdata.rows.reasons import Reason, Status


def row_id(instruction: str, input: str, response: str, system: str | None = None) -> str:
    """The id of a row: tagged 128-bit BLAKE2b of its texts (NFC, edges stripped) as canonical JSON.

    128 bits: among 10⁹ rows a chance collision has odds below 10⁻²⁰.
    """
    texts = [instruction, input, response] + ([system] if system else [])
    return tagged_hash([unicodedata.normalize("NFC", text).strip() for text in texts])


def conform(frame: pl.DataFrame, contract: dict[str, pl.DataType]) -> pl.DataFrame:
    """The frame with exactly the contract's columns, in its order and types. Raises ContractError if one lacks."""
    if frame.schema == contract and frame.columns == [*contract]:
        return frame
    lacking = [name for name in contract if name not in frame.columns]
    if lacking:
        raise ContractError(f"rows lack the column {lacking[0]!r}", "was the corpus made by another release?")
    return frame.select(pl.col(name).cast(dtype) for name, dtype in contract.items())


def kept() -> pl.Expr:
    """Which rows are still kept."""
    return pl.col("status") == Status.KEPT


def take_out(
    rows: pl.DataFrame, stage: str, status: Status, checks: Iterable[tuple[Reason, pl.Expr, pl.Expr]]
) -> pl.DataFrame:
    """Set the verdict of every kept row for which a check holds; all other rows and columns are left untouched.

    checks: (reason, condition, detail) in order of precedence; a null condition means the check abstains. A detail says
    its words of a row by itself: it is asked only of the rows that are taken out.
    `reason` and `detail` become those of the first that holds, `reasons` all that hold.
    """
    checks = list(checks)
    names = [f"_{reason}" for reason, _, _ in checks]
    # each condition once, as a column: it is used many times below
    asked = rows.with_row_index("_row").with_columns(
        (kept() & condition.fill_null(False)).alias(name) for name, (_, condition, _) in zip(names, checks, strict=True)
    )
    held = [(name, text) for name, (_, _, text) in zip(names, checks, strict=True) if asked[name].any()]
    if not held:
        return rows
    reasons = pl.concat_list(pl.when(name).then(pl.lit(name[1:])) for name, _ in held).list.drop_nulls()
    details = [pl.when(name).then(text.cast(pl.String)) for name, text in held]
    verdict = {
        "status": pl.lit(str(status)),
        "stage": pl.lit(stage),
        "reason": reasons.list.first(),
        "reasons": reasons,
        "detail": pl.coalesce(details),
    }
    told = {f"_{column}": new for column, new in verdict.items()}
    out = asked.filter(pl.any_horizontal(name for name, _ in held)).select("_row", _out=pl.lit(True), **told)
    joined = rows.with_row_index("_row").join(out, on="_row", how="left", maintain_order="left")
    judged = {column: pl.when("_out").then(f"_{column}").otherwise(column) for column in verdict}
    return joined.select(judged.get(column, pl.col(column)).alias(column) for column in rows.columns)
