"""The head of a file → whether it holds text and in which encoding; its bytes → that text, in chunks.

Owns which files are no text, and the names of encodings. Must not know what stands in the text.

- UTF-8 and what has a byte order mark are read. Another encoding is named, never guessed and used: a wrong guess
  (cp1250 for cp1252) gives text in which single letters are wrong, and nothing further on would find it.
- The detector tells the scripts apart, but not the code pages of the Latin script (it called Finnish in cp1252
  hp_roman8, Turkish in cp1254 cp1252): among those the language says which one is meant.
"""

import codecs
import io
from collections.abc import Iterator
from typing import NamedTuple

from charset_normalizer import from_bytes

SAMPLE = 2**20
"""Bytes of a file that are looked at."""

_CHUNK = 2**20  # characters of text at a time
_TOLD_BY = 2**16  # bytes that the detector gets: it was right with 64 in every script but Latin (tests)

_HEADS = (
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"PK\x03\x04", "a zip archive, or a .docx, .odt or .epub, which are such"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"{\\rtf", "RTF"),
    (b"\x1f\x8b", "gzip, named otherwise"),
    (b"\x28\xb5\x2f\xfd", "zstandard, named otherwise"),
    (b"BZh", "bzip2, named otherwise"),
    (b"\xfd7zXZ", "xz"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"PAR1", "Parquet, named otherwise"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x7fELF", "a program"),
)

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16's, with which it starts
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_OTHERS = "cp1251 koi8_r cp1256 cp874 gb18030 big5 cp949 cp932 euc_jp cp1253 cp1255".split()  # noqa: SIM905
_LATIN = {
    **dict.fromkeys(("bs", "cs", "hr", "hu", "pl", "ro", "sk", "sl", "sq", "sr-Latn"), "cp1250"),
    **dict.fromkeys(("az", "tr"), "cp1254"),
    **dict.fromkeys(("et", "lt", "lv"), "cp1257"),
    "vi": "cp1258",
}
"""Windows' code pages by language, as Microsoft's list of them has it; all others' is cp1252."""


class Look(NamedTuple):
    """What the head of a file tells: an encoding that can be read, or why there is none."""

    encoding: str
    fault: str = ""


def look(head: bytes, lang: str) -> Look:
    """How to read a file that starts so (SAMPLE bytes, or all that it has) and whose text should be in a language."""
    if fault := no_text(head):
        return Look("", fault)
    if marked := next((encoding for mark, encoding in _MARKS if head.startswith(mark)), None):
        return Look(marked)
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(head)  # a character cut by the end is no fault
    n_bad = text.count("\ufffd")
    if not n_bad or n_bad < sum(not letter.isascii() for letter in text) - n_bad:
        return Look("utf-8")  # with a few bytes damaged, of which the documents that hold them tell
    name = _name(head, lang)
    if name:
        return Look("", f"not UTF-8: looks like {name}; iconv -f {name} -t utf-8 turns it round")
    return Look("", "not UTF-8, nor an encoding that can be told")


def no_text(head: bytes) -> str:
    """Why a file that starts so holds no text; "" if it may."""
    if not head.strip():
        return "empty"
    if kind := next((kind for start, kind in _HEADS if head.startswith(start)), None):
        return f"binary: {kind}"
    if b"\0" in head and not any(head.startswith(mark) for mark, _ in _MARKS):
        return "binary: holds NUL bytes (or is UTF-16 without a byte order mark)"
    return ""


def chunks(stream: io.BufferedReader, encoding: str) -> Iterator[str]:
    """The text of a file, with its line ends as "\\n" and bytes that are not UTF-8 as lone surrogates.

    Raises UnicodeDecodeError for damaged UTF-16 or UTF-32.
    """
    errors = "surrogateescape" if encoding.startswith("utf-8") else "strict"
    with io.TextIOWrapper(stream, encoding, errors) as text:
        yield from iter(lambda: text.read(_CHUNK), "")


def _name(head: bytes, lang: str) -> str:
    """What the encoding is called, as iconv knows it; "" if it cannot be told."""
    first_other = next(at for at, byte in enumerate(head) if byte > 127)
    start = head.rfind(b"\n", 0, first_other) + 1  # a text in bytes of two must not be cut within one
    sample = head[start : start + _TOLD_BY]
    latin = _LATIN.get(lang, "cp1252")
    found = from_bytes(sample, cp_isolation=[latin, *_OTHERS]).best()
    return found.encoding.replace("_", "-") if found else ""
