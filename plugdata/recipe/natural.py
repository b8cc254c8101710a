"""The blocks of a recipe of kind x-instruction: corpora whose responses are natural text in the target language.

The authors of X-Instruction released no pipeline (arXiv 2405.19744). What is theirs: English instructions
for natural text, rating and retraining in rounds, sampling by cluster, 32,000 rows a language, responses of 988 to
1,285 characters (SD 500 to 560) in the ten languages. What they leave open is configuration here, with the values of
the recipe that theirs descends from (Humpback, arXiv 2308.06259) as defaults where it says any; the rest is ours.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from plugdata.recipe.base import Code, Origin, Settings, Share
from plugdata.recipe.endpoints import Model

TEXT_COLUMNS = ("text", "url", "date", "source_id", "license")
"""What of a document may be found under another name."""


class Texts(Origin):
    """Where natural text of a language comes from: a file or folder (`path`) or a Hub data set (`id`)."""

    lang: Code
    path: str | None = Field(
        None,
        description=".txt, .xml (a MediaWiki dump), .jsonl, .json, .parquet, .csv (also .gz, .zst, .bz2), a folder",
    )
    columns: dict[Literal["text", "url", "date", "source_id", "license"], str] = Field(
        default_factory=dict, description=f"our field ({', '.join(TEXT_COLUMNS)}) → their column"
    )
    documents: Literal["file", "line", "paragraphs"] = Field(
        "file", description="of .txt: what is a document: the file, a line, or what blank lines enclose"
    )


class Passages(Settings):
    """How documents become passages. Lengths are those of X-Instruction's responses: the mean of any language ± SD."""

    min_chars: int = Field(400, ge=1, description="of a passage")
    max_chars: int = Field(1_800, ge=100, description="of a passage; longer documents are divided")
    min_lid: Share = Field(0.5, description="p(lang) below which a passage is dropped")
    max_mixed: Share = Field(
        0.3, description="share of its beginning and end in another language above which a passage is dropped"
    )
    repeated_lines: int | None = Field(
        5, ge=2, description="documents from which a line that half of a domain's have is its header or footer"
    )
    near: Share | None = Field(0.8, description="Jaccard similarity of near-duplicates; null: equal passages alone")
    per_domain: int | None = Field(None, ge=1, description="passages of a domain, at most; the others are dropped")
    pii: Literal["mask", "drop", "off"] = Field("mask", description="what becomes of personal data")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_chars > self.max_chars:
            raise ValueError(f"min_chars {self.min_chars} is above max_chars {self.max_chars}")
        return self


class Generate(Settings):
    """An instruction in the pivot for each passage, which is its response."""

    template: Literal["x-instruction", "x-instruction-base"] = Field(
        "x-instruction", description="x-instruction-base: the bare form that a model trained for it completes"
    )
    candidates: int = Field(1, ge=1, le=8, description="instructions asked for a passage, of which the best is kept")
    repair: int = Field(1, ge=0, le=5, description="times a faulty answer is sent back with its fault named")
    max_chars: int = Field(1_000, ge=20, description="of an instruction")
    model: Model | None = Field(None, description="what makes them; default: `models`")


class Rate(Settings):
    """Candidates judged by a model as what a good assistant would answer."""

    levels: Literal[3, 5] = Field(5, description="3: X-Instruction's; 5: Humpback's scale")
    min: int | None = Field(None, ge=1, le=5, description="mark below which a row is dropped; default: 4 of 5, 3 of 3")
    abstained: Literal["quarantine", "keep"] = Field("quarantine", description="rows none of whose marks could be read")
    model: Model | None = Field(None, description="what rates; default: `models`")

    @model_validator(mode="after")
    def _within(self) -> Self:
        if self.min and self.min > self.levels:
            raise ValueError(f"min {self.min} is above the best of {self.levels} levels")
        return self

    @property
    def least(self) -> int:
        """The mark that a row must have."""
        return self.min or {3: 3, 5: 4}[self.levels]


class Edit(Settings):
    """A light edit of the passage into an answer; both are kept."""

    max_change: Share = Field(0.2, description="share of the passage that may be another; beyond it the passage stays")
    model: Model | None = Field(None, description="what edits; default: `models`")


class Diversify(Settings):
    """Rows sampled from clusters of their instructions, in each language alone."""

    embedder: Literal["tfidf", "openai", "sentence-transformers"] = Field(
        "tfidf", description="tfidf: n-grams of letters and their SVD, no weights; openai: any /v1/embeddings"
    )
    model: Model | str | None = Field(None, description="openai: the model; sentence-transformers: a Hub id or folder")
    clusters: int | None = Field(None, ge=2, description="default: the square root of half the rows")
    rows: int | None = Field(None, ge=1, description="rows a language, shared out among the clusters; default: all")
    news: Share | None = Field(0.33, description="share of the rows wanted that may be about news or headlines")
    seed: int = 42

    @model_validator(mode="after")
    def _has_a_model(self) -> Self:
        if self.embedder == "openai" and not isinstance(self.model, Model):
            raise ValueError("embedder openai wants a `model` (model, base_url)")
        if self.embedder == "sentence-transformers" and not isinstance(self.model, str):
            raise ValueError("embedder sentence-transformers wants a `model`: a Hub id or a folder")
        if self.embedder == "tfidf" and self.model is not None:
            raise ValueError("embedder tfidf takes no `model`")
        return self
