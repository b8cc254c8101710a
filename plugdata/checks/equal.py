"""Whether a response only gives its instruction back, though the source's does not: a task that translation undid.

"Correct this sentence: …" whose sentence was translated without its mistake teaches a model to copy (METHODS §3,
"Grammar tasks self-destruct"); a model that mixes up the fields gives one text twice. Takes whole texts of both halves;
knows no language and no row.
"""

MIN_LETTERS = 15
"""Letters and digits of the shortest response judged: "Yes", "7" or a choice often stand in an instruction by
themselves, at another place in another language."""


def equal(source_instruction: str, source_response: str, instruction: str, response: str) -> bool:
    """Whether the response is the instruction, or its last paragraph, and the source's is neither.

    Letters and digits are compared, in one case: a comma that was put right makes no difference, so a task on commas is
    judged by its source.
    """
    return _gives_back(instruction, response) and not _gives_back(source_instruction, source_response)


def _gives_back(instruction: str, response: str) -> bool:
    if len(response) < MIN_LETTERS or len(response) > 2 * len(instruction):  # 2: no text is mostly commas
        return False
    folded = _folded(response)
    if len(folded) < MIN_LETTERS:
        return False
    parts = (instruction, instruction.rpartition("\n\n")[2])
    return any(len(part) <= 2 * len(response) and _folded(part) == folded for part in parts)


def _folded(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))
