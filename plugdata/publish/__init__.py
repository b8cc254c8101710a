"""Publishing: dist.py builds the folder that goes to the Hub, card.py its texts; hub sends it and reads it back.

Here stands what they share: the published columns, and the facts that a card tells.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from plugdata.corpus import Counts
from plugdata.licenses import Provider
from plugdata.pair import LayoutName

COLUMNS: dict[str, tuple[str, str]] = {
    "id": ("string", "hash of the source texts: the same row has the same id in every language and config"),
    "source": ("string", "where the row comes from: a data set on the Hub, or a declared name"),
    "source_id": ("string", "the row's own id there, else its place, from 0"),
    "lang": ("string", "the target language (BCP-47)"),
    "pivot_lang": ("string", "the pivot language (BCP-47)"),
    "pivot_instruction": ("string", "instruction in the pivot language: instruction, blank line, input"),
    "pivot_response": ("string", "response in the pivot language"),
    "instruction": ("string", "instruction in the target language"),
    "response": ("string", "response in the target language"),
    "messages": ("messages", "system, user and assistant turn, in the layout of the config"),
    "layout": ("string", "name of the layout of `messages`"),
    "template": ("string", "its exact version, described in layouts.json"),
    "lid_score": ("float64", "p(`lang`) of `response`, against what it may be mistaken for; null = too little prose"),
    "length_ratio": ("float64", "length of `response` / length of `pivot_response`, in characters"),
    "license": ("string", "licence of the row in its source"),
}
"""The columns of every config, in order: type ("messages" is a list of {role, content}) and meaning."""


Task = Literal["generation", "rating", "editing", "translation", "classification", "back-translation", "judging"]
"""What a model was asked for. Generation, rating, editing: of instructions for natural text, and of that text;
classification: of which kind a task is, where translation may spoil it."""


class ModelUse(NamedTuple):
    """What the ledger says of one model and one task. Dates are UTC days, ISO 8601; money is in 1e-9 USD."""

    served_as: str
    task: Task
    n_calls: int
    prompt_tokens: int
    completion_tokens: int
    nano_usd: int
    n_unpriced: int  # calls whose price is not known, and which nano_usd lacks
    first_date: str
    last_date: str


@dataclass(frozen=True)
class Facts:
    """What a card tells of how a corpus was made. The two texts are published as they are: no paths, no secrets."""

    pivot: str
    funnel: Mapping[str, Sequence[tuple[str, Counts]]]  # language → (stage, counts), from the source to dedup
    models: Sequence[ModelUse]
    providers: Mapping[str, Provider]  # model, as it is served → who serves it; those that are known
    prompts: Sequence[str]  # template ids
    recipe_text: str
    manifest_text: str
    version: str  # of plugdata


class Size(NamedTuple):
    n_rows: int
    n_bytes: int  # in memory, as Arrow


@dataclass(frozen=True)
class Config:
    """One config of the data set: the rows of one language in one layout."""

    name: str
    lang: str
    layout: LayoutName
    splits: Mapping[str, Size]
    n_file_bytes: int
    license: str | None = None  # of its rows, where rows under other licences are configs of their own


class Origin(NamedTuple):
    """A source under one licence, and how many of its rows are published (a row in two languages counts twice)."""

    source: str
    license: str | None
    n_rows: int


class Sample(NamedTuple):
    lang: str
    pivot_instruction: str
    pivot_response: str
    instruction: str
    response: str
