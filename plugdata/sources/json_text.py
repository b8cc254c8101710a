"""JSON text → records: lines, or the elements of an array, each with the line where it starts.

Owns JSON's syntax. A record that cannot be parsed is a Record with a `fault`, never an exception.

- JSON Lines is told by what is in the file, not only by its name: many `.json` files on the Hub hold lines.
- An array is read whole but parsed element by element, so every element has its line, and a file that breaks off
  still gives what stands before the fault. The rest is one record: where an array goes on after a fault is a guess,
  and a wrong guess would pair an instruction with another's response.
"""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import BinaryIO

from plugdata.errors import SourceError
from plugdata.sources.raw import MAX_RAW, MAX_RECORD, Record, escaped, printable

_ROOM = re.compile(r"[ \t\n\r]*")


class _Fault(ValueError):
    """JSON that cannot be parsed: why, and where in the text."""

    def __init__(self, what: str, at: int) -> None:
        super().__init__(what)
        self.at = at


def lines(stream: BinaryIO, name: str) -> Iterator[Record]:
    """The records of JSON Lines, one a line. Blank lines are none."""
    yield from _records(iter(lambda: _next_line(stream), b""), name)


def _records(found: Iterable[bytes], name: str) -> Iterator[Record]:
    for number, data in enumerate(found, 1):
        if data.strip():
            yield _line(data, f"{name}:{number}")


def _next_line(stream: BinaryIO) -> bytes:
    """The next line; of one that is too long the first MAX_RECORD + 1 bytes."""
    data = more = stream.readline(MAX_RECORD + 1)
    if len(data) > MAX_RECORD:
        while more and not more.endswith(b"\n"):
            more = stream.readline(2**20)
    return data


def _line(data: bytes, place: str) -> Record:
    if len(data) > MAX_RECORD:
        raw = data[:MAX_RAW].decode(errors="backslashreplace")
        return Record(place, None, raw, f"a line of more than {MAX_RECORD // 2**20} MiB")
    try:
        line = data.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raw = data.decode(errors="backslashreplace").strip()
        return Record(place, None, raw, f"not valid UTF-8 at byte {error.start + 1}")
    try:
        value, end = _decode(line, _after_room(line, 0))
        if (after := _after_room(line, end)) < len(line):
            raise _Fault("text after the end of the record", after)
    except _Fault as fault:
        return Record(place, None, line, f"not valid JSON: {fault} at {_where(line, fault.at)}")
    return Record(place, value, line)


def document(stream: BinaryIO, name: str, most: int = -1) -> Iterator[Record]:
    """The records of a `.json` file: an array, an object with one list of objects in it, or JSON Lines after all.

    most: bytes of what must be read whole; -1: any number. Raises SourceError beyond it, and for an object with
    several lists, for which of them is meant nothing says.
    """
    head = list(_first_two(stream, most))
    if _are_lines(head):
        yield from _records(chain(head, iter(lambda: _next_line(stream), b"")), name)
        return
    data = b"".join(head) + stream.read(most)
    if 0 <= most <= len(data):
        raise SourceError(f"{name} is one JSON value of {most // 2**20} MiB or more", "turn it into lines: jq -c '.[]'")
    text = data.decode(errors="surrogateescape")
    start = _after_room(text, 0)
    if text[start : start + 1] == "[":
        yield from _elements(text, start, name, to_the_end=True)
    else:
        inside = _list_inside(text, start, name)
        if inside is None:
            yield _line(data, f"{name}:{text.count(chr(10), 0, start) + 1}")
        else:
            yield from _elements(text, inside, name, to_the_end=False)


def _first_two(stream: BinaryIO, most: int) -> Iterator[bytes]:
    """The lines up to the second that is not blank."""
    n_found = 0
    while n_found < 2 and (line := stream.readline(most)):
        yield line
        n_found += bool(line.strip())


def _are_lines(head: list[bytes]) -> bool:
    """Whether a document that starts so is JSON Lines: its first line is a record of its own, and more follow."""
    first, *more = [line.decode(errors="surrogateescape") for line in head if line.strip()] or [""]
    if not more:
        return not first
    start = _after_room(first, 0)
    try:
        return first[start] != "[" and not first[_decode(first, start)[1] :].strip()
    except _Fault:
        return False


def _list_inside(text: str, start: int, name: str) -> int | None:
    """Where the one list of objects in an object starts; None if there is none. A broken list is one."""
    found: list[tuple[str, int]] = []
    at = start
    try:
        while text[at : at + 1] in ("{", ","):
            key, at = _decode(text, _after_room(text, at + 1))
            at = _after_room(text, at)
            if not isinstance(key, str) or text[at : at + 1] != ":":
                return None
            at = _after_room(text, at + 1)
            opened = _after_room(text, at + 1) if text[at : at + 1] == "[" else at
            if opened > at and text[opened : opened + 1] == "{" and key not in ("messages", "conversations"):
                found.append((key, at))
            at = _after_room(text, _decode(text, at)[1])
    except _Fault:
        pass
    if len(found) > 1:
        keys = ", ".join(key for key, _ in found)
        raise SourceError(f"{name} holds several lists of records: {keys}", "save the one you mean as its own file")
    return found[0][1] if found else None


def _elements(text: str, opened: int, name: str, to_the_end: bool) -> Iterator[Record]:
    """The elements of the array that opens at an offset; what cannot be parsed, and all behind it, is one Record."""
    line, counted = 1, 0

    def place(offset: int) -> str:
        nonlocal line, counted
        line, counted = line + text.count("\n", counted, offset), offset
        return f"{name}:{line}"

    mark, at = "[", opened  # what stands before the next element
    try:
        while mark != "]":
            at = _after_room(text, at + 1)
            if mark == "[" and text[at : at + 1] == "]":
                break
            value, end = _decode(text, at)
            raw = text[at:end]
            fault = "not valid UTF-8" if escaped(raw) else ""
            yield Record(place(at), None if fault else value, printable(raw), fault)
            at = _after_room(text, end)
            mark = text[at : at + 1]
            if mark not in (",", "]"):
                raise _Fault("the array does not end" if not mark else "Expecting ',' delimiter", at)
        if to_the_end and (after := _after_room(text, at + 1)) < len(text):
            at = after
            raise _Fault("text after the end of the array", after)
    except _Fault as error:
        rest = f"nothing behind it was read ({len(text) - at} characters)"
        what = f"not valid JSON: {error} at {_where(text, error.at)}; {rest}"
        yield Record(place(at), None, printable(text[at : at + MAX_RAW]), what)


def _where(text: str, at: int) -> str:
    """An offset for people: "column 31", with its line where the text has more than one."""
    column = f"column {at - text.rfind(chr(10), 0, at)}"
    return f"line {text.count(chr(10), 0, at) + 1} {column}" if "\n" in text.rstrip() else column


_DECODER = json.JSONDecoder()


def _decode(text: str, at: int) -> tuple[object, int]:
    """The JSON value at an offset and where it ends. Raises _Fault."""
    try:
        return _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise _Fault(error.msg, error.pos) from None
    except RecursionError:
        raise _Fault("nested too deeply", at) from None
    except ValueError:
        # the one other ValueError of the parser: Python refuses to read such a number
        raise _Fault("a number of more than 4,300 digits", at) from None


def _after_room(text: str, at: int) -> int:
    """The offset of what follows the white space at an offset."""
    found = _ROOM.match(text, at)
    return found.end() if found else at
