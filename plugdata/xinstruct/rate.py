"""The rate stage of kind x-instruction: the task that has candidates rated, and the rows that the marks make.

A mark ends an answer, and is never guessed: of the self-ratings of one published run 45 % could not be parsed,
and reading them more leniently let worse rows through. What cannot be read abstains, and is counted; it is
never a mark. The model says why before it gives its mark, and nothing reads that.

Five levels are those of Humpback's scale (arXiv 2308.06259), three those of X-Instruction; the wording is ours.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import polars as pl

from plugdata import prompts
from plugdata.asking import Abstained, Steps, cut_short, follow, in_tags, twice
from plugdata.languages import Language
from plugdata.recipe import Rate
from plugdata.rows import RATE, Reason, Status
from plugdata.wire import CONTENT_FILTER, CONTEXT_LENGTH, Answer, Message, Request, Task
from plugdata.xinstruct.laying import beside, verdict

STAGE = "rate"

VERSION = 2
"""Raised when the same answers would give other rows."""


class Scale(NamedTuple):
    """A way to rate: its template id, and the word of each mark, from 1, in the line that ends an answer."""

    prompt: str
    label: str
    words: tuple[str, ...]

    def line(self, mark: int) -> str:
        """The last line of an answer that gives this mark."""
        return f"{self.label}: {self.words[mark - 1]}"

    def read(self, text: str) -> int | str:
        """The mark that ends an answer; or, in words, why there is none.

        In its line, or in a last sentence that says no more ("The score is 2."): a local model of 1.5B ended 71 of 164
        answers with just this, nearly all of low marks: who reads the others alone reads that all is good.
        """
        words, name = "|".join(self.words), f"(?i:{self.label})"
        line = rf"(?<!\S)\*{{0,2}}{name}:\*{{0,2}} \*{{0,2}}(?:{words})"
        sentence = rf"(?:^|(?<=[.!?]\s))(?i:(?:therefore|thus|so|hence),? )?(?i:the )?{name} is (?:{words})"
        if not re.search(rf"(?m:{line}|{sentence})\*{{0,2}}\.?\s*\Z", text):
            return f'it does not end with "{self.label}: " and one of {", ".join(self.words)}'
        given = set(re.findall(rf"{name}(?::\*{{0,2}}| is) \*{{0,2}}({words})\b", text))
        return self.words.index(given.pop()) + 1 if len(given) == 1 else "it gives several ratings"


SCALES = {
    3: Scale("rate-3-v2", "Rating", ("worst", "flawed", "best")),
    5: Scale("rate-5-v2", "Score", ("1", "2", "3", "4", "5")),
}
"""By number of levels."""

ASK = "rate-ask-v2"
"""What stands behind the pair. Asked for the form in the system message alone, a local model of 1.5B ended 8 of 118
answers with it; so, 17 of 36 first answers."""


class Rated(NamedTuple):
    """The mark of each candidate; None: it was of no use before, or its rating abstained. `abstained`: the first that
    did. `failed`: why answers are missing, in words, and with them all marks."""

    marks: tuple[int | None, ...]
    abstained: Abstained | None = None
    failed: str | None = None

    @classmethod
    def missing(cls, failed: str) -> "Rated":
        return cls((), failed=failed)


def rater(pivot: Language, language: Language, settings: Rate, params: Mapping[str, Any]) -> Task[Rated]:
    """The task that has each candidate of use rated, one call each and a second where the mark cannot be read.

    `params` are the model's sampling parameters. The row needs the columns passage, candidates.
    """
    scale = SCALES[settings.levels]

    def read(answer: Answer) -> int | str:
        cut = cut_short(answer)
        return cut.told if cut else scale.read(answer.text)

    def steps(row: Mapping[str, Any]) -> Steps[Rated]:
        marks: list[int | None] = []
        abstained: Abstained | None = None
        for candidate in row["candidates"]:
            mark: int | None = None
            if candidate["reason"] is None:
                ask = partial(_request, scale, pivot, language, params, candidate["text"], row["passage"])
                said = yield from twice(ask, read)
                mark = None if isinstance(said, Abstained) else said
                abstained = abstained or (said if isinstance(said, Abstained) else None)
            marks.append(mark)
        return Rated(tuple(marks), abstained)

    return lambda row, answers: follow(steps(row), answers)


def _request(
    scale: Scale,
    pivot: Language,
    language: Language,
    params: Mapping[str, Any],
    instruction: str,
    passage: str,
    fault: str,
) -> Request:
    messages = rating_messages(scale, pivot, language, instruction, passage, fault)
    return Request(messages, params, scale.prompt, STAGE, language.code)


def rating_messages(
    scale: Scale, pivot: Language, language: Language, instruction: str, passage: str, fault: str = "none"
) -> tuple[Message, Message]:
    """What a rater is asked about a pair, which a rater trained in rounds.py has seen as it is."""
    system = prompts.template(scale.prompt).substitute(language_name=language.name, pivot_name=pivot.name, fault=fault)
    ask = prompts.template(ASK).substitute(label=scale.label, words=", ".join(scale.words))
    pair = in_tags({"instruction": instruction, "response": passage})
    return Message("system", system), Message("user", f"{pair}\n\n{ask}")


def lay_ratings(
    batch: pl.DataFrame, settings: Rate | None, outcomes: Iterable[tuple[Rated, Sequence[str]]] = ()
) -> pl.DataFrame:
    """rows.RATE: adds ratings, rating, instruction, generator, rater, and edited and changed, which are null.

    Needs: rows.GENERATE. `settings` None: nothing is rated, and nothing is taken out. `outcomes`: of each kept row, in
    order, with the models (served_as) whose answers it used. Rows: all, same order. The instruction is the first of the
    candidates with the best mark, else the first of use. Rows below `settings.least` are dropped; those without a mark
    that could be read are quarantined or kept, as the settings say; those whose calls failed are `failed`.
    """
    candidates = batch.filter(pl.col("status") == Status.KEPT)["candidates"].to_list()
    if settings is None:
        made = (_chosen(of, [None] * len(of)) for of in candidates)
    else:
        made = (_rated(of, *came, settings) for of, came in zip(candidates, outcomes, strict=True))
    return beside(batch, made, RATE)


def _chosen(candidates: Sequence[Mapping[str, Any]], marks: Sequence[int | None]) -> dict[str, Any]:
    """The columns of the candidate that a row goes on with."""
    best = max((mark for mark in marks if mark is not None), default=None)
    of_use = (made for made, mark in zip(candidates, marks, strict=True) if made["reason"] is None and mark == best)
    made = next(of_use)
    return {"rating": best, "instruction": made["text"], "generator": made["model"]}


def _rated(candidates: Sequence[Mapping[str, Any]], rated: Rated, by: Sequence[str], settings: Rate) -> dict[str, Any]:
    if rated.failed:
        unknown = _chosen(candidates, [None] * len(candidates))
        return unknown | verdict(STAGE, Status.FAILED, [Reason.CALL_FAILED], rated.failed)
    laid = {**_chosen(candidates, rated.marks), "ratings": list(rated.marks), "rater": by[-1]}
    if laid["rating"] is None:
        assert rated.abstained is not None  # a kept row has a candidate of use
        if settings.abstained == "keep":
            return laid
        reason = _OF_THE_TEXT.get(rated.abstained.ended, Reason.UNRATED)
        return laid | verdict(STAGE, Status.QUARANTINED, [reason], rated.abstained.detail)
    if laid["rating"] < settings.least:
        told = f"{laid['rating']} of {settings.levels}, below {settings.least}"
        return laid | verdict(STAGE, Status.DROPPED, [Reason.RATING], told)
    return laid


_OF_THE_TEXT: dict[str | None, Reason] = {CONTENT_FILTER: Reason.CONTENT_FILTER, CONTEXT_LENGTH: Reason.CONTEXT_LENGTH}
