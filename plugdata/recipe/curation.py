"""The blocks of a recipe that say which pairs are kept.

A soft check compares a field with the pivot's (rows.AGREEMENTS; `options`: response with instruction) and has one
threshold, `min`: pairs that agree less are dropped, null only measures. By default four of them drop, at values that
right translations do not reach. Measured on 999 English rows and their rule-based translations into Spanish
(Apertium), on 81 pairs of a small local model into Spanish and Korean, and on the 30 parts of the Universal
Declaration of Human Rights in 71 languages:
- numbers, 0.3: no Spanish text of 431 has less than 1; of answers to another question 83 % have less than 0.3, and 9 %
  of those in which a quarter of the figures was changed.
- leftover, 0.3: less than the echo check refuses while translating, for translations that did not come that way. Of
  1,998 Spanish texts one is below (it was Spanish to begin with), and none of the 2,170 parts is below 1. At 0.5 a
  carol is lost, and a song to be called "rock, country, hip-hop o pop"; at 0.6 lists of book titles are.
- corruption, 0.99: one fault in a hundred words. None in 1,998 texts and 2,170 parts; of 54 Korean texts of the small
  model five have some (0.86 to 0.95), all of them real.
- options, 0.25: what is left of a one-syllable Korean choice said in a sentence. Of seven choices in Spanish six have
  1, the seventh, wrong, has 0.13.
"""

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


class Numbers(Settings):
    min: Share | None = Field(
        0.3, description="agreement of the numbers; of two texts with one number each, another one gives 0"
    )


class Lists(Settings):
    min: Share | None = Field(None, description="share of list items that both have, bullets and numbered ones apart")


class Tables(Settings):
    min: Share | None = Field(None, description="share of table rows with as many columns that both have")


class Headings(Settings):
    min: Share | None = Field(None, description="share of headings of the same level that both have")


class Fences(Settings):
    min: Share | None = Field(None, description="share of opened and closed blocks of code that both have")


class Paragraphs(Settings):
    min: Share | None = Field(None, description="smaller number of paragraphs / larger")


class Verse(Settings):
    min: Share | None = Field(None, description="smaller number of lines of verse / larger")


class Quotes(Settings):
    min: Share | None = Field(None, description="share of brackets and quotation marks that are not alone")


class Ends(Settings):
    min: Share | None = Field(
        None,
        description="0 = breaks off where the pivot ends a sentence, else 1",
    )


class Leftover(Settings):
    min: Share | None = Field(
        0.3,
        description="share of words not left in the pivot's language; not asked of policy keep-span",
    )


class Corruption(Settings):
    min: Share | None = Field(0.99, description="1 − faulty characters and words / words")


class Options(Settings):
    min: Share | None = Field(
        0.25, description="share of a response that stands in its instruction, where the pivot's stands there whole"
    )


class Filter(Settings):
    """What drops a pair. A soft check (`numbers` and all below it) whose `min` is null is measured only."""

    lid: Lid = Lid()
    script: Script = Script()
    length: Length = Length()
    ratio: Ratio = Ratio()
    numbers: Numbers = Numbers()
    lists: Lists = Lists()
    tables: Tables = Tables()
    headings: Headings = Headings()
    fences: Fences = Fences()
    paragraphs: Paragraphs = Paragraphs()
    verse: Verse = Verse()
    quotes: Quotes = Quotes()
    ends: Ends = Ends()
    leftover: Leftover = Leftover()
    corruption: Corruption = Corruption()
    options: Options = Options()


class Dedup(Settings):
    near: Share | None = Field(0.8, description="Jaccard similarity of near-duplicates; null: exact ones only")
