"""The translation of a row back into the pivot, by a model that has not seen the pivot's texts.

chrF of such a round trip is no measure of quality by itself: it falls with every free rendering, and cannot see what
both ways get wrong alike. It finds the rows that say something else. An answer that gives the translation back, loops
or is empty speaks of the model and not of the row, so it abstains rather than score low.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plugdata import prompts
from plugdata.asking import Abstained, follow, twice
from plugdata.checks.copying import is_echo
from plugdata.checks.repetition import is_loop
from plugdata.languages import Language
from plugdata.translate.protocols import parse_tags, render_tags, tag_suffix
from plugdata.wire import Answer, Message, Request, Result, Task

STAGE = "quality"

PROMPT = "back-v1"

FIELDS = ("instruction", "response")
"""The texts of a pair."""


@dataclass(frozen=True)
class Back:
    """The texts of a row in the pivot again, by field; a field without text has none."""

    texts: Mapping[str, str]


def back_translator(language: Language, pivot: Language, params: Mapping[str, Any]) -> Task[Back | Abstained]:
    """The task that translates a pair's instruction and response from `language` back into the pivot.

    `params` are the model's sampling parameters. The row needs the columns instruction, response; no other is read.
    """
    template = prompts.template(PROMPT)

    def next_step(row: Mapping[str, Any], answers: Sequence[Answer]) -> Request | Result[Back | Abstained]:
        texts = {name: text for name in FIELDS if (text := (row[name] or "").strip())}
        suffix = tag_suffix(texts)

        def ask(fault: str) -> Request:
            system = template.substitute(
                source_name=language.name, target_name=pivot.name, target_code=pivot.code, fault=fault
            )
            messages = (Message("system", system), Message("user", render_tags(texts, suffix)))
            return Request(messages, params, PROMPT, STAGE, language.code)

        def read(answer: Answer) -> Back | str:
            said = parse_tags(unicodedata.normalize("NFC", answer.text), tuple(texts), suffix)
            if isinstance(said, str):
                return said
            return next((fault for name in texts if (fault := _fault(name, texts[name], said[name]))), Back(said))

        return follow(twice(ask, read), answers)

    return next_step


def _fault(name: str, text: str, said: str) -> str | None:
    """Why a text is not believed to be a translation of another, in words."""
    if not said:
        return f"{name} came back empty"
    if is_loop(said) and not is_loop(text):
        return f"{name} repeats itself without end"
    return f"{name} came back untranslated" if is_echo(text, said) else None
