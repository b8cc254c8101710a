"""The outcome of a row whose translation was not asked for but given: the same checks, and no second try.

What would have been masked on the way must stand in the translation as it is; it becomes the same marks in both, so
that the checks see what they see of an answer.
"""

from collections.abc import Mapping
from typing import Any

from plugdata.recipe import Translate
from plugdata.rows import Reason
from plugdata.translate import verify
from plugdata.translate.attempt import Outcome
from plugdata.translate.protocols import SEGMENTS
from plugdata.translate.record import record

MANY = 8
"""Times its characters that a text with marks has at most: ⟦10000000⟧ for one."""


def outcome(row: Mapping[str, Any], asked: verify.Asked, settings: Translate, *, checked: bool = False) -> Outcome:
    """What the given translation of a row comes to; no fault is looked for in one that is `checked`.

    Needs: instruction, input, response; target_* and lacking (sources.existing).
    """
    if row["lacking"]:
        return Outcome({}, (Reason.NO_TRANSLATION,), row["lacking"])
    given = {name: row[f"target_{name}"] or "" for name in SEGMENTS}
    if checked:
        return Outcome(given)
    instruction, input, response = (row[name] or "" for name in SEGMENTS)
    whole = len(instruction) + len(input) + len(response)
    sent = record(
        instruction,
        input,
        response if settings.fields == "all" else "",
        masked=settings.mask,
        comments=False,
        split_chars=MANY * whole,  # never cut
        keep=None,
    )
    units = {unit.name: unit.text for unit in sent.units or () if unit.has_words}
    said = {name: _marked(given[name].strip(), text, sent.spans) for name, text in units.items()}
    found = verify.faults(asked, units, said)
    told = " · ".join(fault.told for fault in found)
    for mark, span in verify.marks(told, sent.spans):
        told = told.replace(mark, repr(span))
    return Outcome(given, tuple(dict.fromkeys(fault.reason for fault in found)), told or None)


def _marked(given: str, text: str, spans: tuple[str, ...]) -> str:
    """A translation with the marks of its source in place of what they stand for, as far as that stands there."""
    for mark, span in verify.marks(text, spans):
        given = given.replace(span.strip(), mark, 1)
    return given
