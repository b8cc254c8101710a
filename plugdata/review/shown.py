"""Text of rows as people may see it: nothing invisible, nothing that acts on what stands around it.

Rows hold what the web holds. Control characters move a terminal's cursor, bidi overrides make a line read other than
it is, a lone surrogate cannot be written at all; each is shown by its name instead. What a script needs stays: joiners
and non-joiners (Persian, Hindi, emoji), the plain direction marks, every kind of space.
"""

import re

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
"""C0 and C1 less tab and newline; embeddings, overrides and isolates of direction; the byte order mark, annotations,
surrogates and tags, which no screen shows."""


def visible(text: str) -> str:
    """The text with each hidden character as its code point, "⟨U+202E⟩"; tabs, newlines and all else as they are."""
    return _HIDDEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text.replace("\r\n", "\n"))


def cut(text: str, n_chars: int) -> str:
    """The beginning of a text that is longer than `n_chars`, and how long it is."""
    return text if len(text) <= n_chars else f"{text[: n_chars - 1]}… ({len(text):,} characters)"
