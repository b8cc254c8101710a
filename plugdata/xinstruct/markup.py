"""A document as plain text: what is left of HTML taken out, entities as characters, Unicode in one form.

Fenced and inline code stays as it is: a text about HTML has its tags there. Knows no language.
"""

import html
import re
import unicodedata
from collections.abc import Callable

import polars as pl

_BLOCK = (
    "address|article|aside|blockquote|body|br|center|dd|div|dl|dt|fieldset|figcaption|figure|footer|form|h[1-6]|head"
    "|header|hr|html|iframe|li|main|nav|noscript|ol|option|p|pre|section|select|table|tbody|td|tfoot|th|thead|title|tr|ul"
)
_INLINE = (
    "a|abbr|audio|b|big|button|cite|code|del|em|embed|font|i|img|input|ins|kbd|label|link|mark|meta|object|param|path|q|s"
    "|samp|small|source|span|strike|strong|sub|sup|svg|tt|u|var|video|wbr"
)
_CODE = r"(?P<code>```[\s\S]*?```|(?m:^[ \t]*~~~)[\s\S]*?(?m:^[ \t]*~~~)|`[^`\n]*`)"
_TAG = re.compile(
    rf"{_CODE}|<(?:(?P<block>/?(?:{_BLOCK}))|/?(?:{_INLINE}))"
    r"(?:\s+(?:[\w:-]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'<>]+)|async|autoplay|checked|controls|defer|disabled|hidden"
    r"|loop|multiple|muted|nowrap|readonly|required|selected))*\s*/?>",
    re.IGNORECASE,
)
"""With attributes or without: "a <b and c> d" has none that could be one."""
_MAY_BE_TAG = r"</?[A-Za-z]"
_UNSHOWN = re.compile(rf"{_CODE}|(?P<begin><script\b|<style\b|<!--)|<!\[CDATA\[|\]\]>|<!doctype[^<>]*>", re.IGNORECASE)
_END = {
    "<script": re.compile(r"</script\s*>", re.IGNORECASE),
    "<style": re.compile(r"</style\s*>", re.IGNORECASE),
    "<!--": re.compile("-->"),
}
_MAY_BE_UNSHOWN = r"</[sS]|<!|\]\]>"
_MAY_BE_ENTITY = r"&(?:[A-Za-z][A-Za-z0-9]{1,30}|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});"
_ENTITY = re.compile(rf"{_CODE}|{_MAY_BE_ENTITY}")

_NEW_LINE = "\r\n|[\r\x0b\x0c\x85\u2028\u2029]"
_ODD_SPACE = "[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]"
_UNSEEN = "[\u00ad\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069]"
"""Hyphens where a line might break, spaces of no width, and bidirectional embeddings, whose ends a cut would lose.
Joiners (ZWJ, ZWNJ) and direction marks are of the text."""

_SIGNATURE = r"(?:^|\n)(?:-- (?:\n[^\n]{1,80}){1,5}(?:\n\n|\n?$)|--(?:\n[^\n]{1,80}){1,5}\n?$)"
"""Of a mail or a post (RFC 3676 §4.3; it is four lines at most by custom), up to the next blank line; where the mark
has lost its blank, at the very end alone: a poem may have it."""


def plain(texts: pl.Series) -> pl.Series:
    """Each text (NFC, as it is afterwards) without tags, scripts, comments and signatures, its entities resolved, its
    spaces plain."""
    texts = _where(_NEW_LINE, texts, lambda some: some.str.replace_all(_NEW_LINE, "\n"))
    texts = _where(_MAY_BE_UNSHOWN, texts, lambda some: _each(some, _shown))
    texts = _where(_MAY_BE_TAG, texts, lambda some: _each(some, _without_tags))
    texts = _where(_MAY_BE_ENTITY, texts, lambda some: _each(some, _resolved))
    texts = _where(f"{_ODD_SPACE}|{_UNSEEN}", texts, _spaced)
    return _where(r"(?m)^-- ?$", texts, lambda some: some.str.replace_all(_SIGNATURE, "\n\n"))


def _where(pattern: str, texts: pl.Series, change: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """The texts, those that hold a pattern changed: few, mostly, and looking is several times faster than changing."""
    places = texts.str.contains(pattern).arg_true()
    return texts.clone().scatter(places, change(texts.gather(places))) if len(places) else texts


def _each(texts: pl.Series, change: Callable[[str], str]) -> pl.Series:
    return pl.Series([change(text) for text in texts], dtype=pl.String)


def _spaced(texts: pl.Series) -> pl.Series:
    return texts.str.replace_all(_ODD_SPACE, " ").str.replace_all(_UNSEEN, "")


def _shown(text: str) -> str:
    """Without scripts, styles and comments. What begins and never ends stays, and is looked for once."""
    parts: list[str] = []
    endless: set[str] = set()
    at = look = 0
    while found := _UNSHOWN.search(text, look):
        look = found.end()
        begin = (found["begin"] or "").lower()
        if found["code"] or begin in endless:
            continue
        if begin:
            end = _END[begin].search(text, look)
            if end is None:
                endless.add(begin)
                continue
            look = end.end()
        parts += [text[at : found.start()], "\n"]
        at = look
    return "".join((*parts, text[at:]))


def _without_tags(text: str) -> str:
    return _TAG.sub(lambda found: found["code"] or ("\n" if found["block"] else ""), text)


def _resolved(text: str) -> str:
    return unicodedata.normalize("NFC", _ENTITY.sub(lambda found: found["code"] or html.unescape(found[0]), text))
