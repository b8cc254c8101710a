"""A web page's text without what stands around it: menus, buttons, breadcrumbs, adverts, heads and feet of posts.

Whole lines go, or stay as they are. What no text says is taken first, in any language: code of the page, damaged
characters, bare addresses, items in a row. Then the words of page.toml, in the language and in English. Where both a
text and a page might say it, the line stays: a menu left in a passage costs a rating, a line of a poem that is gone
nobody finds.

Fenced code and rows of tables are never looked at. Takes columns of texts; knows no row, and nothing of a domain
(boilerplate.py).
"""

import re
import tomllib
from functools import cache
from importlib import resources
from typing import NamedTuple

import polars as pl

from plugdata.checks import corruption, script
from plugdata.languages import Language
from plugdata.xinstruct import lines
from plugdata.xinstruct.markup import plain

SHORT_CHARS = 200
"""Characters of a line that may be of the page and not of its text. Longer ones are paragraphs."""

STARTS_CHARS, HEAD_CHARS = 80, 120
"""The same of a line that begins like one of the page, and of the head of a quotation: it holds a name and a date."""

LABEL_CHARS, LABEL_WORDS = 25, 3
"""Of an item of a menu, in a script as dense as the Latin one."""
RUN = 6
"""Items in a row that are a menu, where none has words of one; with such a word among them, half as many. Verses,
addresses and the heads of articles (title, author, date) have shorter runs of lines without a stop; ours in
tests/test_cleaning.py have three at most."""

REPEATED_CHARS = 50
"""Characters of a line that is a copy if the document has it before. Verses are shorter: with 15, refrains of five
songs among 999 English responses lost lines."""

DAMAGED = 0.02
"""Share of words of two scripts from which a line is damaged: a text about "iPhoneы" has one. A character that no
writer writes is enough by itself."""

_W = "A-Za-z0-9_"  # \w of all Unicode, many times over, takes milliseconds to compile for each frame
_URL = rf"(?:(?:https?://|www\.)\S+|[{_W}.+-]+@[{_W}-]+\.[{_W}.-]+)"
_ADDRESS = rf"^[^\p{{L}}\p{{N}}]*(?:[^:：\d]{{0,24}}[:：]\s?)?{_URL}(?:[\s,;|]+{_URL})*[^\p{{L}}\p{{N}}]*$"
_MAY_BE_ADDRESS = r"://|www\.|@"
_PROPERTY = "color|background|font|margin|padding|border|width|height|display|position|float|text-align|line-height"
_NAME = rf"[.#@]?[A-Za-z][{_W}.#:>, -]*"
_CODE = "|".join(
    (
        rf"(?:var|let|const) [{_W}$]+ ?=.*[;{{,\[(]",
        rf"function\b[{_W}$ ]*\([^()]*\) ?\{{?.*",
        rf"[{_W}$.]+ ?= ?(?:new |function\b).*[;{{]",
        r"(?:window|document|jQuery|\$|console|gtag|ga|googletag|dataLayer|_gaq)[.(].*[;{(,)]",
        rf"(?:if|for|while) ?\(.*\) ?\{{|\}}? ?else ?\{{|return [{_W}$.]+;",
        r"[\[\](){};, ]*[{};][\[\](){};, ]*",
        r"//\s*(?:<!|\]\]).*",
        r"@(?:media|import|font-face|charset|keyframes)\b.*[{;}]?",
        rf"{_NAME}\{{(?:[^{{}}]*[a-z-]{{2,}} ?:[^{{}};]+;[^{{}}]*\}}?)?",
        rf"(?:{_PROPERTY})[a-z-]* ?: ?[^;:]+;(?: ?\}})?",
    )
)
_CODE_LINE, _MAY_BE_CODE = rf"^(?:{_CODE})$", r"[{};]|^//|^@"
_LOREM = r"(?i)\blorem ipsum\b|\bdolor sit amet\b"

_ITEM = r"\p{L}[^|›»·•→>=\n]{0,29}"
_SERIES = rf"^{_ITEM}(?: [|›»·•→>] {_ITEM}){{2,}}$|^{_ITEM} › {_ITEM}$|^(?:[^|\n]{{1,30}}\|){{3,}}[^|\n]{{0,30}}$"
_END = r"[.!?…。！？।॥۔؟။៖,;:，；：،؛][\"'”’»)\]」』）]*$|[\"'”’»」』）]$"
"""A sentence ends or goes on here."""
_STOP = r"[.?。？।۔؟]$"
"""A sentence ends as it does in a text; adverts call."""
_LABEL = r"^[\p{L}][^\d.,;:!?()\"“”«»。，！？；：।۔؟،\[\]{}=]*$"
_LIST = r"^\s*(?:[-*+•‣◦]|\d{1,3}[.)]|[\p{L}][)])\s"
_NUMBERED = r"^\s*\d{1,3}[.)]\s"
_TABLE = r"^\s*\|.*\|\s*$"
_EDGES = " \t0123456789०१२३४५६७८९০১২৩৪৫৬৭৮৯٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹-–—_•·*+|/\\›»>→▶►▸▼▾←«‹<↑↓✓✔☰×…:：.。!()[]{}#\"'“”"
_DIGIT = "[0-9०-९০-৯٠-٩۰-۹]"
_TWO_FIGURES = r"[0-9][^0-9]+[0-9]"
_MONEY = (
    rf"(?i)(?:[$€£¥₹₺฿₫₱₩₽৳]|USD|EUR|Rp|Rs|KSh|TSh|TL|SAR)\.? ?{_DIGIT}"
    rf"|{_DIGIT} ?(?:[$€£¥₹₺฿₫₩₽৳đ]|USD|EUR|TL|VND|euroa|บาท|元|円|원|руб|টাকা|रुपये|روپے|ريال|shilingi|ரூபாய்)"
)


class _Words(NamedTuple):
    """page.toml's of a language and English: phrases of whole lines, and patterns of lines in small letters."""

    lines: frozenset[str]
    starts: str
    holds: str
    buys: str
    wrote: str


def clean(texts: pl.Series, language: Language) -> pl.Series:
    """What is left of each text (no nulls): its lines in their order, one blank line in a row at most; "" for nothing.

    Needs: texts in NFC, as these are. Blanks in a row are one, and none stand at a line's end. Linear in the texts.
    """
    rows = lines.apart(plain(texts))
    rows = rows.with_columns(line=_trimmed(rows["line"], rows["fenced"]))
    asked = rows.with_row_index("row").filter(~pl.col("fenced") & (pl.col("line") != ""))
    out = pl.concat([asked["row"].filter(found) for found in (_damaged(asked["line"]), _not_prose(asked, language))])
    left = rows.filter(~pl.int_range(pl.len(), dtype=pl.UInt32).is_in(out.implode()))
    return lines.joined(left, len(texts))


def _trimmed(line: pl.Series, fenced: pl.Series) -> pl.Series:
    """No blanks at the ends, and one in a row; items of lists keep their indentation, fenced code all of it."""
    line = line.str.strip_chars_end()
    places = (line.str.contains(r"^\s|[ \t]{2}") & ~fenced).arg_true()
    found = line.gather(places)
    indent = found.str.extract(r"^([ \t]{1,16})(?:[-*+•‣◦]|\d{1,3}[.)])\s").fill_null("")
    return line.clone().scatter(places, indent + found.str.strip_chars().str.replace_all(r"[ \t]{2,}", " "))


def _damaged(line: pl.Series) -> pl.Series:
    """Lines with characters of a wrong encoding, controls, or too many words of two scripts."""
    places = line.str.contains(corruption.PATTERN).arg_true()
    found = [_is_damaged(text) for text in line.gather(places)]
    return pl.repeat(False, len(line), eager=True).scatter(places, pl.Series(found, dtype=pl.Boolean))


def _is_damaged(line: str) -> bool:
    faults = re.findall(corruption.PATTERN, line)
    return not all(map(str.isalpha, faults)) or 1 - (corruption.corruption("", line) or 0) > DAMAGED


def _not_prose(asked: pl.DataFrame, language: Language) -> pl.Series:
    """Of lines (doc, line, in order): which are the page's and not the text's."""
    line = asked["line"]
    out = line.str.contains(_LOREM) | _both(line, _MAY_BE_CODE, _CODE_LINE)
    n_chars = line.str.len_chars()
    places = (n_chars <= SHORT_CHARS).arg_true()
    short = asked.select("row", "doc", "line")[places].with_columns(place=places, n=n_chars.gather(places))
    judged = _judged(short.filter(~pl.col("line").str.contains(_TABLE)), language)
    return out.scatter(judged["place"], True)


def _judged(short: pl.DataFrame, language: Language) -> pl.DataFrame:
    """Of short lines those that go."""
    words, dense = _words(language.code), script.weight(language)
    line, small = short["line"], short["line"].str.to_lowercase()
    n, ends = short["n"] * dense, short["line"].str.contains(_END)
    bare = line.str.replace(_LIST, "")
    starts = small.str.contains(words.starts)
    told = short.with_columns(
        word=(small.str.strip_chars(_EDGES).is_in(words.lines) & ~line.str.contains(_NUMBERED))
        | (starts & ((n <= LABEL_CHARS) | ((n <= STARTS_CHARS) & ~ends))),
        series=bare.str.contains(_SERIES) & ~ends,
        label=(n <= LABEL_CHARS)
        & line.str.contains(_LABEL)
        & (bare.str.count_matches(" ", literal=True) < LABEL_WORDS),
        gone=small.str.contains(words.holds)
        | _both(line, _MAY_BE_ADDRESS, _ADDRESS)
        | (_both(small, words.buys, _MONEY) & ~line.str.contains(_STOP))
        | (_both(small, words.wrote, _TWO_FIGURES) & (n <= HEAD_CHARS))
        | (_again(short) & (n >= REPEATED_CHARS)),
    )
    # a line of a table without borders has others with as many bars about it
    bars = pl.col("line").str.count_matches(r"\|")
    beside = (bars == bars.shift(1).over("doc")) | (bars == bars.shift(-1).over("doc"))
    told = told.with_columns(series=pl.col("series") & ~((bars >= 2) & beside.fill_null(False)))
    told = told.with_columns(item=pl.any_horizontal("word", "series", "label"))
    told = told.with_columns(run=pl.struct("doc", "item", _apart()).rle_id())
    sure = pl.any_horizontal("word", "series").any().over("run")
    menu = pl.col("item") & (pl.len().over("run") >= pl.when(sure).then(RUN // 2).otherwise(RUN))
    return told.filter(pl.any_horizontal("word", "series", "gone") | menu)


def _both(line: pl.Series, first: str, then: str) -> pl.Series:
    """Which lines hold both patterns; the second is dear and looked for where the first is found alone."""
    places = line.str.contains(first).arg_true()
    found = pl.repeat(False, len(line), eager=True)
    return found.scatter(places, line.gather(places).str.contains(then)) if len(places) else found


def _again(short: pl.DataFrame) -> pl.Series:
    """Which lines their document has before."""
    return ~short.select(pl.struct("doc", pl.col("line").hash()).is_first_distinct()).to_series()


def _apart() -> pl.Expr:
    """A number that changes where longer lines stand between two short ones. Blank lines are none."""
    return (pl.col("place").cast(pl.Int64) - pl.int_range(pl.len())).alias("apart")


@cache
def _table() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads(resources.files("plugdata.xinstruct").joinpath("page.toml").read_text(encoding="utf-8"))


@cache
def _words(code: str) -> _Words:
    """The words of a language and of English; of English alone where page.toml has no other."""
    own = [_table()[of] for of in dict.fromkeys(("en", code.split("-")[0])) if of in _table()]

    def of(key: str) -> str:
        return "|".join(re.escape(phrase) for block in own for phrase in block[key])

    # a Thai or Chinese button needs no blank behind it; "share on" must not begin "share ones"
    end = r"(?:$|[^\p{L}\p{M}]|[\p{Thai}\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}])"
    return _Words(
        lines=frozenset(phrase for block in own for phrase in block["lines"]),
        starts=rf"^(?:[^\p{{L}}]{{0,4}})(?:{of('starts')}){end}",
        holds=of("holds"),
        buys=of("buys"),
        wrote=rf"(?:{of('wrote')}) ?[:：]$",
    )
