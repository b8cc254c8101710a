"""Damaged answers, through the whole pipeline: each is caught and mended, or measured, and right ones are left alone.

The rows and their translations are our own (tests/labelled/pairs.toml), the damage is tests/servers/llm/damage.py's.
One run meets them all: a row in a language has one kind of damage at most.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from plugdata import pipeline
from plugdata import recipe as recipes
from plugdata.rows import AGREEMENTS, Reason, Status
from tests.pairs import LANGS, NAMES, Pair, Translator, pairs
from tests.servers.llm import LlmServer, render
from tests.servers.llm.damage import DAMAGES, Asked, Damage, struck

HARD = {
    "segment lost": Reason.BAD_TAGS,
    "segment doubled": Reason.BAD_TAGS,
    "segments swapped": Reason.BAD_TAGS,
    "segment empty": Reason.EMPTY_ANSWER,
    "cut by length": Reason.TRUNCATED,
    "mark lost": Reason.MARKS,
    "mark doubled": Reason.MARKS,
    "mark made up": Reason.MARKS,
    "mark broken": Reason.MARKS,
    "declined in English": Reason.REFUSAL,
    "declined in the target language": Reason.REFUSAL,
    "echo": Reason.ECHO,
    "echo of one segment": Reason.ECHO,
    "echo of three fifths": Reason.ECHO,
    "obeyed": Reason.ANSWERED,
    "obeyed at length": Reason.ANSWERED,
    "example copied": Reason.COPIED,
    "loop": Reason.LOOP,
    "other script": Reason.LID,
    "other language": Reason.LID,
    "mistake mended": Reason.NO_MISTAKE,
}
"""What is caught while translating, and as what."""

SOFT: dict[str, tuple[str, Reason | None]] = {
    "one number changed": ("numbers_response", None),
    "numbers changed": ("numbers_response", Reason.NUMBERS),
    "list item lost": ("lists_response", None),
    "table row lost": ("tables_response", None),
    "heading level changed": ("headings_response", None),
    "verse lines merged": ("verse_response", None),
    "other label": ("options", None),
    "other letter": ("options", Reason.OPTIONS),
    "sentence left": ("leftover_response", None),
    "cut to a third": ("ends_response", None),
    "quote lost": ("quotes_response", None),
    "U+FFFD": ("corruption_response", Reason.CORRUPTION),
    "mixed-script word": ("corruption_response", Reason.CORRUPTION),
    "mojibake": ("corruption_response", Reason.CORRUPTION),
    "mojibake in one word": ("corruption_response", Reason.CORRUPTION),
}
"""What is measured and below 1, and the default filter that drops it, if one does."""

SWAPPED = "texts swapped"
"""Each under the other's tag: found by what they hold, so that it depends on the row which check it is."""

LEFT = "word left"
"""One word of the source: asked for once more, and then for `filter` to judge. There is none of the kind in Spanish."""

VARIANTS = 8
TIMES = (1, 9)
"""Of each kind two rows in each language: one that is damaged once, and one that is damaged as often as it is asked."""

Key = tuple[str, str]
"""Language, and the source texts as they are sent."""
Row = dict[str, Any]


class Struck(NamedTuple):
    """A kind of damage, and how often it strikes."""

    name: str
    times: int


def _asked(pair: Pair) -> Asked:
    ours, theirs = pair.masked
    return Asked(pair.lang, list(ours.items()), list(theirs.items()), [[(name, "x") for name in ours]])


def _key(given: Asked) -> Key:
    return given.lang, render(given.source)


PAIRS = {_key(_asked(pair)): pair for pair in pairs(VARIANTS)}


def _assigned() -> dict[Key, Struck]:
    """The damage of each row; the scarcest kinds choose first."""
    given = [_asked(pair) for pair in PAIRS.values()]
    fits = {name: [_key(one) for one in given if damage(one)] for name, damage in DAMAGES.items()}
    found: dict[Key, Struck] = {}
    for lang in LANGS:
        for name in sorted(fits, key=lambda name: (name == LEFT, len(fits[name]))):  # one that fits any row is the last
            free = [key for key in fits[name] if key[0] == lang and key not in found]
            assert len(free) >= len(TIMES) or (name, lang) == (LEFT, "es"), f"no rows left for {name!r}"
            found |= {key: Struck(name, times) for key, times in zip(free, TIMES, strict=False)}
    return found


ASSIGNED = _assigned()


def _damage(given: Asked, n_before: int) -> Damage | None:
    struck = ASSIGNED.get(_key(given))
    return DAMAGES[struck.name] if struck and n_before < struck.times else None


def _made(folder: Path, keys: Iterable[Key], **translate: Any) -> dict[Key, Row]:
    """What translate and filter leave of some rows, in all languages: the columns of filter, and `mended`."""
    source = folder / "rows.jsonl"
    texts = {tuple(PAIRS[key].source.values()): PAIRS[key].source for key in keys}
    source.write_text("".join(json.dumps(text) + "\n" for text in texts.values()), encoding="utf-8")
    with LlmServer([struck(_damage)], answer=Translator(PAIRS.values())) as server:
        recipe = recipes.resolve(
            {
                "corpus": str(folder / "corpus"),
                "sources": [{"path": str(source), "license": "apache-2.0"}],
                "languages": list(LANGS),
                "models": [{"model": "test", "base_url": server.base_url, "limits": {"concurrency": 8}}],
                "translate": {"retries": 0, **translate},
            }
        )
        corpus = pipeline.run(recipe, until="filter")
    key_of = {(pair.lang, *pair.source.values()): key for key, pair in PAIRS.items()}
    made: dict[Key, Row] = {}
    for lang in LANGS:
        frames = [corpus.rows(stage, lang).iter_rows(named=True) for stage in ("translate", "filter")]
        for translated, filtered in zip(*frames, strict=True):
            key = key_of[(lang, *(text for name in NAMES if (text := translated[name])))]
            made[key] = {**filtered, "mended": translated["mended"]}
    return made


@pytest.fixture(scope="module")
def mended(tmp_path_factory: pytest.TempPathFactory, lid_model_path: Path) -> dict[Key, Row]:
    return _made(tmp_path_factory.mktemp("mended"), PAIRS)


@pytest.fixture(scope="module")
def given_up(tmp_path_factory: pytest.TempPathFactory, lid_model_path: Path) -> dict[Key, Row]:
    """The rows that have hard damage, not asked for again."""
    hard = [key for key, struck in ASSIGNED.items() if struck.name in HARD and struck.times == 1]
    return _made(tmp_path_factory.mktemp("given-up"), hard, repair=0)


def _with(made: Mapping[Key, Row], name: str, times: int) -> dict[str, Row]:
    """The row of each language that has a kind of damage."""
    return {key[0]: made[key] for key, struck in ASSIGNED.items() if struck == (name, times)}


def test_right_translations_raise_no_alarm(mended: dict[Key, Row]) -> None:
    clean = [row for key, row in mended.items() if key not in ASSIGNED]
    assert len(clean) >= 80
    assert [row["detail"] for row in clean if row["status"] != Status.KEPT or row["mended"]] == []
    columns = [f"{check}_{field}" for check in AGREEMENTS for field in ("instruction", "response")]
    assert {row[column] for row in clean for column in columns} == {None, 1.0}


def test_every_kind_of_damage_is_expected_to_show_in_one_way() -> None:
    assert sorted(DAMAGES) == sorted([*HARD, *SOFT, SWAPPED, LEFT])


@pytest.mark.parametrize("name", HARD)
def test_an_answer_that_is_no_translation_is_mended_by_asking_again(mended: dict[Key, Row], name: str) -> None:
    rows = _with(mended, name, 1)
    assert rows.keys() == set(LANGS)
    for lang, row in rows.items():
        assert set(row["mended"]) == {HARD[name]}, lang
        assert row["status"] == Status.KEPT, f"{lang}: {row['detail']}"


@pytest.mark.parametrize("name", HARD.keys() - {"cut by length"})
def test_where_no_repair_helps_the_texts_are_asked_for_one_by_one(mended: dict[Key, Row], name: str) -> None:
    for lang, row in _with(mended, name, 9).items():
        assert row["mended"] == [HARD[name]] * 3, lang
        assert row["status"] == Status.KEPT, f"{lang}: {row['detail']}"


@pytest.mark.parametrize("name", HARD.keys() - {"cut by length"})
def test_a_row_that_is_not_asked_again_is_quarantined_with_its_reason(given_up: dict[Key, Row], name: str) -> None:
    for lang, row in _with(given_up, name, 1).items():
        assert (row["status"], row["stage"]) == (Status.QUARANTINED, "translate"), lang
        assert row["reason"] == row["reasons"][0] == HARD[name]


@pytest.mark.parametrize("name", SOFT)
def test_something_wrong_in_a_translation_shows_in_a_measurement(mended: dict[Key, Row], name: str) -> None:
    column, dropped_by = SOFT[name]
    rows = [row for times in TIMES for row in _with(mended, name, times).values()]
    assert len(rows) == 2 * len(LANGS)
    for row in rows:
        assert row["mended"] == []
        assert row[column] < 1
        if dropped_by:
            assert dropped_by in row["reasons"]


@pytest.mark.parametrize("times", TIMES)
def test_a_word_left_untranslated_is_worth_a_repair_and_never_a_row(mended: dict[Key, Row], times: int) -> None:
    rows = _with(mended, LEFT, times)
    assert rows.keys() == set(LANGS) - {"es"}
    for lang, row in rows.items():
        assert row["mended"] == [Reason.UNTRANSLATED], lang
        assert (row["untranslated_instruction"] < 1) == (times > 1), lang
        assert set(row["reasons"]) <= {Reason.UNTRANSLATED}, row["detail"]
    assert all(row["status"] == Status.KEPT for row in rows.values() if times == 1)


def test_texts_that_changed_places_are_mended_or_dropped(mended: dict[Key, Row]) -> None:
    rows = [row for times in TIMES for row in _with(mended, SWAPPED, times).values()]
    assert len(rows) == 2 * len(LANGS)
    assert all(row["mended"] or row["status"] == Status.DROPPED for row in rows)
