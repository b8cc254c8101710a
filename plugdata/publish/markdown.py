"""Pieces of Markdown that hold any text without letting it become markup. Knows nothing of what they say."""

import re
from collections.abc import Sequence


def inert(text: str) -> str:
    """A name as one line of plain text: nothing in it is markup."""
    return re.sub(r"([\\`*_{}\[\]<>#|!~$&])", r"\\\1", " ".join(text.split()))


def fenced(text: str) -> str:
    """A text inside a fence that nothing in it can close."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def cut(text: str, n_characters: int, n_lines: int) -> str:
    """The beginning of a text, marked where it was cut."""
    lines = text[:n_characters].splitlines()
    short = "\n".join(lines[:n_lines]).rstrip()
    return short if len(text) <= n_characters and len(lines) <= n_lines else short + " […]"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers_from: int | None = None) -> str:
    """A table of cells that are Markdown already; columns from `numbers_from` on are aligned right."""
    rules = ["--:" if numbers_from is not None and n >= numbers_from else "---" for n in range(len(header))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, rules, *rows])
