"""A long text in pieces that are translated one by one and joined again: `"".join(split(x, n)) == x`, always.

A piece ends at the highest boundary that serves: a blank line, a line before an item or heading, a line end, a sentence
end, a clause end, white space; in scripts written without spaces, at the very last, between two characters. A unit
that is short enough at one level is not taken apart at the next. Where no boundary serves there is no split, and
nothing is ever cut. Knows characters alone, no language: a missed boundary costs nothing, a false one a sentence.
"""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

PARAGRAPH, ITEM, LINE, SENTENCE, CLAUSE, SPACE = range(6)
"""Levels of boundaries, the highest first."""

_STOP = "。！？｡；।॥۔؟։።፧፨။។៕"  # end a sentence, with a blank behind them or without
_PAUSE = "，、､：،؛၊፣፤፥"  # end a clause, likewise
_CLOSING = "”’»›)\\]}」』）】》〉〕"
_BOUNDARY = re.compile(
    r"(?P<white>\s+)"
    f"|(?<![{_STOP}{_PAUSE}])(?:[{_STOP}]++|(?P<pause>[{_PAUSE}]++))[{_CLOSING}]*+"
    f"(?=[^\\s\"'{_STOP}{_PAUSE}])"  # a straight quote may open or close
)

_TAIL = 24
"""Characters before white space that tell what it ends: the longest abbreviation, a stop, its quotes and brackets."""
_ENDED = re.compile(
    rf"(?:(?P<word>\w*)(?P<full>[.…]+)|[!?{_STOP}]|(?P<pause>[,;:{_PAUSE}]))[!?.…{_STOP}]*[\"'*_{_CLOSING}]*$"
)
_ABBREVIATIONS = (
    " mr mrs ms dr prof sr sra srta jr st mt ft messrs mme mlle hr fr gen col maj sgt capt lt cmdr adm rev hon gov sen "
    "rep pres inc ltd co corp bros dept univ est no nos nr num núm vol vols ch chap sec fig figs eq eqs ref refs pp ed "
    "eds art al cf ca approx vs viz ee uu bzw usw jan feb mar apr jun jul aug sep sept oct nov dec "
)
"""Words whose full stop may be followed by a capital. Whatever else stands before a small letter ends no sentence."""
_SHORT = 4
"""Letters of a word that a full stop and a digit may follow without ending a sentence: "Abb. 3", "стр. 5"."""

_ITEM = re.compile(
    r"[-*+•‣◦–—][ \t]|#{1,6}[ \t]|\(?(?:\d{1,3}|[A-Za-z]|[ivx]{1,4})[.)．）、]|[一二三四五六七八九十]{1,3}[、.．]"
    r"|\||>|```|~~~|<(?:tr|li|h[1-6])\b"
)
"""The beginning of a line that starts a list item, a heading, a table row, a quotation or a fence."""

_FENCE = re.compile(r"^[ \t>]*(?P<rule>`{3,}|~{3,})(?P<info>[^\n]*)$", re.MULTILINE)
_MARK_OR_ROW = re.compile(r"⟦[0-9]+⟧|^[ \t]*+\|[^\n]*", re.MULTILINE)
_HTML_ROW = re.compile(r"<(?P<close>/?)tr\b[^<>]*>", re.IGNORECASE)

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U000323af"
_BETWEEN = re.compile(
    # not behind a vowel that is written before its consonant, nor a sign that stacks the next letter under this one
    f"(?<=[{_UNSPACED}])(?<![เ-ไເ-ໄ\u1039\u17d2])"
    # not before a digit, a vowel or sign that belongs to what is before it, nor a small kana
    f"(?=[{_UNSPACED}])(?![\\dะาำๅๆฯະາຳຽໆぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶー々])"
)


class _Cut(NamedTuple):
    at: int  # where the next piece begins: with a character that is not white
    white: int  # where the white space before it begins: what is to be translated ends here
    level: int


def split(text: str, max_chars: int) -> list[str] | None:
    """The text in consecutive pieces of up to `max_chars` (≥ 1) characters, edge white space not counted.

    As few pieces as may be, of much the same size. None where that cannot be without cutting into a fence, a table
    row, a mark or a word. Each piece has something to translate, unless the text has nothing.
    """
    core = text.strip()
    if len(core) <= max_chars:
        return [text]
    cuts = _needed(text, _Cut(text.index(core[0]), 0, PARAGRAPH), max_chars)
    places = _chosen(cuts, max_chars)
    if places is None:
        return None
    bounds = [0, *(cuts[i].at for i in places), len(text)]
    return [text[start:end] for start, end in pairwise(bounds)]


def _needed(text: str, first: _Cut, max_chars: int) -> list[_Cut]:
    """The first and last place, and between them the boundaries of every unit too long at the level above."""
    shut = _shut(text)
    levels: list[list[_Cut]] = [[] for _ in range(SPACE + 1)]
    for cut in _boundaries(text):
        if first.at < cut.at < len(text) and not shut[cut.at] and unicodedata.category(text[cut.at])[0] != "M":
            levels[cut.level].append(cut)
    cuts = [first, _Cut(len(text), len(text.rstrip()), PARAGRAPH)]

    def finer(left: _Cut, right: _Cut, level: int) -> list[_Cut]:
        if level <= SPACE:
            known = levels[level]
            start = bisect_right(known, left.at, key=lambda cut: cut.at)
            return known[start : bisect_left(known, right.at, start, key=lambda cut: cut.at)]
        between = (match.start() for match in _BETWEEN.finditer(text, left.at + 1, right.white))
        return [_Cut(at, at, level) for at in between if not shut[at] and unicodedata.category(text[at])[0] != "M"]

    for level in range(SPACE + 2):
        units = list(pairwise(cuts))
        last = cuts[-1]
        cuts = []
        for left, right in units:
            cuts.append(left)
            if right.white - left.at > max_chars:
                cuts += finer(left, right, level)
        cuts.append(last)
    return cuts


def _chosen(cuts: list[_Cut], max_chars: int) -> list[int] | None:
    """The places at which pieces begin, the first left out: as few as can be, near even sizes, of the best level."""
    # From the end: before which place each piece must not begin, so that those behind it do as few as can be
    earliest = [len(cuts) - 1]
    while (end := earliest[-1]) > 0:
        start = end
        while start > 0 and cuts[end].white - cuts[start - 1].at <= max_chars:
            start -= 1
        if start == end:
            return None
        earliest.append(start)
    earliest.reverse()
    last, n = cuts[-1], len(earliest) - 1
    places, place = [], 0
    for nth in range(1, n):
        begun = cuts[place].at
        even = (last.white - begun) / (n - nth + 1)
        window = []
        for i in range(max(earliest[nth], place + 1), len(cuts) - 1):
            if cuts[i].white - begun > max_chars:
                break
            off = abs(cuts[i].white - begun - even)
            window.append((off > even / 2, cuts[i].level, off, i))
        place = min(window)[-1]
        places.append(place)
    return places


def _boundaries(text: str) -> Iterator[_Cut]:
    """Every boundary of a text but those between two characters, in order."""
    for match in _BOUNDARY.finditer(text):
        at = match.end()
        if match["white"] is None:
            yield _Cut(at, at, SENTENCE if match["pause"] is None else CLAUSE)
        elif n_ends := len(f"{match['white']}.".splitlines()) - 1:
            yield _Cut(at, match.start(), PARAGRAPH if n_ends > 1 else ITEM if _ITEM.match(text, at) else LINE)
        else:
            yield _Cut(at, match.start(), _ended(text, match.start(), at))


def _ended(text: str, end: int, at: int) -> int:
    """What a blank inside a line ends: a sentence, a clause, a word."""
    if end == 0 or text[end - 1].isalnum():
        return SPACE
    tail = _ENDED.search(text[max(0, end - _TAIL) : end])
    if tail is None:
        return SPACE
    if tail["pause"]:
        return CLAUSE
    if tail["full"] is None:
        return SENTENCE
    word, after = tail["word"], text[at : at + 1]
    no_end = (
        after.islower()
        or (word.isdecimal() and len(word) <= 2)  # "1." of a list, "3. Mai"
        or (len(word) == 1 and word.lower() != word.upper())  # "J. Smith", "e.g. Paris", "the U.S. Army"
        or f" {word.lower()} " in _ABBREVIATIONS
        or (after.isdecimal() and word.isalpha() and len(word) <= _SHORT)
    )
    return SPACE if no_end else SENTENCE


def _shut(text: str) -> bytearray:
    """1 at every place that lies inside a fence, a table row or a mark."""
    shut = bytearray(len(text) + 1)
    spans = [*_fences(text), *_html_rows(text), *((match.span()) for match in _MARK_OR_ROW.finditer(text))]
    for start, end in spans:
        shut[start + 1 : end] = b"\x01" * (end - start - 1)
    return shut


def _fences(text: str) -> Iterator[tuple[int, int]]:
    """Where each fenced block begins and ends; as in CommonMark, one that is not closed runs to the end."""
    opened: re.Match[str] | None = None
    for line in _FENCE.finditer(text):
        if opened is None:
            if "`" not in line["info"]:
                opened = line
        elif line["rule"].startswith(opened["rule"]) and not line["info"].strip():
            yield opened.start("rule"), line.end()
            opened = None
    if opened is not None:
        yield opened.start("rule"), len(text)


def _html_rows(text: str) -> Iterator[tuple[int, int]]:
    start: int | None = None
    for tag in _HTML_ROW.finditer(text):
        if not tag["close"]:
            start = tag.start() if start is None else start
        elif start is not None:
            yield start, tag.end()
            start = None
