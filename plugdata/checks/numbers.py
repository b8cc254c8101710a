"""Whether the numbers of a source stand in its translation, and no others: however each of the two writes them.

1,234.5 = 1.234,5 = 1 234,5 = 1'234.5 = १,२३४.५ = ١٬٢٣٤٫٥. Where the sides differ, what translators rightly do is
forgiven: 20,000 as 2万, 2만, 20 mil or 二万; 3 pm as 15:00; the 1990s as the 90s; the 19th century as XIX; 12 lakh as
1.2 million; 2019 as 2562 of the Thai calendar. Number words are not known: a source without digits is not judged. But
for those of scale in English: "3 billion" is 30亿, and not 3亿, which has the same digits.

Takes prose (checks.prose): digits of code and URLs are no evidence. Knows no language and no row.
"""

import math
import re
import unicodedata
from collections.abc import Iterator

import polars as pl

SMALL = 12
"""Integers up to this are words as often as digits ("three" as 3, 10 as "dix"), and months become digits (March as
3月); so are round ones, of one digit and noughts (100 as "cien"). One that is lost counts only where another such one
is new, or beyond MAY_BE_WORDS of them; one that is new counts only where another is lost."""

MAY_BE_WORDS = 2
"""Which numbers a text spells out is a matter of taste, but not of every one: a model that gave three animals in place
of a sum lost four."""

MAX_FORGIVEN = 40
"""Numbers on one side alone that are looked for in other forms, at most: each is compared with each."""

SCALED = 3
"""Powers of ten, from this on, by which two numbers may differ and be the same: 2,000,000 is "2 million". Ten times and
a hundred times as much are mistakes."""

_NUMBER = re.compile(r"\d+(?:[.,'’٫٬\u00a0\u202f\u2009]\d+)*")
_LABEL = r"[ \t]*(?:[-*•][ \t]*)?\d{1,3}[.)．、:]"
_SPACED = re.compile(r"(?<=\d) (?=\d{3}(?!\d))")
_MARKER = re.compile(rf"(?m)^{_LABEL}(?!\d)")
_CLOCK = re.compile(r"\d ?[ap]\.?m\b|\d:\d\d", re.IGNORECASE)

_HAN = {char: value for value, chars in enumerate(("〇零", "一", "二两兩", *"三四五六七八九")) for char in chars}
_TENS = {"十": 1e1, "십": 1e1, "百": 1e2, "백": 1e2, "千": 1e3, "천": 1e3}
_MYRIADS = {
    **dict.fromkeys(("万", "萬", "만"), 1e4),
    **dict.fromkeys(("亿", "億", "억"), 1e8),
    **dict.fromkeys(("兆", "조"), 1e12),
    **dict.fromkeys(("lakh", "लाख", "লাখ", "لاکھ"), 1e5),
    **dict.fromkeys(("crore", "करोड़", "কোটি", "کروڑ"), 1e7),
}
_UNIT = "|".join([*_TENS, *_MYRIADS])
_COMPOSED = re.compile(
    rf"(?<![\d.,])\d[\d.,]*\s?(?:{_UNIT})(?:\s?[\d.,]*(?:{_UNIT}))*\d*|[{''.join(_HAN)}十百千万萬亿億]{{1,30}}"
)
_WORDS = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_SCALE = re.compile(rf"[ -]?({'|'.join(_WORDS)})\b", re.IGNORECASE)
_AT_END = re.compile(rf"(?<![\d.,]){_NUMBER.pattern}$")
_BEFORE = 40
"""Characters before a word of scale that are searched for its number: all of them would take quadratic time."""
_ATOM = re.compile(rf"{_NUMBER.pattern}|{_UNIT}|[{''.join(_HAN)}]")


_DIGITS = "".join(f"{chr(c)}-{chr(c + 9)}" for c in range(0, 0x1FC00, 2) if unicodedata.decimal(chr(c), None) == 0)
"""What `re` calls a digit: Polars may know those of another version of Unicode."""
_TOKEN = rf"\n{_LABEL}(?:{_NUMBER.pattern})?|{_NUMBER.pattern}".replace(r"\d", f"[{_DIGITS}]")
_NUMBER_OF_ASCII, _LABEL_OF_ASCII = (of.replace(r"\d", "[0-9]") for of in (_NUMBER.pattern, _LABEL))
_TOKEN_OF_ASCII = rf"\n{_LABEL_OF_ASCII}(?:{_NUMBER_OF_ASCII})?|{_NUMBER_OF_ASCII}"

_FOREIGN = rf"[\p{{Nd}}{_DIGITS}--0-9]"


def foreign_digits(texts: pl.Series) -> pl.Series:
    """Which texts hold a digit that is not ASCII's. Null is none."""
    places = (texts.str.len_bytes() > texts.str.len_chars()).arg_true()
    found = texts.gather(places).str.contains(_FOREIGN)
    return pl.repeat(False, len(texts), eager=True).scatter(places, found)


def _told(texts: pl.DataFrame, tokens: str, before: str = "") -> pl.Series:
    """1.0 where both texts have the same tokens in the same order, NaN for others, null where the source has none.

    What ends in no digit is the marker of a list.
    """
    ours, theirs = ((before + pl.col(name)).str.extract_all(tokens).list.join("|") for name in ("source", "target"))
    same = pl.when(ours == theirs).then(1.0).otherwise(math.nan)
    has_number = ours.str.contains(r"\d(?:\||$)") if before else ours != ""
    return texts.lazy().select(pl.when(has_number).then(same)).collect().to_series()


def settled(texts: pl.DataFrame, foreign: pl.Series) -> pl.Series:
    """`numbers` of columns, as far as Polars can tell: which texts write no numbers, or write the same ones in the same
    way and order, as nearly all do; NaN = ask. `foreign`: where either has `foreign_digits`, or may."""
    labelled = pl.any_horizontal(
        pl.col(name).str.contains(at + _LABEL_OF_ASCII) for name in ("source", "target") for at in ("^", "\n")
    )
    labels = texts.select(labelled).to_series() & ~foreign
    told = _told(texts, _NUMBER_OF_ASCII)  # a third of the time
    for some, tokens in ((labels, _TOKEN_OF_ASCII), (foreign, _TOKEN)):
        if some.any():
            places = some.arg_true()
            told = told.scatter(places, _told(texts.select(pl.all().gather(places)), tokens, "\n"))
    scaled = pl.any_horizontal(pl.all().str.contains_any([*_WORDS], ascii_case_insensitive=True))
    return told.set(texts.select(scaled.fill_null(False)).to_series() & told.is_not_null(), math.nan)


def numbers(source: str, target: str) -> float | None:
    """1 − (lost + invented) / (numbers of the source + numbers of the target), each number counted once; 0 to 1.

    Null where the source has no digit, and where all that could be judged may have become words (SMALL).
    Markers of lists are no numbers.
    """
    if not _NUMBER.search(source):
        return None
    source, target = _MARKER.sub(" ", source), _MARKER.sub(" ", target)
    share = _share(source, target)
    if share is not None and share < 1 and (_SPACED.search(source) or _SPACED.search(target)):
        return max(share, _share(_SPACED.sub("", source), _SPACED.sub("", target)) or 0.0)  # "100 200" is one or two
    return share


def _share(source: str, target: str) -> float | None:
    ours, theirs = set(_written(source)), set(_written(target))
    if not ours:
        return None
    lost, invented = _unforgiven(source, target, ours - theirs, theirs - ours)
    n_misscaled = len(_misscaled(source, target, theirs))
    lost_words, new_words = sum(map(_may_be_word, lost)), sum(map(_may_be_word, invented))
    n_wrong_words = max(min(lost_words, new_words), lost_words - MAY_BE_WORDS)
    n_wrong = len(lost) - lost_words + len(invented) - new_words + n_wrong_words
    n_judged = len(ours) + len(theirs) - len(lost) - len(invented) + n_wrong
    return max(0.0, 1 - (n_wrong + 2 * n_misscaled) / n_judged) if n_judged else None


def _misscaled(source: str, target: str, written: set[float]) -> set[float]:
    """Numbers that the source gives in thousands, millions or myriads and the target does, too, but by another power of
    ten: "3 billion" as "3亿". What models get wrong here stands there in the same digits."""
    ours, theirs = _scaled(source), _scaled(target)
    missing = ours - theirs - written

    def is_off(number: float, other: float) -> bool:
        power = math.log10(number / other) if number and other else 0.0
        return abs(power) > 0.5 and abs(power - round(power)) < 1e-9

    return {number for number in missing if any(is_off(number, other) for other in theirs - ours)}


def _scaled(text: str) -> set[float]:
    """The values of numbers with a word of scale, or a unit of ten thousand and more."""
    found: list[float] = []
    for word in _SCALE.finditer(text):
        if digits := _AT_END.search(text[max(0, word.start() - _BEFORE) : word.start()]):
            found += [n * _WORDS[word[1].lower()] for n in _written(digits[0])]
    found += [_value(run) for run in _COMPOSED.findall(text) if any(unit in run for unit in _MYRIADS)]
    return {float(f"{number:.12g}") for number in found}  # 2.3 * 1e9 is a little less than 23 * 1e8


def _unforgiven(source: str, target: str, lost: set[float], invented: set[float]) -> tuple[set[float], set[float]]:
    """Which of the numbers on one side alone are not there in another form on the other."""
    if not (lost or invented) or max(len(lost), len(invented)) > MAX_FORGIVEN:
        return lost, invented
    lost, invented = _recomposed(lost, invented, target)
    invented, lost = _recomposed(invented, lost, source)
    told_by_clock = bool(_CLOCK.search(source) or _CLOCK.search(target))
    for number in sorted(lost):
        twin = next((other for other in sorted(invented) if _same(number, other, told_by_clock)), None)
        if twin is not None:
            lost, invented = lost - {number}, invented - {twin}
    return lost, invented


def _recomposed(missing: set[float], extra: set[float], text: str) -> tuple[set[float], set[float]]:
    """Both without the `missing` that a text composes (2万, 二十五), and the `extra` it does so of; Romans likewise."""
    if not missing:
        return missing, extra
    for run in _COMPOSED.findall(text):
        found = {number for number in missing if _same(number, _value(run))}
        if found:
            missing, extra = missing - found, extra - set(_written(run))
    return {number for number in missing if not _stands_in_roman(number, text)}, extra


def _same(a: float, b: float, told_by_clock: bool = False) -> bool:
    """Whether two numbers may be the same: scaled, a decade, an hour after noon, a year of the Thai calendar."""
    low, high = min(a, b), max(a, b)
    if low == high or (high - low in (1900, 2000) and low % 10 == 0) or (high - low == 543 and low > 1500):
        return True
    if told_by_clock and high - low == 12 and high <= 24:
        return True
    if low == 0 or math.isinf(high / low):
        return False
    power = math.log10(high / low)
    return power > SCALED - 0.5 and abs(power - round(power)) < 1e-12


def _may_be_word(number: float) -> bool:
    """Whether a number is small, or round: one digit and noughts."""
    if not number.is_integer() or number == math.inf:
        return False
    return number <= SMALL or not f"{number:.0f}"[1:].strip("0")


def _stands_in_roman(number: float, text: str) -> bool:
    """Whether a text holds a number above SMALL as a Roman numeral, as it does of centuries."""
    if not (SMALL < number < 40 and number.is_integer()):
        return False
    tens, ones = divmod(int(number), 10)
    numeral = "X" * tens + ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX")[ones]
    return re.search(rf"(?<![A-Z]){numeral}(?![A-Z])", text) is not None


def _written(text: str) -> Iterator[float]:
    """The numbers that a text writes in digits, of any script: `float` reads them all."""
    for token in _NUMBER.findall(text):
        if token.isdecimal():
            yield float(token)
        else:
            yield from _separated(token)


def _separated(token: str) -> Iterator[float]:
    """The number that a token of digits and separators is, or the several that stand in it (12.5.2023)."""
    parts = re.split(r"\D", token)
    separators = [char for char in token if not char.isdecimal()]
    *leading, last = separators
    grouped = all(len(part) in (2, 3) for part in parts[1:-1]) and len(parts[0]) <= 3  # 2: 12,34,567 in India
    is_group = grouped and len(parts[-1]) == 3 and parts[0][0] not in "0٠०" and set(separators) == {last}
    if is_group:
        yield float("".join(parts))
    elif last in ".,٫" and last not in leading and len(set(leading)) <= 1 and (grouped or not leading):
        yield float("".join(parts[:-1]) + "." + parts[-1])
    else:
        yield from map(float, parts)


def last(text: str) -> tuple[float, ...]:
    """How the last number that a text writes in digits may be read; nothing where it writes none.

    First as it stands; then its one point or comma the other way round (2.125, 1,234), and with the units that make a
    larger one of it (3만 5천, 2.5 lakh).
    """
    tokens = list(_NUMBER.finditer(text))
    if not tokens:
        return ()
    token = tokens[-1]
    found = list(_written(token[0]))[-1:]
    parts = re.split("[.,]", token[0])
    if len(parts) == 2 and all(part.isdecimal() for part in parts):
        found += [float(".".join(parts)), float("".join(parts))]
    for run in _COMPOSED.finditer(text):
        if run[0][0].isdecimal() and run.start() <= token.start() < run.end():
            found.append(_value(run[0]))
    return tuple(dict.fromkeys(found))


def _value(run: str) -> float:
    """The value of a composed number: 3억 5천만, 1万5000, 二十五, 二〇二三."""
    total = section = 0.0
    pending: float | None = None
    for atom in _ATOM.findall(run):
        if atom in _HAN:
            pending = (pending or 0.0) * 10 + _HAN[atom]
        elif atom in _TENS:
            section += (1.0 if pending is None else pending) * _TENS[atom]
            pending = None
        elif atom in _MYRIADS:
            total += (section + (pending or 0.0) or 1.0) * _MYRIADS[atom]
            section, pending = 0.0, None
        else:
            pending = next(_written(atom))
    return total + section + (pending or 0.0)
