"""Rows labelled by hand, of our own writing, and how well a classifier does on them.

route.jsonl: `class` null is an ordinary task, half of the rows, many of them traps. The rules were written with all
rows in view but those marked `held_out`, which were written afterwards and have changed no rule.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple


class Labelled(NamedTuple):
    """A row and the class it is of; None: ordinary."""

    instruction: str
    input: str
    response: str
    task_class: str | None
    held_out: bool


class Score(NamedTuple):
    """Of one class: rows that are of it, rows said to be of it, and rows that are both."""

    n: int
    n_found: int
    n_right: int

    @property
    def precision(self) -> float:
        return self.n_right / self.n_found if self.n_found else 1.0

    @property
    def recall(self) -> float:
        return self.n_right / self.n if self.n else 1.0


def route() -> list[Labelled]:
    """The rows labelled with task classes."""
    lines = Path(__file__).with_name("route.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        Labelled(row["instruction"], row["input"], row["response"], row["class"], row.get("held_out", False))
        for row in map(json.loads, lines)
    ]


def score(
    rows: Iterable[Labelled], classify: Callable[[Labelled], str | None], classes: Iterable[str | None]
) -> dict[str | None, Score]:
    """How well each class is found."""
    pairs = [(row.task_class, classify(row)) for row in rows]
    return {
        name: Score(
            sum(is_ == name for is_, _ in pairs),
            sum(found == name for _, found in pairs),
            sum(is_ == found == name for is_, found in pairs),
        )
        for name in classes
    }


class Piece(NamedTuple):
    """A text of our own writing, and what it quotes of its source."""

    text: str
    quoted: tuple[str, ...]


LID_LANGS = tuple(sorted(path.stem for path in Path(__file__).with_name("lid").glob("*.txt")))


def pieces(lang: str) -> list[Piece]:
    """Instructions and answers in a language: one a line, "⏎" for a new line, "‖" before what its source holds too."""
    lines = Path(__file__).with_name("lid").joinpath(f"{lang}.txt").read_text(encoding="utf-8").splitlines()
    return [Piece(text.replace("⏎", "\n"), tuple(quoted)) for text, *quoted in (line.split("‖") for line in lines)]
