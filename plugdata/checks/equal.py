"""Whether a response only gives its instruction back, though the source's does not: a task that translation undid.

"Correct this sentence: …" whose sentence was translated without its mistake teaches a model to copy; a model that mixes
up the fields gives one text twice. Takes whole texts of both halves; knows no language and no row.
"""

import polars as pl

MIN_LETTERS = 15
"""Letters and digits of the shortest response judged: "Yes", "7" or a choice often stand in an instruction by
themselves, at another place in another language."""


_MOST = 2
"""Times the letters and digits that a text's other characters are, at most: no text is mostly commas."""
_END = 40
"""Characters at the end of two texts that are compared before all are: hardly any two end alike."""

_MARKS = " \t\n.!?…。！？,，;；:：\"”’'»」』)）]`*"
_ONE_CASE = r"[a-z0-9]|[\p{Han}\p{Hangul}&&\p{Lo}]"
_last_of_both = [
    pl.col(name).str.tail(_END).str.strip_chars_end(_MARKS).str.tail(1) for name in ("instruction", "response")
]
MAY_BE = (pl.col("response").str.len_chars() >= MIN_LETTERS) & (
    pl.col("response").str.len_chars() <= _MOST * pl.col("instruction").str.len_chars()
)
"""What holds of every row of which `gives_back` does: of one row in five."""
END_APART = (_last_of_both[0] != _last_of_both[1]) & pl.all_horizontal(
    last.str.contains(_ONE_CASE) for last in _last_of_both
)
"""What holds of none: the last letters or figures, which have no other case, are two."""


def equal(source_instruction: str, source_response: str, instruction: str, response: str) -> bool:
    """Whether the response is the instruction, or its last paragraph, and the source's is neither.

    Letters and digits are compared, in one case: a comma that was put right makes no difference, so a task on commas is
    judged by its source.
    """
    return gives_back(instruction, response) and not gives_back(source_instruction, source_response)


def gives_back(instruction: str, response: str) -> bool:
    """Whether the response is the instruction, or its last paragraph."""
    if len(response) < MIN_LETTERS or len(response) > _MOST * len(instruction):
        return False
    ends = _folded(instruction[-_END:]), _folded(response[-_END:])
    if not (ends[0].endswith(ends[1]) or ends[1].endswith(ends[0])):
        return False
    folded = _folded(response)
    if len(folded) < MIN_LETTERS:
        return False
    parts = (instruction, instruction.rpartition("\n\n")[2])
    return any(len(part) <= _MOST * len(response) and _folded(part) == folded for part in parts)


def _folded(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))
