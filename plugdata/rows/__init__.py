"""What a row is: its id, its status, the columns each stage hands on.

A row's `id` hashes its source texts, so it is the same in every language, run and machine. No row disappears:
a stage gives back every row it got; one that it takes out keeps its place with `status`, `stage` (who decided),
`reason` (one of `Reason`, the first that applied), `reasons` (all of that stage's) and `detail` (the measurement
or message, for people). The first non-kept status wins: later stages copy such rows untouched.

This room owns names and types (contracts.py, reasons.py); it computes nothing but ids and statuses (verdicts.py).
"""

from plugdata.rows.contracts import (
    AGREEMENTS,
    CONTRACTS,
    DEDUP,
    DIVERSIFY,
    FIELDS,
    FILTER,
    GENERATE,
    MEASURE,
    NATURAL,
    PAIR,
    PASSAGES,
    QUALITY,
    RATE,
    SCREEN,
    SHARED,
    SOURCE,
    STAGES,
    TRANSLATE,
    VERDICT,
)
from plugdata.rows.reasons import Reason, Status
from plugdata.rows.verdicts import conform, kept, row_id, take_out

__all__ = [
    "AGREEMENTS",
    "CONTRACTS",
    "DEDUP",
    "DIVERSIFY",
    "FIELDS",
    "FILTER",
    "GENERATE",
    "MEASURE",
    "NATURAL",
    "PAIR",
    "PASSAGES",
    "QUALITY",
    "RATE",
    "SCREEN",
    "SHARED",
    "SOURCE",
    "STAGES",
    "TRANSLATE",
    "VERDICT",
    "Reason",
    "Status",
    "conform",
    "kept",
    "row_id",
    "take_out",
]
