"""Wikis as text: MediaWiki's XML dumps, and what WikiExtractor makes of them.

Owns their forms, and which parts of wikitext are prose. Must not know what is done with the articles.

- Of a dump the articles are read (namespace 0), no redirects; of several revisions the last.
- Headings, tables, templates, references, galleries, files and categories are no prose. List items stay, as "- …".
- What a template would have written is gone with it, so brackets that are left empty go too.
- The parser reads 0.7 MB of wikitext a second; 1.2 where templates and references within nothing else, which are
  dropped anyhow, are taken out beforehand (measured on articles full of both; two cores do not help one dump). The
  Hub's wikimedia/wikipedia is the quicker source where it has the language.
"""

import html
import io
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from plugdata.errors import SourceError
from plugdata.sources.raw import MAX_RECORD
from plugdata.sources.text import Ends, Found, parts_of, pieces

_BLOCK = 2**16  # bytes of XML at a time
_MOST_TAGS = 3_000
"""Tags and links to other sites that an article may have beside its references. The parser's time grows with the square
of those that never end (2,000 of `<ref name=` took 7 s), and what has so many is a list, no prose."""
_DEPTH = 20  # of templates within templates: what lies deeper is left to the parser, or braces alone could take hours
_FILE, _CATEGORY = "6", "14"  # MediaWiki's numbers of these namespaces, whatever a wiki's language calls them

_DOC = re.compile(r'<doc\b(?=[^>]*\bid="([^"]*)")(?=[^>]*\burl="([^"]*)")?[^>]*>')
_DOC_ENDS = Ends(re.compile(r"\n</doc>[ \t]*(?:\n|$)"), 2)

_TEMPLATE = re.compile(r"\{\{[^{}]*\}\}")
_REFERENCE = re.compile(r"<ref[^<>]*/>|<ref[^<>]*>[^<]*</ref>", re.IGNORECASE)
_NOT_PROSE = ("ref", "references", "table", "gallery", "math", "chem", "timeline", "score", "syntaxhighlight", "pre")
_WORD = re.compile(r"__[^\W_]+__")  # __NOTOC__, in any language
_TAG = re.compile(r"<[a-z]|\[https?:", re.IGNORECASE)
_EMPTY = re.compile(r" ?[(（][\s,;،、]*[)）]")
_ITEM = re.compile(r"^(?:- *)+", re.MULTILINE)
_GAP = re.compile(r"\n\n+")


class NoParser(SourceError):
    """mwparserfromhell is not installed."""


def extracted(chunks: Iterable[str], name: str) -> Iterator[Found]:
    """The articles of what WikiExtractor writes: <doc id="…" url="…" title="…">, text, </doc>."""
    id = url = None
    for line, part, text in pieces(chunks, _DOC_ENDS):
        head = _DOC.match(text) if part == 1 else None
        if part == 1:
            id, url = head.groups() if head else (None, None)
        body = html.unescape(text[head.end() :] if head else text).strip()
        if body:
            yield Found(f"{name}:{line}", body, part=part, id=id or None, url=html.unescape(url or "") or None)


def articles(stream: io.BufferedReader, name: str) -> Iterator[Found]:
    """The articles of a MediaWiki dump as text. Raises SourceError for one that is damaged, or without the parser."""
    try:
        import mwparserfromhell as parser
    except ImportError as error:
        raise NoParser(f"{name}: wikitext is read by mwparserfromhell", "pip install 'plugdata[wiki]'") from error

    base, no_prose = "", {"file", "image", "category"}
    for number, element in enumerate(_elements(stream, name)):  # the first is the siteinfo
        if _tag(element) == "siteinfo":
            base = _text(element, "base").rpartition("/")[0]
            of_files = (space for space in element.iter() if space.get("key") in (_FILE, _CATEGORY))
            no_prose |= {(space.text or "").casefold() for space in of_files}
            continue
        revision = [child for child in element if _tag(child) == "revision"][-1:]
        if not revision or _text(element, "ns") not in ("", "0") or any(_tag(child) == "redirect" for child in element):
            continue
        title = _text(element, "title")
        found = Found(
            place=f"{name}:page {number}",
            text="",
            id=_text(element, "id") or None,
            url=f"{base}/{quote(title.replace(' ', '_'))}" if base else None,
            date=_text(revision[0], "timestamp") or None,
        )
        wikitext = _cleared(_text(revision[0], "text"))
        if sum(1 for _ in _TAG.finditer(wikitext)) > _MOST_TAGS:
            yield found._replace(fault=f"an article of more than {_MOST_TAGS:,} tags and links")
            continue
        try:
            text = prose(parser.parse(wikitext), no_prose)
        except (parser.parser.ParserError, RecursionError):
            yield found._replace(fault=f"wikitext that cannot be parsed: {title}")
            continue
        for part, one in enumerate(parts_of(text), 1):
            yield found._replace(text=one.strip(), part=part, fault="" if text else "empty")


def _elements(stream: io.BufferedReader, name: str) -> Iterator[ElementTree.Element]:
    """The `siteinfo` and every `page` of a dump, each forgotten when the next is asked for."""
    parser: Any = ElementTree.XMLPullParser(("start", "end"))  # whose events the types of the library say nothing of
    root: ElementTree.Element | None = None
    size = 0
    try:
        while block := stream.read(_BLOCK):
            parser.feed(block)
            size += len(block)
            for event, element in parser.read_events():
                if root is None:
                    root = element
                    if _tag(root) != "mediawiki":
                        raise SourceError(f"{name} is XML, but no MediaWiki dump: <{_tag(root)}>", _XML)
                elif event == "end" and _tag(element) in ("siteinfo", "page"):
                    yield element
                    root.clear()
                    size = 0
            if size > MAX_RECORD:
                raise SourceError(f"{name}: a page of more than {MAX_RECORD // 2**20} MiB", _XML)
        parser.close()
    except ElementTree.ParseError as error:
        raise SourceError(f"{name} is not well-formed XML: {error}", _XML) from error


_XML = "dumps are on dumps.wikimedia.org, *-pages-articles.xml.bz2"


def _tag(element: ElementTree.Element) -> str:
    """Its name without the namespace, which has the version of MediaWiki in it."""
    return element.tag.rpartition("}")[2]


def _text(element: ElementTree.Element, tag: str) -> str:
    """The text of the first child of that name."""
    return next((child.text or "" for child in element if _tag(child) == tag), "")


def _cleared(wikitext: str) -> str:
    """Without comments, and without most templates and references."""
    head, *commented = wikitext.split("<!--")
    wikitext = head + "".join(comment.partition("-->")[2] for comment in commented)
    for _ in range(_DEPTH):  # the innermost first
        wikitext, n_found = _TEMPLATE.subn("", wikitext)
        if not n_found:
            break
    return _REFERENCE.sub("", wikitext)


def prose(code: Any, no_prose: set[str]) -> str:
    """The text of parsed wikitext; no_prose: what files' and categories' titles start with, before the colon."""
    text = _EMPTY.sub("", _WORD.sub("", "".join(_said(code, no_prose))))
    lines = "\n".join(line.strip() for line in text.split("\n"))
    return _GAP.sub("\n\n", _ITEM.sub("- ", lines)).strip()


def _said(code: Any, no_prose: set[str]) -> Iterator[str]:
    from mwparserfromhell import nodes

    for node in code.nodes:
        if isinstance(node, nodes.Text):
            yield node.value
        elif isinstance(node, nodes.HTMLEntity):
            yield node.normalize()
        elif isinstance(node, nodes.Wikilink):
            if str(node.title).partition(":")[0].strip().casefold() not in no_prose or ":" not in node.title:
                yield from _said(node.text if node.text is not None else node.title, no_prose)
        elif isinstance(node, nodes.ExternalLink):
            if node.title is not None:
                yield from _said(node.title, no_prose)
        elif isinstance(node, nodes.Tag):
            tag = str(node.tag).strip().lower()
            if tag in ("br", "li"):
                yield "\n" if tag == "br" else "- " * (node.wiki_markup in ("*", "#"))
            elif tag not in _NOT_PROSE and node.contents is not None:
                yield from _said(node.contents, no_prose)
