"""Answers files: what a model was asked and what was found of its answer, one reply a question; two files joined.

Owns which files are accepted. A reply counts as there only with the outcome `answered` and a text that is not blank;
what could not be extracted, or was cut, is missing, and no mode scores it as if it were fine.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from plugdata import languages
from plugdata.errors import InputError, LanguageError, SourceError

NAMED = 5
"""Questions that a message names, at most: enough to look for what they share."""

_FORMAT = 'one JSON object a line: {"id", "lang", "instruction", "answer", "outcome", …}, see docs/evaluation.md'


class _Line(BaseModel):
    """A line of an answers file; keys of whoever wrote it are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    lang: str
    instruction: str
    answer: str | None
    outcome: Literal["answered", "not-found", "monolingual", "cut"] = "answered"
    template: str | None = None
    model: str | None = None
    record: dict[str, Any] = {}


@dataclass(frozen=True)
class Reply:
    """What a model answered. `answer` is None where there is none to judge, and never blank.

    `record` holds what else the question came with: `category`, `dataset`, `answer`, `correct_answers` …
    """

    id: str
    lang: str
    instruction: str
    answer: str | None
    outcome: str
    template: str | None
    model: str | None
    record: Mapping[str, Any]
    place: str  # "answers.jsonl:3"

    @property
    def category(self) -> str | None:
        """The question's category, else the `dataset` it is from: X-AlpacaEval has no other."""
        told = (self.record.get(name) for name in ("category", "dataset"))
        return next((name for name in told if isinstance(name, str) and name.strip()), None)


class Joined(NamedTuple):
    """Replies to the same questions, in the first file's order; and the (id, lang) that only one file has."""

    pairs: list[tuple[Reply, Reply]]
    only_a: list[tuple[str, str]]
    only_b: list[tuple[str, str]]


def read(records: Iterable[tuple[str, object, str]], name: str) -> list[Reply]:
    """The replies of a file's (place, value, why it could not be parsed), in order. Raises SourceError."""
    seen: dict[tuple[str, str], str] = {}
    found = []
    for place, value, fault in records:
        if fault:
            raise SourceError(f"{place}: {fault}", _FORMAT)
        reply = _reply(place, value)
        if first := seen.get((reply.id, reply.lang)):
            raise SourceError(
                f"{place}: the question {reply.id!r} in {reply.lang} is answered at {first} already",
                "a file holds one answer to each question: leave one out, or give each model a file",
            )
        seen[reply.id, reply.lang] = place
        found.append(reply)
    if not found:
        raise SourceError(f"{name} holds no answer", _FORMAT)
    return found


def join(a: Sequence[Reply], b: Sequence[Reply]) -> Joined:
    """Replies joined on (id, lang). Raises InputError where the questions of an id differ, or none is shared."""
    theirs = {(reply.id, reply.lang): reply for reply in b}
    ours = {(reply.id, reply.lang) for reply in a}
    pairs = [(reply, theirs[key]) for reply in a if (key := (reply.id, reply.lang)) in theirs]
    if not pairs:
        raise InputError(
            f"the two files share no question: the first begins with {a[0].id!r} in {a[0].lang}, the second with "
            f"{b[0].id!r} in {b[0].lang}",
            "questions are matched by id and lang: ask both models the same evaluation set",
        )
    if differing := [one for one, other in pairs if one.instruction.strip() != other.instruction.strip()]:
        told = ", ".join(f"{one.id!r} in {one.lang}" for one in differing[:NAMED])
        more = f" and {len(differing) - NAMED} more" if len(differing) > NAMED else ""
        raise InputError(
            f"the two files were asked different questions under the same id: {told}{more}",
            "answers can be compared only where both models were asked the same",
        )
    return Joined(pairs, _alone(a, theirs), _alone(b, ours))


def _alone(replies: Iterable[Reply], others: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
    return [key for reply in replies if (key := (reply.id, reply.lang)) not in others]


def _reply(place: str, value: object) -> Reply:
    try:
        line = _Line.model_validate(value)
        lang = languages.get(line.lang).code
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(map(str, fault["loc"]))
        raise SourceError(f"{place}: {f'{key}: ' if key else ''}{fault['msg']}", _FORMAT) from None
    except LanguageError as error:
        raise SourceError(f"{place}: {error}", error.hint) from None
    if (line.answer is None) == (line.outcome == "answered"):
        has = "no answer" if line.answer is None else "an answer"
        raise SourceError(
            f"{place}: outcome {line.outcome!r} with {has}",
            "an answer that counts has the outcome 'answered'; of all others `answer` is null",
        )
    answer = line.answer if line.answer and line.answer.strip() else None
    try:
        json.dumps(line.model_dump(), ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        raise SourceError(f"{place}: half a surrogate pair, which is no text", "write the file as UTF-8") from None
    return Reply(line.id, lang, line.instruction, answer, line.outcome, line.template, line.model, line.record, place)
