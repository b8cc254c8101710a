"""Which of two answers is better: both orders asked, each verdict read, both tallied.

A judge prefers the answer that stands first, more or less, so each pair is asked in both orders; what the two verdicts
come to is a rule, of which there are two (docs/evaluation.md has the table). `plug` is PLUG's (arXiv 2311.08711), for
figures beside the paper's; `strict` calls a win only what both orders call one.
An answer that is missing loses to one that is there, without a call.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from plugdata.evaluate import asking, estimates
from plugdata.evaluate.asking import Ask, Rubric, Said
from plugdata.evaluate.estimates import Estimate, Group
from plugdata.evaluate.replies import Reply

PROMPT = "judge-pair-v1"

ORDERS = ("ab", "ba")


class Winner(StrEnum):
    """What a verdict says, whatever the order it was asked in."""

    A = "a"
    B = "b"
    TIE = "tie"
    UNPARSABLE = "unparsable"


class Came(StrEnum):
    """What a question came to, for A."""

    WIN = "win"
    TIE = "tie"
    LOSS = "loss"
    ERROR = "error"


class How(StrEnum):
    """How a question was decided."""

    JUDGED = "judged"
    MISSING_A = "missing-a"
    MISSING_B = "missing-b"
    MISSING_BOTH = "missing-both"
    FAILED = "failed"  # a call failed; the next run asks again


VERDICTS: dict[str, pl.DataType] = {
    "id": pl.String(),
    "lang": pl.String(),
    "category": pl.String(),
    "how": pl.String(),
    "winner_ab": pl.String(),  # Winner of the order in which A stood first; null = not asked, or failed
    "winner_ba": pl.String(),
    "plug": pl.String(),  # Came; null of missing-both and failed
    "strict": pl.String(),
    "reason_ab": pl.String(),  # what the judge wrote
    "reason_ba": pl.String(),
}
"""The columns of `verdicts`."""

TALLIES = ("plug", "strict")

_MARKS = {
    "ab": {"A": Winner.A, "B": Winner.B, "C": Winner.TIE},
    "ba": {"A": Winner.B, "B": Winner.A, "C": Winner.TIE},
}
_VALUE = {Came.WIN: 1, Came.TIE: 0, Came.LOSS: -1, Came.ERROR: 0}
"""An error stays in the total, as in PLUG's calculate_pair_judge_score.py: what cannot be read is a win of neither."""


@dataclass(frozen=True)
class Tally:
    """What questions came to. `difference` = (wins − losses) / all four, None where all are errors; `p` of the sign
    test."""

    wins: int
    ties: int
    losses: int
    errors: int
    difference: Estimate
    p: float | None


@dataclass(frozen=True)
class Compared:
    """A group of questions. `first_share`: of all verdicts for one of two answers, those for the one that stood first
    (0.5 = no preference)."""

    group: Group
    n: int
    n_ids: int  # the same question in two languages is one
    how: dict[str, int]
    plug: Tally
    strict: Tally
    unparsable: int  # verdicts, of which a question has two
    first_share: float | None


def asks(pair: tuple[Reply, Reply], rubric: Rubric) -> Iterator[Ask]:
    """What a judge is asked of a pair: both orders, or nothing where an answer is missing."""
    a, b = pair
    if a.answer is None or b.answer is None:
        return
    system = asking.system(PROMPT, a.lang, rubric)
    for order in ORDERS:
        first, second = (a.answer, b.answer) if order == "ab" else (b.answer, a.answer)
        user = asking.in_tags({"question": a.instruction, "answer_a": first, "answer_b": second})
        yield Ask(a.id, a.lang, order, f"{PROMPT}/{rubric.id}", system, user)


def plug(ab: Winner, ba: Winner) -> Came:
    """PLUG's rule: opposite verdicts are a tie, a win and a tie are a win."""
    return _came(ab, ba, least=1)


def strict(ab: Winner, ba: Winner) -> Came:
    """The stricter rule: a win is what both orders call one."""
    return _came(ab, ba, least=2)


def _came(ab: Winner, ba: Winner, least: int) -> Came:
    if Winner.UNPARSABLE in (ab, ba):
        return Came.ERROR
    ahead = (ab, ba).count(Winner.A) - (ab, ba).count(Winner.B)
    return Came.WIN if ahead >= least else Came.LOSS if -ahead >= least else Came.TIE


def verdicts(pairs: Sequence[tuple[Reply, Reply]], said: Said) -> pl.DataFrame:
    """What each pair came to (VERDICTS), in order."""
    return pl.DataFrame([_verdict(a, b, said) for a, b in pairs], schema=VERDICTS, orient="row")


def _verdict(a: Reply, b: Reply, said: Said) -> tuple[str | None, ...]:
    asked = a.id, a.lang, a.category
    if a.answer is None or b.answer is None:
        if a.answer is None and b.answer is None:
            return (*asked, How.MISSING_BOTH, *[None] * 6)
        how, came = (How.MISSING_A, Came.LOSS) if a.answer is None else (How.MISSING_B, Came.WIN)
        return (*asked, how, None, None, came, came, None, None)
    answers = {order: said.get((a.id, a.lang, order)) for order in ORDERS}
    winners = {
        order: _MARKS[order].get(asking.mark(answer, _MARKS[order]) or "", Winner.UNPARSABLE)
        for order, answer in answers.items()
        if answer
    }
    told = [winners.get(order) for order in ORDERS]
    reasons = [answer.text if answer else None for answer in answers.values()]
    if len(winners) < len(ORDERS):
        return (*asked, How.FAILED, *told, None, None, *reasons)
    both = winners["ab"], winners["ba"]
    return (*asked, How.JUDGED, *told, plug(*both), strict(*both), *reasons)


def compared(verdicts: pl.DataFrame) -> tuple[Compared, ...]:
    """The figures of all questions, of each language and of each category. Needs: VERDICTS."""
    return tuple(_compared(group, rows) for group, rows in estimates.groups(verdicts))


def _compared(group: Group, rows: pl.DataFrame) -> Compared:
    n = {(order, winner): _count(rows, f"winner_{order}", winner) for order in ORDERS for winner in Winner}
    n_first = n["ab", Winner.A] + n["ba", Winner.B]
    n_second = n["ab", Winner.B] + n["ba", Winner.A]
    return Compared(
        group,
        rows.height,
        rows["id"].n_unique(),
        {str(how): found for how in How if (found := _count(rows, "how", how))},
        _tally(rows, "plug"),
        _tally(rows, "strict"),
        n["ab", Winner.UNPARSABLE] + n["ba", Winner.UNPARSABLE],
        n_first / (n_first + n_second) if n_first + n_second else None,
    )


def _tally(rows: pl.DataFrame, by: str) -> Tally:
    n = {came: _count(rows, by, came) for came in Came}
    values = rows.select("id", value=pl.col(by).replace_strict(_VALUE, default=None, return_dtype=pl.Int64))
    if not n[Came.WIN] + n[Came.TIE] + n[Came.LOSS]:
        values = values.clear()
    return Tally(
        n[Came.WIN],
        n[Came.TIE],
        n[Came.LOSS],
        n[Came.ERROR],
        estimates.mean(values),
        estimates.sign_test(values),
    )


def _count(rows: pl.DataFrame, column: str, said: StrEnum) -> int:
    return rows.filter(pl.col(column) == said).height
