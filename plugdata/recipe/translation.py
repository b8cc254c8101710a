"""The blocks of a recipe that say what is translated, and how."""

from typing import Literal

from pydantic import Field

from plugdata.recipe.base import Settings, Share


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
