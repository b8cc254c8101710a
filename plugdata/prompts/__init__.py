"""Prompts as versioned files, and the worked examples that go with them.

A template is `ID.txt` beside this file, with `$name` placeholders; one that is a sentence in each target language is
`ID.toml`, by language. Its id stands on every row it made, so a changed prompt is a new file with a new id, never an
edit. `examples.toml` holds the same few texts in every language of the table, so that any two languages make a worked
example of a translation. Texts are looked for under several codes: a locale (es-MX) may have those of its language.
"""

import tomllib
from functools import cache
from importlib import resources
from string import Template
from typing import Any, NamedTuple


class Example(NamedTuple):
    """One record in one language; the examples of all languages are parallel."""

    instruction: str
    input: str
    response: str


N_PLAIN = 2
"""Examples of an ordinary record; the ones behind them hold marks, and are for records that do."""


@cache
def template(prompt_id: str) -> Template:
    """The template of an id."""
    return Template(resources.files(__name__).joinpath(f"{prompt_id}.txt").read_text(encoding="utf-8").strip())


def sentence(prompt_id: str, codes: tuple[str, ...]) -> Template | None:
    """The template of an id in the first of some languages that its file has; None where it has none."""
    text = _first(f"{prompt_id}.toml", codes)
    return Template(text) if text else None


@cache
def examples(*codes: str) -> tuple[Example, ...]:
    """The worked examples in the first of some languages that examples.toml has; none where it has none."""
    return tuple(Example(**record) for record in _first("examples.toml", codes) or ())


class Worked(NamedTuple):
    """A text, and the instruction that it answers."""

    text: str
    instruction: str


@cache
def passages(code: str) -> tuple[Worked, ...]:
    """The worked examples of instructions for natural text, in a pivot; none where passages.toml has none."""
    return tuple(
        Worked(record["text"].strip(), record["instruction"]) for record in _first("passages.toml", (code,)) or ()
    )


def _first(file: str, codes: tuple[str, ...]) -> Any:
    by_language = _file(file)
    return next((by_language[code] for code in codes if code in by_language), None)


@cache
def _file(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files(__name__).joinpath(name).read_text(encoding="utf-8"))
