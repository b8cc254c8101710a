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

from plugdata import licenses
from plugdata.corpus import Counts
from plugdata.errors import GateError
from plugdata.pair import LAYOUTS
from plugdata.publish import COLUMNS, Config, Origin, Sample, Size
from plugdata.publish.card import card, license_text, merged
from plugdata.publish.findings import Findings, Mean, Share
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
    findings: dict[str, Findings] | None = None,
    **keys: Any,
) -> str:
    langs = list(dict.fromkeys(config.lang for config in configs))
    told = dataclasses.replace(make_facts(), **(facts or {}))
    return card(make_recipe(langs, **keys), told, configs, license, origins, samples, findings or {})


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


def test_well_known_sources_of_a_pulled_corpus_are_named_though_its_recipe_names_none() -> None:
    path = {"path": "pulled/pivot.parquet", "name": "me/plug", "columns": {"source": "source", "id": "id"}}
    origins = [ALPACA, Origin("mine", "cc-by-nc-4.0", 3)]
    assert metadata(make(origins=origins, sources=[path]))["source_datasets"] == ["vicgalle/alpaca-gpt4"]


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
    assert "| gpt-test | translation | 1,200 | 34,000 | 56,000 | 1.23 | 2026-11-01 to 2026-11-02 |" in text
    assert "In all 1,200 calls for USD 1.23. Prompt templates: `translate-v1`." in text and "plugdata 0.1.0" in text
    for line in (
        "| step: reason | Korean | Arabic |",
        "| rows read | 1,000 | 1,000 |",
        "| source: duplicate-id | −10 (1.0 %) | −100 (10.0 %) |",
        "| translate: call-failed (failed) | −40 (4.0 %) | 0 |",
        "| dedup: duplicate-near | −50 (5.0 %) | 0 |",
        "| **published** | **900** (90.0 %) | **900** (90.0 %) |",
    ):
        assert line in text
    assert 'load_dataset("tester/plug", "ko", split="train")' in text
    assert "monolingual baseline" in text and "`layouts.json`" in text
    assert text == make([config("ko"), config("ar")], facts={"funnel": funnel})


def test_a_corpus_of_given_translations_names_no_model() -> None:
    text = make(facts={"models": [], "prompts": []})
    assert "No model was called" in text and "translated by a language model" not in text


def test_given_translations_are_not_called_a_machines() -> None:
    configs = [config("ko"), config("ar")]
    arabic: dict[str, Any] = {"translations": [{"lang": "ar", "path": "ar.jsonl"}]}
    found = [make(configs, **arabic), make(configs, facts={"models": [], "prompts": []}), make(configs)]
    given = ["Translations into Arabic were given.", "The translations into Korean and Arabic were given", ""]
    for text, words, by_machine, all_machine in zip(found, given, (1, 0, 1), (0, 0, 1), strict=True):
        assert words in text
        assert ("were translated by a machine" in text) == by_machine
        assert ("annotations_creators" in metadata(text)) == ("were given:" not in text) == all_machine
        assert ("synthetic" in metadata(text)["tags"]) == all_machine
    pulled: dict[str, Any] = {
        "translations": [{"lang": lang, "path": "x", "made_by": "their/set@2ae526b39bc8"} for lang in ("ko", "ar")]
    }
    text = make(configs, facts={"models": [], "prompts": []}, **pulled)
    assert "Translations into Korean and Arabic were given, from their/set@2ae526b39bc8." in text
    changes = license_text(make_recipe(["ko", "ar"], **arabic), make_facts(), configs, "mit", [ALPACA]).splitlines()[-1]
    assert changes.startswith("Changes: machine-translated into Korean, put beside given translations into Arabic, ")


JUDGED = make_facts().models[0]._replace(served_as="judge-test", task="judging", n_calls=90)


def test_a_judge_is_no_translator() -> None:
    text = make(facts={"models": [*make_facts().models, JUDGED]})
    assert "| gpt-test | translation | 1,200 |" in text and "| judge-test | judging | 90 |" in text
    given = make(facts={"models": [JUDGED]})
    assert "No model was called" not in given and "| judge-test | judging | 90 |" in given
    assert "translated by a language model" not in given and "Translations into Korean were given." in given
    assert "annotations_creators" not in metadata(given)


@pytest.mark.parametrize(
    ("nano_usd", "n_unpriced", "told"),
    [
        (0, 0, "0"),
        (9_000_000, 0, "< 0.01"),
        (4_567_000_000_000, 0, "4,567.00"),
        (0, 1_200, "not known"),
        (12_000_000, 3, "0.01, 3 calls not known"),
    ],
)
def test_cost_is_told_as_far_as_it_is_known(nano_usd: int, n_unpriced: int, told: str) -> None:
    use = make_facts().models[0]._replace(nano_usd=nano_usd, n_unpriced=n_unpriced)
    assert f"| 56,000 | {told} | 2026-11-01 to 2026-11-02 |" in make(facts={"models": [use]})


def test_the_terms_of_a_known_provider_are_named_with_the_models_it_served() -> None:
    provider = licenses.provider("https://api.openai.com/v1")
    text = make(facts={"providers": {"gpt-test": provider, "never-called": provider}})
    assert "- OpenAI served gpt-test: <https://openai.com/policies/services-agreement/>" in text
    assert "served" not in make() and "The terms of a model's provider" in make()
    assert "The terms of a model's provider" not in make(facts={"models": [], "prompts": []})


def test_known_weaknesses_are_told_as_they_were_measured() -> None:
    korean = Findings({"numbers": Share(3, 200), "abstained": Share(1, 2_000), "tables": Share(0, 40)}, {})
    arabic = Findings({"numbers": Share(0, 100), "tables": Share(0, 9)}, {"judge_accuracy": Mean(4.25, 80)})
    text = make([config("ko"), config("ar")], findings={"ko": korean, "ar": arabic})
    for line in (
        "| measured | Korean | Arabic |",
        "| numbers differ | 1.5 % of 200 | 0 % of 100 |",
        "| too little prose for language identification | 0.1 % of 2,000 | – |",
        "| mean accuracy (1–5), judged by a model | – | 4.2 (80 rows) |",
        "Looked for, and found in none: tables differ.",
    ):
        assert line in text
    assert "measured of the published rows" not in make() and "Looked for" not in make()


def test_every_layout_is_told_apart_and_mixtures_are_said_to_be_such() -> None:
    configs = [dataclasses.replace(config("ko", f"ko-{layout}"), layout=layout) for layout in LAYOUTS]
    found = make(configs).partition("| config |")[2].partition("\n\n")[0].splitlines()[2:]
    assert len({line.split("|")[4] for line in found}) == len(found) == len(LAYOUTS)
    assert "| `ko-pivot` | Korean | `pivot` |" in make(configs)
    assert "`ko-code-switch`, `ko-code-switch-reverse`, `ko-translate-instruction`" in make(configs)
    assert "Meant to be mixed" not in make()


def test_the_methods_and_the_sources_are_cited() -> None:
    assert "zhang-etal-2024-plug" in make() and "x-instruction" not in make()
    assert "- Peng et al.: *Instruction Tuning with GPT-4*. 2023. <https://arxiv.org/abs/2304.03277>" in make()
    assert "li-etal-2024-x-instruction" in make([dataclasses.replace(config(), layout="x-instruct")])
    assert "The sources:" not in make(origins=[Origin("mine", "mit", 3)])


def test_configs_under_licences_of_their_own_are_named_with_them() -> None:
    configs = [
        dataclasses.replace(config("ko", f"ko-{license}", n), license=license)
        for license, n in (("cc-by-nc-4.0", 900), ("cc-by-sa-3.0", 100))
    ]
    text = make(configs, license="other")
    assert "`ko-cc-by-sa-3.0` under Creative Commons Attribution-ShareAlike 3.0 (cc-by-sa-3.0)" in text
    assert metadata(text)["license_name"] == "per-row" and "1,000 rows in Korean" in text
    legal = license_text(make_recipe(["ko"]), make_facts(), configs, "other", [ALPACA])
    assert "- ko-cc-by-nc-4.0: Creative Commons Attribution-NonCommercial 4.0 (cc-by-nc-4.0)" in legal


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
    assert "| `ko` (default) | Korean | `prompt` | the question alone | target instruction | – |" in text
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


# --- a card that a person has written in


NEWER = make(license="mit", facts={"version": "0.2.0"})
GAPS = [f"<!-- plugdata:end {name} -->\n" for name in ("about", "use", "rows", "citation")]


def test_a_card_that_nobody_wrote_in_is_simply_replaced() -> None:
    assert merged(NEWER, None) == merged(NEWER, make()) == merged(NEWER, NEWER) == NEWER
    assert merged(NEWER, make().replace("\n", "\r\n")) == NEWER


@given(st.sampled_from(GAPS), st.text(st.sampled_from("a가ب -#`>|\n"), min_size=1, max_size=40))
def test_a_persons_text_stays_where_it_stood_and_ours_is_written_anew(gap: str, text: str) -> None:
    edited = make().replace(gap, f"{gap}\n{text}\n")
    again = merged(NEWER, edited)
    between, _, _ = again.partition(gap)[2].partition("<!-- plugdata:")
    assert between.strip("\n") == text.strip("\n")
    assert "plugdata 0.2.0" in again and "plugdata 0.1.0" not in again
    assert merged(NEWER, again) == again


def test_text_above_our_first_section_stays_above_it() -> None:
    first = "<!-- plugdata:begin about -->"
    again = merged(NEWER, make().replace(first, f"![logo](logo.png)\n\n{first}"))
    assert again == NEWER.replace(first, f"![logo](logo.png)\n\n{first}")


def test_words_written_inside_one_of_our_sections_are_replaced() -> None:
    assert merged(NEWER, make().replace("## Use\n", "## Use it well\n")) == NEWER


def test_a_card_without_our_marks_stands_below_ours_once() -> None:
    again = merged(NEWER, "---\nlicense: apache-2.0\nextra_gated_prompt: Say who you are.\n---\n# My own\n\nWords.\n")
    assert again.endswith("<!-- plugdata:end citation -->\n\n# My own\n\nWords.\n")
    assert metadata(again)["license"] == "mit" and metadata(again)["extra_gated_prompt"] == "Say who you are."
    assert merged(NEWER, again) == again
    assert merged(NEWER, "Words.\n") == NEWER + "\nWords.\n"


def test_a_persons_metadata_stays_and_ours_is_set_anew() -> None:
    theirs = "extra_gated_fields:\n  Country: country\ntags:\n- mine\n- plug\nsource_datasets:\n- gone\n"
    again = metadata(merged(make(origins=[Origin("mine", "mit", 3)]), make().replace("tags:\n- plug\n", theirs)))
    assert again["extra_gated_fields"] == {"Country": "country"}
    assert again["tags"] == ["plug", "synthetic", "instruction-tuning", "mine"]
    assert "source_datasets" not in again
    assert list(again) == [key for key in metadata(make()) if key != "source_datasets"] + ["extra_gated_fields"]


def test_a_section_that_was_deleted_comes_back_in_its_place_and_an_old_one_of_ours_goes() -> None:
    start, end = make().index("<!-- plugdata:begin making"), make().index("<!-- plugdata:begin funnel")
    assert merged(NEWER, make()[:start] + make()[end:]) == NEWER
    old = "<!-- plugdata:begin former -->\n\nold\n\n<!-- plugdata:end former -->\n\n"
    assert merged(NEWER, make()[:start] + old + make()[start:]) == NEWER


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("license: cc-by-nc-4.0", "license: [cc-by-nc-4.0", "line 6: the metadata is no valid YAML"),
        ("\n---\n", "\n", "line 1 opens metadata that no line --- closes"),
        ("<!-- plugdata:end about -->\n", "", "<!-- plugdata:begin use --> does not match"),
        ("<!-- plugdata:begin about -->\n", "", "<!-- plugdata:end about --> does not match"),
        ("<!-- plugdata:end citation -->\n", "", "the section 'citation' has no end"),
        (
            "<!-- plugdata:begin use -->\n",
            "<!-- plugdata:begin about -->\n<!-- plugdata:end about -->\n<!-- plugdata:begin use -->\n",
            "<!-- plugdata:begin about --> does not match",
        ),
    ],
)
def test_a_published_card_that_cannot_be_read_is_refused_with_the_line(old: str, new: str, told: str) -> None:
    edited = make().replace("\n---\n\n**", "\n\n**")  # a rule between rows closes no metadata
    with pytest.raises(GateError, match=re.escape(told)) as refused:
        merged(NEWER, edited.replace(old, new))
    assert "line" in str(refused.value) or "citation" in str(refused.value)
    assert refused.value.hint


def test_a_row_cannot_close_our_section() -> None:
    row = "<!-- plugdata:end rows -->\nMine now.\n<!-- plugdata:begin rows -->"
    hostile = make(samples=[SAMPLE._replace(response=row)])
    assert merged(NEWER, hostile) == NEWER
