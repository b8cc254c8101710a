"""The blocks of a recipe that say which pairs are kept.

A soft check compares a field with the pivot's (rows.AGREEMENTS; `options`: response with instruction) and has one
threshold, `min`: pairs that agree less are dropped, null only measures. By default five of them drop, at values that
right translations do not reach. Measured on 999 English rows and their rule-based translations into Spanish
(Apertium), on 81 pairs of a small local model into Spanish and Korean, and on the 30 parts of the Universal
Declaration of Human Rights in 71 languages:
- numbers, 0.3: no Spanish text of 431 has less than 1; of answers to another question 83 % have less than 0.3, and 9 %
  of those in which a quarter of the figures was changed.
- leftover, 0.3: less than the echo check refuses while translating, for translations that did not come that way. Of
  1,998 Spanish texts one is below (it was Spanish to begin with), and none of the 2,170 parts is below 1. At 0.5 a
  carol is lost, and a song to be called "rock, country, hip-hop o pop"; at 0.6 lists of book titles are.
- untranslated, 0.99: one word in a hundred, so that a long text is not lost for one. Of 78 kept rows of a small model
  into Chinese and Korean 30 have such words (90, all of them left; 6 more are missed), 17 of them more than this takes.
  None is found in 132 right texts of six languages that are full of names, units and code (tests/labelled/latin.toml),
  nor in 5,277 pairs of the Declaration's paragraphs from English, Russian, Chinese and Arabic.
- corruption, 0.99: one fault in a hundred words. None in 1,998 texts and 2,170 parts; of 54 Korean texts of the small
  model five have some (0.86 to 0.95), all of them real.
- options, 0.25: what is left of a one-syllable Korean choice said in a sentence. Of seven choices in Spanish six have
  1, the seventh, wrong, has 0.13.

The other filters of what is new in the target were measured on the same 999 rows in Spanish and Catalan (3,996 texts),
on the 81 pairs, and on 840 paragraphs of the Declaration in the 14 languages that divide it as the English does. None
drops one of them by default, but for two of the small model's, which are loops:
- repetition: highest share of 4-grams 0.19, of lines 0.14; of the small model's loops 0.23 to 0.44. Lowest compression
  0.79; a text said twice has some 0.5.
- copying: 0.45 at most, of 2,099 texts with words enough three are above 0.3. Where half of all words were left in
  English it is 0.51 in the mean; where 70 % were, 95 % of the texts are above 0.5.
- symbols: 0.13 at most (a Korean line of few letters); 0.3 is LumiOpen's share for Finnish. Digits: none.
- template, equal, refusal: none. Of the English responses alone two hold a "### Output:" of their own.
- pii: of the 999 rows three hold addresses, all made up; no figure is taken for a phone, card or IBAN.
- ratio: see filters/fit.py.
"""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from plugdata.recipe.base import Code, Settings, Share

Action = Literal["drop", "measure"]


LID_MODELS = ("lid176", "glotlid", "openlid", "nllb")
"""The identifiers that are known by name (assets.LID_MODELS)."""


class Lid(Settings):
    min: Share | None = Field(None, description="p(lang) below which a field drops the row; null: fitted per language")
    mixed: Share | None = Field(0.1, description="share in passages of another language above which a field drops it")
    model: str | None = Field(None, description="lid176 (default), glotlid, openlid, nllb, or a fastText model file")
    candidates: tuple[Code, ...] = Field(
        (), description="the only languages, beside pivot and target, that a text may be in; default: all, see the docs"
    )


class Script(Settings):
    min: Share = Field(0.3, description="share of letters in the language's scripts, by weight")


class Length(Settings):
    min_chars: int = Field(1, ge=0, description="of instruction and response each; from 1, something must be visible")
    max_chars: int = Field(20_000, ge=1)
    min_words: int | None = Field(None, ge=0, description="runs of letters; letters of scripts without spaces")
    max_words: int | None = Field(None, ge=1)
    tokenizer: str | None = Field(None, description="a tokenizer.json file, or a Hub id that has one; counts tokens")
    min_tokens: int | None = Field(None, ge=0)
    max_tokens: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for unit in ("chars", "words", "tokens"):
            low, high = getattr(self, f"min_{unit}"), getattr(self, f"max_{unit}")
            if low is not None and high is not None and low > high:
                raise ValueError(f"min_{unit} {low} is above max_{unit} {high}")
        if self.tokenizer is None and (self.min_tokens is not None or self.max_tokens is not None):
            raise ValueError("min_tokens and max_tokens want a tokenizer")
        return self


class Ratio(Settings):
    band: Literal["fitted", "table"] | tuple[float, float] = Field(
        "fitted",
        description="characters of the target per pivot character: [floor, ceiling]; table: of the table of languages; "
        "fitted: narrower, to the rows of the language",
    )
    min_chars: int = Field(40, ge=0, description="a pivot text shorter than this is not judged")

    @field_validator("band", mode="before")
    @classmethod
    def _in_order(cls, band: Any) -> Any:
        two = isinstance(band, list | tuple) and len(band) == 2 and all(isinstance(end, int | float) for end in band)
        if two and not 0 <= band[0] < band[1]:
            raise ValueError("is [floor, ceiling], the floor below the ceiling")
        return "table" if band is None else band  # null was the word for it


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


class Untranslated(Settings):
    min: Share | None = Field(
        0.99,
        description="share of words that are none of the pivot's in a text of another script; not asked of policy "
        "keep-span",
    )


class Corruption(Settings):
    min: Share | None = Field(0.99, description="1 − faulty characters and words / words")


class Options(Settings):
    min: Share | None = Field(
        0.25, description="share of a response that stands in its instruction, where the pivot's stands there whole"
    )


class Repetition(Settings):
    ngrams: Share | None = Field(
        0.3, description="share of words in 4-grams that stood before (12 letters, without spaces), less the pivot's"
    )
    lines: Share | None = Field(0.3, description="share of lines that stood before, less the pivot's")
    run: int | None = Field(30, ge=2, description="one character in a row, more than the pivot has")
    compression: Share | None = Field(
        0.6, description="below: how far the text can be pressed together / how far the pivot can"
    )


class Refusal(Settings):
    action: Action = "drop"


class Copying(Settings):
    max: Share | None = Field(0.5, description="share of different words that the pivot has, names aside")


class Symbols(Settings):
    max: Share | None = Field(0.3, description="symbols and punctuation beyond as many as the pivot has / characters")
    max_digits: Share | None = Field(0.2, description="the same of digits")


class Template(Settings):
    action: Action = "drop"


class Equal(Settings):
    action: Action = "drop"


class Pii(Settings):
    kinds: tuple[Literal["email", "phone", "card", "iban"], ...] = ("email", "phone", "card", "iban")
    action: Literal["flag", "mask", "drop", "off"] = Field(
        "flag",
        description="flag: the kinds found stand in the column `pii`; mask: also replaced in all four texts; off: not "
        "looked for",
    )

    @field_validator("action", mode="before")
    @classmethod
    def _off(cls, action: object) -> object:
        return "off" if action is False else action  # as YAML 1.1 reads a bare off


class UserFilter(Settings):
    """A filter of one's own: rows for which it is true, or null, stay."""

    name: str = Field(min_length=1, description="what `detail` says of a row it drops")
    sql: str | None = Field(None, description="a DuckDB expression over the row's columns (rows.schema.json)")
    python: str | None = Field(None, description='"FILE.py:FUNCTION", which takes a row as a dict')

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.sql is None) == (self.python is None):
            raise ValueError("wants either sql or python")
        path, _, function = (self.python or "a.py:f").rpartition(":")
        if not path.endswith(".py") or not function.isidentifier():
            raise ValueError('python is "FILE.py:FUNCTION"')
        return self


class Filter(Settings):
    """What drops a pair. A threshold that is null, and the action "measure", drop nothing."""

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
    untranslated: Untranslated = Untranslated()
    corruption: Corruption = Corruption()
    options: Options = Options()
    repetition: Repetition = Repetition()
    refusal: Refusal = Refusal()
    copying: Copying = Copying()
    symbols: Symbols = Symbols()
    template: Template = Template()
    equal: Equal = Equal()
    pii: Pii = Pii()
    user: tuple[UserFilter, ...] = ()


class Dedup(Settings):
    near: Share | None = Field(0.8, description="Jaccard similarity of near-duplicates; null: exact ones only")
    target: Literal["exact", "near", "off"] = Field(
        "exact", description="what is taken out besides for its target texts, instruction and response together"
    )
    per_language: bool = Field(False, description="decide in each language by itself: more rows, not parallel ones")
    against: tuple[str, ...] = Field(
        (),
        description="other data sets whose rows no row may repeat: Hub ids (org/name), files, or folders (written"
        " ./folder), corpora too",
    )
    max_cluster: Share | None = Field(
        0.01, description="share of the rows; more near-duplicates of one row (and more than 100) all stay"
    )

    @field_validator("target", mode="before")
    @classmethod
    def _off(cls, target: object) -> object:
        return "off" if target is False else target  # as YAML 1.1 reads a bare off

    @model_validator(mode="after")
    def _is_near_to_something(self) -> Self:
        if self.target == "near" and self.near is None:
            raise ValueError("`target: near` wants a `near`")
        return self
