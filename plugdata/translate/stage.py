"""The rows of the translate stage: outcomes of the task laid beside the texts they translate. Pure."""

from collections.abc import Iterable
from typing import Any

import polars as pl

from plugdata.rows import TRANSLATE, VERDICT, Reason, Status, conform
from plugdata.translate.ask import STAGE
from plugdata.translate.attempt import Outcome
from plugdata.translate.protocols import SEGMENTS

VERSION = 4
"""Raised when the same answers would give other rows."""


def apply(
    batch: pl.DataFrame, lang: str, prompt: str | None, outcomes: Iterable[tuple[Outcome, str | None, int]]
) -> pl.DataFrame:
    """rows.TRANSLATE: adds lang, target_*, model, prompt, n_calls, mended, the verdict of rows that did not make it,
    and task classes that a model named.

    Needs: rows.SCREEN. `outcomes`: of each kept row, in order, with what gave the last answer it used and the number of
    those. Rows: all kept, same order; those taken out earlier get nulls and keep their verdict.
    """
    coming = iter(outcomes)
    laid = [_row(*next(coming)) if status == Status.KEPT else _NOTHING for status in batch["status"]]
    added = pl.DataFrame(laid, schema={name: TRANSLATE[name] for name in _NOTHING}, orient="row", strict=False)
    verdict = added.select(*VERDICT)
    decided = verdict["status"].is_not_null()
    both = batch.with_columns(
        pl.when(decided).then(verdict[name]).otherwise(pl.col(name)).alias(name) for name in verdict.columns
    ).with_columns(
        added.drop(*verdict.columns, *_NAMED),
        **{name: pl.coalesce(added[name], pl.col(name)) for name in _NAMED},
    )
    asked = both["n_calls"].is_not_null()
    return conform(
        both.with_columns(
            lang=pl.lit(lang),
            prompt=pl.when(asked).then(pl.lit(prompt, pl.String)),
        ),
        TRANSLATE,
    )


_NAMED = ("task_class", "policy")
_NOTHING: dict[str, Any] = dict.fromkeys(
    [*VERDICT, *(f"target_{name}" for name in SEGMENTS), "model", "n_calls", "mended", *_NAMED]
)


def _row(outcome: Outcome, by: str | None, n_calls: int) -> dict[str, Any]:
    texts = {f"target_{name}": text for name, text in outcome.texts.items()}
    row = {
        **_NOTHING,
        **texts,
        "model": by,
        "n_calls": n_calls,
        "mended": list(outcome.mended),
        "task_class": outcome.task_class,
        "policy": outcome.policy,
    }
    if outcome.reason is None:
        return row
    verdict = {"status": outcome.status, "stage": STAGE, "reason": outcome.reason, "reasons": list(outcome.reasons)}
    return {**row, **verdict, "detail": outcome.detail}


def missing(error: tuple[str, str] | None) -> Outcome:
    """The outcome of a row that lacks an answer: failed, with the class and words of its call's latest error."""
    return Outcome({}, (Reason.CALL_FAILED,), ": ".join(error) if error else "not asked")
