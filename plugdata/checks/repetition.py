"""Whether a text ends in a loop: one unit said again and again, as models do that cannot find their end.

Only the tail is judged, since a loop does not end by itself. White space is passed over: models loop by lines, by
words and by characters alike. Knows no language and no row.
"""

MAX_UNIT = 60
"""Characters of the longest unit: a sentence or two of Latin script, a paragraph of Chinese."""
MIN_TIMES = 8
"""Times that a long unit stands in a row: more than the refrain of a song, and than a rule of any table."""
MIN_CHARS = 300
"""Characters of the shortest loop: laughter, a rule of 120 dashes and sixty "very" stay below; so does whatever
tests/test_repetition.py holds of refrains, tables and lists. Loops of models run to the end of their room."""

_GLANCE_CHARS = 4 * MAX_UNIT
"""Characters whose end clears nearly every text at once: of two units there are enough, whatever white space is."""


def is_loop(text: str, min_chars: int = MIN_CHARS) -> bool:
    """Whether a text ends in one unit of up to MAX_UNIT characters again and again.

    White space is not counted, unless the text ends in nothing else. A character cut in half at the end is no matter.
    `min_chars`: how many characters the loop must have, 70 or more.
    """
    text = text.rstrip("\ufffd")
    if len(text) < min_chars:
        return False
    if len(text) - len(text.rstrip()) >= min_chars:
        return True
    end = "".join(text[-_GLANCE_CHARS:].split())
    if len(end) >= 2 * MAX_UNIT and _before(end) < 0:
        return False
    squeezed = "".join(text.split())
    before = _before(squeezed)
    unit = len(squeezed) - MAX_UNIT - before
    n = max(min_chars, MIN_TIMES * unit)
    return before >= 0 and n <= len(squeezed) and squeezed[-n:-unit] == squeezed[unit - n :]


def _before(squeezed: str) -> int:
    """Where the end of a loop stands once more: a unit before, and nowhere nearer. That gives the only unit to try."""
    return squeezed.rfind(squeezed[-MAX_UNIT:], -2 * MAX_UNIT, -1)
