"""The route: which rows are tasks that translation breaks or must treat with care, and what is done with each.

A task's class is found by rules over the instruction (and, for code, over the texts), English only; `ask` and `parse`
put the same question to a model. The classes, in order of precedence, and what breaks:

    code            the response is code, or the task is to write or explain it    nothing, once masked
    translation     into, out of or about the words of a named language           the text is what must stay
    wordplay        rhyme, acronym, pun, anagram, acrostic, limerick, crossword    the sense
    letter-count    letters, syllables, words counted or prescribed; haiku;        the answer is no longer right
                    alphabetical order, words with a given letter
    correction      mistakes to mend; jumbled words to put in order               the mistake is translated away
    pivot-language  forms of English: tense, plural, voice, parts of speech,       it asks about another language
                    spelling, pronunciation, origin of a word
    media           a picture, chart, sound, video or link is asked for            nothing: no text can answer it
    fixed-labels    one of a given set of labels or options                        nothing, if label and answer agree

Not of any class: synonyms and meanings of words, poems and songs without a demand for rhyme, lengths that are a bound
("at most 50 words", "140 characters"), general questions about programming or languages.
"""

from collections.abc import Mapping

import polars as pl

from plugdata.rows import Reason, Status, take_out
from plugdata.translate.route.asking import Unreadable, ask, parse
from plugdata.translate.route.classes import CLASSES
from plugdata.translate.route.rules import Found, classify
from plugdata.translate.route.spans import kept_spans

__all__ = ["CLASSES", "Found", "Unreadable", "apply", "ask", "classify", "kept_spans", "parse"]

VERSION = 1
"""Raised when the same row would get another class."""

STAGE = "screen"


def apply(batch: pl.DataFrame, policies: Mapping[str, str], source_lang: str) -> pl.DataFrame:
    """Add task_class and policy, and drop kept rows whose policy is "drop" (reason untranslatable, detail the rule).

    Needs: rows.SCREEN. Rows: all, same order; of those not kept, and of ordinary tasks, both columns are null. A class
    that `policies` lacks is ordinary. The rules read English: for any other source every row is ordinary.
    """
    asked = policies and source_lang.split("-")[0] == "en"
    found = [
        _classified(instruction or "", input or "", response or "", policies)
        if asked and status == Status.KEPT
        else None
        for instruction, input, response, status in batch.select(
            "instruction", "input", "response", "status"
        ).iter_rows()
    ]
    told = [f"{one.task_class}: {one.why}" if one else None for one in found]
    routed = batch.with_columns(
        pl.Series("task_class", [one and one.task_class for one in found], pl.String),
        pl.Series("policy", [one and policies[one.task_class] for one in found], pl.String),
        pl.Series("_told", told, pl.String),
    )
    dropped = (Reason.UNTRANSLATABLE, pl.col("policy") == "drop", pl.col("_told"))
    return take_out(routed, STAGE, Status.DROPPED, [dropped]).drop("_told")


def _classified(instruction: str, input: str, response: str, policies: Mapping[str, str]) -> Found | None:
    found = classify(instruction, input, response)
    return found if found and found.task_class in policies else None
