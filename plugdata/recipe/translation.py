"""The blocks of a recipe that say what is translated, and how."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from plugdata.recipe.base import Code, Settings, Share
from plugdata.recipe.endpoints import Model
from plugdata.rows import Reason

Policy = Literal["translate", "keep-span", "equivalent-error", "drop"]
"""What becomes of a row whose task may lose its sense in translation: translated like any other; its frame translated
and the text it is about kept; translated with a mistake made anew in the target; taken out."""


class Route(Settings):
    """What tells task classes, and the policy of each (translate/route.py)."""

    by: Literal["rules", "llm", "off"] = Field(
        "rules", description="llm: the model is asked about rows of which the rules say nothing"
    )
    correction: Policy = Field("equivalent-error", description="mend the grammar or spelling of a text")
    wordplay: Policy = Field("drop", description="rhymes, acronyms, puns, anagrams")
    letter_count: Policy = Field("drop", description="letters, syllables or words counted or prescribed")
    translation: Policy = Field("keep-span", description="translate this into another language")
    pivot_language: Policy = Field("drop", description="on the grammar, spelling or sound of the source's language")
    fixed_labels: Policy = Field("translate", description="choose from a given set of labels")
    code: Policy = Field("keep-span", description="write or explain code")
    media: Policy = Field("drop", description="show a picture, give a link")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: Any) -> Any:
        return {"by": given} if isinstance(given, str) else given

    @property
    def policies(self) -> dict[str, Policy]:
        """Task class, as rows spell it → policy."""
        return {name.replace("_", "-"): policy for name, policy in self.model_dump(exclude={"by"}).items()}


class Screen(Settings):
    duplicates: Literal["exact", "near", "off"] = Field("exact", description="taken out before a call is paid")
    near: Share = Field(0.8, description="Jaccard similarity from which `duplicates: near` takes a row out")
    route: Route = Field(Route(), description="tasks that lose their sense in translation; `llm` for short")


class Again(Settings):
    """Rows that are asked for again: what `plugdata retry` writes."""

    reasons: tuple[Reason, ...] = Field(min_length=1, description="of rows that came to nothing")
    rows: Path | None = Field(None, description="file of `LANG ID` lines: rows that a stage after translate took out")
    model: Model | None = Field(None, description="what is asked; default: the model that gave the faulty answer")
    repair: int = Field(2, ge=0, le=5, description="further times a faulty answer is sent back")

    @model_validator(mode="after")
    def _can_help(self) -> Self:
        final = {Reason.CONTENT_FILTER, Reason.CONTEXT_LENGTH, Reason.TOO_LONG} & set(self.reasons)
        if final and self.model is None:
            raise ValueError(f"the same model gives the same {min(final)}: name a `model`")
        if self.rows and self.model is None:
            raise ValueError("nothing is wrong with these rows that the same model could be told: name a `model`")
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
        None, description="CSV with the columns source, target, and lang where there are several; target: A|B"
    )
    mask: bool = Field(True, description="code, LaTeX, URLs and the like are sent as marks and put back")
    comments: bool = Field(False, description="translate comments inside code")
    split_chars: int = Field(
        6_000, ge=200, description="texts of a row longer than this together are translated in parts"
    )
    check_language: bool = Field(True, description="an answer in another language is asked for again")
    repair: int = Field(2, ge=0, le=5, description="times a faulty answer is sent back with its fault named")
    repair_by: Literal["same", "next"] = Field("same", description="next: by another model of the pool")
    retries: int = Field(6, ge=0, description="tries after the first of a call that fails for a passing reason")
    again: tuple[Again, ...] = Field((), description="rows to ask for once more (`plugdata retry`)")
    mode: Literal["online", "batch"] = Field("online", description="batch: half the price, within a day")

    def formality_of(self, lang: str) -> Formality | None:
        """How the reader of a language is addressed."""
        return self.formality.get(lang) if isinstance(self.formality, dict) else self.formality


class Existing(Settings):
    """Translations that one already has, in place of a model's."""

    lang: Code
    path: str = Field(description="a file in any format that sources have")
    by: Literal["auto", "id", "order"] = Field("auto", description="how its records are laid beside the source's")
    columns: dict[str, str] = Field(default_factory=dict, description="our field → their column")
    made_by: str = Field("given", description="what stands in the column `model` of their rows")
