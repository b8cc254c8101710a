"""What must not change in a text, put out of a translator's sight and back: spans become `⟦n⟧`.

Code, LaTeX, addresses, tags, placeholders and paths, byte for byte; what they are, checks.spans and checks.code know.
Spans with only white space between them become one. A mark in the source itself is a span as well, which is why
`unmask(mask(x)) == x` for every text.

Owns the marks: how they are written, put back, judged. Knows nothing of rows, prompts or models.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from plugdata.checks.spans import NUL, covered


class Masked(NamedTuple):
    """A text with ⟦first⟧ … ⟦first + len(spans) - 1⟧ in it, in order, each once, and what each stands for."""

    text: str
    spans: tuple[str, ...]


_SPAN = re.compile(r"\0+(?:\s+\0+)*")
_MARK = re.compile(r"⟦(0|[1-9][0-9]{0,8})⟧")  # nine digits: any row's marks, and no number that int() refuses
_BROKEN = re.compile(r"⟦[^⟦⟧\s]{0,12}⟧?|[^⟦⟧\s]{0,12}⟧")
_LOOSE = re.compile(r"(?:[⟦〚][^\S\n]*(\d{1,9})[^\S\n]*[⟧〛])|⟦(\d{1,9})[\]】〛]|[\[【〚](\d{1,9})⟧")
_LETTER = re.compile(r"[^\W\d_]")
_SHOWN = 5  # faults named in one message: more do not help a model to repair


def mask(text: str, *, first: int = 0, comments: bool = False, keep: Sequence[tuple[int, int]] = ()) -> Masked:
    """The text with what must not change as marks, numbered from `first`.

    keep: (start, end) ranges that must not change either. comments: the words of comments in code blocks stay visible.
    """
    image = covered(text, comments=comments)
    for start, end in keep:
        image = image[:start] + NUL * len(image[start:end]) + image[max(start, end) :]
    if NUL not in image:
        return Masked(text, ())
    parts: list[str] = []
    hidden: list[str] = []
    at = 0
    for span in _SPAN.finditer(image):
        parts += [text[at : span.start()], f"⟦{first + len(hidden)}⟧"]
        hidden.append(text[span.start() : span.end()])
        at = span.end()
    return Masked("".join((*parts, text[at:])), tuple(hidden))


def unmask(text: str, spans: Sequence[str], *, first: int = 0) -> str:
    """The text with every mark replaced by what it stands for, in any order; marks of no span stay."""

    def span(mark: re.Match[str]) -> str:
        n = int(mark[1]) - first
        return spans[n] if 0 <= n < len(spans) else mark[0]

    return _MARK.sub(span, text)


def fault(text: str, spans: Sequence[str] | int, *, first: int = 0) -> str | None:
    """What is wrong with the marks of a translated text, in words; None where each stands once, in any order."""
    found = Counter(int(n) for n in _MARK.findall(text))
    due = range(first, first + (spans if isinstance(spans, int) else len(spans)))
    faults = [f"⟦{n}⟧ is missing" for n in due if n not in found]
    faults += [f"⟦{n}⟧ stands {_times(found[n])}" for n in due if found[n] > 1]
    faults += [f"⟦{n}⟧ was never there" for n in sorted(found) if n not in due]
    rest = _MARK.sub(" ", text)
    if "⟦" in rest or "⟧" in rest:  # hardly ever, and to search takes as long as all the checks of a row
        faults += [f"a broken mark '{broken}'" for broken in _BROKEN.findall(rest)]
    more = [f"{len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
    return "; ".join(faults[:_SHOWN] + more) or None


def _times(n: int) -> str:
    return "twice" if n == 2 else f"{n} times"


def normalise(text: str) -> str:
    """The text with marks as models bend them made right: blanks inside, other digits, a bracket of another kind.

    A mark keeps at least one of its own brackets, or has both of the kind U+301A; [0] and 【0】 are somebody's notes.
    """
    return _LOOSE.sub(lambda mark: f"⟦{int(mark[1] or mark[2] or mark[3])}⟧", text)


def has_words(masked: str) -> bool:
    """Whether a letter stands outside the marks: else there is nothing to translate."""
    return _LETTER.search(masked) is not None  # a mark has no letter in it
