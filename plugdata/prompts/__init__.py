"""Prompts as versioned files, and the worked examples that go with them.

A template is `ID.txt` beside this file, with `$name` placeholders. Its id stands on every row it made, so a changed
prompt is a new file with a new id, never an edit. `examples.toml` holds the same few texts in every language of
the table, so that any two languages make a worked example of a translation.
"""

import tomllib
from functools import cache
from importlib import resources
from string import Template
from typing import NamedTuple


class Example(NamedTuple):
    """One record in one language; the examples of all languages are parallel."""

    instruction: str
    input: str
    response: str


@cache
def template(prompt_id: str) -> Template:
    """The template of an id."""
    return Template(resources.files(__name__).joinpath(f"{prompt_id}.txt").read_text(encoding="utf-8").strip())


@cache
def examples(code: str) -> tuple[Example, ...]:
    """The worked examples in a language; none where examples.toml lacks the language."""
    text = resources.files(__name__).joinpath("examples.toml").read_text(encoding="utf-8")
    return tuple(Example(**record) for record in tomllib.loads(text).get(code, ()))
