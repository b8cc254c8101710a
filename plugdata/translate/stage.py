"""The rows of the translate stage: outcomes of the task laid beside the texts they translate. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

from plugdata.rows import TRANSLATE, Reason, Status, conform
from plugdata.translate.protocols import SEGMENTS
from plugdata.translate.task import STAGE, Outcome

VERSION = 2
"""Raised when the same answers would give other rows."""


def apply(
    batch: pl.DataFrame, lang: str, prompt: str, outcomes: Iterable[tuple[Outcome, Sequence[str]]]
) -> pl.DataFrame:
    """rows.TRANSLATE: adds lang, target_*, model, prompt, n_calls, and the verdict of rows that did not make it.

    Needs: rows.SCREEN. `outcomes`: of each kept row, in order, with the models (served_as) whose answers it used, the
    last of which is noted. Rows: all kept, same order; those taken out earlier get nulls and keep their verdict.
    """
    coming = iter(outcomes)
    laid = [_row(*next(coming)) if status == Status.KEPT else _NOTHING for status in batch["status"]]
    added = pl.DataFrame(laid, schema={name: TRANSLATE[name] for name in _NOTHING}, orient="row", strict=False)
    verdict = added.select("status", "stage", "reason", "reasons", "detail")
    decided = verdict["status"].is_not_null()
    both = batch.with_columns(
        pl.when(decided).then(verdict[name]).otherwise(pl.col(name)).alias(name) for name in verdict.columns
    ).with_columns(added.drop(verdict.columns))
    asked = both["n_calls"].is_not_null()
    return conform(
        both.with_columns(
            lang=pl.lit(lang),
            prompt=pl.when(asked).then(pl.lit(prompt)),
        ),
        TRANSLATE,
    )


_NOTHING: dict[str, Any] = dict.fromkeys(
    ["status", "stage", "reason", "reasons", "detail", *(f"target_{name}" for name in SEGMENTS), "model", "n_calls"]
)


def _row(outcome: Outcome, by: Sequence[str]) -> dict[str, Any]:
    texts = {f"target_{name}": text for name, text in outcome.texts.items()}
    row = {**_NOTHING, **texts, "model": by[-1] if by else None, "n_calls": len(by)}
    if outcome.reason is None:
        return row
    verdict = {"status": outcome.status, "stage": STAGE, "reason": outcome.reason, "reasons": [outcome.reason]}
    return {**row, **verdict, "detail": outcome.detail}


def missing(error: tuple[str, str] | None) -> Outcome:
    """The outcome of a row that lacks an answer: failed, with the class and words of its call's latest error."""
    return Outcome({}, Reason.CALL_FAILED, ": ".join(error) if error else "not asked")
