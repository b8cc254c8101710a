"""Duplicates: which texts are, which is kept, and what becomes of the others in every language."""

import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from plugdata import rows
from plugdata.curate.dedup import dedup, screen_duplicates, source_duplicates
from plugdata.curate.duplicates import banding, duplicates
from plugdata.recipe import Dedup, Screen

WORDS = [first + last for first in "bcdfglmnprst" for last in ("ana", "eto", "iri", "olu", "umo", "arka", "inte")]
HAN = [chr(code) for code in range(0x4E00, 0x4E00 + 400)]
THAI = [chr(code) for code in range(0x0E01, 0x0E2F)]


def texts(*given_texts: str, preference: list[int] | None = None) -> pl.DataFrame:
    ids = [f"r{place}" for place in range(len(given_texts))]
    return pl.DataFrame(
        {"id": ids, "text": given_texts, "preference": preference or list(range(len(ids)))},
        schema={"id": pl.String, "text": pl.String, "preference": pl.Int64},
    )


def _screened(source: pl.DataFrame, settings: Screen, spill: Path) -> pl.DataFrame:
    """All rows at once, their duplicates looked for in frames of one row."""
    found = source_duplicates((source[n : n + 1] for n in range(source.height)), [source], settings, spill)
    unrouted = source.with_columns(pl.lit(None, pl.String).alias(name) for name in ("task_class", "policy"))
    return screen_duplicates(unrouted, found)


def found(frame: pl.DataFrame, near: float | None, spill: Path) -> dict[str, tuple[str, float | None]]:
    return {id: (kept, jaccard) for id, kept, jaccard in duplicates([frame], near, spill).iter_rows()}


def jaccard(one: list[str], other: list[str]) -> float:
    """By the book: of the sets of three tokens in a row."""
    sets = [{tuple(tokens[i : i + 3]) for i in range(max(len(tokens) - 2, 1))} for tokens in (one, other)]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def edited(tokens: list[str], vocabulary: list[str], n_edits: int, rng: random.Random) -> list[str]:
    tokens = list(tokens)
    for _ in range(n_edits):
        tokens[rng.randrange(len(tokens))] = rng.choice(vocabulary)
    return tokens


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hello, world!", "hello   world"),
        ("ＦＵＬＬ width", "full width"),
        ("Straße", "STRASSE"),
        ("ΟΔΟΣ", "οδος"),
        ("“Quoted” – and dashed…", "'quoted' and dashed"),
        ("你好，世界！", "你好世界"),
        ("5,6 %.", "5,6%"),
        ("n\u0303andu\u0301", "ñandú"),
    ],
)
def test_texts_that_differ_in_case_width_punctuation_or_space_are_exact_duplicates(
    one: str, other: str, tmp_path: Path
) -> None:
    assert found(texts(one, other), None, tmp_path) == {"r1": ("r0", None)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("It grew by 5,6 %", "It grew by 56 %"),
        ("Pay 1.5", "Pay 15"),
        ("What is 10²?", "What is 102?"),
        ("The absolute value of -5", "The absolute value of 5"),
        ("At 12:30", "At 1230"),
        ("What is 2+3?", "What is 2-3?"),
        ("It costs $5", "It costs €5"),
        ("56 %", "56"),
        ("Learn C#", "Learn C++"),
        ("???", "!!!"),
        ("résumé", "resume"),
    ],
)
def test_texts_with_other_numbers_or_symbols_are_no_exact_duplicates(one: str, other: str, tmp_path: Path) -> None:
    assert found(texts(one, other), None, tmp_path) == {}


def test_the_preferred_text_is_kept_and_the_least_id_among_equals(tmp_path: Path) -> None:
    frame = texts("same", "same", "same", preference=[2, 1, 1])
    assert found(frame, None, tmp_path) == {"r0": ("r1", None), "r2": ("r1", None)}


def test_a_chain_merges_nothing_beyond_its_links(tmp_path: Path) -> None:
    rng = random.Random(3)
    a = rng.choices(WORDS, k=60)
    b = [*a[:20], "changed", *a[21:]]
    c = [*b[:40], "altered", *b[41:]]
    assert jaccard(a, b) >= 0.88 and jaccard(b, c) >= 0.88 and jaccard(a, c) < 0.88
    frame = texts(*(" ".join(tokens) for tokens in (a, b, c)))
    assert found(frame, 0.88, tmp_path) == {"r1": ("r0", jaccard(a, b))}
    middle_first = frame.with_columns(preference=pl.Series([1, 0, 2]))
    assert set(found(middle_first, 0.88, tmp_path)) == {"r0", "r2"}


def test_an_exact_twin_of_a_near_duplicate_points_to_the_kept_row(tmp_path: Path) -> None:
    a = random.Random(4).choices(WORDS, k=60)
    b = ["changed", *a[1:]]
    frame = texts(" ".join(a), " ".join(b), " ".join(b).upper() + "!")
    like = jaccard(a, b)
    assert found(frame, 0.8, tmp_path) == {"r1": ("r0", like), "r2": ("r0", like)}


@pytest.mark.parametrize(("vocabulary", "space"), [(WORDS, " "), (HAN, ""), (THAI, "")], ids=["words", "Han", "Thai"])
def test_planted_near_duplicates_are_found_in_every_script(vocabulary: list[str], space: str, tmp_path: Path) -> None:
    rng = random.Random(5)
    originals = [rng.choices(vocabulary, k=rng.randint(60, 120)) for _ in range(300)]
    copies = [edited(tokens, vocabulary, rng.randint(1, 2), rng) for tokens in originals[:100]]
    planted = {f"r{300 + n}": jaccard(originals[n], copy) for n, copy in enumerate(copies)}
    got = found(texts(*(space.join(tokens) for tokens in originals + copies)), 0.8, tmp_path)
    assert got.keys() == {id for id, value in planted.items() if value >= 0.8}
    assert all(kept == f"r{int(id[1:]) - 300}" and (value or 1.0) == planted[id] for id, (kept, value) in got.items())


def test_thousands_of_rows_of_one_template_are_kept_and_their_twins_found(tmp_path: Path) -> None:
    rng = random.Random(6)
    template = rng.choices(WORDS, k=40)
    rest = [[f"{word}{n}" for word in rng.choices(WORDS, k=30)] for n in range(2_000)]
    made = [template + tokens for tokens in rest] + [[*template, *rest[n][:-1], "other"] for n in range(0, 2_000, 100)]
    got = found(texts(*(" ".join(tokens) for tokens in made)), 0.8, tmp_path)
    assert {id: kept for id, (kept, _) in got.items()} == {f"r{2_000 + n}": f"r{100 * n}" for n in range(20)}


def test_the_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    rng = random.Random(7)
    originals = [rng.choices(WORDS, k=40) for _ in range(100)]
    copies = [edited(rng.choice(originals), WORDS, 1, rng) for _ in range(200)]
    frame = texts(*(" ".join(tokens) for tokens in originals + copies))
    expected = duplicates([frame], 0.7, tmp_path)
    assert expected.height > 100
    assert expected["id"].is_sorted()
    assert_frame_equal(duplicates([frame.sample(fraction=1, shuffle=True, seed=1)], 0.7, tmp_path), expected)


@settings(max_examples=30)
@given(st.randoms(use_true_random=False), st.sampled_from([0.5, 0.7, 0.8, 0.9]))
def test_a_dropped_text_reaches_the_threshold_to_a_kept_one(rng: random.Random, near: float) -> None:
    pool = [rng.choices(WORDS[:20], k=rng.randint(1, 30)) for _ in range(6)]
    made = [edited(rng.choice(pool), WORDS[:20], rng.randint(0, 3), rng) for _ in range(40)]
    got = found(texts(*(" ".join(tokens) for tokens in made)), near, Path("unused"))
    for id, (kept, value) in got.items():
        one, other = made[int(id[1:])], made[int(kept[1:])]
        assert kept not in got
        assert jaccard(one, other) >= near
        assert value == pytest.approx(jaccard(one, other)) if value is not None else one == other
    twins = [(i, j) for i in range(40) for j in range(i) if made[i] == made[j]]
    assert all(f"r{i}" in got for i, _ in twins)


@pytest.mark.parametrize("near", [0.3, 0.5, 0.7, 0.8, 0.9, 1.0])
def test_banding_proposes_nearly_every_pair_at_the_threshold(near: float) -> None:
    n_bands, n_hashes = banding(near)
    assert n_bands * n_hashes <= 128
    assert 1 - (1 - near**n_hashes) ** n_bands >= 0.999


def test_what_exceeds_memory_is_spilled_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(8)
    frame = texts(*(" ".join(rng.choices(WORDS, k=40)) for _ in range(3_000)))
    expected = duplicates([frame], 0.8, tmp_path / "spill")
    monkeypatch.setattr("plugdata.curate.duplicates.MEMORY", "60MB")
    assert_frame_equal(duplicates([frame], 0.8, tmp_path / "spill"), expected)
    assert list(tmp_path.iterdir()) == []


# Rows.


def source(*made: dict[str, Any]) -> pl.DataFrame:
    filled = []
    for ordinal, values in enumerate(made):
        row = dict.fromkeys(rows.SOURCE) | {"id": f"r{ordinal}", "ordinal": ordinal, "place": f"a.jsonl:{ordinal + 1}"}
        filled.append(row | {"instruction": "Say it.", "input": "", "response": "It.", "status": "kept"} | values)
    return pl.DataFrame(filled, schema=rows.SOURCE)


NEAR = " ".join(random.Random(9).choices(WORDS, k=60))


def test_a_later_duplicate_is_dropped_before_it_is_paid_for(tmp_path: Path) -> None:
    given_rows = source({"id": "z"}, {"id": "a", "response": "It!"}, {"id": "m", "response": "That."})
    done = _screened(given_rows.sort("id"), Screen(), tmp_path)
    assert done.schema == pl.Schema(rows.SCREEN)
    dropped = done.row(0, named=True)
    assert (dropped["id"], dropped["status"], dropped["stage"]) == ("a", "dropped", "screen")
    assert (dropped["reason"], dropped["kept_id"]) == ("duplicate-exact", "z")
    assert dropped["detail"] == "same text as a.jsonl:1"
    assert done["status"].to_list() == ["dropped", "kept", "kept"]
    assert done["id"].to_list() == ["a", "m", "z"]


def test_near_duplicates_are_screened_only_if_asked_for(tmp_path: Path) -> None:
    given_rows = source({"response": NEAR}, {"response": NEAR + " more"})
    assert _screened(given_rows, Screen(), tmp_path)["status"].to_list() == ["kept", "kept"]
    done = _screened(given_rows, Screen(duplicates="near"), tmp_path).row(1, named=True)
    assert (done["reason"], done["kept_id"]) == ("duplicate-near", "r0")
    assert done["detail"] == "Jaccard 0.98 to a.jsonl:1"
    strict = _screened(given_rows, Screen(duplicates="near", near=0.99), tmp_path)
    assert strict["status"].to_list() == ["kept", "kept"]


def test_screening_can_be_switched_off(tmp_path: Path) -> None:
    done = _screened(source({}, {}), Screen(duplicates="off"), tmp_path)
    assert done["status"].to_list() == ["kept", "kept"]


def test_a_row_that_is_not_kept_is_nobodys_twin_and_is_left_as_it_is(tmp_path: Path) -> None:
    gone = {"status": "dropped", "stage": "source", "reason": "duplicate-id", "reasons": ["duplicate-id"]}
    given_rows = source(gone | {"id": "r1"}, {}, gone | {"id": "r1", "detail": "twin"})
    done = _screened(given_rows, Screen(), tmp_path)
    assert_frame_equal(done.drop("kept_id", "task_class", "policy"), given_rows)
    assert done["kept_id"].to_list() == [None] * 3


def pairs(lang: str, **made: str) -> pl.DataFrame:
    """Rows by id and pivot response; ids that end in "_" are dropped already."""
    filled = []
    for id, response in made.items():
        row = dict.fromkeys(rows.FILTER) | {"id": id.rstrip("_"), "lang": lang, "pivot_lang": "en"}
        row |= {"pivot_instruction": "Say it.", "pivot_response": response, "instruction": id, "response": lang + id}
        filled.append(row | {"status": "dropped" if id.endswith("_") else "kept"})
    return pl.DataFrame(filled, schema=rows.FILTER)


def kept_ids(frame: pl.DataFrame) -> list[str]:
    return frame.filter(rows.kept())["id"].to_list()


def test_what_is_a_duplicate_in_the_pivot_is_dropped_in_every_language(tmp_path: Path) -> None:
    before = {lang: pairs(lang, a=NEAR, b=NEAR + " more", c="Other.") for lang in ("ko", "sw")}
    done = dedup(before, Dedup(), tmp_path)
    for lang, frame in done.items():
        assert frame.schema == pl.Schema(rows.DEDUP)
        assert_frame_equal(frame.filter(rows.kept()).select(*rows.FILTER), before[lang].filter(pl.col("id") != "a"))
        row = frame.row(0, named=True)
        assert (row["status"], row["stage"], row["reason"]) == ("dropped", "dedup", "duplicate-near")
        assert (row["kept_id"], row["cluster"], round(row["jaccard"], 2)) == ("b", "b", 0.98)
        assert row["detail"] == "Jaccard 0.98 to b"
        assert frame["cluster"].to_list() == ["b", "b", None]
        assert frame["jaccard"].to_list()[1:] == [None, None]


def test_the_row_kept_in_most_languages_stays(tmp_path: Path) -> None:
    longer = NEAR + " more"
    before = {"ko": pairs("ko", a=longer, b=NEAR), "sw": pairs("sw", a_=longer, b=NEAR)}
    done = dedup(before, Dedup(), tmp_path)
    assert {lang: kept_ids(frame) for lang, frame in done.items()} == {"ko": ["b"], "sw": ["b"]}
    assert done["sw"]["cluster"].to_list() == [None, "b"]


def test_a_row_stays_where_the_one_kept_in_its_place_is_missing(tmp_path: Path) -> None:
    before = {
        "ko": pairs("ko", a="Same.", b="same"),
        "es": pairs("es", a="Same.", b_="same"),
        "sw": pairs("sw", b="same"),
    }
    done = dedup(before, Dedup(), tmp_path)
    assert {lang: kept_ids(frame) for lang, frame in done.items()} == {"ko": ["a"], "es": ["a"], "sw": ["b"]}
    assert done["sw"]["cluster"].to_list() == ["a"]
    assert done["sw"]["kept_id"].to_list() == [None]


def test_twins_of_a_row_that_is_missing_are_judged_among_themselves(tmp_path: Path) -> None:
    before = {
        "ko": pairs("ko", a="Same.", b="same", c="SAME"),
        "es": pairs("es", a="Same."),
        "it": pairs("it", a="Same."),
        "sw": pairs("sw", b="same", c="SAME"),
    }
    done = dedup(before, Dedup(near=None), tmp_path)
    assert kept_ids(done["ko"]) == ["a"]
    assert kept_ids(done["sw"]) == ["b"]
    assert done["sw"].select("kept_id", "cluster").rows() == [(None, "a"), ("b", "a")]


def test_near_duplicates_stay_where_only_exact_ones_are_asked_for(tmp_path: Path) -> None:
    done = dedup({"ko": pairs("ko", a=NEAR, b=NEAR + " more")}, Dedup(near=None), tmp_path)
    assert kept_ids(done["ko"]) == ["a", "b"]


def test_languages_without_rows_are_handed_on(tmp_path: Path) -> None:
    done = dedup({"ko": pairs("ko"), "sw": pairs("sw", a_="Gone.")}, Dedup(), tmp_path)
    assert {lang: frame.height for lang, frame in done.items()} == {"ko": 0, "sw": 1}
