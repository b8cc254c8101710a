"""The question to a model which class a row is of, and how its answer is read (`route: llm`)."""

from collections.abc import Mapping
from typing import NamedTuple

from plugdata import prompts
from plugdata.translate.protocols import SEGMENTS, render_tags, tag_suffix
from plugdata.translate.route.classes import CLASSES

PROMPT = "route-v1"
"""The template of the question."""

_NONE = "none"
_MOST = 1_500
"""Characters of a text that are shown, for this question only: it is asked of every row, and what kind of task it is
shows in the beginning. One in six of 999 real Alpaca responses is longer, no instruction and no input is."""


class Unreadable(NamedTuple):
    """An answer that is not one class name; the row is then an ordinary one."""

    answer: str


def ask(texts: Mapping[str, str], source_name: str) -> tuple[str, str]:
    """The system and the user message of the question; the user message shows the texts in their tags."""
    shown = {name: _cut(core) for name in SEGMENTS if (core := (texts.get(name) or "").strip())}
    return prompts.template(PROMPT).substitute(source_name=source_name), render_tags(shown, tag_suffix(shown))


def parse(answer: str) -> str | Unreadable | None:
    """The class named, None for "none". Case, white space, a full stop and marks around the name do not matter."""
    said = answer.strip().strip("*_`'\".").lower()
    if said == _NONE:
        return None
    return said if said in CLASSES else Unreadable(answer)


def _cut(text: str) -> str:
    return text if len(text) <= _MOST else text[:_MOST] + " […]"
