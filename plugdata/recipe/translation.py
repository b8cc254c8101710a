"""The blocks of a recipe that say what is translated, and how."""

import re
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from plugdata import languages
from plugdata.recipe.base import Code, Columns, Settings, Share
from plugdata.recipe.endpoints import Model
from plugdata.rows import Reason

# Why these defaults: rhymes and puns come out as nonsense that no check can see (alpaca-lora #180); a count
# is of the source's letters; a text that a translator mends teaches to copy; English grammar in words of
# another language teaches nothing; a picture or link is made up; options are compared by a check (Alpaca-CoT
# #62).
Policy = Literal["translate", "keep-span", "equivalent-error", "drop"]
"""What becomes of a row whose task may lose its sense in translation: translated like any other; its frame translated
and the text it is about kept; translated with a mistake made anew in the target; taken out."""


class Route(Settings):
    """Which tasks lose their sense in translation, and what is done with each: translated like any row; keep-span: the
    text it is about stays; equivalent-error: with a mistake made anew; drop: taken out before it costs anything."""

    by: Literal["rules", "llm", "off"] = Field(
        "rules", description="rules know English alone; llm: the model is asked where they say nothing; off: no classes"
    )
    correction: Policy = Field("equivalent-error", description="mend the grammar or spelling of a text")
    wordplay: Policy = Field("drop", description="rhymes, acronyms, puns, anagrams")
    letter_count: Policy = Field("drop", description="letters, syllables or words counted or prescribed")
    translation: Policy = Field("keep-span", description="translate this into another language")
    pivot_language: Policy = Field("drop", description="on the grammar, spelling or sound of the source's language")
    fixed_labels: Policy = Field("translate", description="choose from a given set of labels")
    code: Policy = Field("translate", description="write or explain code, which is masked")
    media: Policy = Field("drop", description="show a picture, give a link")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: Any) -> Any:
        if given is False:  # what YAML makes of a bare off
            given = "off"
        return {"by": given} if isinstance(given, str) else given

    @property
    def policies(self) -> dict[str, Policy]:
        """Task class, as rows spell it → policy."""
        return {name.replace("_", "-"): policy for name, policy in self.model_dump(exclude={"by"}).items()}


def is_hub_id(name: str) -> bool:
    """Whether an evaluation set lies on the Hub: "org/name" does, "mine.jsonl", "sets/mine.csv", "./sets/mine" do not.

    By its form alone, so that a recipe means the same wherever it is read."""
    return bool(_HUB_ID.fullmatch(name)) and not _DATA_FILE.search(name)


_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_DATA_FILE = re.compile(r"\.(?:jsonl?|ndjson|csv|parquet)(?:\.gz|\.zst)?$", re.IGNORECASE)


class Screen(Settings):
    duplicates: Literal["exact", "near", "off"] = Field("exact", description="taken out before a call is paid")
    near: Share = Field(0.8, description="Jaccard similarity from which `duplicates: near` takes a row out")
    against: tuple[str, ...] = Field(
        (), description="other data sets whose rows no row may repeat, as `dedup.against`; not with `duplicates: off`"
    )
    max_cluster: Share | None = Field(
        0.01, description="share of the rows; more near-duplicates of one row (and more than 100) all stay"
    )
    decontaminate: tuple[str, ...] = Field(
        (),
        description="evaluation sets whose questions no row may hold, before and after translation: Hub ids"
        " (org/name), files, or folders (written ./folder)",
    )
    route: Route = Field(Route(), description="tasks that lose their sense in translation; `llm` for short")


_NOT_ASKED = {
    Reason.CALL_FAILED: "the next run asks for these by itself",
    Reason.NO_TRANSLATION: "the file of translations lacks these",
    Reason.PIVOT: "name the reason for which the translation into the pivot was taken out",
    Reason.TOO_LONG: "raise `translate.split_chars`",
    Reason.UNTRANSLATABLE: "`screen.route` says what becomes of these",
}
"""Reasons of rows that no request was made for, and what can be done about them."""


class Again(Settings):
    """Rows that are asked for again: what `plugdata retry` writes."""

    reasons: tuple[Reason, ...] = Field(min_length=1, description="rows that came to nothing for one of these")
    rows: Path | None = Field(None, description="file of `LANG ID` lines: rows that a stage after translate took out")
    model: Model | None = Field(None, description="what is asked; default: the model that gave the faulty answer")
    repair: int = Field(2, ge=0, le=5, description="further times a faulty answer is sent back")

    @model_validator(mode="after")
    def _can_help(self) -> Self:
        if vain := sorted(set(self.reasons) & _NOT_ASKED.keys()):
            raise ValueError(f"asking again changes nothing about {vain[0]}: {_NOT_ASKED[vain[0]]}")
        final = {Reason.CONTENT_FILTER, Reason.CONTEXT_LENGTH} & set(self.reasons)
        if final and self.model is None:
            raise ValueError(f"the same model gives the same {min(final)}: name a `model` (--model)")
        if self.rows and self.model is None:
            raise ValueError("these rows have no fault that the same model could be told: name a `model` (--model)")
        return self


Formality = Literal["formal", "informal"]


class Translate(Settings):
    protocol: Literal["tags", "json_schema", "plain", "plug-paper"] = Field(
        "tags",
        description="tags: a row's texts in one call; json_schema: the same as JSON, held to a schema by the endpoint;"
        " plain: one text a call, for weak models; plug-paper: as PLUG's released script, to reproduce it",
    )
    fields: Literal["all", "instruction"] = Field(
        "all", description="instruction: prompts alone, for a benchmark in another language"
    )
    examples: int = Field(2, ge=0, le=2, description="worked examples sent as earlier turns")
    formality: Formality | dict[Code, Formality] | None = Field(
        None, description="how the reader is addressed, in all languages or by language; default: left to the model"
    )
    glossary: Path | None = Field(
        None, description="CSV with the columns source, target (A|B: either will do), and lang where it serves several"
    )
    mask: bool = Field(True, description="code, LaTeX, URLs and the like are sent as marks and put back")
    comments: bool = Field(False, description="translate comments inside code; default: they stay")
    split_chars: int = Field(
        6_000, ge=200, description="characters of a row's texts together above which they are translated in parts"
    )
    check_language: bool = Field(True, description="an answer surely in another language is asked for again")
    repair: int = Field(2, ge=0, le=5, description="times a faulty answer is sent back with its fault named")
    repair_by: Literal["same", "next"] = Field("same", description="next: by another one of `models`")
    retries: int = Field(6, ge=0, description="tries after the first of a call that fails for a passing reason")
    again: tuple[Again, ...] = Field(
        (), description="rows that came to nothing, asked for once more: what `plugdata retry` writes"
    )
    mode: Literal["online", "batch"] = Field("online", description="batch: half the price, within a day")

    def formality_of(self, lang: str) -> Formality | None:
        """How the reader of a language is addressed; of a locale, as its language's where it has no word of its own."""
        if not isinstance(self.formality, dict):
            return self.formality
        return self.formality.get(lang) or self.formality.get(languages.get(lang).base)


class Existing(Settings):
    """Translations that one already has, in place of a model's."""

    lang: Code
    path: str = Field(description="a file in any format that sources have")
    by: Literal["auto", "id", "order"] = Field(
        "auto",
        description="how its records are matched with the source's; auto: by id where both have ids, else by order",
    )
    columns: Columns = Field(default_factory=dict, description="our field → their column")
    made_by: str = Field("given", description="what stands in the column `model` of their rows")
    checked: bool = Field(
        False, description="they passed the checks before, as published rows did, and are taken whole"
    )
