"""What came of rows laid beside them, the verdict of those that it takes out included. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from plugdata.rows import VERDICT, Reason, Status, conform


def beside(batch: pl.DataFrame, made: Iterable[Mapping[str, Any]], contract: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The rows with the columns of a contract that they lack, and the verdicts that were made. All rows, same order.

    `made`: of each kept row, in order, its values by column; those that it leaves out are null, or stay as they are if
    they are of the verdict. Rows taken out earlier get nulls.
    """
    new = {name: dtype for name, dtype in contract.items() if name not in batch.columns}
    coming = iter(made)
    values = [next(coming) if status == Status.KEPT else {} for status in batch["status"]]
    added = pl.DataFrame(
        [{name: value.get(name) for name in (*new, *VERDICT)} for value in values],
        schema={**new, **VERDICT},
        orient="row",
    )
    decided = added["status"].is_not_null()
    verdict = (pl.when(decided).then(added[name]).otherwise(pl.col(name)).alias(name) for name in VERDICT)
    return conform(batch.with_columns(*verdict, *added.select(*new)), dict(contract))


def verdict(stage: str, status: Status, reasons: Iterable[Reason], detail: str | None) -> dict[str, Any]:
    """The columns of a verdict; its reason is the first of several."""
    told = list(dict.fromkeys(reasons))
    return {"status": status, "stage": stage, "reason": told[0], "reasons": told, "detail": detail}
