"""A recipe is read whole or refused with every problem at once, each where it stands."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from plugdata import recipe as recipes
from plugdata.errors import RecipeError

GOOD = """\
corpus: corpora/x
sources: [{path: rows.jsonl, license: mit}]
languages: [ko, sw]
models: [{model: m, base_url: "http://127.0.0.1:1/v1"}]
"""


def _load(tmp_path: Path, text: str, *assignments: str) -> recipes.Recipe:
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return recipes.load(path, assignments)


def _problems(tmp_path: Path, text: str, *assignments: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        _load(tmp_path, text, *assignments)
    return caught.value.problems


def test_source_paths_are_relative_to_the_recipe(tmp_path: Path) -> None:
    assert _load(tmp_path, GOOD).sources[0].path == str(tmp_path / "rows.jsonl")


EVERYWHERE = """\
corpus: corpora/x
sources: [{path: rows.jsonl, license: mit}]
languages: [ko, sw]
translations: [{lang: sw, path: sw.json}]
models: [{model: local, weights: mine.gguf}]
translate:
  glossary: terms.csv
  again: [{reasons: [lid], rows: again.txt, model: {model: local, weights: strong.gguf}}]
quality:
  back_translation: {model: {model: local, weights: back.gguf}}
  judge: {model: {model: strict, base_url: "https://me:secret@api.example.com/v1?key=secret", api_key_env: HUSH}}
filter: {lid: {model: my.ftz}}
ledger: shared.sqlite
"""


def _files_of(recipe: recipes.Recipe) -> list[str]:
    assert recipe.quality.back_translation and recipe.quality.back_translation.model
    again = recipe.translate.again[0]
    assert again.model
    return [
        str(path)
        for path in (
            *(recipe.sources[0].path, recipe.translations[0].path, recipe.models[0].weights, recipe.translate.glossary),
            *(again.rows, again.model.weights, recipe.quality.back_translation.model.weights),
            *(recipe.filter.lid.model, recipe.ledger),
        )
    ]


NAMES = ["rows.jsonl", "sw.json", "mine.gguf", "terms.csv", "again.txt", "strong.gguf", "back.gguf", "my.ftz"]


def test_every_file_that_a_recipe_names_is_relative_to_it(tmp_path: Path) -> None:
    recipe = _load(tmp_path, EVERYWHERE)
    assert _files_of(recipe) == [str(tmp_path / name) for name in (*NAMES, "shared.sqlite")]
    assert _load(tmp_path, recipes.dump(recipe)) == recipe


def test_what_is_typed_is_relative_to_where_it_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    recipe = _load(tmp_path, EVERYWHERE, "translate.glossary=t.csv", "translations=[{lang: sw, path: s.json}]")
    assert recipe.translate.glossary == tmp_path / "here" / "t.csv"
    assert recipe.translations[0].path == str(tmp_path / "here" / "s.json")
    assert _load(tmp_path, GOOD, "models=[{model: local, weights: small}]").models[0].weights == "small"


def test_of_files_that_a_recipe_names_the_names_alone_are_published(tmp_path: Path) -> None:
    published = recipes.public(_load(tmp_path, EVERYWHERE))
    assert all(name in published for name in NAMES)
    for secret in (str(tmp_path), "secret", "HUSH", "shared.sqlite"):
        assert secret not in published
    assert yaml.safe_load(published)["quality"]["judge"]["model"]["base_url"] == "https://api.example.com/v1"


STRONG = "{model: s, base_url: 'http://127.0.0.1:1/v1'}"


@pytest.mark.parametrize(
    ("one", "other", "differs"),
    [
        ([], ["translate.retries=9", "models.0.base_url=http://127.0.0.1:2/v1"], None),
        ([], ["translate.repair=3"], "translate"),
        ([], ["translate.again=[{reasons: [echo]}]"], None),  # a part in which no row needed it
        (["translate.again=[{reasons: [loop]}]"], ["translate.again=[{reasons: [echo]}]"], "translate"),
        (
            [f"translate.again=[{{reasons: [lid], rows: a.txt, model: {STRONG}}}]"],
            [f"translate.again=[{{reasons: [lid], rows: b.txt, model: {STRONG.replace(':1/', ':2/')}}}]"],
            None,
        ),
        ([f"quality.judge.model={STRONG}"], [f"quality.judge.model={STRONG.replace(':1/', ':2/')}"], None),
        ([f"quality.judge.model={STRONG}"], ["quality.judge.sample=0.2"], "quality"),
        ([], ["translate.glossary=terms.csv"], "translate"),
    ],
)
def test_recipes_of_one_corpus_may_differ_in_where_and_in_what_was_asked_again(
    tmp_path: Path, one: list[str], other: list[str], differs: str | None
) -> None:
    assert _load(tmp_path, GOOD, *one).asks_otherwise(_load(tmp_path, GOOD, *other)) == differs
    assert _load(tmp_path, GOOD, *other).asks_otherwise(_load(tmp_path, GOOD, *one)) == differs


def test_a_dumped_recipe_loads_back_equal(tmp_path: Path) -> None:
    recipe = _load(tmp_path, GOOD)
    assert _load(tmp_path, recipes.dump(recipe)) == recipe


def test_every_problem_is_told_at_once_with_its_line_and_the_nearest_word(tmp_path: Path) -> None:
    text = """\
corpus: corpora/x
sources: [{path: a.json, colums: {response: output}}]
langauges: [ko]
languages: [no, koo]
filter:
  lid:
    min: 7
"""
    problems = _problems(tmp_path, text)
    assert [problem.partition(":")[0] for problem in problems] == ["line 2", "line 3", "line 4", "line 4", "line 7"]
    assert "did you mean 'columns'?" in problems[0]
    assert "did you mean 'languages'?" in problems[1]
    assert 'write "no"' in problems[2]
    assert "did you mean 'ko'?" in problems[3]
    assert "less than or equal to 1, got 7" in problems[4]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("corpus: [", "line 1: not valid YAML"),
        ("corpus: a\ncorpus: b\n", "line 2: not valid YAML: 'corpus' stands twice"),
        ("- a\n- b\n", "is a list, not a mapping"),
        (GOOD.replace("[ko, sw]", "[ko, ko]"), "'ko' stands twice"),
        (GOOD.replace("[ko, sw]", "[ko, en]"), "the pivot 'en' is also in `languages`"),
        (GOOD.replace("path: rows.jsonl", "path: rows.jsonl, id: a/b"), "give either `id`"),
        (GOOD.replace("[ko, sw]", "[]"), "languages"),
        (GOOD + "publish: {repo: nobody}\n", "publish.repo"),
        (GOOD.replace("[ko, sw]", "ko"), "is not a list, e.g. [ko]"),
        (GOOD.replace("http://127.0.0.1:1/v1", "localhost:8000/v1"), "not an http(s) URL"),
        (GOOD.replace("model: m,", "model: m, params: {n: 2},"), "'n' is not a parameter to set here"),
        (GOOD.replace("model: m,", "model: m, params: {extra_headers: {}},"), "'extra_headers' is not a parameter"),
        (GOOD.replace("model: m,", "model: m, params: {since: 2024-01-01},"), "cannot be sent as JSON"),
        (GOOD + "filter: {ratio: {band: [3, 1]}}\n", "the floor below the ceiling"),
        (GOOD + "translate: {again: [{reasons: [content-filter]}]}\n", "the same model gives the same content-filter"),
        (GOOD + "translate: {again: [{reasons: [pivot], model: {model: n}}]}\n", "changes nothing about pivot"),
        (
            GOOD + "translations: [{lang: ko, path: a.json, columns: {respons: a}}]\n",
            "'respons' is not a field of ours; did you mean 'response'?",
        ),
        (GOOD + "translations: [{lang: fr, path: fr.json}]\n", "`translations` has 'fr', which is not in `languages`"),
        ("", "is empty"),
    ],
)
def test_a_faulty_recipe_is_refused_in_a_line(tmp_path: Path, text: str, told: str) -> None:
    problems = _problems(tmp_path, text)
    assert len(problems) == 1
    assert told in problems[0]


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="No such file"):
        recipes.load(tmp_path / "absent.yaml")


def test_yaml_anchors_and_merge_keys_are_understood(tmp_path: Path) -> None:
    text = GOOD + "filter: &f {lid: {min: 0.3}}\n"
    assert (
        _load(tmp_path, text.replace("filter: &f {", "filter: {<<: {length: {min_chars: 2}}, ")).filter.lid.min == 0.3
    )


def test_assignments_are_laid_over_the_file(tmp_path: Path) -> None:
    recipe = _load(tmp_path, GOOD, "filter.lid.min=0.7", "sources.0.limit=3", "layouts=[plug, mono]")
    assert (recipe.filter.lid.min, recipe.sources[0].limit, recipe.layouts) == (0.7, 3, ("plug", "mono"))


@pytest.mark.parametrize("key", ["sources.0.limit", "sources[0].limit"])
def test_an_entry_of_a_list_is_assigned_to_as_problems_name_it(tmp_path: Path, key: str) -> None:
    assert _load(tmp_path, GOOD, f"{key}=7").sources[0].limit == 7


@pytest.mark.parametrize(
    "assignment",
    ["filter.lid.min", "=3", "corpus.x=1", "filter.lid.mn=1", "filter.lid.min=[", "sources.7.limit=1", "[a]=1"],
)
def test_an_assignment_that_fits_nowhere_is_a_problem(tmp_path: Path, assignment: str) -> None:
    assert len(_problems(tmp_path, GOOD, assignment)) >= 1


def test_a_flag_changes_the_model_of_the_recipe_and_another_model_starts_from_nothing(tmp_path: Path) -> None:
    recipe = _load(tmp_path, GOOD.replace("model: m,", "model: m, params: {top_p: 1},"))
    slower = recipes.with_model(recipe, model=None, base_url=None, api_key_env=None, rpm=7, concurrency=None).models[0]
    other = recipes.with_model(recipe, model="n", base_url=None, api_key_env="KEY", rpm=None, concurrency=2).models[0]
    assert (slower.model, slower.limits.rpm, slower.params) == ("m", 7, {"top_p": 1})
    assert (other.model, other.base_url, other.api_key_env, other.limits.concurrency) == ("n", None, "KEY", 2)


def test_a_source_argument_is_a_path_if_there_is_one_else_a_hub_id(tmp_path: Path) -> None:
    here = tmp_path / "rows.jsonl"
    here.write_text("{}")
    flags = dict.fromkeys(
        ["pivot", "split", "config", "license", "protocol", "limit", "model", "base_url", "api_key_env"]
    )
    flags |= dict.fromkeys(["rpm", "concurrency"])
    local = recipes.for_translation(str(here), tmp_path, "ko, sw", (), columns=["response=output"], **flags)
    hub = recipes.for_translation("me/set", tmp_path, "ko", (), columns=[], **flags)
    assert (local.sources[0].path, local.languages) == (str(here), ("ko", "sw"))
    assert local.sources[0].columns == {"response": "output"}
    assert (hub.sources[0].id, hub.sources[0].path) == ("me/set", None)


def test_what_is_published_of_a_recipe_names_no_path_and_no_local_endpoint(tmp_path: Path) -> None:
    published = recipes.public(_load(tmp_path, GOOD + "filter: {lid: {model: my.ftz}}\n"))
    assert str(tmp_path) not in published
    assert "127.0.0.1" not in published
    assert yaml.safe_load(published)["sources"] == [
        {"path": "rows.jsonl", "split": "train", "license": "mit"} | _defaults()
    ]
    remote = GOOD.replace("http://127.0.0.1:1/v1", "https://me:secret@api.example.com/v1?key=secret")
    assert "secret" not in recipes.public(_load(tmp_path, remote))


def _defaults() -> dict[str, object]:
    return {"format": "auto", "columns": {}, "turns": "first", "system": "quarantine"}


def test_every_recipe_of_the_project_is_valid() -> None:
    found = sorted(recipes.packaged("").rglob("*.yaml"))
    assert [path.name for path in found] == [
        *("plug-ca-gl-eu-through-es.yaml", "plug-es-MX-zh-Hant.yaml", "plug-zh-ko-it-es.yaml"),
        "quickstart.yaml",
        "x-instruction-sw.yaml",
        "x-instruction-ten.yaml",
    ]
    for path in found:
        recipes.load(path)


@pytest.mark.parametrize(
    ("formality", "problems"),
    [
        ("polite", ["translate.formality: Input should be 'formal' or 'informal', got 'polite'"]),
        (
            {"ko": "polite", "xx": "formal"},
            [
                "translate.formality.ko: Input should be 'formal' or 'informal', got 'polite'",
                "translate.formality.xx: unknown language 'xx'; `plugdata languages` lists them",
            ],
        ),
    ],
)
def test_a_key_that_takes_several_types_has_one_problem_told_for_each_place(
    formality: Any, problems: list[str]
) -> None:
    asked = {"corpus": "c", "sources": [{"path": "a.json"}], "languages": ["ko"], "translate": {"formality": formality}}
    with pytest.raises(RecipeError) as told:
        recipes.resolve(asked, where="x")
    assert str(told.value).splitlines() == [f"x: {problem}" for problem in problems]
