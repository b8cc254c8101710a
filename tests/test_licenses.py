"""Licences: NC stays NC, SA stays the same licence, what is unknown or cannot be mixed is refused with a way out."""

import re
from pathlib import Path

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
    ways = ("publish.split_by_license: true", "separate corpora", "publish.license: other")
    assert all(way in refused.value.hint for way in ways)
    assert licenses.computed(of(*found), apart=True) == licenses.PER_ROW


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("unknown", [None, "", "unknown"])
def test_an_unknown_licence_names_its_source_and_the_keys_to_set(unknown: str | None, apart: bool) -> None:
    with pytest.raises(GateError, match="'mine' is unknown") as refused:
        licenses.computed([("mine", unknown), ("tatsu-lab/alpaca", "cc-by-nc-4.0")], apart)
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
    assert str(licenses.data_set("OpenAssistant/oasst1")).startswith("Köpf et al.: *OpenAssistant Conversations")
    assert licenses.data_set("me/mine") is None


def test_the_table_of_sources_holds_licences_that_we_can_compute_with() -> None:
    names = ["tatsu-lab/alpaca", "vicgalle/alpaca-gpt4", "databricks/databricks-dolly-15k", "CohereLabs/aya_dataset"]
    assert {licenses.known_source(name) for name in (*names, "HuggingFaceH4/no_robots")} <= set(licenses.LICENSES)
    assert licenses.known_source("Open-Orca/FLAN") is None  # many data sets, under many licences


@pytest.mark.parametrize(
    ("base_url", "name"),
    [
        ("https://api.openai.com/v1", "OpenAI"),
        ("https://my-name.openai.azure.com/openai/v1", "Microsoft Azure"),
        ("https://generativelanguage.googleapis.com/v1beta/openai/", "Google"),
        ("http://127.0.0.1:8000/v1", None),
        ("https://api.openai.com.example.org/v1", None),
        ("https://notopenrouter.ai/api/v1", None),
    ],
)
def test_a_provider_is_known_by_the_host_of_its_endpoint(base_url: str, name: str | None) -> None:
    found = licenses.provider(base_url)
    assert (found and found.name) == name
    assert found is None or found.terms.startswith("https://")


def test_a_licence_the_hub_may_not_list_is_written_as_other_with_a_name() -> None:
    assert licenses.on_card("mit") == {"license": "mit"}
    assert licenses.on_card("llama3.1")["license_name"] == "llama3.1"
    for spelt in ("other", "Other"):
        license = licenses.declared(spelt, [("mine", "mit")])
        assert licenses.on_card(license) == {"license": "other", "license_name": "per-row", "license_link": "LICENSE"}


@pytest.mark.parametrize("asked", ["unlicense", "openrail", "my-university-1.0"])
@pytest.mark.parametrize("source", ["cc-by-nc-4.0", "cc-by-sa-4.0", "cc-by-4.0"])
def test_a_licence_that_nobody_has_read_cannot_stand_for_one_with_conditions(asked: str, source: str) -> None:
    with pytest.raises(GateError, match="may drop"):
        licenses.declared(asked, [("a", source)])
    assert licenses.declared(asked, [("a", None), ("b", "cc0-1.0"), ("c", asked)]) == asked


PAGE = (Path(__file__).parents[1] / "docs/licences.md").read_text(encoding="utf-8")


def test_the_page_on_licences_names_the_sources_and_providers_that_are_known() -> None:
    told = re.findall(r"^\| `([^`]+/[^`]+)` \| `([^`]+)` \|$", PAGE, re.M)
    assert len(told) == 9 and all(licenses.known_source(name) == license for name, license in told)
    hosts = ["api.openai.com", "x.openai.azure.com", "api.anthropic.com", "generativelanguage.googleapis.com"]
    hosts += ["api.mistral.ai", "api.together.xyz", "openrouter.ai"]
    providers = [licenses.provider(f"https://{host}/v1") for host in hosts]
    assert [by.name in " ".join(PAGE.split()) for by in providers if by] == [True] * len(hosts)
