"""The rows of the quality stage: which are asked about, what the estimates add to them, and which that takes out.

Pure. A row that was not sampled, whose estimate abstained or whose call failed has nulls and is never taken out:
only a measurement may speak against a row.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import polars as pl

from plugdata import rows
from plugdata.asking import Abstained
from plugdata.recipe.quality import BackTranslation, Judge, Quality
from plugdata.rows import QUALITY, Reason, Status, kept
from plugdata.translate.quality.back import FIELDS, STAGE, Back
from plugdata.translate.quality.judge import Verdict

if TYPE_CHECKING:
    from sacrebleu.metrics.chrf import CHRF

VERSION = 1
"""Raised when the same answers would give other rows."""

E = TypeVar("E")
Came = tuple[E | Abstained | None, Sequence[str]]
"""What an estimate of a row came to (None: its call failed), and the models (served_as) whose answers it used."""


class Counts(NamedTuple):
    """What became of an estimate: sampled = scored + abstained + failed; gated are those of the scored that it takes
    out, be it alone or not."""

    sampled: int = 0
    scored: int = 0
    abstained: int = 0  # the model answered, and the answer could not be used
    failed: int = 0  # the call failed; the next run asks again
    gated: int = 0

    def plus(self, other: "Counts") -> "Counts":
        """The counts of two batches together."""
        return Counts(*(a + b for a, b in zip(self, other, strict=True)))


class Applied(NamedTuple):
    """The rows of a batch (rows.QUALITY), and what became of each estimate."""

    rows: pl.DataFrame
    back_translation: Counts
    judge: Counts


def is_sampled(row_id: str, share: float) -> bool:
    """Whether a row is in a sample: the same ids in every language and run, a smaller sample within a larger one.

    Drawn from a hash of its own, so that shards and splits, which go by the id too, are sampled alike.
    """
    drawn = hashlib.blake2b(f"{STAGE}\0{row_id}".encode(), digest_size=8).digest()
    return int.from_bytes(drawn, "big") < share * 2**64


def chosen(batch: pl.DataFrame, estimate: BackTranslation | Judge | None) -> pl.DataFrame:
    """The rows that an estimate asks about: of those kept, the sample; none where it is not asked for. Same order."""
    if estimate is None:
        return batch.clear()
    sampled = [is_sampled(row_id, estimate.sample) for row_id in batch["id"]]
    # a judge would call a kept span untranslated, and a mistake made on purpose a mistake
    unfair = pl.col("policy").is_in(["keep-span", "equivalent-error"]) & isinstance(estimate, Judge)
    return batch.filter(kept() & pl.Series(sampled, dtype=pl.Boolean) & ~unfair.fill_null(False))


def apply(
    batch: pl.DataFrame,
    settings: Quality,
    backs: Iterable[Came[Back]],
    verdicts: Iterable[Came[Verdict]],
) -> Applied:
    """rows.QUALITY: adds back_response, back_model, chrf_*, judge_*; the recipe's thresholds drop kept rows.

    Needs: rows.DEDUP, (id, lang) unique. `backs`, `verdicts`: of each row of `chosen`, in order. Rows: all, same order.
    chrF is sacrebleu's of a sentence, 0 to 100, of the back-translation against the pivot's text. A model without a
    score is an estimate that abstained. Where both estimates speak against a row, back-translation is its reason.
    """
    back_columns, back = _laid(chosen(batch, settings.back_translation), backs, _BACK, _of_back)
    judge_columns, judged = _laid(chosen(batch, settings.judge), verdicts, _JUDGED, _of_verdict)
    whole = batch
    for columns in (back_columns, judge_columns):
        whole = whole.join(columns, on=["id", "lang"], how="left", maintain_order="left")
    if checks := list(_gates(settings)):
        whole = rows.take_out(whole, STAGE, Status.DROPPED, checks)
    gated = whole.filter(pl.col("stage") == STAGE)["reasons"].explode()
    return Applied(
        rows.conform(whole, QUALITY),
        back._replace(gated=int((gated == Reason.BACK_TRANSLATION).sum())),
        judged._replace(gated=int((gated == Reason.JUDGE).sum())),
    )


_BACK = ("back_model", "back_response", "chrf_instruction", "chrf_response")
_JUDGED = ("judge_model", "judge_accuracy", "judge_fluency", "judge_errors")


def _laid(
    sampled: pl.DataFrame,
    outcomes: Iterable[Came[E]],
    columns: Sequence[str],
    measured: Callable[[Mapping[str, Any], E], Mapping[str, Any]],
) -> tuple[pl.DataFrame, Counts]:
    """`columns` of the rows whose estimate was answered, beside id and lang; and what became of all that were sampled.

    The first of the columns gets the model that answered last.
    """
    laid: list[Mapping[str, Any]] = []
    scored = abstained = 0
    for row, (outcome, by) in zip(sampled.iter_rows(named=True), outcomes, strict=True):
        if outcome is None:
            continue
        answered = {"id": row["id"], "lang": row["lang"], columns[0]: by[-1]}
        if isinstance(outcome, Abstained):
            abstained += 1
        else:
            scored += 1
            answered |= measured(row, outcome)
        laid.append(answered)
    schema = {name: QUALITY[name] for name in ("id", "lang", *columns)}
    failed = sampled.height - scored - abstained
    return pl.DataFrame(laid, schema=schema, orient="row"), Counts(sampled.height, scored, abstained, failed)


def _of_back(row: Mapping[str, Any], back: Back) -> Mapping[str, Any]:
    scores = {f"chrf_{field}": chrf(text, row[f"pivot_{field}"] or "") for field, text in back.texts.items()}
    return {**scores, "back_response": back.texts.get("response")}


def _of_verdict(row: Mapping[str, Any], verdict: Verdict) -> Mapping[str, Any]:
    return {
        "judge_accuracy": verdict.accuracy,
        "judge_fluency": verdict.fluency,
        "judge_errors": [str(kind) for kind in verdict.errors],
    }


def chrf(text: str, reference: str) -> float | None:
    """sacrebleu's chrF2 of a sentence, 0 to 100; null without a reference."""
    return _metric().sentence_score(text, [reference]).score if reference.strip() else None


@cache
def _metric() -> "CHRF":
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


def _gates(settings: Quality) -> Iterator[tuple[Reason, pl.Expr, pl.Expr]]:
    """The recipe's thresholds as checks of rows.take_out; null measurements abstain. Either field of a pair may fail
    it, for a PLUG row trains on both."""
    if settings.back_translation and (least := settings.back_translation.min_chrf) is not None:
        yield _below(Reason.BACK_TRANSLATION, [(f"chrf_{field}", f"chrF in {field}", least) for field in FIELDS])
    if settings.judge:
        marks = [("accuracy", settings.judge.min_accuracy), ("fluency", settings.judge.min_fluency)]
        asked = [(f"judge_{mark}", mark, least) for mark, least in marks if least is not None]
        if asked:
            yield _below(Reason.JUDGE, asked)


def _below(reason: Reason, least: Sequence[tuple[str, str, float]]) -> tuple[Reason, pl.Expr, pl.Expr]:
    """A check that holds where one of some columns, each with its name for people, is below its least value; the
    measurements that are, joined."""
    told = [
        pl.when(pl.col(column) < at).then(pl.format(f"{name} {{}} < {at:g}", pl.col(column).round(2)))
        for column, name, at in least
    ]
    condition = pl.any_horizontal(pl.col(column) < at for column, _, at in least)
    return reason, condition, pl.concat_str(told, separator=" · ", ignore_nulls=True)
