"""Language ID by fastText, as verification: how a text's own language stands against those it may be mistaken for.

An identifier answers "which of 176?". The question here is another: a text was asked for in Swahili; is it Swahili, or
was it left in English, or did the translator slip into a neighbour? What the model gives to languages that no one asked
for (Esperanto, Sundanese, Quechua: where lid.176 puts a third of its belief in Swahili) is hardly evidence. So
probabilities are weighed before they are compared: the language, the pivot and the languages it is confused with
(languages.toml) count whole, all others UNLIKELY. A recipe may name the candidates: then no others count.

Texts are read at two or three places, the beginning and the last sentence or paragraph among them, each identified
alone: an answer that changes its language halfway does not drown in the mean, and a long one costs no more. Where a
place sounds like another language, all is read, sentence by sentence. Passages in another script than the language's
are told by their letters, wherever they stand.

Takes prose (checks.prose), knows no rows and decides nothing: thresholds are `filter`'s.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import polars as pl

from plugdata import languages
from plugdata.checks import script
from plugdata.checks.prose import MIN_LETTERS
from plugdata.errors import AssetError, InputError
from plugdata.languages import Language

READ_CHARS = 300
"""Characters of a glance (checks.spoken): half the time of whole texts (of 428 characters) at 99.32 % against 99.35 %
accuracy (FIELD, "Measured here")."""

LAST_CHARS = 20
"""Characters that the last sentence has at least, with the one before it if need be, in a script as dense as the Latin
one."""

PIECE_CHARS = 150
"""Characters of a piece at most, in a script as dense as the Latin one."""

MAX_PIECES = 12
"""Pieces of a text that are read where it is read sentence by sentence; evenly spaced if there are more."""

MIN_P = 0.03
"""Labels less probable are not asked for and count as 0. That makes asking for all labels as fast as for one."""

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


class Weights(NamedTuple):
    """What the labels of a model stand for when texts should be in `language`."""

    language: Language
    own: frozenset[str]
    of: dict[str, tuple[str, float]]  # label → the language's code, or the label where no candidate has it; its weight


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
    names: dict[str, str] = {}
    for of in (language, *([pivot] if pivot else ()), *rivals):
        for label in labels(of):
            names.setdefault(label, of.code)
    other = 0.0 if candidates else UNLIKELY
    weighed = {la: (names[la], 1.0) if la in names else (la.removeprefix(PREFIX), other) for la in known}
    return Weights(language, frozenset(labels(language)), weighed)


def scores(
    model: Model, prose: pl.Series, language: Language, pivot: Language | None = None, candidates: Sequence[str] = ()
) -> Scores:
    """p(lang), the language named, and how much is in another language, for each text.

    Abstains below MIN_LETTERS letters, and everywhere for a language without labels. Raises InputError if the model
    knows none of the labels.
    """
    by = weights(model, language, pivot, candidates)
    found: list[tuple[float, str, float] | None] = [None] * len(prose)
    if by.own:
        places = prose.str.contains(rf"(?:\p{{L}}\P{{L}}*){{{MIN_LETTERS}}}").fill_null(False).arg_true()
        texts = prose.gather(places)
        spans = texts.to_list()
        least, most = (round(n / script.weight(language)) for n in (LAST_CHARS, PIECE_CHARS))
        if _apart(language, pivot):  # passages in the pivot are told by their letters: the beginning is enough
            read = [[_line(text[: 2 * most])] for text in spans]
        else:
            read = [_places(text, least, most) for text in spans]
        judged = _judged(model, read, by)
        doubtful = [n for n, (_, _, mixed) in enumerate(judged) if mixed]
        for n, of in zip(doubtful, _judged(model, [_pieces(spans[n], least, most) for n in doubtful], by), strict=True):
            judged[n] = of if of[2] else judged[n]
        unsure = [n for n, (p, _, mixed) in enumerate(judged) if p < UNSURE and not mixed]
        for n, of in zip(unsure, _judged(model, [[_line(spans[n][:READ_WHOLE])] for n in unsure], by), strict=True):
            judged[n] = of if of[0] > judged[n][0] else judged[n]
        for n, share in _passages(texts, language, pivot):
            judged[n] = judged[n][0], judged[n][1], max(judged[n][2], share)
        for place, of in zip(places, judged, strict=True):
            found[place] = of
    p, top, mixed = zip(*(of or (None, None, None) for of in found), strict=True) if found else ((), (), ())
    return Scores(
        pl.Series("p", p, pl.Float64), pl.Series("top", top, pl.String), pl.Series("mixed", mixed, pl.Float64)
    )


def _judged(model: Model, texts: list[list[str]], by: Weights) -> list[tuple[float, str, float]]:
    """p(lang), the language named, and the share in another language of each text of some pieces."""
    heard = _heard(model, [piece for pieces in texts for piece in pieces], by)
    return [_whole(list(islice(heard, len(pieces))), by) for pieces in texts]


class _Piece(NamedTuple):
    """What the model says of a piece: weighed probabilities by code (or label), and how much the piece counts."""

    said: dict[str, float]
    other: bool  # whether it is in another language beyond doubt
    weight: float


def _heard(model: Model, pieces: list[str], by: Weights) -> Iterator[_Piece]:
    """What the model says of each piece."""
    code, heavy, own = by.language.code, script.weight(by.language), by.own
    for text, labels, probabilities in zip(pieces, *model.predict(pieces, k=MAX_LABELS, threshold=MIN_P), strict=True):
        if labels and probabilities[0] >= CERTAIN and labels[0] in own:
            yield _Piece({code: 1.0}, False, len(text) * heavy)
            continue
        said = {code: BENEFIT}
        rival = 0.0
        for label, p in zip(labels, map(float, probabilities), strict=True):
            name, weight = by.of[label]
            said[name] = said.get(name, 0.0) + p * weight
            if weight == 1.0 and name != code and p > rival:
                rival = p
        doubted = rival >= SURE and said[code] < OTHER * sum(said.values())
        other = doubted and sum(map(str.isalpha, text)) >= MIN_LETTERS
        yield _Piece(said, other, len(text) if other else len(text) * heavy)


def _whole(pieces: list[_Piece], by: Weights) -> tuple[float, str, float]:
    """p(lang), the language named, and the share in another language of a text of some pieces."""
    if all(len(piece.said) == 1 for piece in pieces):
        return 1.0, by.language.code, 0.0
    said: dict[str, float] = {by.language.code: 0.0}
    n = n_other = 0.0
    for piece in pieces:
        for name, p in piece.said.items():
            said[name] = said.get(name, 0.0) + p * piece.weight
        n += piece.weight
        n_other += piece.weight * piece.other
    p = said[by.language.code] / sum(said.values())
    return p, max(said, key=said.__getitem__), n_other / n


def _passages(texts: pl.Series, language: Language, pivot: Language | None) -> Iterator[tuple[int, float]]:
    """Places of texts with passages in another script, and their share by weight. None where the pivot shares it."""
    if not _apart(language, pivot):
        return
    own = "".join(rf"\p{{{name}}}" for name in language.scripts)
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


_LAST_END = re.compile(r"(?s:.*)(?:\n|[.!?\"”»।۔؟] |[。！？])")
_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_SENTENCE = re.compile(r"(?<=[.!?。！？।؟۔][\"”»\s])\s*|(?<=[。！？])|\n\s*")


def _line(text: str) -> str:
    return text.replace("\n", " ")  # fastText refuses "\n"


def _places(text: str, least: int, most: int) -> list[str]:
    """The places at which a text is read: the beginning, the middle of a long one, and the last sentence."""
    text = text.rstrip()
    n = len(text)
    end = _LAST_END.match(text, max(n - most, 0), max(n - least, 0))
    if end is None and n <= most:
        return [_line(text)]
    start = end.end() if end else n - most // 2
    first, last = _line(text[: min(start, most)]), _line(text[start:])
    if start < 3 * most:
        return [first, last]
    return [first, _line(text[n // 2 : n // 2 + most // 2]), last]


def _pieces(text: str, least: int, most: int) -> list[str]:
    """The pieces of a text that is read sentence by sentence, short ones joined, long ones cut."""
    found: list[str] = []
    for paragraph in _PARAGRAPH.split(text):
        joined = ""
        for sentence in _SENTENCE.split(paragraph):
            joined = f"{joined} {sentence}" if joined else sentence
            if len(joined) > most:
                n = -(-len(joined) // most)
                found += [joined[at * len(joined) // n : (at + 1) * len(joined) // n] for at in range(n)]
                joined = ""
            elif len(joined) >= least:
                found.append(joined)
                joined = ""
        if joined.strip():
            found.append(joined)
    if len(found) <= MAX_PIECES:
        return found
    return [found[at * (len(found) - 1) // (MAX_PIECES - 1)] for at in range(MAX_PIECES)]
