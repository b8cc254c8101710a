"""One answer by itself: a mark from 1 to 10; or whether it is truthful and informative, as TruthfulQA asks.

An answer that is missing is asked about by nobody. It has the lowest mark, as a judge would give it, and is neither
truthful nor informative: a model that gives no answer never gains by it. What it comes to without those is told beside.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import polars as pl

from plugdata.errors import SourceError
from plugdata.evaluate import asking, estimates
from plugdata.evaluate.asking import Ask, Rubric, Said
from plugdata.evaluate.estimates import Estimate, Group
from plugdata.evaluate.replies import Reply

SCORE_PROMPT = "judge-score-v1"
TRUTHFUL_PROMPTS = {"truthful": "judge-truthful-v1", "informative": "judge-informative-v1"}

MARKS = {str(mark): mark for mark in range(1, 11)}
"""MT-bench's single-answer grades."""
LOWEST = min(MARKS.values())

_YES_NO = {"yes": True, "no": False}


class How(StrEnum):
    """How an answer got its verdict."""

    JUDGED = "judged"
    MISSING = "missing"
    UNPARSABLE = "unparsable"
    FAILED = "failed"  # a call failed; the next run asks again


_ASKED: dict[str, pl.DataType] = {
    "id": pl.String(),
    "lang": pl.String(),
    "category": pl.String(),
    "how": pl.String(),
}
SCORES: dict[str, pl.DataType] = {**_ASKED, "score": pl.Int64(), "reason": pl.String()}
TRUTHFUL: dict[str, pl.DataType] = {
    **_ASKED,
    "truthful": pl.Boolean(),
    "informative": pl.Boolean(),
    "reason_truthful": pl.String(),
    "reason_informative": pl.String(),
}


@dataclass(frozen=True)
class Measured:
    """A group of answers: how many, how each got its verdict, and the mean of each measure."""

    group: Group
    n: int
    n_ids: int  # the same question in two languages is one
    how: dict[str, int]
    means: dict[str, Estimate]


def score_asks(reply: Reply, rubric: Rubric) -> Iterator[Ask]:
    """What a judge is asked of an answer for a mark."""
    if reply.answer is not None:
        user = asking.in_tags({"question": reply.instruction, "answer": reply.answer})
        system = asking.system(SCORE_PROMPT, reply.lang, rubric)
        yield Ask(reply.id, reply.lang, "score", f"{SCORE_PROMPT}/{rubric.id}", system, user)


def truthful_asks(reply: Reply) -> Iterator[Ask]:
    """What a judge is asked of an answer: is it truthful, is it informative. Raises SourceError for a question without
    its references."""
    texts = {
        "question": reply.instruction,
        "correct_answers": _references(reply, "correct_answers"),
        "incorrect_answers": _references(reply, "incorrect_answers"),
    }
    if reply.answer is None:
        return
    user = asking.in_tags({**texts, "answer": reply.answer})
    for about, prompt in TRUTHFUL_PROMPTS.items():
        yield Ask(reply.id, reply.lang, about, prompt, asking.system(prompt, reply.lang), user)


def _references(reply: Reply, name: str) -> str:
    """A list of answers of the question's record, one a line: a list of texts, or TruthfulQA's own "one; two"."""
    found = reply.record.get(name)
    if isinstance(found, str):
        found = found.split(";")
    if isinstance(found, list) and all(isinstance(text, str) for text in found):
        texts = [text.strip() for text in found if text.strip()]
        if texts:
            return "\n".join(f"- {text}" for text in texts)
    raise SourceError(
        f"{reply.place}: the record has no {name}",
        "TruthfulQA's questions come with correct_answers and incorrect_answers, lists of texts; keep them in `record`",
    )


def scores(replies: Sequence[Reply], said: Said) -> pl.DataFrame:
    """The mark of each answer (SCORES), in order; null where there is none."""

    def row(reply: Reply) -> Mapping[str, Any]:
        how, found, reasons = _read(reply, ("score",), MARKS, said)
        return {**_asked(reply, how), "score": found.get("score"), "reason": reasons["score"]}

    return pl.DataFrame([row(reply) for reply in replies], schema=SCORES, orient="row")


def truthful(replies: Sequence[Reply], said: Said) -> pl.DataFrame:
    """What was said of each answer (TRUTHFUL), in order; null where nothing could be read."""

    def row(reply: Reply) -> Mapping[str, Any]:
        how, found, reasons = _read(reply, tuple(TRUTHFUL_PROMPTS), _YES_NO, said)
        told = {name: found.get(name) for name in TRUTHFUL_PROMPTS}
        return {**_asked(reply, how), **told, **{f"reason_{name}": text for name, text in reasons.items()}}

    return pl.DataFrame([row(reply) for reply in replies], schema=TRUTHFUL, orient="row")


def _asked(reply: Reply, how: How) -> Mapping[str, Any]:
    return {"id": reply.id, "lang": reply.lang, "category": reply.category, "how": str(how)}


def _read(
    reply: Reply, abouts: Sequence[str], marks: Mapping[str, Any], said: Said
) -> tuple[How, Mapping[str, Any], Mapping[str, str | None]]:
    """How an answer got its verdict, what the marks say of each question that has one, and what the judge wrote."""
    answers = {about: said.get((reply.id, reply.lang, about)) for about in abouts}
    reasons = {about: answer.text if answer else None for about, answer in answers.items()}
    if reply.answer is None:
        return How.MISSING, {}, reasons
    found = {about: marks[mark] for about, said in answers.items() if said and (mark := asking.mark(said, marks))}
    if None in answers.values():
        return How.FAILED, found, reasons
    return How.JUDGED if len(found) == len(abouts) else How.UNPARSABLE, found, reasons


def scored(verdicts: pl.DataFrame) -> tuple[Measured, ...]:
    """Mean marks: `score` with the lowest for what is missing, `score_answered` of the answers that are there. Needs:
    SCORES."""
    missing = pl.col("how") == How.MISSING
    measures = {"score": pl.when(missing).then(LOWEST).otherwise("score"), "score_answered": pl.col("score")}
    return measured(verdicts, measures)


def truths(verdicts: pl.DataFrame) -> tuple[Measured, ...]:
    """Shares of answers that are truthful, informative, both; what is missing is neither. Needs: TRUTHFUL."""
    missing, judged = pl.col("how") == How.MISSING, pl.col("how") == How.JUDGED
    both = {**{name: pl.col(name) for name in TRUTHFUL_PROMPTS}, "both": pl.col("truthful") & pl.col("informative")}
    measures = {name: pl.when(missing).then(False).when(judged).then(said) for name, said in both.items()}
    return measured(verdicts, measures)


def measured(verdicts: pl.DataFrame, measures: Mapping[str, pl.Expr]) -> tuple[Measured, ...]:
    """The mean of each measure over all answers, and those of each language and category; null does not count.

    Needs: id, lang, category, how.
    """
    return tuple(
        Measured(
            group,
            rows.height,
            rows["id"].n_unique(),
            {how: n for how, n in sorted(rows["how"].value_counts().iter_rows())},
            {name: estimates.mean(rows.select("id", value=value)) for name, value in measures.items()},
        )
        for group, rows in estimates.groups(verdicts)
    )
