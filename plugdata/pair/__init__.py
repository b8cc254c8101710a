"""Pairs: how pivot and target become one training text (layouts), and the stage that joins them (joining).

Must not know where rows come from, how they were translated or who trains on them.
"""

from plugdata.pair.joining import VERSION, apply, fold
from plugdata.pair.layouts import (
    LAYOUTS,
    SPACE,
    Layout,
    LayoutName,
    PairLayout,
    Part,
    Parts,
    all_labels,
    extract,
    labels,
    layouts_json,
    messages,
    render,
    system_line,
    turns,
)

__all__ = [
    "LAYOUTS",
    "SPACE",
    "VERSION",
    "Layout",
    "LayoutName",
    "PairLayout",
    "Part",
    "Parts",
    "all_labels",
    "apply",
    "extract",
    "fold",
    "labels",
    "layouts_json",
    "messages",
    "render",
    "system_line",
    "turns",
]
