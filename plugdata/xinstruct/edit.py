"""The light edit of a passage into an answer: remains of a page, a blogger's own voice and "yesterday" taken out.

An edit is taken only if it is light: of a passage that a model rewrites nothing is natural any more. How much it
changes is the Levenshtein distance in characters over those of the longer text, by rapidfuzz: difflib takes a thousand
times as long on 1,800 characters (61 ms against 0.06 ms) and would not end on long ones. Both texts are kept, and no
row is lost by an edit that fails.
"""

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import polars as pl
from rapidfuzz.distance import Levenshtein

from plugdata import prompts
from plugdata.asking import Abstained, Fault, Steps, cut_short, follow, in_tags, read_tag, tag_suffix, twice
from plugdata.checks import lid, refusal, spoken
from plugdata.languages import Language
from plugdata.recipe import Edit
from plugdata.rows import RATE
from plugdata.wire import Answer, Message, Request, Task
from plugdata.xinstruct.laying import beside

STAGE = "edit"
"""Under which its calls are noted; its rows are those of the rate stage."""

PROMPT = "edit-v1"


@dataclass(frozen=True)
class Edited:
    """What came of an edit. `text` None: it was not taken. `changed`: share of the passage that it changes, 0 to 1;
    None where no answer could be read."""

    text: str | None
    changed: float | None


def editor(
    pivot: Language,
    language: Language,
    settings: Edit,
    params: Mapping[str, Any],
    *,
    model: Callable[[], lid.Model] | None = None,
) -> Task[Edited]:
    """The task that has a passage in `language` edited into an answer to its instruction, with a second call where the
    first answer is not taken.

    `params` are the model's sampling parameters. `model` as for xinstruct.generate. The row needs the columns
    instruction, passage.
    """
    identifier = cache(lambda: spoken.Ahead(model()) if model else None)

    def steps(row: Mapping[str, Any]) -> Steps[Edited]:
        texts = {"instruction": row["instruction"], "passage": row["passage"].strip()}
        suffix = tag_suffix(texts, ("response",))
        changed: float | None = None

        def ask(fault: str) -> Request:
            system = prompts.template(PROMPT).substitute(
                language_name=language.name,
                pivot_name=pivot.name,
                percent=round(100 * settings.max_change),
                suffix=suffix,
                fault=fault,
            )
            messages = (Message("system", system), Message("user", in_tags(texts, suffix)))
            return Request(messages, params, PROMPT, STAGE, language.code)

        def read(answer: Answer) -> Edited | str:
            nonlocal changed
            said = cut_short(answer) or read_tag(unicodedata.normalize("NFC", answer.text), "response", suffix)
            if isinstance(said, Fault):
                return said.told
            changed = Levenshtein.normalized_distance(texts["passage"], said)
            if not said:
                return "the passage came back empty"
            if phrase := refusal.new_refusal(texts["passage"], said, language.code, pivot.code):
                return f"it declines or speaks of itself: {phrase!r}"
            if changed > settings.max_change:
                return f"{changed:.0%} of the passage was changed"
            asked = identifier()
            told = spoken.wrong_language(asked, said, language, pivot) if asked else None
            return f"it is not in {language.name}: {told}" if told else Edited(said, changed)

        said = yield from twice(ask, read)
        return Edited(None, changed) if isinstance(said, Abstained) else said

    return lambda row, answers: follow(steps(row), answers)


def lay_edits(batch: pl.DataFrame, outcomes: Iterable[Edited | None]) -> pl.DataFrame:
    """The rows with their edited and changed. `outcomes`: of each kept row, in order; None: its call failed.

    Needs: rows.RATE. Rows: all, same order and verdicts.
    """
    made = ({"edited": came.text, "changed": came.changed} if came else {} for came in outcomes)
    return beside(batch.drop("edited", "changed"), made, RATE)
