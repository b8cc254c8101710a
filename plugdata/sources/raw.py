"""What a reader hands on: one record, where it stood, its text, and why it could not be parsed if it could not."""

from typing import NamedTuple

MAX_RAW = 100_000
"""Characters kept of a record that could not be read: its place says where all of it is."""

MAX_RECORD = 32 * 2**20
"""Bytes of a line of JSON, characters of a record of CSV. A longer one is a fault, so that a file that is one line
takes no more memory than this. Ours: ten times "War and Peace" in UTF-8."""


class Record(NamedTuple):
    """One record as it was read."""

    place: str  # "alpaca.jsonl:17"
    value: object  # what it holds; None where there is a fault
    raw: str | None = None  # its text in the file; None where the file is not text
    fault: str = ""  # why it could not be parsed


def printable(text: str) -> str:
    """The text with what UTF-8 cannot hold (undecodable bytes, half surrogate pairs) written as escapes."""
    return text.encode(errors="backslashreplace").decode()


def escaped(text: str) -> bool:
    """Whether a text holds bytes that were not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
