"""What of a row is sent: its texts without what must not change, in parts short enough for a call; and back.

A text becomes units: its protected spans as marks (checks/mask.py), numbered through the row, its edges off, and, where
a row is longer than a call should be, cut at paragraphs, list items and sentences (split.py). What holds no word
(a text that is nothing but code) is not sent at all. `assembled` is the exact inverse: marks, edges and cuts as they
were (a cut between languages of which one writes without blanks takes the target's way). Pure; knows no prompt and no
answer.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from plugdata.checks import mask
from plugdata.languages import Language
from plugdata.translate import route
from plugdata.translate.protocols import SEGMENTS, edges
from plugdata.translate.split import split


class Unit(NamedTuple):
    """A stretch of a text: the white space at its edges, and what lies between, marks in it."""

    name: str
    before: str
    text: str
    after: str
    place: int = 0  # among the units of its row: two may say the same

    @property
    def has_words(self) -> bool:
        return mask.has_words(self.text)


class Record(NamedTuple):
    """The units of a row in order, and the spans that its marks stand for. None: a text cannot be cut to size."""

    units: tuple[Unit, ...] | None
    spans: tuple[str, ...]


@lru_cache(maxsize=1024)  # more rows than are in flight at once
def record(
    instruction: str,
    input: str,
    response: str,
    *,
    masked: bool,
    comments: bool,
    split_chars: int,
    keep: str | None,
) -> Record:
    """The record of a row. `keep`: the task class whose text stays as it is (route.kept_spans), if any.

    Cached, since a task is stepped through once more with each answer, in every language.
    """
    texts = dict(zip(SEGMENTS, (instruction, input, response), strict=True))
    kept = route.kept_spans(keep, texts) if keep else {}
    spans: list[str] = []
    sent: dict[str, str] = {}
    for name, text in texts.items():
        if text and (masked or kept):
            found = mask.mask(text, first=len(spans), comments=comments, keep=kept.get(name, ()))
            text = found.text
            spans += found.spans
        sent[name] = text
    whole = sum(map(len, sent.values())) <= split_chars
    units: list[Unit] = []
    for name, text in sent.items():
        pieces = [text] if whole else split(text, split_chars)
        if pieces is None:
            return Record(None, tuple(spans))
        units += [Unit(name, *edges(piece), place) for place, piece in enumerate(pieces, len(units))]
    return Record(tuple(units), tuple(spans))


def loads(units: Sequence[Unit], split_chars: int, *, together: bool) -> list[list[Unit]]:
    """The units with words, as they share calls: in order, a name once in a call, up to `split_chars` in all."""
    found: list[list[Unit]] = []
    for unit in units:
        if not unit.has_words:
            continue
        last = found[-1] if found and together else []
        if not last or unit.name in (u.name for u in last) or sum(len(u.text) for u in (*last, unit)) > split_chars:
            found.append([unit])
        else:
            last.append(unit)
    return found


def halves(units: Sequence[Unit]) -> list[list[Unit]] | None:
    """Some units of a call as several calls: each its own, or one cut in two. None where there is no place for it, or
    where they are so short that it is not for want of room that an answer was cut."""
    if sum(len(unit.text) for unit in units) <= MIN_CHARS:
        return None
    if len(units) > 1:
        return [[unit] for unit in units]
    (unit,) = units
    pieces = split(unit.text, max(MIN_CHARS, len(unit.text) // 2 + 1))
    return [[Unit(unit.name, *edges(piece))] for piece in pieces] if pieces and len(pieces) > 1 else None


MIN_CHARS = 200
"""Characters below which a text is not cut for want of room: a sentence or two, which any model has room for."""


def assembled(record: Record, translated: Mapping[Unit, str], source: Language, target: Language) -> dict[str, str]:
    """The texts of a row from the translations of its units; units without one stand as they are."""
    own: dict[str, list[Unit]] = {name: [] for name in SEGMENTS}
    for unit in record.units or ():
        own[unit.name].append(unit)
    texts = {
        name: _together(units, [translated.get(unit, unit.text) for unit in units], source, target)
        for name, units in own.items()
    }
    return {name: mask.unmask(text, record.spans) for name, text in texts.items()} if record.spans else texts


def joined(units: Sequence[Unit], said: Sequence[str], source: Language, target: Language) -> str:
    """The translation of a unit that was cut, from those of its pieces."""
    return _together(units, said, source, target).strip()


def _together(units: Sequence[Unit], said: Sequence[str], source: Language, target: Language) -> str:
    """Pieces of a text with the white space they had; but a blank between sentences where the target writes one and
    the source does not, and none the other way round."""
    text = ""
    for nth, (unit, piece) in enumerate(zip(units, said, strict=True)):
        gap = (units[nth - 1].after if nth else "") + unit.before
        if nth and gap == "" and target.spaced and not source.spaced:
            gap = " "
        elif nth and gap == " " and source.spaced and not target.spaced:
            gap = ""
        text += gap + piece
    return text + units[-1].after if units else ""
