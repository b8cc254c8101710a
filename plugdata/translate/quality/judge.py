"""A model's verdict on a translation: two marks from 1 to 5 and kinds of error, by the rubric of judge-v1.

The verdict is one JSON object of exactly the keys asked for, read strictly: of the self-ratings of one published run
45 % could not be parsed, and reading them more leniently let worse rows through. What cannot be read
is no verdict. Errors stand before the marks, so that a model names what it found before it weighs it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from plugdata import prompts
from plugdata.asking import Abstained, follow, twice
from plugdata.languages import Language
from plugdata.recipe.quality import Judge
from plugdata.translate.protocols import render_tags, tag_suffix
from plugdata.translate.quality.back import FIELDS, STAGE
from plugdata.wire import Answer, Message, Request, Result, Task

PROMPT = "judge-v1"

MARKS = (1, 2, 3, 4, 5)
_MARKED = ("accuracy", "fluency")
_KEYS = ("errors", *_MARKED)

_FENCE = ("```json", "```")


class ErrorKind(StrEnum):
    """What a judge may find wrong with a translation; the rubric says what each is."""

    UNTRANSLATED = "untranslated"
    MISTRANSLATED = "mistranslated"
    OMITTED = "omitted"
    ADDED = "added"
    ANSWERED = "answered"
    UNNATURAL = "unnatural"
    GRAMMAR = "grammar"
    FORMATTING = "formatting"


@dataclass(frozen=True)
class Verdict:
    """What a judge found: marks of MARKS, and kinds of error, each once, in the order of ErrorKind."""

    accuracy: int
    fluency: int
    errors: tuple[ErrorKind, ...] = ()


SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "errors": {"type": "array", "items": {"type": "string", "enum": [str(kind) for kind in ErrorKind]}},
        **{name: {"type": "integer", "enum": list(MARKS)} for name in _MARKED},
    },
    "required": list(_KEYS),
    "additionalProperties": False,
}
"""A verdict as JSON schema, in the part of it that strict modes know."""


def judge(pivot: Language, language: Language, settings: Judge, params: Mapping[str, Any]) -> Task[Verdict | Abstained]:
    """The task that has a pair judged as a translation from the pivot into `language`.

    `params` are the model's sampling parameters. The row needs the columns pivot_instruction, pivot_response,
    instruction, response.
    """
    template = prompts.template(PROMPT)
    if settings.structured:
        schema = {"name": "verdict", "strict": True, "schema": SCHEMA}
        params = {**params, "response_format": {"type": "json_schema", "json_schema": schema}}

    def next_step(row: Mapping[str, Any], answers: Sequence[Answer]) -> Request | Result[Verdict | Abstained]:
        record = _record(row, pivot, language)

        def ask(fault: str) -> Request:
            system = template.substitute(source_name=pivot.name, target_name=language.name, fault=fault)
            messages = (Message("system", system), Message("user", record))
            return Request(messages, params, PROMPT, STAGE, language.code)

        return follow(twice(ask, lambda answer: parse_verdict(answer.text)), answers)

    return next_step


def parse_verdict(text: str) -> Verdict | str:
    """The verdict in an answer; or, in words, why it is none.

    White space around the object and one ```json fence are passed over, nothing else is.
    """
    text = text.strip()
    opens, closes = _FENCE
    if text.startswith(opens) and text.endswith(closes):
        text = text[len(opens) : -len(closes)]
    try:
        said = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):  # of an empty text too, and of a number too long to be read
        return "it is not one JSON object and nothing else"
    if not isinstance(said, dict) or sorted(said) != sorted(_KEYS):
        return f"it is not a JSON object with exactly the keys {', '.join(_KEYS)}"
    for name in _MARKED:
        if type(said[name]) is not int or said[name] not in MARKS:  # no True, no 4.0
            return f"{name} is not a whole number from {MARKS[0]} to {MARKS[-1]}"
    errors = said["errors"]
    if not isinstance(errors, list) or not all(isinstance(kind, str) and kind in list(ErrorKind) for kind in errors):
        return f"errors is not a list of these words alone: {', '.join(ErrorKind)}"
    return Verdict(said["accuracy"], said["fluency"], tuple(kind for kind in ErrorKind if kind in errors))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; ValueError for a key that stands twice, whose values would hide one another."""
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _record(row: Mapping[str, Any], pivot: Language, language: Language) -> str:
    """A pair as a judge reads it: the original, then the translation, each text in tags that none of them holds."""
    texts = {name: (row[name] or "").strip() for field in FIELDS for name in (f"pivot_{field}", field)}
    suffix = tag_suffix(texts)
    original = render_tags({field: texts[f"pivot_{field}"] for field in FIELDS}, suffix)
    translation = render_tags({field: texts[field] for field in FIELDS}, suffix)
    return f"Original ({pivot.name}):\n{original}\n\nTranslation ({language.name}):\n{translation}"
