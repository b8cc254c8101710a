"""The outcome of a row whose translation was not asked for but given: the same checks, and no second try."""

from collections.abc import Mapping
from typing import Any

from plugdata.rows import Reason
from plugdata.translate import verify
from plugdata.translate.protocols import SEGMENTS
from plugdata.translate.task import Outcome


def outcome(row: Mapping[str, Any], asked: verify.Asked) -> Outcome:
    """What the given translation of a row comes to.

    Needs: instruction, input, response; target_* and lacking (sources.existing).
    """
    if row["lacking"]:
        return Outcome({}, (Reason.NO_TRANSLATION,), row["lacking"])
    said = {name: row[f"target_{name}"] or "" for name in SEGMENTS}
    texts = {name: text for name in SEGMENTS if (text := (row[name] or "").strip())}
    found = verify.faults(asked, texts, {name: said[name].strip() for name in texts})
    return Outcome(
        said, tuple(dict.fromkeys(fault.reason for fault in found)), " · ".join(fault.told for fault in found) or None
    )
