"""A long text divided into passages that can be read by themselves.

A text is first a row of blocks: paragraphs (a heading belongs to the one that follows, a line that ends in a colon to
what it leads in), and whole lists, tables, quotations and blocks of code, which are never divided; but code longer than
a passage is, at its lines, and a paragraph longer than a passage at its sentences. Then cuts are chosen between the
blocks, all together, so that little is lost and the cuts are good ones: before a heading (where Humpback, arXiv
2308.06259, took its segments), else at a blank line, at a line, between sentences; and not before what goes on with
what was said. What is too short by itself and fits no neighbour is in no passage.

Plain Python, some microseconds a line. Knows no row, and no word of a language but those that go on.
"""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from plugdata.xinstruct.lines import FENCE

_HEADING, _BLANK, _LINE, _SENTENCE, _CLAUSE = 0, 30, 60, 120, 240
"""What a cut costs, in characters that one would as soon lose: before a heading, at a blank line, at a line, between
sentences, at a blank (Thai has no stop). These and the next two are ours: at a third to a half of `min_chars` they
outweigh the loss of a sentence, never that of a passage."""

_CROSSED = 150
"""What a heading inside a passage costs: two sections that are long enough are two passages."""

_CONTINUED = 200
"""What it costs to begin a passage with what goes on."""

FINEST = 20
"""Blocks that a passage is made of, at most, or nearly: shorter ones are taken together, or a text of tiny lines would
take seconds. A line that is no longer may be a heading."""

LONG_ITEM = 4
"""Part of a passage from which an item is a paragraph with a number: articles of a law are no list."""

_KIND = re.compile(
    rf"\s*(?:(?P<code>{FENCE})"
    r"|(?P<heading>#{1,6}\s|={2,}[^=]+={2,}\s*$)|(?P<list>(?:[-*+•‣◦]|\d{1,3}[.)]|\w\))\s)"
    r"|(?P<quote>>)|(?P<table>\|))"
)
_STOP = tuple('.!?…。！？।॥۔؟։።၊။;,،、，；"”»』」)')
_COLON = (":", "：")
_END = re.compile(
    r"(?:(?<!\W\w)(?<!\W\d\d)\.|[!?…؟])[\"'”’»)\]]*\s+(?=[^\sa-zà-öø-ÿа-яё])|[。！？][」』”’）]*\s*|[।॥۔။።]\s*"
)
"""A sentence ends; not behind an initial or an ordinal ("J. ", "3. "), nor where a small letter follows."""
_GOES_ON = re.compile(
    r"[,;:)\]…–—]|(?:however|moreover|furthermore|therefore|see also|but|kuitenkin|lisäksi|siksi|mutta|katso myös|namun"
    r"|selain itu|oleh karena itu|lihat juga|ancak|ayrıca|bu nedenle|tuy nhiên|ngoài ra|do đó|hata hivyo|aidha"
    r"|kwa hiyo|sin embargo|además|por lo tanto|cependant|en outre|jedoch|außerdem|deshalb|однако|кроме того|поэтому)\b"
    r"|但是|然而|因此|此外|しかし|また|そのため|하지만|그러나|따라서"
    r"|นอกจากนี้|ดังนั้น|อย่างไรก็ตาม|लेकिन|इसलिए|इसके अलावा|তবে|তাই|এছাড়া|ஆனால்|எனவே"
    r"|لیکن|اس لیے|ومع ذلك|لكن|لذلك",
    re.IGNORECASE,
)
_TEXT = re.compile(r"\S")


class _Block(NamedTuple):
    start: int
    end: int
    before: int  # what a cut before it costs
    heads: bool  # it begins with a heading
    kind: str = "prose"


def passages(text: str, least: int, most: int) -> list[str]:
    """Parts of a text of `least` to `most` characters each, in order, none overlapping; [] where there is none.

    A text that is no longer than `most` is one passage. A part is the text between two places, without white space
    at its edges.
    """
    if len(text) <= most:
        return [text] if len(text) >= least else []
    blocks = list(_coarse(_blocks(text, most), most))
    return [text[start:end] for start, end in _chosen(blocks, least, most)]


def _chosen(blocks: list[_Block], least: int, most: int) -> list[tuple[int, int]]:
    """(start, end) of each passage: of all ways to cut, one that costs least."""
    costs, begins = [0], [-1]  # of the blocks before each: the least cost, and where the last passage begins
    for n, last in enumerate(blocks):
        cost, begin, crossed = costs[n] + last.end - last.start, -1, 0  # in no passage
        for first in range(n, -1, -1):
            block = blocks[first]
            size = last.end - block.start
            if size > most:
                break
            now = costs[first] + crossed + (block.before if first else 0)
            if size >= least and now < cost:
                cost, begin = now, first
            crossed += _CROSSED * block.heads
        costs.append(cost)
        begins.append(begin)
    found: list[tuple[int, int]] = []
    n = len(blocks)
    while n:
        first = begins[n]
        if first >= 0:
            found.append((blocks[first].start, blocks[n - 1].end))
        n = first if first >= 0 else n - 1
    return found[::-1]


def _coarse(blocks: Iterator[_Block], most: int) -> Iterator[_Block]:
    """The same, those too short to count joined to what follows, but for what begins with a heading."""
    held: _Block | None = None
    for block in blocks:
        if held and not block.heads and held.end - held.start < most // FINEST and block.end - held.start <= most:
            held = held._replace(end=block.end)
            continue
        if held:
            yield held
        held = block
    if held:
        yield held


def _blocks(text: str, most: int) -> Iterator[_Block]:
    """Blocks in order; between them is white space alone."""
    led: _Block | None = None  # a heading, or a line that leads in, waits for what it belongs to
    for kind, lines in groupby(_lines(text, most), key=lambda line: line.kind):
        members = list(lines)
        if kind == "code" and members[-1].end - members[0].start > most:
            kind = "prose"  # better divided than lost; between two lines of "~~~" it may be a chapter
        if kind not in ("prose", "heading"):
            members = [members[0]._replace(end=members[-1].end)]
        for block in members:
            if led and block.end - led.start > most and kind != "prose":
                yield led
            elif led:
                block = led._replace(end=block.end)
            led = None
            if kind == "heading" or (kind == "prose" and text[block.end - 1] in _COLON):
                led = block
            elif kind == "prose" and block.end - block.start > most:
                yield from _sentences(text, block, most)
            else:
                yield block
    if led:
        yield led


def _lines(text: str, most: int) -> Iterator[_Block]:
    """Lines with their kinds, blank ones left out."""
    short, item = most // FINEST, most // LONG_ITEM
    waiting: _Block | None = None  # a short line is a heading if a longer one follows
    start, blank, fenced = 0, True, False
    lines = text.split("\n")
    n_fences = sum(map(_is_fence, lines)) // 2 * 2 if "```" in text or "~~~" in text else 0
    for line in lines:
        here, start = start, start + len(line) + 1
        body = line.strip()
        if not body:
            blank = True
            continue
        begin = here + line.index(body[0])
        size = len(body)
        found = _KIND.match(line)
        kind = found.lastgroup or "prose" if found else "prose"
        if kind == "code":
            n_fences -= 1
            kind = "code" if n_fences >= 0 else "prose"  # the last of an odd number opens what never ends
        if fenced or kind == "code":
            fenced, kind = fenced != (kind == "code"), "code"
        elif (kind == "list" and size > item) or (kind == "heading" and size > short):
            kind = "prose"
        elif kind == "prose" and (body.count("|") > 1 or body.count("\t") > 1):
            kind = "table"
        if waiting:
            is_heading = kind == "prose" and size > short
            yield waiting._replace(before=_HEADING, heads=True, kind="heading") if is_heading else waiting
            waiting = None
        cost = _BLANK if blank else _LINE
        if kind == "prose" and (body[0].islower() or _GOES_ON.match(body)):
            cost += _CONTINUED
        block = _Block(begin, begin + size, _HEADING if kind == "heading" else cost, kind == "heading", kind)
        blank = False
        if kind == "prose" and size <= short and not body.endswith(_STOP) and not body.endswith(_COLON):
            waiting = block
        else:
            yield block
    if waiting:
        yield waiting


def _is_fence(line: str) -> bool:
    found = _KIND.match(line)
    return found is not None and found.lastgroup == "code"


def _sentences(text: str, block: _Block, most: int) -> Iterator[_Block]:
    """A paragraph by its sentences; those that are longer than a passage by their blanks."""
    start, before, heads = block.start, block.before, block.heads
    for end in (*(found.end() for found in _END.finditer(text, block.start, block.end)), block.end):
        cut = text.find(" ", start + most // FINEST, end) if end - start > most else -1
        while cut >= 0:
            yield _Block(start, cut, before, heads)
            start, before, heads = _next(text, cut, end), _CLAUSE, False
            cut = text.find(" ", start + most // FINEST, end)
        if start < end:
            yield _Block(start, start + len(text[start:end].rstrip()), before, heads)
        start, before, heads = end, _SENTENCE, False
        if _GOES_ON.match(text, start):
            before += _CONTINUED


def _next(text: str, start: int, end: int) -> int:
    """Where the text goes on behind white space."""
    found = _TEXT.search(text, start, end)
    return found.start() if found else end
