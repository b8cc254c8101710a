"""Whether an answer is its source come back: the commonest way in which weak models fail to translate.

Judged row by row while translating, so on plain strings and fast. Knows no languages: an echo is known by the
source's own words. That leaves one thing it cannot see: a source that already is in the target language, or that
quotes a third one, rightly stays as it is and looks like an echo.
"""

import re

from plugdata.checks.prose import prose_of

ECHO_MIN = 0.4
"""`echo` from which an answer counts as untranslated. Measured on 999 English instruction rows and their rule-based
translations into Spanish and Catalan (Apertium): the highest of 4,166 translated texts is 0.24, apart from two that
were Spanish to begin with; of the answers with 60 % of their sentences left in English 88 % reach 0.4, with 80 % left
96 %; and so do 90 % of those that give the source and its translation."""

MIN_WORDS = 4
"""Fewer words to translate than this are no evidence: headings, names and formulas rightly stay the same."""

_PROBES = 16
_PROBE = 20
"""So many stretches of a long answer, of so many characters each, are looked for in the source first: nearly every
translation is told by having none. Of 120 real texts with sentences left or put back in English by chance (4,320 times)
2,396 are echoes, and each of them has one."""
_FEW = 0.25
"""Share of an answer's tokens that are the source's too, below which the search for runs is spared: as each shared run
has three shared words, an echo has 0.4 or so. Tokens are what white space separates, points and all."""
_EACH = 3
"""Of so many tokens one is looked at: every run of three words has one of these."""
_TOKEN = 12
"""Characters a token has at most, in the mean, where white space separates words at all."""

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_CAPITALS = "A-ZÀ-ÖØ-ÞΑ-ΩЀ-Я"
WORD = re.compile(
    f"[{_UNSPACED}]"  # Thai, Lao, Burmese, Khmer, kana, Han: each character counts as a word
    f"|(?<![^\\W_])[^\\W\\d_{_CAPITALS}{_UNSPACED}][^\\W\\d_{_UNSPACED}]+"
)
"""A word to translate: two letters or more, of which the first is no capital. Names and `x` are none."""
_ASCII_WORD = re.compile("[a-z][A-Za-z]")
"""In every word of a source in ASCII."""
_WORD_OF_ASCII = re.compile("(?<![A-Za-z0-9])[a-z][A-Za-z]+")
"""WORD in a text that is ASCII, in half the time."""


def to_translate(text: str) -> list[str]:
    """Every WORD of a text, in order."""
    return (_WORD_OF_ASCII if text.isascii() else WORD).findall(text)


def echo(source: str, answer: str) -> float:
    """How much of an answer is the source's: the share of its runs of three words that the source holds too, 0 to 1.

    Words are those to translate: no names, numbers or single letters. An answer with fewer than three gives 0.
    """
    runs = _runs(to_translate(answer))
    return len(runs & _runs(to_translate(source))) / len(runs) if runs else 0.0


def is_echo(source: str, answer: str) -> bool:
    """Whether an answer leaves its source, or most of it, untranslated.

    Code, URLs, tags and LaTeX are no evidence, and neither is a source with hardly a word to translate.
    """
    if source.isascii() and not _ASCII_WORD.search(answer):
        return False  # nearly every answer in another script than the source's
    step = len(answer) // _PROBES
    if step > _PROBE and not any(answer[at : at + _PROBE] in source for at in range(0, len(answer), step)):
        return False
    tokens = answer.split()
    most = len(source) // _TOKEN
    if len(answer) < _TOKEN * len(tokens):
        some = tokens[::_EACH]
        shared = set(some).intersection(source.split())
        if sum(map(shared.__contains__, some)) < _FEW * len(some):
            return False
    elif len(source.split(maxsplit=most)) > most:  # no need to count on
        return False  # white space separates the source's words, and hardly any of the answer's
    if echo(source, answer) < ECHO_MIN:
        return False
    source, answer = prose_of(source), prose_of(answer)
    return len(to_translate(source)) >= MIN_WORDS and echo(source, answer) >= ECHO_MIN


def _runs(words: list[str]) -> set[tuple[str, ...]]:
    return set(zip(words, words[1:], words[2:], strict=False))
