"""The tokens of a text, and the shingles that they make. Knows nothing of what texts are compared for."""

import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plugdata.checks import script

SHINGLE = 3
"""Tokens in a shingle. At Jaccard 0.8 it lets one changed word in thirty pass as the same text."""

SLICE = 4096
"""Texts that `shingles` takes at a time: a text's number there and a shingle's hash share 64 bits, so that one sort
puts the shingles of all of them in order."""

BITS = 52
"""Of a shingle's hash. Two texts of a thousand shingles each have a chance of 2 in 10¹⁰ that two of them agree."""

_SUPERSCRIPT = r"([⁰¹²³⁴-⁹]+)"
_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}]"
_NUMBER = r"([-−]?\.?\p{N}+(?:[.,:/'’\-–−]\p{N}+)*)"
_LAST_LOOKED_UP = 0x30FF  # kana
_PUNCTUATION = r"[[\p{P}`´]--[%‰#@&/\\*_]]"
_SPACE = [chr(code) for code in (9, 10, 11, 12, 13, 0x85, 0x1680, 0x2028, 0x2029)]
"""What \\s matches, less what NFKC makes a blank. Put first because replacing \\s+ took a third of the whole time."""

_ODD = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))
"""Odd multipliers with well spread bits: 2⁶⁴ divided by the golden ratio, and those of MurmurHash3's last step."""


MOST = 2**20
"""Bytes of text, or shingles, taken at a time: what is made of them takes some 100 MB."""


class Shingles(NamedTuple):
    """Of some texts, one after another: the different shingles of each in ascending order."""

    hashes: NDArray[np.uint64]
    counts: NDArray[np.int64]  # of each text


def normalise(texts: pl.Series) -> pl.Series:
    """The tokens of each text, joined by a space: what exact duplicates have in common.

    NFKC, case folded, punctuation out, white space folded. Digits stay, and with them what makes a number another:
    a sign, separators inside ("5,6 %" is not "56 %"), superscripts ("10²" is not "102"), symbols of currency and
    mathematics. A text of nothing but punctuation stays as it is.
    """
    tokens = _nfkc(texts.str.replace_all(_SUPERSCRIPT, "^$1")).str.to_lowercase()
    tokens = tokens.str.replace_many(["ß", "ς"], ["ss", "σ"])  # what casefold does beyond lower case
    tokens = tokens.str.replace_all(f"{_NUMBER}|{_PUNCTUATION}", " $1 ").str.replace_many(_SPACE, [" "])
    tokens = _apart(tokens).str.replace_all("  +", " ").str.strip_chars()
    return texts.zip_with(tokens == "", tokens)


def shingles(tokens: pl.Series) -> Shingles:
    """The hashes of each text's shingles: of its runs of SHINGLE tokens, or of all its tokens where it has fewer.

    tokens: what `normalise` gives, SLICE texts at most. Hashes are those of this release of Polars, of no use later.
    """
    lists = tokens.str.split(" ")
    n_tokens = lists.list.len().to_numpy().astype(np.int64)
    words = np.concatenate([lists.explode().hash().to_numpy(), np.zeros(SHINGLE - 1, np.uint64)])
    text = np.repeat(np.arange(len(n_tokens), dtype=np.uint64), n_tokens)
    n = len(text)
    to_go = np.repeat(np.cumsum(n_tokens), n_tokens) - np.arange(n)  # tokens from here to the text's end
    starts = np.flatnonzero((to_go >= SHINGLE) | (to_go == np.repeat(n_tokens, n_tokens)))
    mixed = words[starts]
    for further in range(1, SHINGLE):
        there = np.where(to_go[starts] > further, words[starts + further], np.uint64(0))
        mixed = (mixed ^ (mixed >> np.uint64(32))) * _ODD[0] + there
    mixed = (mixed ^ (mixed >> np.uint64(33))) * _ODD[1]
    mixed = (mixed ^ (mixed >> np.uint64(33))) * _ODD[2]
    keys = np.sort((text[starts] << np.uint64(BITS)) | (mixed >> np.uint64(64 - BITS)))
    keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])] if n else keys
    counts = np.bincount((keys >> np.uint64(BITS)).astype(np.int64), minlength=len(n_tokens))
    return Shingles(keys & np.uint64(2**BITS - 1), counts)


def runs(sizes: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """(start, stop) of texts to be taken together: SLICE at most, and MOST of their sizes in sum, or one alone."""
    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        most = (ends[start - 1] if start else 0) + MOST
        stop = min(max(int(np.searchsorted(ends, most, "right")), start + 1), start + SLICE)
        yield start, stop
        start = stop


def _nfkc(texts: pl.Series) -> pl.Series:
    """Normalised to NFKC. It is the dearest step, and most texts in Latin or Cyrillic are by themselves."""
    places = texts.str.contains(_unstable()).arg_true()
    return texts.clone().scatter(places, texts.gather(places).str.normalize("NFKC"))


@cache
def _unstable() -> str:
    """A class of all characters but Han, Hangul and those up to _LAST_LOOKED_UP that NFKC leaves as they are in any
    text."""
    parts = [unicodedata.decomposition(chr(point)).split() for point in range(_LAST_LOOKED_UP + 1)]
    joining = {int(of[1], 16) for of in parts if len(of) == 2 and of[0][0] != "<"} | set(range(0x1100, 0x1200))  # jamo
    stable = [
        point
        for point in range(_LAST_LOOKED_UP + 1)
        if unicodedata.is_normalized("NFKC", chr(point))  # by itself
        and not unicodedata.combining(chr(point))
        and point not in joining
    ]
    ranges = "".join(rf"\x{{{first:x}}}-\x{{{last:x}}}" for first, last in script.ranges(stable))
    return rf"[^{ranges}\x{{4e00}}-\x{{9fff}}\x{{ac00}}-\x{{d7a3}}]"


def _apart(texts: pl.Series) -> pl.Series:
    """Texts without line ends, a blank at each side of every character that _UNSPACED names. By code points: a regular
    expression takes ten times as long (benchmarks/passages.py, Thai)."""
    places = texts.str.contains(_UNSPACED).arg_true()
    if not len(places):
        return texts
    points = np.frombuffer("\n".join(texts.gather(places)).encode("utf-32-le"), np.uint32)
    alone = _alone()[np.minimum(points, script.LAST_LETTER + 1)]
    before = alone.copy()  # whether a blank stands before it
    before[1:] |= alone[:-1]
    apart = np.full(len(points) + int(before.sum()), ord(" "), np.uint32)
    apart[np.arange(len(points)) + np.cumsum(before)] = points
    return texts.clone().scatter(places, pl.Series(apart.tobytes().decode("utf-32-le").split("\n"), dtype=pl.String))


@cache
def _alone() -> NDArray[np.bool_]:
    """Of each code point up to one behind the last, whether _UNSPACED names it."""
    return np.append(script.held(_UNSPACED).to_numpy(), False)
