"""What gives an instruction away, on instructions of our own: tests/labelled/instructions.toml.

python -m tests.test_leaks      precision and recall, of all and of those that have changed no rule
"""

import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from plugdata import languages
from plugdata.rows import Reason
from plugdata.xinstruct import leaks

EN = languages.get("en")
REASONS = (Reason.ASKS_TRANSLATION, Reason.NEEDS_PASSAGE, Reason.QUOTES_PASSAGE)


class Labelled(NamedTuple):
    text: str
    passage: str
    lang: str
    reason: str | None
    held_out: bool = False


def _labelled() -> Iterator[Labelled]:
    found = tomllib.loads((Path(__file__).parent / "labelled/instructions.toml").read_text(encoding="utf-8"))
    for name in ("good", *REASONS[:2]):
        reason = None if name == "good" else name
        for part in ("seen", "held_out"):
            yield from (Labelled(text, "", "fi", reason, part == "held_out") for text in found[name][part])
    for lang, of in found[Reason.QUOTES_PASSAGE].items():
        yield from (Labelled(text, of["passage"], lang, None) for text in of["good"])
        yield from (Labelled(text, of["passage"], lang, Reason.QUOTES_PASSAGE) for text in of["bad"])


LABELLED = list(_labelled())


def _told(row: Labelled) -> str | None:
    found = leaks.faults(row.text, row.passage, EN, languages.get(row.lang))
    return found[0].reason if found else None


def test_there_are_enough_of_either_kind() -> None:
    good = sum(row.reason is None for row in LABELLED)
    assert good >= 60 and len(LABELLED) - good >= 60
    assert all(sum(row.reason == reason for row in LABELLED) for reason in REASONS)


@pytest.mark.parametrize("row", [row for row in LABELLED if not row.held_out], ids=lambda row: str(row.text[:40]))
def test_an_instruction_is_told_for_what_it_is(row: Labelled) -> None:
    assert _told(row) == row.reason


def _score(rows: list[Labelled]) -> tuple[float, float]:
    """(precision, recall) of being told at all."""
    told = [row for row in rows if _told(row)]
    right = [row for row in told if row.reason]
    return len(right) / len(told), len(right) / sum(row.reason is not None for row in rows)


def test_what_changed_no_rule_is_told_nearly_as_well() -> None:
    precision, recall = _score([row for row in LABELLED if row.held_out])
    assert precision >= 0.95
    assert recall >= 0.9


@pytest.mark.parametrize("pivot", ["es", "zh", "ar"])
def test_of_another_pivot_only_quotations_are_told(pivot: str) -> None:
    row = next(row for row in LABELLED if row.reason == Reason.QUOTES_PASSAGE)
    text = f"Translate the following text. {row.text}"
    found = leaks.faults(text, row.passage, languages.get(pivot), languages.get(row.lang))
    assert [fault.reason for fault in found] == [Reason.QUOTES_PASSAGE]


def test_a_quotation_is_told_from_its_first_word_to_its_last() -> None:
    text = "Kerro, miksi savu jää löylyhuoneeseen lämmityksen ajaksi aina, kun kiuas lämpenee."
    passage = "Usein savu jää löylyhuoneeseen lämmityksen ajaksi aina. Sitten tuuletetaan."
    assert leaks.quotes(text, passage, languages.get("fi")) == "savujäälöylyhuoneeseenlämmityksenajaksiaina"


def test_names_and_numbers_are_no_quotation() -> None:
    names = "Yhdistyneiden Kansakuntien Kasvatus- Tiede- Ja Kulttuurijärjestö 1945, Pariisi 7 Place De Fontenoy 75007"
    assert leaks.quotes(f"What is {names}?", f"{names} on järjestö.", languages.get("fi")) is None


HOSTILE = {
    "begins again and again": "the following " * 8_000,
    "verbs without an end": "write explain give " * 6_000,
    "no end of a word": "the " + "a" * 100_000,
    "quotation marks": 'this text "' * 9_000,
    "colons": "the following : " * 6_000,
    "white space": "translate" + " " * 100_000,
    "its own passage": "sanat ovat tässä " * 6_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_is_read_to_its_end(text: str) -> None:
    assert len(text) > 90_000
    leaks.faults(text, text, EN, languages.get("fi"))


def main() -> None:
    lines = []
    for name, rows in (("all", LABELLED), ("held out", [row for row in LABELLED if row.held_out])):
        precision, recall = _score(rows)
        n = Counter(row.reason or "good" for row in rows)
        told = ", ".join(f"{n[key]} {key}" for key in ("good", *REASONS) if n[key])
        lines.append(f"{name}: {len(rows)} ({told}): precision {precision:.1%}, recall {recall:.1%}\n")
    sys.stdout.writelines(lines)


if __name__ == "__main__":
    main()
