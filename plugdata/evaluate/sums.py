"""Arithmetic: the number that ends an answer, against the one that is right. Needs no judge.

The last number of an answer is what it comes to, as in SVAMP's and GSM8K's usual scoring: steps come first. How a
number may be read is checks/numbers.py's; where its writing leaves two readings (2.125), either may be right.
A sign is not read, since SVAMP's answers are counts and sums of money.
"""

import math
from collections.abc import Sequence
from enum import StrEnum

import polars as pl

from plugdata.checks import numbers
from plugdata.errors import SourceError
from plugdata.evaluate.replies import Reply
from plugdata.evaluate.single import Measured, measured

SAME = 1e-6
"""Relative difference below which two numbers are one: what is left of a decimal fraction in binary."""


class How(StrEnum):
    """What was found in an answer."""

    NUMBER = "number"
    NO_NUMBER = "no-number"
    MISSING = "missing"


SUMS: dict[str, pl.DataType] = {
    "id": pl.String(),
    "lang": pl.String(),
    "category": pl.String(),
    "how": pl.String(),
    "expected": pl.Float64(),
    "found": pl.List(pl.Float64()),  # the readings of the last number; null where there is none
    "right": pl.Boolean(),
}
"""The columns of `sums`."""


def sums(replies: Sequence[Reply]) -> pl.DataFrame:
    """What each answer comes to (SUMS), in order. Raises SourceError for a question without its number."""
    return pl.DataFrame([_sum(reply) for reply in replies], schema=SUMS, orient="row")


def _sum(reply: Reply) -> tuple[object, ...]:
    expected = _expected(reply)
    found = numbers.last(reply.answer) if reply.answer else ()
    how = How.NUMBER if found else How.NO_NUMBER if reply.answer else How.MISSING
    right = any(math.isclose(number, expected, rel_tol=SAME) for number in found)
    return reply.id, reply.lang, reply.category, str(how), expected, list(found) or None, right


def _expected(reply: Reply) -> float:
    """The right number of a question: record.answer, as a number or as one in digits."""
    said = reply.record.get("answer")
    try:
        expected = float(said.replace(",", "") if isinstance(said, str) else said)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        expected = -1.0
    if isinstance(said, bool) or not 0 <= expected < math.inf:
        raise SourceError(
            f"{reply.place}: record.answer is {said!r}, not the number that is right",
            "X-SVAMP's questions come with `answer`, a number without a sign; keep it in `record`",
        )
    return expected


def counted(verdicts: pl.DataFrame) -> tuple[Measured, ...]:
    """Accuracy over all answers: one that is missing, or holds no number, is wrong. Needs: SUMS."""
    return measured(verdicts, {"accuracy": pl.col("right")})
