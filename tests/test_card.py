"""The card: metadata that the Hub and `datasets` read, a page that people read, and texts that cannot break out."""

import dataclasses
import html
import re
from collections.abc import Sequence
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from plugdata.corpus import Counts
from plugdata.publish import COLUMNS, Config, Origin, Sample, Size
from plugdata.publish.card import card, license_text
from plugdata.publish.markdown import cut, fenced, inert
from tests.test_dist import make_facts, make_recipe

ALPACA = Origin("vicgalle/alpaca-gpt4", "cc-by-nc-4.0", 900)
SAMPLE = Sample("ko", "Name a fruit.", "An apple.", "과일의 이름을 대세요.", "사과입니다.")


def config(lang: str = "ko", name: str | None = None, n: int = 900) -> Config:
    return Config(name or lang, lang, "plug", {"train": Size(n - 9, 5_000), "validation": Size(9, 50)}, 1_234)


def make(
    configs: Sequence[Config] = (config(),),
    license: str = "cc-by-nc-4.0",
    origins: Sequence[Origin] = (ALPACA,),
    samples: Sequence[Sample] = (SAMPLE,),
    facts: dict[str, Any] | None = None,
    **keys: Any,
) -> str:
    langs = list(dict.fromkeys(config.lang for config in configs))
    told = dataclasses.replace(make_facts(), **(facts or {}))
    return card(make_recipe(langs, **keys), told, configs, license, origins, samples)


def metadata(text: str) -> dict[str, Any]:
    found = yaml.safe_load(text.split("---\n")[1])
    assert isinstance(found, dict)
    return found


def test_metadata_says_what_the_hub_asks_for() -> None:
    configs = [config("no"), config("no", "no-mono"), config("ko")]
    text = make(configs)
    found = metadata(text)
    assert "config_name: 'no'" in text and "path: no/train-*" in text
    assert found["language"] == ["no", "ko", "en"]
    assert found["license"] == "cc-by-nc-4.0"
    assert found["size_categories"] == ["1K<n<10K"]
    assert found["source_datasets"] == ["vicgalle/alpaca-gpt4"]
    assert found["multilinguality"] == ["translation"] and found["annotations_creators"] == ["machine-generated"]
    assert found["tags"] == ["plug", "synthetic", "instruction-tuning"]
    assert [entry["config_name"] for entry in found["configs"] if entry.get("default")] == ["no"]
    assert [entry["config_name"] for entry in found["dataset_info"]] == ["no", "no-mono", "ko"]
    about = found["dataset_info"][0]
    assert [feature["name"] for feature in about["features"]] == list(COLUMNS)
    assert about["splits"][1] == {"name": "validation", "num_bytes": 50, "num_examples": 9}
    assert (about["download_size"], about["dataset_size"]) == (1_234, 5_050)
    assert "https://arxiv.org/abs/2311.08711" in text  # from which the Hub takes its arxiv: tag


@pytest.mark.parametrize(
    ("n", "expected"),
    [(10, "n<1K"), (999, "n<1K"), (1_000, "1K<n<10K"), (52_000, "10K<n<100K"), (3_000_000, "1M<n<10M")],
)
def test_size_category_is_that_of_all_rows(n: int, expected: str) -> None:
    assert metadata(make([config(n=n)]))["size_categories"] == [expected]


def test_a_declared_name_is_no_source_dataset_and_a_licence_of_its_own_gets_a_name() -> None:
    origins = [Origin("mine", "my-licence", 3)]
    found = metadata(make(license="my-licence", origins=origins, sources=[{"path": "x.jsonl", "name": "mine"}]))
    assert "source_datasets" not in found
    assert (found["license"], found["license_name"], found["license_link"]) == ("other", "my-licence", "LICENSE")


def test_a_regional_language_is_named_twice_as_the_hub_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from plugdata import languages

    spanish = languages.get("es")
    monkeypatch.setitem(languages.table(), "es-MX", dataclasses.replace(spanish, code="es-MX", name="Mexican Spanish"))
    found = metadata(make([config("es-MX")]))
    assert found["language"] == ["es", "en"] and found["language_bcp47"] == ["es-MX"]


def test_the_page_tells_how_the_rows_were_made_and_what_became_of_each() -> None:
    funnel = {
        "ko": [
            ("source", Counts(rows=1_000, kept=990, out={"dropped": {"duplicate-id": 10}})),
            ("translate", Counts(rows=1_000, kept=950, carried=10, out={"failed": {"call-failed": 40}})),
            ("dedup", Counts(rows=1_000, kept=900, carried=50, out={"dropped": {"duplicate-near": 50}})),
        ],
        "ar": [("source", Counts(rows=1_000, kept=900, out={"dropped": {"duplicate-id": 100}}))],
    }
    text = make([config("ko"), config("ar")], facts={"funnel": funnel})
    assert "| gpt-test | 1,200 | 34,000 | 56,000 | 2026-11-01 | 2026-11-02 |" in text
    assert "`translate-v1`" in text and "plugdata 0.1.0" in text
    for line in (
        "| step: reason | Korean | Arabic |",
        "| rows read | 1,000 | 1,000 |",
        "| source: duplicate-id | −10 | −100 |",
        "| translate: call-failed (failed) | −40 | 0 |",
        "| dedup: duplicate-near | −50 | 0 |",
        "| **published** | **900** | **900** |",
    ):
        assert line in text
    assert 'load_dataset("tester/plug", "ko")' in text
    assert "monolingual baseline" in text and "`layouts.json`" in text
    assert text == make([config("ko"), config("ar")], facts={"funnel": funnel})


def test_a_corpus_of_given_translations_names_no_model() -> None:
    text = make(facts={"models": [], "prompts": []})
    assert "no model was called" in text and "translated by a language model" not in text


def test_given_translations_are_not_called_a_machines() -> None:
    configs = [config("ko"), config("ar")]
    arabic: dict[str, Any] = {"translations": [{"lang": "ar", "path": "ar.jsonl"}]}
    found = [make(configs, **arabic), make(configs, facts={"models": [], "prompts": []}), make(configs)]
    given = ["Translations into Arabic were given.", "The translations into Korean and Arabic were given", ""]
    for text, words, by_machine, all_machine in zip(found, given, (1, 0, 1), (0, 0, 1), strict=True):
        assert words in text
        assert ("were translated by a machine" in text) == by_machine
        assert ("annotations_creators" in metadata(text)) == ("were given:" not in text) == all_machine
    changes = license_text(make_recipe(["ko", "ar"], **arabic), make_facts(), configs, "mit", [ALPACA]).splitlines()[-1]
    assert changes.startswith("Changes: machine-translated into Korean, put beside given translations into Arabic, ")


def test_a_pivot_that_is_itself_a_translation_is_no_original() -> None:
    text = make(source_lang="es")
    assert "each beside its English translation" in text and "The Spanish rows were translated" in text
    assert "each beside its English original" in make()


def test_a_card_of_prompts_says_that_there_are_no_responses_and_no_professional_at_work() -> None:
    sample = SAMPLE._replace(pivot_response="", response="")
    prompts = [dataclasses.replace(config(), layout="prompt")]
    text = make(prompts, samples=[sample], translate={"fields": "instruction"}, publish={"repo": None})
    assert "Machine-translated instructions, no responses; not a professional translation." in text
    assert "machine-translation" in metadata(text)["tags"] and "instruction-tuning" not in metadata(text)["tags"]
    assert "| `ko` (default) | Korean | `prompt` (`prompt-v1`) | – |" in text
    assert "| `response` | string | null: there are no responses |" in text
    assert "**Korean instruction**" in text and "**Korean response**" not in text
    assert "# Prompts ko\n" in text and "trains a model" not in text and "monolingual baseline" not in text
    given = make(prompts, samples=[sample], facts={"models": []})
    assert "Instructions, no responses; their translations were given." in given
    assert "achine-translated" not in given


def test_names_and_rows_cannot_become_markup() -> None:
    evil = "x|y](http://a) <b>*z*\n# h"
    row = "<img src=x onerror=alert(1)>\n```\n~~~\n# Heading\n[link](http://a)\n---\n"
    sample = Sample("ko", row, row, row, row)
    page = (
        MarkdownIt("commonmark")
        .enable("table")
        .render(
            make(origins=[Origin(evil, "mit", 1)], samples=[sample], publish={"title": "<script>x</script>"}).split(
                "---\n", 2
            )[2]
        )
    )
    assert not re.search(r"<(script|b|img|em)[ >]", page)
    assert "<h1>&lt;script&gt;x&lt;/script&gt;</h1>" in page and 'href="http://a"' not in page
    assert "<td>x|y](http://a) &lt;b&gt;*z* # h</td>" in page
    assert page.count("&lt;img src=x onerror=alert(1)&gt;\n```\n~~~\n# Heading\n[link](http://a)\n---\n") == 4
    assert "<h1>Heading" not in page


@given(st.text(st.sampled_from("`~\n -#<>|a가"), max_size=60))
def test_a_fence_holds_any_text(text: str) -> None:
    [fence, *after] = MarkdownIt("commonmark").parse(fenced(text) + "\n\n# after")
    assert (fence.type, fence.content) == ("fence", text + "\n")
    assert [token.type for token in after] == ["heading_open", "inline", "heading_close"]


@given(
    st.text(
        st.one_of(st.sampled_from("\\`*_{}[]()<>#|!~$&;:/a1\n"), st.characters(exclude_categories=["C"])), max_size=40
    )
)
def test_an_inert_name_is_shown_as_it_is(text: str) -> None:
    shown = MarkdownIt("commonmark").renderInline(inert(text))
    assert html.unescape(shown) == " ".join(text.split())
    assert not re.search("<[a-z]", shown)


def test_long_texts_are_cut_in_the_card_only_and_marked() -> None:
    text = make(samples=[SAMPLE._replace(response="가" * 5_000, instruction="\n".join("abcdefghijklmnopqr"))])
    assert "가" * 600 + " […]" in text and "가" * 601 not in text
    assert "k\nl […]" in text
    assert cut("short", 600, 12) == "short"


def test_license_names_the_licence_the_sources_and_what_was_changed() -> None:
    text = license_text(make_recipe(["ko"]), make_facts(), [config()], "cc-by-nc-4.0", [ALPACA])
    assert "https://creativecommons.org/licenses/by-nc/4.0/" in text
    assert "vicgalle/alpaca-gpt4: 900 rows" in text and "machine-translated into Korean" in text
    per_row = license_text(make_recipe(["ko"]), make_facts(), [config()], "other", [ALPACA, Origin("mine", None, 1)])
    assert "column `license`" in per_row and "mine: 1 rows, licence unknown\n" in per_row
