"""Language ID by fastText: how probable it is that a text is in the language it should be in.

A language may have several labels (languages.toml: varieties, and neighbours that the identifier cannot tell apart);
p(lang) is the sum of theirs. Only the beginning of a text is read, and more of it where that left the identifier
unsure. Takes prose (checks.prose), knows no rows and decides nothing: thresholds are `filter`'s.

On short texts and in languages of which lid.176 has seen little, p(lang) is low even where the language is named
rightly: on 59 passages of the Universal Declaration of Human Rights in Swahili it named 86 % rightly but gave 59 %
of them p ≥ 0.5 (in 27 other languages 88 to 100 %).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import polars as pl

from plugdata.checks.prose import MIN_LETTERS
from plugdata.errors import AssetError, InputError
from plugdata.languages import Language

READ_CHARS = 300
"""Characters read at first: half the time of whole texts (of 428 characters) at 99.32 % against 99.35 % accuracy
(FIELD, "Measured here")."""

READ_MORE_CHARS = 1_500
"""Characters read where the first READ_CHARS gave p(lang) < SURE. On passages of 1,200 characters in Swahili this
takes p ≥ 0.5 from 73 % to 88 % of them, as much as whole texts do; other languages do not need it."""

SURE = 0.9

MIN_P = 0.01
"""Labels less probable are not asked for and count as 0. That makes asking for all labels as fast as for one."""

PREFIX = "__label__"


class Model(Protocol):
    """A fastText model that has been loaded: what is used of it."""

    def predict(self, text: list[str], k: int, threshold: float) -> tuple[list[list[str]], list[Any]]: ...

    def get_labels(self) -> list[str]: ...


class Scores(NamedTuple):
    """For each text in order; null = abstained."""

    p: pl.Series  # p(lang), 0 to 1
    top: pl.Series  # the language named: the language's own code for any of its labels, else the model's label


def load(path: Path) -> Model:
    """The fastText model of a file. Raises AssetError if it is none."""
    import fasttext

    try:
        model: Model = fasttext.load_model(str(path))
    except ValueError as error:
        raise AssetError(f"{path} is not a fastText model: {error}", "name a .bin or .ftz file") from error
    return model


def scores(model: Model, prose: pl.Series, language: Language) -> Scores:
    """p(lang) and the language named for each text.

    Abstains below MIN_LETTERS letters among the first READ_MORE_CHARS characters, and everywhere for a language
    without labels. Raises InputError if the model knows none of the labels.
    """
    labels = frozenset(PREFIX + label for label in language.lid)
    if labels and labels.isdisjoint(model.get_labels()):
        raise InputError(
            f"the language ID model has no label for {language.name} ({', '.join(language.lid)})",
            "name another model in the recipe: filter.lid.model",
        )
    # predict refuses a newline
    texts = prose.fill_null("").str.slice(0, READ_MORE_CHARS).str.replace_all("\n", " ", literal=True)
    p: list[float | None] = [None] * len(texts)
    top: list[str | None] = [None] * len(texts)

    def read(places: pl.Series, n_chars: int) -> None:
        said = _predict(model, texts.gather(places).str.slice(0, n_chars).to_list(), labels)
        for place, (p_lang, label) in zip(places, said, strict=True):
            p[place] = p_lang
            top[place] = language.code if label in labels else label and label.removeprefix(PREFIX)

    if labels:
        read(texts.str.contains(rf"(?:\p{{L}}\P{{L}}*){{{MIN_LETTERS}}}").arg_true(), READ_CHARS)
        unsure = pl.Series(p, dtype=pl.Float64) < SURE
        read((unsure & (texts.str.len_chars() > READ_CHARS)).arg_true(), READ_MORE_CHARS)
    return Scores(pl.Series("p", p, pl.Float64), pl.Series("top", top, pl.String))


def _predict(model: Model, texts: list[str], labels: frozenset[str]) -> Iterator[tuple[float, str | None]]:
    """For each text: the sum of the labels' probabilities, and the most probable label."""
    for said, probabilities in zip(*model.predict(texts, k=-1, threshold=MIN_P), strict=True):
        p = sum(float(q) for label, q in zip(said, probabilities, strict=True) if label in labels)
        yield min(p, 1.0), said[0] if said else None  # fastText's add up to 1.00001
