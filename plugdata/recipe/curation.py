"""The blocks of a recipe that say which pairs are kept."""

from typing import Self

from pydantic import Field, field_validator, model_validator

from plugdata.recipe.base import Settings, Share


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
