"""Whether an answer declines, or speaks of itself as a model, where its source did neither: a refusal that is new.

The phrases are data: refusals.toml, language code → list. Only the beginning and end of an answer are read, where
models decline: a story may hold any sentence. Words alone are no refusal ("I'm sorry for your loss"): one keyword
filter took 90 % of a data set with it (ultrachat-uncensored), hence whole phrases, and the source's own.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Collection, Iterable
from functools import cache
from importlib import resources

import polars as pl

READ_CHARS = 200
"""Characters read at either end: two or three sentences."""

_SAME = [
    (char, plain)
    for chars, plain in (("`´’‘ʼʻ＇", "'"), ("“”„«»＂", '"'), (",，、،፣၊\u0307", ""), ("ı", "i"))
    for char in chars
]
"""Characters typed for one another; commas, and the dot of a folded İ, are left out."""

_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")


def refuses(text: str, codes: Iterable[str]) -> str | None:
    """The phrase by which a text, at its beginning or end, declines or speaks of itself, in one of some languages."""
    return _said(_folded(_ends(text)), codes)


def _ends(text: str) -> str:
    text = text.strip()
    return f"{text[:READ_CHARS]} {text[-READ_CHARS:]}" if len(text) > 2 * READ_CHARS else text


def new_refusal(source: str, answer: str, source_code: str, target_code: str) -> str | None:
    """The phrase of a refusal in the answer (in the target's language, the source's or English) if it is new.

    It is not where the source anywhere declines by a phrase of its language or English, or, in English, by any words.
    """
    phrase = refuses(answer, _codes(source_code, target_code))
    if phrase is None:
        return None
    folded = _folded(source)
    if _said(folded, dict.fromkeys((source_code, "en"))) or _DECLINES.search(folded):
        return None
    return phrase


def may_refuse(texts: pl.Series, source_code: str, target_code: str) -> pl.Series:
    """False only where `new_refusal` is None for a text, whatever its source: of nearly all. Null stays null."""
    bare = pl.col("").str.strip_chars(_SPACE)
    ends = pl.concat_str(bare.str.head(READ_CHARS), pl.lit(" "), bare.str.tail(READ_CHARS))
    read = pl.when(bare.str.len_chars() > 2 * READ_CHARS).then(ends).otherwise(bare)
    return texts.to_frame("").select(read.str.contains(_hint(_codes(source_code, target_code)))).to_series()


@cache
def _hint(codes: tuple[str, ...]) -> str:
    """A pattern, of Polars, that finds something in whatever holds a clue of some languages once it is folded."""
    return rf"(?i){'|'.join(map(_unfolded, _clues(codes)))}|[{_LONGER}]"


def _unfolded(clue: str) -> str:
    """A pattern of all that may be folded to a clue, in whatever case."""
    left_out = "".join(char for char, plain in _SAME if not plain)
    chars = []
    for char in clue:
        same = "".join(other for other, plain in _SAME if plain == char)
        chars.append(rf"[{_SPACE}{left_out}]+" if char == " " else f"[{re.escape(char)}{same}{'İ' * (char == 'i')}]")
    between = f"[{left_out}]*"
    return between.join(chars).replace(f"[s]{between}[s]", f"(?:[s]{between}[s]|ß)")


_SPACE = "".join(filter(str.isspace, map(chr, range(0x3001))))
_LONGER = "".join(char for char in map(chr, range(0x10000)) if len(char.casefold()) > 1 and char not in "ßẞİ")
"""Characters, ligatures mostly, that fold to several: rare enough to be asked about without a look at the clues."""


def none_refuses(answers: Iterable[str], source_code: str, target_code: str) -> bool:
    """True only where `new_refusal` is None for each of some answers, whatever their sources: nearly always. All are
    asked at once, and by few clues: half the time."""
    folded = _folded(" ".join(map(_ends, answers)))
    return not any(map(folded.__contains__, _clues(_codes(source_code, target_code))))


class Ahead:
    """Answers between two languages that may be told of before they are asked about: all are looked through at once.
    That takes 6 µs a row in place of 13 (a hundred rows, benchmarks/replay.py)."""

    def __init__(self, source_code: str, target_code: str) -> None:
        self._languages = source_code, target_code
        self._coming: list[str] = []
        self._cleared: frozenset[str] = frozenset()

    def expect(self, answers: Iterable[str]) -> None:
        """Note what `none_refuses` will be asked about."""
        self._coming += answers

    def none_refuses(self, answers: Collection[str]) -> bool:
        """`none_refuses` of some answers."""
        if len(self._coming) >= SEVERAL:
            texts = pl.Series(self._coming)
            self._cleared = frozenset(texts.filter(~may_refuse(texts, *self._languages)))
        self._coming.clear()
        return self._cleared.issuperset(answers) or none_refuses(answers, *self._languages)


SEVERAL = 60
"""Answers from which columns are worth their fixed price of 0.3 ms: 60 take as long one by one, 300 twice as long."""


def _codes(source_code: str, target_code: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((target_code, source_code, "en")))


@cache
def _clues(codes: tuple[str, ...]) -> tuple[str, ...]:
    """Few strings of which each phrase of some languages holds one: a dozen for fifty phrases. Always the one that most
    of the phrases hold which are left; of 6 characters or more, or ordinary words would hold them."""
    left = {phrase for code in codes for phrase in _phrases(code)}
    clues: list[str] = []
    while left:
        parts = Counter(part for phrase in sorted(left) for part in {*_parts(phrase)})
        clues.append(max(parts, key=lambda part: (parts[part], part)))
        left = {phrase for phrase in left if clues[-1] not in phrase}
    return tuple(clues)


def _parts(phrase: str) -> Iterable[str]:
    """Every part of a phrase of 6 to 12 characters, and of a shorter phrase itself."""
    for n in range(min(6, len(phrase)), min(12, len(phrase)) + 1):
        yield from (phrase[at : at + n] for at in range(len(phrase) - n + 1))


_DECLINES = re.compile(
    r"\bas an? (?:\w+ ){0,3}(?:ai|model|assistant|chatbot)\b"
    r"|\b(?:i|we)(?: am|'m| are|'re)? (?:sorry|afraid|apologi[sz]e|regret|decline|refuse|unable|not able)\b"
    r"|\b(?:i|we) (?:can't|cannot|can not|couldn't|could not|won't|will not|do not have|don't have)\b"
    r"|\b(?:sorry|unfortunately|apologies|regrettably)\b"
)
"""What an English source may say that comes out as a refusal in its translation: wider than refusals.toml, since here
a false alarm costs a row and a miss costs this check alone. Of 999 real responses 45 hold one; 30 hold a phrase of
refusals.toml, and all of those decline or speak of themselves as a model."""


def _folded(text: str) -> str:
    folded = text.casefold()
    for char, plain in _SAME:
        if char in folded:  # str.translate takes ten times as long on a text that is not ASCII
            folded = folded.replace(char, plain)
    if folded.isprintable() and "  " not in folded and folded == folded.strip():
        return folded  # of white space only single blanks are printable; to split and join takes as long as all before
    return " ".join(folded.split())


def _said(folded: str, codes: Iterable[str]) -> str | None:
    for code in codes:
        if not any(map(folded.__contains__, _phrases(code))):
            continue  # nearly always, and at once
        for phrase in _phrases(code):
            at = folded.find(phrase)
            while at >= 0:
                if at == 0 or not folded[at - 1].isalnum() or _UNSPACED.match(phrase):
                    return phrase
                at = folded.find(phrase, at + 1)
    return None


@cache
def _phrases(code: str) -> tuple[str, ...]:
    """The phrases of a language; of a locale, its own and its base's."""
    known = _lexicon()
    return tuple(dict.fromkeys(known.get(code, ()) + known.get(code.split("-")[0], ())))


@cache
def _lexicon() -> dict[str, tuple[str, ...]]:
    text = resources.files("plugdata.checks").joinpath("refusals.toml").read_text(encoding="utf-8")
    return {code: tuple(map(_folded, phrases)) for code, phrases in tomllib.loads(text).items()}
