"""Wikis as text: dumps of MediaWiki and what WikiExtractor makes of them."""

import builtins
import bz2
import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plugdata.errors import SourceError
from plugdata.recipe import Texts
from plugdata.sources import text, wiki
from plugdata.sources.documents import Document, documents

ARTICLE = """{{Kylä
| nimi = Kotikylä
| kuva = {{kuva|[[Tiedosto:Talo.jpg]]}}
}}
[[Tiedosto:Kylä.jpg|thumb|Kylä [[talvi|talvella]], kuva ''kesältä'']]
'''Kotikylä''' ({{lang|sv|Hemby}}) on [[kylä]] [[Pohjois-Savo|Pohjois-Savossa]].<ref>{{Verkkoviite|Osoite=x}}</ref> \
Siellä asuu&nbsp;noin<!-- 2020 --> tuhat ihmistä.<ref name="a" /> __NOTOC__

== Historia ==
Kylä perustettiin [https://example.org vuonna 1867], ja [[:Luokka:Koulut|koulu]] ''hieman'' myöhemmin.<ref>Kirja.</ref>
{| class="wikitable"
! vuosi !! väkeä
|-
| 1890 || 300
|}
* Ensimmäinen talo
* Toinen [[talo]]

=== Lähteet ===
{{Viitteet}}
<gallery>
Tiedosto:Toinen.jpg
</gallery>
[[Luokka:Kylät]]
[[Category:Villages]]
"""
PROSE = """Kotikylä on kylä Pohjois-Savossa. Siellä asuu\xa0noin tuhat ihmistä.

Kylä perustettiin vuonna 1867, ja koulu hieman myöhemmin.

- Ensimmäinen talo
- Toinen talo"""

HEAD = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="fi">
<siteinfo><sitename>Wikipedia</sitename><dbname>fiwiki</dbname><base>https://fi.wikipedia.org/wiki/Etusivu</base>
<namespaces><namespace key="0" case="first-letter" /><namespace key="6">Tiedosto</namespace>
<namespace key="14">Luokka</namespace></namespaces></siteinfo>
"""


def page(title: str, said: str, id: int = 7, ns: int = 0, redirect: bool = False) -> str:
    """A page with two revisions, of which the last says something."""
    to = '<redirect title="X" />' if redirect else ""
    old = "<revision><id>1</id><timestamp>2001-01-01T00:00:00Z</timestamp><text>vanha</text></revision>"
    new = f"<revision><id>2</id><timestamp>2024-05-06T07:08:09Z</timestamp><text>{html.escape(said)}</text></revision>"
    return f"<page><title>{title}</title><ns>{ns}</ns><id>{id}</id>{to}{old}{new}</page>\n"


def dump(*pages: str) -> bytes:
    return (HEAD + "".join(pages) + "</mediawiki>").encode()


Load = Callable[..., list[Document]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def write_and_read(data: bytes, name: str) -> list[Document]:
        (tmp_path / name).write_bytes(data)
        return list(documents(Texts(lang="fi", path=name), tmp_path))

    return write_and_read


@pytest.mark.parametrize(("name", "pack"), [("fiwiki.xml", bytes), ("fiwiki.xml.bz2", bz2.compress)])
def test_a_dump_gives_the_prose_of_its_articles(load: Load, name: str, pack: Callable[[bytes], bytes]) -> None:
    pages = [
        page("Koti kylä", ARTICLE),
        page("Uudelleen", "#OHJAUS [[Kotikylä]]", redirect=True),
        page("Keskustelu:Kotikylä", "Mitä mieltä olette?", ns=1),
        page("Toinen", "Toinen artikkeli.", id=9),
    ]
    first, second = load(pack(dump(*pages)), name)
    assert first == Document(
        place=f"{name}:page 1",
        source_id="7",
        text=PROSE,
        url="https://fi.wikipedia.org/wiki/Koti_kyl%C3%A4",
        date="2024-05-06T07:08:09Z",
    )
    assert (second.source_id, second.text) == ("9", "Toinen artikkeli.")


def test_a_dump_that_breaks_off_gives_what_stands_before(load: Load) -> None:
    found = load(dump(page("A", "Ensimmäinen."), page("B", "Toinen."))[:-60], "a.xml")
    assert [each.text for each in found] == ["Ensimmäinen.", ""]
    assert found[1].fault.startswith("is not well-formed XML")


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"<rss><channel/></rss>", "is XML, but no MediaWiki dump: <rss>"),
        (b"%PDF-1.4", "binary: a PDF"),
        (b"", "empty"),
        (dump(page("A", "#OHJAUS [[B]]", redirect=True)), "empty"),
        (dump(page("A", "{{malline}}")), "empty"),
    ],
)
def test_xml_without_an_article_is_one_document_that_says_why(load: Load, data: bytes, fault: str) -> None:
    (found,) = load(data, "a.xml")
    assert (found.text, found.fault) == ("", fault)


def test_a_page_without_end_is_a_fault(load: Load) -> None:
    found = load(dump(page("A", "Talo."), page("B", "talo " * 7_000_000)), "a.xml")
    assert [each.text for each in found] == ["Talo.", ""]
    assert found[1].fault == "a page of more than 32 MiB"


def test_without_the_parser_one_line_says_what_to_install(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(name: str, *rest: Any) -> Any:
        if name == "mwparserfromhell":
            raise ImportError(name)
        return real(name, *rest)

    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SourceError, match="mwparserfromhell") as error:
        load(dump(page("A", "Talo.")), "a.xml")
    assert "plugdata[wiki]" in error.value.hint


EXTRACTED = """<doc id="12" revid="3" url="https://fi.wikipedia.org/wiki?curid=12" title="Talo">
Talo

Talo on rakennus &lt; 3 &amp; niin edelleen.
</doc>
<doc id="13" url="https://fi.wikipedia.org/wiki?curid=13" title="Tyhjä">

</doc>
<doc id="14" url="https://fi.wikipedia.org/wiki?curid=14" title="Kylä">
Kylä

Kylässä on taloja.
</doc>
"""


@pytest.mark.parametrize("name", ["wiki_00", "fi.txt", "wiki_00.bz2"])
def test_what_wikiextractor_writes_is_read(load: Load, name: str) -> None:
    data = EXTRACTED.encode()
    first, second = load(bz2.compress(data) if name.endswith(".bz2") else data, name)
    assert first.text == "Talo\n\nTalo on rakennus < 3 & niin edelleen."
    assert (first.source_id, first.url) == ("12", "https://fi.wikipedia.org/wiki?curid=12")
    assert (second.source_id, second.place) == ("14", f"{name}:9")


def test_what_wikiextractor_writes_as_json_is_read(load: Load) -> None:
    record = {
        "id": "12",
        "revid": "3",
        "url": "https://fi.wikipedia.org/wiki?curid=12",
        "title": "Talo",
        "text": "Talo.",
    }
    (found,) = load(json.dumps(record).encode() + b"\n", "wiki_00")
    assert (found.source_id, found.text, found.url) == ("12", "Talo.", record["url"])


def test_a_long_article_keeps_its_origin_in_every_part(load: Load) -> None:
    said = "Kylässä on taloja. " * (text.MAX_CHARS // 10)
    for data, name in [
        (dump(page("A", said, id=12)), "a.xml"),
        (f'<doc id="12" url="https://fi.wikipedia.org/wiki/A" title="A">\n{said}\n</doc>\n'.encode(), "wiki_01"),
    ]:
        found = load(data, name)
        assert [each.source_id for each in found] == ["12", "12#2"]
        assert {each.url for each in found} == {"https://fi.wikipedia.org/wiki/A"}
        assert "".join("".join(each.text.split()) for each in found) == "".join(said.split())


@pytest.mark.parametrize(
    "bit", ["{{", "}}", "[[", "{|", "<ref>", "<ref name=", "[[Tiedosto:", "__", "( ", "\n ", "<!--"]
)
def test_hostile_wikitext_is_read_soon_or_refused(load: Load, bit: str) -> None:
    assert len(load(dump(page("A", bit * 20_000 + " talo")), "a.xml")) == 1


def test_an_article_of_tags_is_refused(load: Load) -> None:
    found = load(dump(page("A", "<b>talo " * 4_000), page("B", "Talo.")), "a.xml")
    assert [each.text for each in found] == ["", "Talo."] and "3,000 tags" in found[0].fault


@pytest.mark.parametrize("bit", ['<doc id="', ' id="1"', "</doc>\n", "\n</doc>", "<doc "])
def test_hostile_extracts_are_read_in_linear_time(bit: str) -> None:
    assert list(wiki.extracted(['<doc id="1" ' + bit * 20_000 + "\nx"], "a"))
