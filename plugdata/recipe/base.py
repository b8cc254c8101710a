"""What every block of a recipe is made of. Knows no block."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from plugdata import languages
from plugdata.errors import LanguageError

Share = Annotated[float, Field(ge=0, le=1)]


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


FIELDS = ("instruction", "input", "response", "system", "messages", "source_id", "source", "id")
"""What of a record may be found under another name. `source` and `id` are read only where they are named: the name and
the id of a row that was published before, in place of its file's name and of a hash of the texts."""


def _of_ours(columns: dict[str, str]) -> dict[str, str]:
    for field in columns:
        if field not in FIELDS:
            raise ValueError(f"{field!r} is not a field of ours{did_you_mean(field, FIELDS)}")
    return columns


Columns = Annotated[dict[str, str], AfterValidator(_of_ours)]
"""Our field → their column."""


class Settings(BaseModel):
    """A block of a recipe: a key it does not know is an error, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Origin(Settings):
    """Where rows come from: a file or folder (`path`) or a Hub data set (`id`)."""

    id: str | None = Field(None, description="Hub data set, e.g. vicgalle/alpaca-gpt4")
    path: str | None = Field(None, description="a file or a folder")
    name: str | None = Field(None, description="name published in `source`; default: the Hub id or the file's stem")
    config: str | None = Field(None, description="configuration of the Hub data set")
    split: str = Field("train", description="split of the Hub data set")
    revision: str | None = Field(None, description="commit, tag or branch of the Hub data set")
    license: str | None = Field(None, description="licence of the rows, as the Hub spells it, e.g. cc-by-nc-4.0")
    limit: int | None = Field(None, ge=1, description="first N records only")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.id is None) == (self.path is None):
            raise ValueError("give either `id` (a Hub data set) or `path` (a file)")
        return self

    @property
    def label(self) -> str:
        """What `source` says of its rows: a declared name, the Hub id, or a file's stem; never a path."""
        return self.name or self.id or Path(str(self.path)).name.split(".")[0]
