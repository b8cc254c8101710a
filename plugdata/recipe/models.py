"""What a user may ask for: the pydantic models of a recipe.

Defaults stand here and nowhere else, and so do the limits of each value. Whether a source exists or a model answers
is for the room that opens it.
"""

import difflib
import json
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from plugdata import languages
from plugdata.errors import LanguageError

Share = Annotated[float, Field(ge=0, le=1)]
Layout = Literal["plug", "mono"]


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """A trailing "; did you mean X?" for the nearest known word, or nothing."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _known(code: str) -> str:
    try:
        return languages.get(code).code
    except LanguageError as error:
        raise ValueError(f"{error}; {error.hint}") from None


Code = Annotated[str, AfterValidator(_known)]
"""A language of languages.toml."""


class Settings(BaseModel):
    """A block of a recipe: a key it does not know is an error, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Settings):
    """Where instruction data comes from: a file or folder (`path`) or a Hub data set (`id`)."""

    id: str | None = Field(None, description="Hub data set, e.g. vicgalle/alpaca-gpt4")
    path: str | None = Field(None, description=".json, .jsonl(.gz/.zst), .parquet or .csv")
    name: str | None = Field(None, description="name published in `source`; default: the Hub id or the file's stem")
    config: str | None = Field(None, description="configuration of the Hub data set")
    split: str = Field("train", description="split of the Hub data set")
    revision: str | None = Field(None, description="commit, tag or branch of the Hub data set")
    license: str | None = Field(None, description="licence of the rows, as the Hub spells it, e.g. cc-by-nc-4.0")
    format: Literal["auto", "alpaca", "dolly", "oasst", "sharegpt", "messages"] = "auto"
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="our field (instruction, input, response, system, messages, source_id) → their column",
    )
    turns: Literal["first", "quarantine"] = Field("first", description="what becomes of multi-turn records")
    system: Literal["quarantine", "fold", "ignore"] = Field(
        "quarantine", description="a record's own system prompt: put aside, fold into the instruction, or ignore"
    )
    limit: int | None = Field(None, ge=1, description="first N records only")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.id is None) == (self.path is None):
            raise ValueError("give either `id` (a Hub data set) or `path` (a file)")
        return self

    @field_validator("columns")
    @classmethod
    def _known_fields(cls, columns: dict[str, str]) -> dict[str, str]:
        known = ["instruction", "input", "response", "system", "messages", "source_id"]
        for field in columns:
            if field not in known:
                raise ValueError(f"{field!r} is not a field of ours{did_you_mean(field, known)}")
        return columns

    @property
    def label(self) -> str:
        """What `source` says of its rows: a declared name, the Hub id, or a file's stem; never a path."""
        return self.name or self.id or Path(str(self.path)).name.split(".")[0]


class Limits(Settings):
    """What an endpoint may be asked, at most; what its answers' headers say of stricter limits is heeded too."""

    rpm: int | None = Field(None, ge=1, description="requests in any minute")
    tpm: int | None = Field(None, ge=1, description="tokens in any minute, prompt and answer together")
    rpd: int | None = Field(None, ge=1, description="requests in any 24 hours")
    concurrency: int = Field(16, ge=1, le=1024, description="requests in flight")


Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Price(Settings):
    """USD for a million tokens."""

    input: Usd
    output: Usd
    cached_input: Usd | None = Field(None, description="prompt tokens that the provider had cached; default: as input")
    batch: Share = Field(0.5, description="share of the price that the batch API takes")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, where no key is needed and nothing is published."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_OF_THE_SDK = ("extra_headers", "extra_query", "extra_body")
"""`params` are the body of the request, which is stored and published: no place for a header with a key."""


class Model(Settings):
    """What answers: an OpenAI-compatible endpoint, or `local` (llama.cpp in process)."""

    model: str = Field(description="the endpoint's model name, or `local`")
    base_url: str | None = Field(None, description="default: OpenAI's, or OPENAI_BASE_URL")
    api_key_env: str = Field("OPENAI_API_KEY", description="environment variable that holds the key")
    served_as: str | None = Field(None, description="what answers, in ledger keys and on rows; default: `model`")
    weights: str | None = Field(None, description="of `local`: small, medium, or a GGUF file")
    params: dict[str, Any] = Field(
        default_factory=lambda: {"temperature": 0}, description="passed to the endpoint as they are"
    )
    price: Literal["free"] | Price | None = Field(
        None, description="free, or USD per million tokens; default: the price list, nothing on this machine"
    )
    weight: float = Field(1.0, gt=0, allow_inf_nan=False, description="share of the rows, beside the other models")
    limits: Limits = Limits()
    timeout_s: float = Field(180, gt=0, description="a call without an answer by then is sent again")

    @field_validator("base_url")
    @classmethod
    def _is_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise ValueError("is not an http(s) URL such as http://127.0.0.1:8000/v1")
        return url

    @field_validator("params")
    @classmethod
    def _can_be_sent(cls, params: dict[str, Any]) -> dict[str, Any]:
        if ours := sorted(params.keys() & {"model", "messages", "stream", "n", *_OF_THE_SDK}):
            raise ValueError(f"{ours[0]!r} is not a parameter to set here")
        try:
            json.dumps(params, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"cannot be sent as JSON: {error}") from None
        return params

    @model_validator(mode="after")
    def _weights_are_local(self) -> Self:
        if self.weights is not None and self.model != "local":
            raise ValueError("`weights` needs `model: local`")
        if self.model == "local" and self.base_url is not None:
            raise ValueError("`model: local` runs in process and takes no `base_url`")
        return self


class Screen(Settings):
    duplicates: Literal["exact", "near", "off"] = Field("exact", description="taken out before a call is paid")
    near: Share = Field(0.8, description="Jaccard similarity from which `duplicates: near` takes a row out")


class Translate(Settings):
    protocol: Literal["tags", "plain"] = Field(
        "tags", description="tags: a row's texts in one call; plain: one text a call, for weak models"
    )
    examples: int = Field(2, ge=0, le=2, description="worked examples sent as earlier turns")
    repair: int = Field(2, ge=0, le=5, description="times a faulty answer is sent back with its fault named")
    retries: int = Field(6, ge=0, description="tries after the first of a call that fails for a passing reason")
    mode: Literal["online", "batch"] = Field("online", description="batch: half the price, within a day")


class Lid(Settings):
    min: Share = Field(0.5, description="p(lang) below which a field called another language drops the row")
    model: str | None = Field(None, description="a fastText model file; default lid.176.ftz")


class Script(Settings):
    min: Share = Field(0.3, description="share of letters in the language's scripts, by weight")


class Length(Settings):
    min_chars: int = Field(1, ge=0, description="of instruction and response each")
    max_chars: int = Field(20_000, ge=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_chars > self.max_chars:
            raise ValueError(f"min_chars {self.min_chars} is above max_chars {self.max_chars}")
        return self


class Ratio(Settings):
    band: tuple[float, float] | None = Field(
        None, description="characters of the target per pivot character; default: the table of languages"
    )
    min_chars: int = Field(40, ge=0, description="a pivot text shorter than this is not judged")

    @field_validator("band")
    @classmethod
    def _in_order(cls, band: tuple[float, float] | None) -> tuple[float, float] | None:
        if band and not 0 <= band[0] < band[1]:
            raise ValueError("is [floor, ceiling], the floor below the ceiling")
        return band


class Filter(Settings):
    lid: Lid = Lid()
    script: Script = Script()
    length: Length = Length()
    ratio: Ratio = Ratio()


class Dedup(Settings):
    near: Share | None = Field(0.8, description="Jaccard similarity of near-duplicates; null: exact ones only")


class Split(Settings):
    validation: Annotated[float, Field(ge=0, lt=1)] = 0.0
    seed: int = 42


class Publish(Settings):
    repo: str | None = Field(None, pattern=r"^[\w.-]+/[\w.-]+$", description="ORG/NAME on the Hub")
    license: str = Field("computed", description="computed from the sources, or a licence id you answer for")
    title: str | None = Field(None, description="heading of the card; default: the repo's name")


class Recipe(Settings):
    """A corpus as asked for."""

    kind: Literal["plug"] = "plug"
    corpus: Path = Field(description="the corpus directory, relative to the working directory")
    sources: tuple[Source, ...] = Field(min_length=1)
    pivot: Code = Field("en", description="the language of the sources, in which the model will think")
    languages: tuple[Code, ...] = Field(min_length=1)
    models: tuple[Model, ...] = Field((), description="what translates: rows are shared out by `weight`")
    budget: float | None = Field(None, gt=0, allow_inf_nan=False, description="USD that the ledger may ever cost")
    ledger: Path | None = Field(None, description="a ledger shared with other corpora; default: the corpus's own")
    shard: str | None = Field(None, pattern=r"^[1-9]\d*/[1-9]\d*$", description="I/N: the I-th of N parts of the rows")
    limit: int | None = Field(None, ge=1, description="first N rows of all sources; removing it extends the corpus")
    screen: Screen = Screen()
    translate: Translate = Translate()
    filter: Filter = Filter()
    dedup: Dedup = Dedup()
    layouts: tuple[Layout, ...] = Field(("plug",), min_length=1, description="the first is the default layout")
    parallel: bool = Field(False, description="publish only rows kept in every language")
    split: Split = Split()
    publish: Publish = Publish()

    @model_validator(mode="after")
    def _languages_differ(self) -> Self:
        if self.pivot in self.languages:
            raise ValueError(f"the pivot {self.pivot!r} is also in `languages`")
        if doubled := sorted({code for code in self.languages if self.languages.count(code) > 1}):
            raise ValueError(f"{doubled[0]!r} stands twice in `languages`")
        return self

    @field_validator("shard")
    @classmethod
    def _is_a_part(cls, shard: str | None) -> str | None:
        if shard and int(shard.partition("/")[0]) > int(shard.partition("/")[2]):
            raise ValueError("is I/N, the I-th of N parts: I is at most N")
        return shard

    def asks_otherwise(self, other: "Recipe") -> str | None:
        """The first key by which two recipes have other rows, or ask other things of other models; None if none."""
        for key in ("sources", "pivot", "languages", "limit", "screen"):
            if getattr(self, key) != getattr(other, key):
                return key
        how = {"mode", "retries"}
        if self.translate.model_dump(exclude=how) != other.translate.model_dump(exclude=how):
            return "translate"
        where = {"base_url", "api_key_env", "price", "limits", "timeout_s"}
        asked, others = ([model.model_dump(exclude=where) for model in one.models] for one in (self, other))
        return None if asked == others else "models"
