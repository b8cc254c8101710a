"""Language ID by fastText, as verification: how a text's own language stands against those it may be mistaken for.

An identifier answers "which of 176?". The question here is another: a text was asked for in Swahili; is it Swahili, or
was it left in English, or did the translator slip into a neighbour? What the model gives to languages that no one asked
for (Esperanto, Sundanese, Quechua: where lid.176 puts a third of its belief in Swahili) is hardly evidence. So
probabilities are weighed before they are compared: the language and the pivot count whole, the languages it is confused
with (languages.toml) NEIGHBOUR, all others UNLIKELY. A recipe may name the candidates: then these count whole and no
others at all.

Texts are read at two or three places, the beginning and the last sentence or paragraph among them, each identified
alone: an answer that changes its language halfway does not drown in the mean, and a long one costs no more. Where a
place sounds like another language, all is read, sentence by sentence. Passages in another script than the language's
are told by their letters, wherever they stand.

Takes prose (checks.prose), knows no rows and decides nothing: thresholds are `filter`'s.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import polars as pl

from plugdata import languages
from plugdata.checks import reading, script
from plugdata.checks.prose import ENOUGH_LETTERS, MIN_LETTERS
from plugdata.errors import AssetError, InputError
from plugdata.languages import Language

READ_CHARS = 300
"""Characters of a glance (checks.spoken): half the time of whole texts (of 428 characters) at 99.32 % against 99.35 %
accuracy, before this module was written."""

MIN_P = 0.03
"""Labels less probable are not asked for and count as 0."""

GLANCE_P = 0.1
"""The same where a text is read for the first time: a quarter less time than with MIN_P, in Swahili. What is then in
doubt is read again."""

MAX_LABELS = 5
"""Labels asked for: a text in Swahili may have a dozen above MIN_P, which takes half as long again."""

CERTAIN = 0.8
"""Probability of the language's own label from which nothing else is asked of a piece."""

UNSURE = 0.5
"""p(lang) of the pieces below which the text is read once more in one go: up to READ_WHOLE characters. Of Swahili,
which it knows least, the identifier is surer in long texts than in sentences."""
READ_WHOLE = 300

UNLIKELY = 0.1
"""Weight of a language that is no candidate, where the recipe names none. 95 % of the sentences of the Universal
Declaration of Human Rights in Swahili reach 0.16 by it, and 0.08 where all languages of the script count whole."""

NEIGHBOUR = 0.5
"""Weight of a language that it is confused with. Of 999 rows in gist-quality Catalan (Apertium's) 96 were dropped where
such a one counts whole and a few words can be in it, 30 with this and NEIGHBOUR_CHARS. Spanish texts in a Catalan
corpus are found as before (99 to 100 %), Danish sentences in a Norwegian one in 42 % of cases instead of 58 %."""

NEIGHBOUR_CHARS = 75
"""Characters, in a script as dense as the Latin one, that must be in such languages beyond doubt before any are so:
lid.176 takes "Menjant una poma és sana" for Spanish."""

BENEFIT = 0.02
"""What the language has for a start: where the model believes in nothing much, a text is not in another language."""

OTHER = 0.15
"""p(lang) of a piece below which it is in another language …"""
SURE = 0.4
"""… if the model gives some candidate this much, or the piece is in another script."""

PASSAGE_WORDS = 3
"""Words in another script that make a passage, if half of them have no capital: fewer are a name or a term."""

PREFIX = "__label__"
_FLORES = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}")


class Model(Protocol):
    """A fastText model that has been loaded: what is used of it."""

    def predict(self, text: list[str], k: int, threshold: float) -> tuple[list[list[str]], list[Any]]: ...

    def get_labels(self) -> list[str]: ...


class Scores(NamedTuple):
    """For each text in order; null = abstained."""

    p: pl.Series  # p(lang) against the candidates, 0 to 1
    top: pl.Series  # the language named: its code in the table, else the model's label
    mixed: pl.Series  # share of the text that is in pieces of another language, by weight as in checks.script, 0 to 1


_Judged = tuple[float, str, float]
"""Of a text: p(lang), the language named, the share in another language."""


class Weights(NamedTuple):
    """What the labels of a model stand for when texts should be in `language`."""

    language: Language
    own: frozenset[str]
    of: dict[str, tuple[str, float]]  # label → the language's code, or the label where no candidate has it; its weight
    sure: _Judged  # what is said of a text all of whose pieces are surely in the language


@cache
def load(path: Path) -> Model:
    """The fastText model of a file; loaded once in a process. Raises AssetError if it is none."""
    import fasttext

    try:
        model: Model = fasttext.load_model(str(path))
    except ValueError as error:
        raise AssetError(f"{path} is not a fastText model: {error}", "name a .bin or .ftz file") from error
    return model


def weights(model: Model, language: Language, pivot: Language | None = None, candidates: Sequence[str] = ()) -> Weights:
    """The weights of the model's labels. Raises InputError if it knows none of the language's."""
    known = model.get_labels()
    flores = any(_FLORES.fullmatch(label.removeprefix(PREFIX)) for label in known)

    def labels(of: Language) -> list[str]:
        return [PREFIX + label for label in (of.flores if flores else of.lid)]

    if labels(language) and set(labels(language)).isdisjoint(known):
        raise InputError(
            f"the language ID model has no label for {language.name} ({', '.join(labels(language))})".replace(
                PREFIX, ""
            ),
            "name another model in the recipe: filter.lid.model",
        )
    rivals = [languages.get(code) for code in candidates or language.confused]
    beside = 1.0 if candidates else NEIGHBOUR
    weighed = {label: (label.removeprefix(PREFIX), 0.0 if candidates else UNLIKELY) for label in known}
    for of, counts in (*((rival, beside) for rival in rivals), *([(pivot, 1.0)] if pivot else ()), (language, 1.0)):
        weighed |= {label: (of.code, counts) for label in labels(of)}
    return Weights(language, frozenset(labels(language)), weighed, (1.0, language.code, 0.0))


def scores(
    model: Model, prose: pl.Series, language: Language, pivot: Language | None = None, candidates: Sequence[str] = ()
) -> Scores:
    """p(lang), the language named, and how much is in another language, for each text.

    Abstains below MIN_LETTERS letters, and everywhere for a language without labels. Raises InputError if the model
    knows none of the labels.
    """
    by = weights(model, language, pivot, candidates)
    found: list[_Judged | None] = [None] * len(prose)
    if by.own:
        long = prose.str.contains(ENOUGH_LETTERS).fill_null(False).arg_true()
        texts = prose.gather(long)
        spans = texts.to_list()
        least, most = (round(n / script.weight(language)) for n in (reading.LAST_CHARS, reading.PIECE_CHARS))
        if _apart(language, pivot):  # passages in the pivot are told by their letters: the beginning is enough
            read = [[reading.line(text[: 2 * most])] for text in spans]
        else:
            read = [reading.places(text, least, most) for text in spans]
        judged = _judge(model, read, by, GLANCE_P, 0)
        not_sure = [n for n, of in enumerate(judged) if of is not by.sure]
        doubtful = [n for n in not_sure if judged[n][2]]
        again = _judge(model, [reading.pieces(spans[n], least, most) for n in doubtful], by)
        for n, of in zip(doubtful, again, strict=True):
            judged[n] = of
        unsure = [n for n in not_sure if judged[n][0] < UNSURE and not judged[n][2]]
        again = _judge(model, [[reading.line(spans[n][:READ_WHOLE])] for n in unsure], by)
        for n, of in zip(unsure, again, strict=True):
            judged[n] = of if of[0] > judged[n][0] else judged[n]
        for n, share in _passages(texts, language, pivot):
            judged[n] = judged[n][0], judged[n][1], max(judged[n][2], share)
        for place, of in zip(long, judged, strict=True):
            found[place] = of
    p, top, mixed = zip(*(of or (None, None, None) for of in found), strict=True) if found else ((), (), ())
    return Scores(
        pl.Series("p", p, pl.Float64), pl.Series("top", top, pl.String), pl.Series("mixed", mixed, pl.Float64)
    )


def _judge(
    model: Model, texts: list[list[str]], by: Weights, min_p: float = MIN_P, near: int = NEIGHBOUR_CHARS
) -> list[_Judged]:
    """p(lang), the language named, and the share in another language of each text of some pieces.

    `near`: characters of pieces in languages that it is confused with, below which none is.
    """
    said = model.predict([piece for pieces in texts for piece in pieces], k=MAX_LABELS, threshold=min_p)
    own = by.own
    sure = [len(labels) > 0 and labels[0] in own and ps[0] >= CERTAIN for labels, ps in zip(*said, strict=True)]
    found: list[_Judged] = []
    start = 0
    for pieces in texts:
        end = start + len(pieces)
        if all(sure[start:end]):
            found.append(by.sure)
        else:
            found.append(_weighed(pieces, sure[start:end], said[0][start:end], said[1][start:end], by, near))
        start = end
    return found


def _weighed(
    pieces: list[str], sure: list[bool], labels: list[list[str]], probabilities: list[Any], by: Weights, near: int
) -> _Judged:
    """The same of one text, of which not all pieces are surely in its language."""
    code, heavy, of = by.language.code, script.weight(by.language), by.of
    whole: dict[str, float] = {code: 0.0}
    n = n_other = n_near = 0.0
    for text, certain, names, ps in zip(pieces, sure, labels, probabilities, strict=True):
        weight = len(text) * heavy
        if certain:
            whole[code] += weight
            n += weight
            continue
        said = [(*of[label], p) for label, p in zip(names, ps.tolist(), strict=True)]
        if said and said[0][0] != code:  # else no other label has SURE and more than its own
            own, rest, rival, is_near = BENEFIT, 0.0, 0.0, False
            for name, counts, p in said:
                if name == code:
                    own += p
                else:
                    rest += p * counts
                    if counts > UNLIKELY and p > rival:
                        rival, is_near = p, counts == NEIGHBOUR
            doubted = rival >= SURE and own < OTHER * (own + rest)
            if doubted and sum(map(str.isalpha, text)) >= MIN_LETTERS:
                weight = len(text)
                n_near += weight * is_near
                n_other += weight * (not is_near)
        n += weight
        whole[code] += BENEFIT * weight
        for name, counts, p in said:
            whole[name] = whole.get(name, 0.0) + p * counts * weight
    if n_near * heavy >= near:
        n_other += n_near
    return whole[code] / sum(whole.values()), max(whole, key=whole.__getitem__), n_other / n


def _passages(texts: pl.Series, language: Language, pivot: Language | None) -> Iterator[tuple[int, float]]:
    """Places of texts with passages in another script, and their share by weight. None where the pivot shares it."""
    if not _apart(language, pivot):
        return
    own = script.named(language.scripts)
    word = rf"[\p{{L}}--[{own}]--\p{{Common}}]+"
    run = rf"(?:{word}[^\p{{L}}\n]{{1,4}}){{{PASSAGE_WORDS - 1},}}{word}"
    asked = texts.str.contains(run).arg_true()
    found = texts.gather(asked)
    for place, text, runs in zip(asked, found, found.str.extract_all(run), strict=True):
        if n := sum(len(passage) for passage in runs if _is_prose(passage)):
            n_own = sum(map(str.isalpha, text)) - sum(map(len, runs))
            yield place, n / (n + max(n_own, 0) * script.weight(language))


def _apart(language: Language, pivot: Language | None) -> bool:
    """Whether the pivot is written in another script."""
    return pivot is not None and set(pivot.scripts).isdisjoint(language.scripts)


def _is_prose(passage: str) -> bool:
    words = passage.split()
    return 2 * sum(word[0].islower() for word in words) >= len(words)
