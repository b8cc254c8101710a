"""The places at which a text is read to tell its language, and the pieces that it is cut into. Knows no model."""

import re

LAST_CHARS = 20
"""Characters that the last sentence has at least, with the one before it if need be, in a script as dense as the Latin
one."""

PIECE_CHARS = 150
"""Characters of a piece at most, in a script as dense as the Latin one."""

MAX_PIECES = 12
"""Pieces of a text that are read where it is read sentence by sentence; evenly spaced if there are more."""

_LAST_END = re.compile(r"(?s:.*)(?:\n|[.!?\"”»।۔؟] |[。！？])")
_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_SENTENCE = re.compile(r"(?<=[.!?。！？।؟۔][\"”»\s])\s*|(?<=[。！？])|\n\s*")


def line(text: str) -> str:
    """A text on one line, as fastText needs it."""
    return text.replace("\n", " ")


def places(text: str, least: int, most: int) -> list[str]:
    """The places at which a text is read: the beginning, the middle of a long one, and the last sentence."""
    text = text.rstrip()
    n = len(text)
    end = _LAST_END.match(text, max(n - most, 0), max(n - least, 0))
    if end is None and n <= most:
        return [line(text)]
    start = end.end() if end else n - most // 2
    first, last = line(text[: min(start, most)]), line(text[start:])
    if start < 3 * most:
        return [first, last]
    return [first, line(text[n // 2 : n // 2 + most // 2]), last]


def pieces(text: str, least: int, most: int) -> list[str]:
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
