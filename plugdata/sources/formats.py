"""Which columns of a source hold what: the formats we know, and how one is told from the first records.

Owns `FORMATS` and `detect`. Must not know how files are read, nor what becomes of a record (records.py).

A recipe's `columns` win over everything; what they do not name is looked for in the known formats. Of those that
fit, the one that finds most of its columns is taken, the earlier of two equals: so a file with `instruction`,
`context` and `response` never loses its `context`.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from plugdata.errors import SourceError
from plugdata.recipe import Source, did_you_mean
from plugdata.sources import oasst

PEEK = 1_000
"""Records looked at to tell the format: a field that the first thousand leave out is not one to build on."""

Kind = Literal["fields", "turns", "flat-tree", "nested-tree"]

FORMATS: tuple[tuple[str, dict[str, str]], ...] = (
    ("alpaca", {"instruction": "instruction", "input": "input", "response": "output"}),
    ("dolly", {"instruction": "instruction", "input": "context", "response": "response"}),
    ("alpaca", {"instruction": "instruction", "input": "input", "response": "response"}),
    ("messages", {"messages": "messages"}),
    ("sharegpt", {"messages": "conversations"}),
)
"""Format → our field → its column. The third is what many people's own Alpaca-like files look like."""

_OPTIONAL = {
    "system": ("system", "system_prompt"),
    "source_id": ("source_id", "id", "message_id", "prompt_id", "conversation_id", "question_id", "uuid"),
    "history": ("history",),  # LLaMA-Factory's Alpaca: earlier (instruction, response) exchanges
    "license": ("license",),
}

_SYNONYMS = {
    "instruction": ("prompt", "question", "query", "problem", "user"),
    "response": ("answer", "completion", "output", "response", "solution", "assistant"),
    "messages": ("messages", "conversations", "conversation", "dialogue", "dialog"),
}


@dataclass(frozen=True)
class Shape:
    """How a file's records are to be read: of which kind they are, our field → their column, and what is wanted."""

    kind: Kind
    columns: Mapping[str, str] = field(default_factory=dict)
    responses: bool = True  # False: prompts alone


CONVERSATION = Shape("turns", {"messages": "messages", "source_id": "message_id", "license": "license"})
"""What oasst.py makes of a tree."""


def detect(source: Source, where: str, head: Sequence[Mapping[str, object]], responses: bool = True) -> Shape:
    """The shape of a file from its first records. Raises SourceError naming the columns found and the nearest.

    responses: False for prompts alone, to which no column of responses need belong.
    """
    found = list(dict.fromkeys(column for record in head for column in record))
    for ours, theirs in source.columns.items():
        if theirs not in found:
            raise SourceError(f"{where}: no column {theirs!r} for `{ours}`{did_you_mean(theirs, found)}", _names(found))
    if source.format == "oasst" and source.columns:
        raise SourceError(f"{where}: format oasst takes no `columns`", "leave one of the two out")
    if source.format in ("auto", "oasst") and not source.columns:
        tree = _tree(found, head)
        if tree is not None:
            return replace(tree, responses=responses)
    needed = ("instruction", "messages", "response") if responses else ("instruction", "messages")
    fits = [
        (sum(column in found for column in columns.values()), columns)
        for columns in _candidates(source)
        if all(column in found for ours, column in columns.items() if ours in needed)
    ]
    if not fits:
        raise _unknown(source, where, found, responses)
    _, columns = max(fits, key=lambda fit: fit[0])
    optional = {
        ours: column
        for ours, names in _OPTIONAL.items()
        if (column := next((name for name in names if name in found), None))
    }
    return Shape("turns" if "messages" in columns else "fields", {**optional, **columns}, responses)


def _tree(found: Sequence[str], head: Sequence[Mapping[str, object]]) -> Shape | None:
    if all(column in found for column in oasst.FLAT):
        return Shape("flat-tree")
    prompts = [record.get("prompt") for record in head]
    if any(isinstance(prompt, dict) and "text" in prompt for prompt in prompts):
        return Shape("nested-tree")
    return None


def _candidates(source: Source) -> list[dict[str, str]]:
    """Our field → column of every format that the recipe's `format` and `columns` leave open."""
    if source.format == "oasst":
        return []
    turns, fields = "messages" in source.columns, bool({"instruction", "input", "response"} & source.columns.keys())
    return [
        {**columns, **source.columns}
        for name, columns in FORMATS
        if source.format in ("auto", name) and not (fields if "messages" in columns else turns)
    ]


def _unknown(source: Source, where: str, found: Sequence[str], responses: bool) -> SourceError:
    instruction, response, turns = (source.columns.get(o) or _nearest(o, found) for o in _SYNONYMS)
    meant = ""
    if turns:
        meant = f"; did you mean columns: {{messages: {turns}}}?"
    elif instruction and not responses:
        meant = f"; did you mean columns: {{instruction: {instruction}}}?"
    elif instruction and response and instruction != response:
        meant = f"; did you mean columns: {{instruction: {instruction}, response: {response}}}?"
    what = "no format is known" if source.format == "auto" else f"not the format {source.format}"
    if responses and "instruction" in found and not (response or turns):
        return SourceError(f"{where}: instructions, but no column that is known to hold responses", _names(found))
    return SourceError(f"{where}: {what} with these columns{meant}", _names(found))


def _nearest(ours: str, found: Sequence[str]) -> str | None:
    names = (ours, *_SYNONYMS[ours])
    exact = next((column for name in names for column in found if column.lower() == name), None)
    return exact or next((near[0] for name in names if (near := difflib.get_close_matches(name, found, 1, 0.75))), None)


def _names(found: Sequence[str]) -> str:
    shown = ", ".join(found[:20]) + (f" and {len(found) - 20} more" if len(found) > 20 else "")
    return f"columns found: {shown or 'none'}; map them with `columns` (response=output) or set `format`"
