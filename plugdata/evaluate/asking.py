"""A question to a judge: a task of one call, and the mark that ends its answer.

Every mode asks alike: the texts to judge stand in tags that none of them holds, the judge reasons first and ends with
a mark in double brackets. What has no such mark is not read in any other way: it is unparsable, and counted.
Knows no file, no tally.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from string import Template
from typing import Any, NamedTuple

from plugdata import languages, prompts
from plugdata.asking import in_tags as in_tags
from plugdata.hashing import tagged_hash
from plugdata.wire import CONTENT_FILTER, LENGTH, Answer, Message, Request, Result, Task

STAGE = "judge"

RUBRIC = "rubric-v1"

_MARK = re.compile(r"\[\[([^\[\]\n]{1,8})\]\]")


class Rubric(NamedTuple):
    """What makes an answer good, in words, and the id under which verdicts by it are noted. `$language` stands for the
    language's name."""

    id: str
    text: str


class Ask(NamedTuple):
    """One question to a judge, on one reply or pair; `about` tells it from others on the same."""

    id: str
    lang: str
    about: str
    prompt: str
    system: str
    user: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.id, self.lang, self.about


@dataclass(frozen=True)
class Cost:
    """What a judge's answers have cost, in all runs together."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    usd: float


Said = Mapping[tuple[str, str, str], Answer | None]
"""What a judge answered, by the key of what it was asked; None where the call failed."""


def task(params: Mapping[str, Any]) -> Task[Answer]:
    """The task that asks a judge once; its row is an Ask as a mapping. What the answer means is read from it later."""

    def next_step(row: Mapping[str, Any], answers: Sequence[Answer]) -> Request | Result[Answer]:
        if answers:
            return Result(answers[0])
        messages = (Message("system", row["system"]), Message("user", row["user"]))
        return Request(messages, params, row["prompt"], STAGE, row["lang"])

    return next_step


def default_rubric() -> Rubric:
    return Rubric(RUBRIC, prompts.template(RUBRIC).template)


def own_rubric(text: str) -> Rubric:
    """A rubric of the user's own, known by its text."""
    return Rubric(f"rubric-{tagged_hash(text.strip()).removeprefix('b2:')[:8]}", text.strip())


def system(prompt: str, lang: str, rubric: Rubric | None = None) -> str:
    """The system message of a prompt, for texts in a language."""
    name = languages.get(lang).name
    filled = Template(rubric.text).safe_substitute(language=name) if rubric else ""
    return prompts.template(prompt).substitute(language=name, rubric=filled)


def mark(said: Answer, known: Collection[str]) -> str | None:
    """The mark of the last line that holds any; None where that line holds several or another than the `known`, where
    no line does, and where the answer was cut."""
    if said.finish_reason in (LENGTH, CONTENT_FILTER):
        return None
    for line in reversed(said.text.splitlines()):
        if found := _MARK.findall(line):
            return found[0] if len(found) == 1 and found[0] in known else None
    return None
