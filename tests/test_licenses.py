"""Licences: NC stays NC, SA stays the same licence, what is unknown or cannot be mixed is refused with a way out."""

import pytest

from plugdata import licenses
from plugdata.errors import GateError


def of(*names: str | None) -> list[tuple[str, str | None]]:
    """Pairs (source, licence), one source per licence."""
    return [(f"source-{n}", name) for n, name in enumerate(names)]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (["cc-by-nc-4.0"], "cc-by-nc-4.0"),
        (["apache-2.0", "cc-by-nc-4.0"], "cc-by-nc-4.0"),
        (["cc0-1.0", "mit", "apache-2.0"], "apache-2.0"),
        (["odc-by", "cc-by-4.0"], "cc-by-4.0"),
        (["cc-by-sa-3.0", "apache-2.0"], "cc-by-sa-3.0"),
        (["cc-by-sa-3.0", "cc-by-sa-4.0"], "cc-by-sa-4.0"),
        (["cc-by-nc-4.0", "cc-by-nc-sa-4.0"], "cc-by-nc-sa-4.0"),
        (["CC-BY-NC-4.0 "], "cc-by-nc-4.0"),
        (["llama3.1", "llama3.1"], "llama3.1"),
    ],
)
def test_the_licence_of_a_mix_keeps_every_condition(found: list[str], expected: str) -> None:
    assert licenses.computed(of(*found)) == expected
    assert licenses.computed(of(*reversed(found))) == expected


@pytest.mark.parametrize(
    "found",
    [
        ["cc-by-nc-4.0", "cc-by-sa-3.0"],
        ["cc-by-sa-4.0", "cc-by-nc-sa-4.0"],
        ["odbl", "cc-by-sa-4.0"],
        ["llama3.1", "mit"],
        ["other", "mit"],
    ],
)
def test_licences_that_cannot_be_joined_are_refused_with_the_ways_out(found: list[str]) -> None:
    with pytest.raises(GateError, match="cannot share one licence") as refused:
        licenses.computed(of(*found))
    assert refused.value.exit_code == 4
    assert all(name in str(refused.value) for name in [*found, "'source-0'", "'source-1'"])
    assert "separate corpora" in refused.value.hint and "publish.license: other" in refused.value.hint


@pytest.mark.parametrize("unknown", [None, "", "unknown"])
def test_an_unknown_licence_names_its_source_and_the_keys_to_set(unknown: str | None) -> None:
    with pytest.raises(GateError, match="'mine' is unknown") as refused:
        licenses.computed([("mine", unknown), ("tatsu-lab/alpaca", "cc-by-nc-4.0")])
    assert "sources[i].license" in refused.value.hint and "publish.license" in refused.value.hint
    assert "tatsu-lab" not in str(refused.value)


def test_a_licence_against_adaptations_is_refused() -> None:
    for attempt in (licenses.computed, lambda found: licenses.declared("other", found)):
        with pytest.raises(GateError, match="adaptation"):
            attempt(of("cc-by-nd-4.0"))


def test_a_publication_of_nothing_has_no_licence() -> None:
    with pytest.raises(GateError, match="no rows"):
        licenses.computed([])


@pytest.mark.parametrize(
    ("twins", "expected"),
    [
        (["mit", "cc-by-nc-4.0", "apache-2.0"], "cc-by-nc-4.0"),
        (["cc-by-nc-4.0", None], None),
        (["cc-by-nc-4.0", "llama3.1"], "llama3.1"),
        (["llama3.1", "unknown"], None),
        ([], None),
    ],
)
def test_of_twins_the_stricter_licence_wins_and_unknown_beats_all(
    twins: list[str | None], expected: str | None
) -> None:
    assert licenses.stricter(twins) == expected
    assert licenses.stricter(reversed(twins)) == expected


@pytest.mark.parametrize(
    ("asked", "found", "expected"),
    [
        ("computed", ["mit"], "mit"),
        ("cc-by-4.0", [None], "cc-by-4.0"),
        ("cc-by-nc-4.0", ["mit"], "cc-by-nc-4.0"),
        ("other", ["cc-by-nc-4.0", "cc-by-sa-3.0"], "other"),
        ("cc-by-sa-4.0", ["cc-by-sa-3.0"], "cc-by-sa-4.0"),
    ],
)
def test_a_user_may_answer_for_an_unknown_stricter_or_per_row_licence(
    asked: str, found: list[str | None], expected: str
) -> None:
    assert licenses.declared(asked, of(*found)) == expected


@pytest.mark.parametrize(
    ("asked", "source", "dropped"),
    [
        ("apache-2.0", "cc-by-nc-4.0", "non-commercial"),
        ("cc-by-nc-sa-4.0", "cc-by-sa-4.0", "share-alike"),
        ("cc-by-sa-3.0", "cc-by-sa-4.0", "share-alike"),
        ("cc0-1.0", "mit", "attribution"),
        ("mit", "llama3.1", "terms"),
        ("unknown", "mit", "no licence"),
    ],
)
def test_a_declared_licence_may_not_drop_a_condition_that_we_know(asked: str, source: str, dropped: str) -> None:
    with pytest.raises(GateError, match=dropped):
        licenses.declared(asked, of(source))


def test_well_known_sources_have_their_licence() -> None:
    assert licenses.known_source("vicgalle/alpaca-gpt4") == "cc-by-nc-4.0"
    assert licenses.known_source("databricks/databricks-dolly-15k") == "cc-by-sa-3.0"
    assert licenses.known_source("openassistant/OASST2") == "apache-2.0"
    assert licenses.known_source("me/mine") is None


def test_a_licence_the_hub_may_not_list_is_written_as_other_with_a_name() -> None:
    assert licenses.on_card("mit") == {"license": "mit"}
    assert licenses.on_card("llama3.1")["license_name"] == "llama3.1"
    assert licenses.on_card("other") == {"license": "other", "license_name": "per-row", "license_link": "LICENSE"}


@pytest.mark.parametrize("asked", ["unlicense", "openrail", "my-university-1.0"])
@pytest.mark.parametrize("source", ["cc-by-nc-4.0", "cc-by-sa-4.0", "cc-by-4.0"])
def test_a_licence_that_nobody_has_read_cannot_stand_for_one_with_conditions(asked: str, source: str) -> None:
    with pytest.raises(GateError, match="may drop"):
        licenses.declared(asked, [("a", source)])
    assert licenses.declared(asked, [("a", None), ("b", "cc0-1.0"), ("c", asked)]) == asked
