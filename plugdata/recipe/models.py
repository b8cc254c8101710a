"""What a user may ask for: the pydantic models of a recipe.

Defaults stand in these modules and nowhere else, and so do the limits of each value. Whether a source exists or a
model answers is for the room that opens it.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from plugdata.pair import PairLayout
from plugdata.recipe.base import FIELDS, Code, Columns, Origin, Settings, Share
from plugdata.recipe.curation import Dedup, Filter
from plugdata.recipe.endpoints import Model
from plugdata.recipe.natural import Diversify, Edit, Generate, Passages, Rate, Texts
from plugdata.recipe.quality import Quality
from plugdata.recipe.translation import Existing, Screen, Translate
from plugdata.rows import STAGES


class Source(Origin):
    """Where instruction data comes from: a file or folder (`path`) or a Hub data set (`id`)."""

    path: str | None = Field(
        None, description=".json, .jsonl, .csv (also .gz, .zst, .bz2), .parquet, a folder of these"
    )
    format: Literal["auto", "alpaca", "dolly", "oasst", "sharegpt", "messages"] = "auto"
    columns: Columns = Field(default_factory=dict, description=f"our field ({', '.join(FIELDS)}) → their column")
    turns: Literal["first", "quarantine"] = Field("first", description="what becomes of multi-turn records")
    system: Literal["quarantine", "fold", "ignore"] = Field(
        "quarantine", description="a record's own system prompt: put aside, fold into the instruction, or ignore"
    )


class Split(Settings):
    validation: Annotated[float, Field(ge=0, lt=1)] = 0.0
    seed: int = 42


class Publish(Settings):
    repo: str | None = Field(None, pattern=r"^[\w.-]+/[\w.-]+$", description="ORG/NAME on the Hub")
    license: str = Field("computed", description="computed from the sources, or a licence id you answer for")
    split_by_license: bool = Field(
        False, description="rows that cannot share one licence become configs of their own: ko-cc-by-sa-3.0"
    )
    title: str | None = Field(None, description="heading of the card; default: the repo's name")
    max_failed: Annotated[int, Field(ge=0)] | Share = Field(
        0, description="rows of a language whose calls failed that a push lets pass: a number, or a share (0.01, 1.0)"
    )


class Recipe(Settings):
    """A corpus as asked for."""

    kind: Literal["plug", "x-instruction"] = Field(
        "plug", description="plug: instruction data, translated; x-instruction: natural text, for which they are made"
    )
    corpus: Path = Field(description="the corpus directory, relative to the working directory")
    sources: tuple[Source, ...] = Field((), description="of kind plug: instruction data")
    texts: tuple[Texts, ...] = Field((), description="of kind x-instruction: natural text of each of `languages`")
    pivot: Code = Field("en", description="the language in which the model will think")
    source_lang: Code | None = Field(
        None, description="language of the sources; default: the pivot. Another one is translated into the pivot too"
    )
    languages: tuple[Code, ...] = Field(min_length=1)
    translations: tuple[Existing, ...] = Field((), description="translations one already has, a file for a language")
    models: tuple[Model, ...] = Field((), description="what translates: rows are shared out by `weight`")
    budget: float | None = Field(None, gt=0, allow_inf_nan=False, description="USD that the ledger may ever cost")
    ledger: Path | None = Field(None, description="a ledger shared with other corpora; default: the corpus's own")
    shard: str | None = Field(None, pattern=r"^[1-9]\d*/[1-9]\d*$", description="I/N: the I-th of N parts of the rows")
    limit: int | None = Field(None, ge=1, description="first N rows of all sources; removing it extends the corpus")
    screen: Screen = Screen()
    passages: Passages = Passages()
    generate: Generate = Generate()
    rate: Rate | None = Field(Rate(), description="null: nothing is rated, all is kept (the comparison)")
    edit: Edit | None = Field(None, description="the passages edited into answers; default: they stay as they are")
    diversify: Diversify | None = Field(Diversify(), description="null: nothing is sampled, all is kept")
    translate: Translate = Translate()
    filter: Filter = Filter()
    dedup: Dedup = Dedup()
    quality: Quality = Quality()
    layouts: tuple[PairLayout, ...] = Field(("plug",), min_length=1, description="the first is the default layout")
    parallel: bool = Field(False, description="publish only rows kept in every language")
    split: Split = Split()
    publish: Publish = Publish()

    @model_validator(mode="before")
    @classmethod
    def _of_its_kind(cls, given: Any) -> Any:
        """The defaults of x-instruction, whose languages hold other rows each."""
        if not isinstance(given, dict) or given.get("kind") != "x-instruction":
            return given
        dedup = given.get("dedup") or {}
        if isinstance(dedup, dict):
            dedup = {"per_language": True, **dedup}
        return {"layouts": ["x-instruct"], **given, "dedup": dedup}

    @model_validator(mode="after")
    def _goes_with_its_kind(self) -> Self:
        natural = self.kind == "x-instruction"
        blocks: tuple[str, ...] = ("sources", "source_lang", "translations", "screen")
        if not natural:
            blocks = ("texts", "passages", "generate", "rate", "edit", "diversify")
        if stray := [key for key in blocks if getattr(self, key) != type(self).model_fields[key].default]:
            raise ValueError(f"`{stray[0]}` is not for kind {self.kind}")
        if not natural and not self.sources:
            raise ValueError("`sources` is required: where instruction data comes from")
        if not natural:
            return self
        if lacking := [code for code in self.languages if code not in {texts.lang for texts in self.texts}]:
            raise ValueError(f"`texts` has none in {lacking[0]!r}, which is in `languages`")
        if self.parallel or not self.dedup.per_language:
            key = "parallel" if self.parallel else "dedup.per_language"
            raise ValueError(f"`{key}`: the languages of kind x-instruction have no row in common")
        if self.translate.fields != "all":
            raise ValueError("`translate.fields` is not for kind x-instruction: `layouts` say what is translated")
        return self

    @model_validator(mode="after")
    def _languages_differ(self) -> Self:
        if self.pivot in self.languages:
            raise ValueError(f"the pivot {self.pivot!r} is also in `languages`")
        if self.source_lang == self.pivot:
            raise ValueError(f"the language of the sources is the pivot {self.pivot!r}: leave `source_lang` out")
        if self.source_lang in self.languages:
            raise ValueError(f"the language of the sources {self.source_lang!r} is also in `languages`")
        if doubled := sorted({code for code in self.languages if self.languages.count(code) > 1}):
            raise ValueError(f"{doubled[0]!r} stands twice in `languages`")
        given = [existing.lang for existing in self.translations]
        if strangers := sorted(set(given) - set(self.translated)):
            raise ValueError(f"`translations` has {strangers[0]!r}, which is not in `languages`")
        if len(set(given)) < len(given):
            raise ValueError("`translations` has two files for a language")
        return self

    @field_validator("shard")
    @classmethod
    def _is_a_part(cls, shard: str | None) -> str | None:
        if shard and int(shard.partition("/")[0]) > int(shard.partition("/")[2]):
            raise ValueError("is I/N, the I-th of N parts: I is at most N")
        return shard

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Where its rows come from, of either kind."""
        return (*self.sources, *self.texts)

    @property
    def stages(self) -> tuple[str, ...]:
        """Its stages, in order: those of rows, and dist."""
        return (*STAGES[self.kind], "dist")

    @property
    def last_stage(self) -> str:
        """The stage whose rows are published."""
        return "quality" if self.quality.back_translation or self.quality.judge else "dedup"

    @property
    def read_lang(self) -> str:
        """The language of the sources."""
        return self.source_lang or self.pivot

    @property
    def translated(self) -> tuple[str, ...]:
        """The languages that the sources are translated into: the pivot too, where it is not the sources' own."""
        return self.languages if self.read_lang == self.pivot else (self.pivot, *self.languages)

    @property
    def asked(self) -> tuple[str, ...]:
        """Those of them that a model is asked for."""
        given = {existing.lang for existing in self.translations}
        return tuple(lang for lang in self.translated if lang not in given)

    def asks_otherwise(self, other: "Recipe") -> str | None:
        """The first key by which two recipes have other rows, or ask other things of other models; None if none.

        Of what was asked again one may have more than the other: a part of a corpus in which no row needed it.
        """
        for key in (*OF_ROWS, "languages"):
            one, two = (_without_places(getattr(of, key)) for of in (self, other))
            if one != two:
                return key
        one, two = (
            [again.model_dump(exclude={"rows": True, "model": _WHERE}) for again in r.translate.again]
            for r in (self, other)
        )
        if one[: len(two)] != two[: len(one)]:
            return "translate"
        for key, apart in (
            ("translate", {"mode": True, "retries": True, "again": True}),
            ("quality", {"back_translation": {"model": _WHERE}, "judge": {"model": _WHERE}}),
        ):
            if getattr(self, key).model_dump(exclude=apart) != getattr(other, key).model_dump(exclude=apart):
                return key
        asked, others = ([model.model_dump(exclude=_WHERE) for model in r.models] for r in (self, other))
        return None if asked == others else "models"


OF_ROWS = (
    *("kind", "sources", "texts", "pivot", "source_lang", "translations", "limit", "screen"),
    *("passages", "generate", "rate", "edit", "diversify"),
)
"""Keys that say which rows there are."""


def _without_places(block: Any) -> Any:
    """A block, without what of its model says where that is."""
    if not isinstance(getattr(block, "model", None), Model):
        return block
    return [block.model_dump(exclude={"model"}), block.model.model_dump(exclude=_WHERE)]


_WHERE = {"base_url", "api_key_env", "price", "limits", "timeout_s"}
"""Keys of a model that say where it is and what it costs, but not what it answers."""
