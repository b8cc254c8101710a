"""Questions of evaluation sets: how they are read, which rows hold one, and what becomes of those rows."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from benchmarks.decontaminate import WAYS, planted, questions
from benchmarks.decontaminate import rows as kept_rows
from plugdata import recipe as recipes
from plugdata.corpus import Corpus
from plugdata.curate import decontaminate
from plugdata.errors import SourceError
from plugdata.recipe import is_hub_id
from plugdata.sources import evaluation
from plugdata.sources.files import TYPES
from tests.commands import Run, kept, records, run, write_recipe
from tests.servers.hub import HubServer
from tests.servers.llm import LlmServer

__all__ = ["run"]

ROOT = Path(__file__).parents[1]
LANGS = planted()
SHORT = 2
"""Of the questions of each language the first so many have fewer than LEAST words."""

# Which rows hold a question.


def found(asked: list[str], *texts: str | tuple[str, str], n_batch: int = 1_000) -> dict[int, str]:
    """Which of some texts (instructions, or with responses) hold one of the questions: number → match."""
    places = [f"set:{n}" for n in range(1, len(asked) + 1)]
    columns = {"set": ["set"] * len(asked), "place": places, "text": asked}
    index = decontaminate.index(pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)))
    frame = kept_rows((text, "") if isinstance(text, str) else text for text in texts)
    batches = [frame[n : n + n_batch] for n in range(0, frame.height, n_batch)]
    return {int(id[1:]): match for id, match in decontaminate.contaminated(batches, index).iter_rows()}


@pytest.mark.parametrize("code", LANGS)
@pytest.mark.parametrize("way", ["as it is", "other punctuation, capitals"])
def test_a_question_is_found_whatever_its_length_and_punctuation(code: str, way: str) -> None:
    lang = LANGS[code]
    planted_rows = kept_rows(WAYS[way][1](lang, case) for case in lang["question"])
    assert decontaminate.contaminated([planted_rows], decontaminate.index(questions(lang))).height == 8


@pytest.mark.parametrize("code", LANGS)
@pytest.mark.parametrize("way", ["one word changed", "behind a greeting", "inside a longer text", "inside a response"])
def test_a_question_of_eight_words_is_found_within_a_text_and_with_a_word_changed(code: str, way: str) -> None:
    lang = LANGS[code]
    planted_rows = kept_rows(WAYS[way][1](lang, case) for case in lang["question"])
    hits = decontaminate.contaminated([planted_rows], decontaminate.index(questions(lang)))
    assert hits["id"].to_list() == [f"r{n}" for n in range(SHORT, 8)]


@pytest.mark.parametrize("code", LANGS)
@pytest.mark.parametrize("way", ["another question", "other numbers"])
def test_another_question_of_the_same_form_and_a_sum_with_other_numbers_are_left_alone(code: str, way: str) -> None:
    lang = LANGS[code]
    which, plant = WAYS[way]
    others = kept_rows(plant(lang, case) for case in lang[which])
    assert decontaminate.contaminated([others], decontaminate.index(questions(lang))).is_empty()


STORY = "Mara walked along the canal every morning before work and counted the herons that stood in the shallow water"


def test_a_run_of_thirteen_words_counts_wherever_it_stands_and_one_of_twelve_does_not() -> None:
    asked = f"{STORY}, and wrote their number on a calendar in her kitchen. How many did she see in the whole of May?"
    thirteen, twelve = " ".join(STORY.split()[3:16]), " ".join(STORY.split()[3:15])
    filler = "Here are some notes that somebody else made on quite another day."
    got = found([asked], (filler, f"{filler} {thirteen} {filler}"), (filler, f"{filler} {twelve} {filler}"))
    assert got == {0: f"run of set:1: {thirteen.lower()}"}


def test_what_many_rows_or_several_questions_share_is_nobodys_run() -> None:
    template = "Read the statement below with care and then say in one word whether it is true or false:"
    asked = [f"{template} {claim}" for claim in ("iron floats on mercury", "bats lay eggs", "tin is a gas")]
    others = [f"{template} {claim}" for claim in ("most owls hunt at noon", "a lynx is a kind of fish")]
    assert found(asked, *others) == {}
    assert found(asked, asked[1])[0].startswith("100 % of set:2: Read the statement")
    boilerplate = " ".join(STORY.split()[2:17])
    alone = [f"{STORY}, which her brother thought was a waste of time and told her so. Who was right, and why?"]
    few = [f"{boilerplate} {topic}" for topic in LANGS["en"]["before"].split()[:10]]
    many = [*few, f"{boilerplate} eleventh"]
    assert len(found(alone, *few, n_batch=3)) == 10
    assert found(alone, *many, n_batch=3) == {}
    assert found(alone, *many, alone[0], n_batch=3).keys() == {11}


def test_the_best_match_is_shown_and_shortened() -> None:
    asked = [case["text"] for case in LANGS["en"]["question"]]
    got = found(asked, f"{asked[2]} {asked[5]}", asked[5] + "\n\n" + "Thank you very much for an answer. " * 50)
    assert got[0] == f"100 % of set:3: {asked[2]}"
    assert got[1].startswith("100 % of set:6: I bought a sourdough loaf")
    assert got[1].endswith("…") and len(got[1]) < 130


def test_how_rows_are_batched_does_not_matter() -> None:
    lang = LANGS["zh"]
    asked = [case["text"] for case in lang["question"]]
    texts = [plant(lang, case) for which, plant in WAYS.values() for case in lang[which]]
    whole = found(asked, *texts)
    assert len(whole) == 40
    assert found(asked, *texts, n_batch=1) == found(asked, *texts, n_batch=7) == whole


def test_a_long_text_costs_no_more_than_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decontaminate, "MOST", 1_000)
    question = LANGS["en"]["question"][6]["text"]
    long = LANGS["en"]["before"] * 2_000
    assert found([question], long, question, f"{long} {question}").keys() == {1, 2}


@pytest.mark.parametrize("asked", [[], ["", " \n "]])
def test_a_set_without_words_finds_nothing(asked: list[str]) -> None:
    assert found(asked, "Anything at all.", "") == {}


def test_rows_that_are_not_kept_are_left_untouched() -> None:
    text = LANGS["en"]["question"][3]["text"]
    frame = kept_rows([(text, "")] * 2).with_columns(
        pl.Series("status", ["kept", "quarantined"]),
        stage=pl.lit(None, pl.String),
        reason=pl.lit(None, pl.String),
        reasons=pl.lit([], pl.List(pl.String)),
        detail=pl.lit(None, pl.String),
    )
    hits = decontaminate.contaminated([frame], decontaminate.index(questions(LANGS["en"])))
    done = decontaminate.drop(frame, hits, "screen")
    assert done["status"].to_list() == ["dropped", "quarantined"]
    assert done.row(0, named=True)["detail"] == f"100 % of planted:4: {text}"
    assert (done["reason"][0], done["stage"][0], done["reason"][1]) == ("contaminated", "screen", None)
    assert done.columns == frame.columns


# How evaluation sets are read.


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")
    return path


@pytest.mark.parametrize(
    ("record", "texts"),
    [
        ({"question": "Why?", "answer": "So."}, ["Why?"]),
        ({"Question": "Why?", "Best Answer": "So."}, ["Why?"]),
        ({"instruction": "Add.", "input": "1 and 2", "output": "3"}, ["Add.\n1 and 2"]),
        ({"instruction": "Add.", "input": "", "text": "no"}, ["Add."]),
        ({"prompt": ["First?", "Then?"]}, ["First?", "Then?"]),
        ({"messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Yes."}]}, ["Hi?"]),
        ({"conversations": [{"from": "human", "value": "Hi?"}, {"from": "gpt", "value": "Yes."}]}, ["Hi?"]),
        ({"text": "A passage."}, ["A passage."]),
    ],
)
def test_the_question_is_found_in_the_columns_that_sets_have(
    tmp_path: Path, record: dict[str, Any], texts: list[str]
) -> None:
    path = write(tmp_path / "mine.jsonl", [record])
    got = evaluation.questions([str(path)], ["en"])
    assert got["text"].to_list() == texts
    assert set(got["set"]) == {"mine.jsonl"} and set(got["place"]) == {"mine.jsonl:1"}


def test_files_named_like_languages_serve_those_languages(tmp_path: Path) -> None:
    for name in ("en", "Korean", "zh-Hant", "notes"):
        write(tmp_path / "sets" / f"{name}.jsonl", [{"id": 7, "question": f"in {name}"}])
    folder = str(tmp_path / "sets")
    got = evaluation.questions([folder], ["ko", "zh"])
    assert dict(got.select("text", "lang").iter_rows()) == {"in Korean": "ko", "in zh-Hant": "zh", "in notes": None}
    assert got["place"][0] == "Korean.jsonl id 7"
    (tmp_path / "sets" / "notes.jsonl").unlink()
    with pytest.raises(SourceError, match=r"sets holds no question in sw, but Korean.jsonl, en.jsonl, zh-Hant.jsonl"):
        evaluation.questions([folder], ["sw"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"label": 1, "score": 2}', "mine.jsonl: no column of questions among label, score"),
        ('{"question": null}', "mine.jsonl holds no question in en"),
        ('{"question": "a"}\n{"question": ', "mine.jsonl:2: not valid JSON"),
        ("[1]", "mine.jsonl:1: not an object"),
    ],
)
def test_a_file_that_cannot_serve_is_refused_in_one_line(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(content)
    with pytest.raises(SourceError) as refused:
        evaluation.questions([str(path)], ["en"])
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["zhihz0535/X-AlpacaEval", "org/set.v2"])
def test_a_name_with_one_slash_is_a_hub_id(name: str) -> None:
    assert is_hub_id(name)


@pytest.mark.parametrize(
    "name", ["mine", "./a/b", "../b", "/a", "a/b/c", "a/", "~/a", *(f"a/b{t}" for t in TYPES), "a/b.csv.gz"]
)
def test_what_ends_like_a_data_file_or_looks_like_a_path_is_none(name: str) -> None:
    assert not is_hub_id(name)


def test_paths_of_sets_are_relative_to_the_recipe_and_unpublished_while_hub_ids_stay(tmp_path: Path) -> None:
    sets = ["org/set", "mine.jsonl", "sets/mine.csv", "./more"]
    asked = {"corpus": "c", "sources": [{"path": "a.json"}], "languages": ["ko"], "models": [{"model": "m"}]}
    path = tmp_path / "asked.yaml"
    path.write_text(yaml.safe_dump({**asked, "screen": {"decontaminate": sets}}))
    recipe = recipes.load(path)
    there = tmp_path.resolve()
    expected = ("org/set", f"{there}/mine.jsonl", f"{there}/sets/mine.csv", f"{there}/more")
    assert recipe.screen.decontaminate == expected
    path.write_text(recipes.dump(recipe))
    assert recipes.load(path).screen.decontaminate == expected
    public = yaml.safe_load(recipes.public(recipe))
    assert public["screen"]["decontaminate"] == ["org/set", "mine.jsonl", "mine.csv", "more"]


def test_a_file_named_like_a_language_is_another_set_than_the_same_file_with_another_name(tmp_path: Path) -> None:
    question = [{"instruction": "Which river runs through Lisbon?"}]
    found = [write(tmp_path / f"{name}.jsonl", question) for name in ("ko", "mine")]
    langs = [evaluation.questions([str(path)], ["ko"])["lang"].to_list() for path in found]
    assert langs == [["ko"], [None]]
    assert len({evaluation.digest(str(path)) for path in found}) == 2


# On the Hub.

READ = """
import sys
from plugdata.errors import SourceError
from plugdata.sources import evaluation
try:
    print(evaluation.digest(sys.argv[1]))
    for row in evaluation.questions([sys.argv[1]], sys.argv[2:]).iter_rows():
        print(*row, sep=" | ")
except SourceError as error:
    sys.exit(f"{error}; {error.hint}")
"""
UPLOAD = """
import sys
from huggingface_hub import HfApi
HfApi().create_repo("tester/eval", repo_type="dataset")
HfApi().upload_folder(folder_path=sys.argv[1], repo_id="tester/eval", repo_type="dataset")
"""
CARD = """---
configs:
- {config_name: en, data_files: [{split: test, path: en.jsonl}]}
- {config_name: ko, data_files: [{split: test, path: ko.jsonl}, {split: more, path: more.jsonl}]}
- {config_name: other, data_files: [{split: es, path: es.jsonl}, {split: extra, path: extra.jsonl}]}
---
"""


class Person:
    """Commands of one person: a folder, a cache and a token of their own."""

    def __init__(self, folder: Path, hub: HubServer, token: str = "hf_test") -> None:
        self._environment = {**os.environ, **hub.environment(folder / "hf", token), "PYTHONPATH": str(ROOT)}
        self._folder = folder

    def python(self, code: str, *args: object, **environment: str) -> tuple[int, str, str]:
        command = [sys.executable, "-c", code, *map(str, args)]
        everything = {**self._environment, **environment}
        done = subprocess.run(command, cwd=self._folder, env=everything, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout, done.stderr

    def upload(self) -> None:
        folder = self._folder / "upload"
        for name in ("en", "ko", "more", "es", "extra"):
            write(folder / f"{name}.jsonl", [{"id": f"{name}-1", "dataset": "own", "instruction": f"asked in {name}"}])
        (folder / "README.md").write_text(CARD)
        code, _, err = self.python(UPLOAD, folder)
        assert code == 0, err


def test_all_splits_of_the_configurations_in_a_language_are_read_once_and_then_from_the_cache(
    tmp_path: Path, hub: HubServer
) -> None:
    person = Person(tmp_path, hub)
    person.upload()
    code, out, err = person.python(READ, "tester/eval", "ko", "es")
    assert code == 0, err
    digest, *lines = out.splitlines()
    assert digest.startswith("hub:tester/eval@") and len(digest.partition("@")[2]) == 40
    assert lines == [
        "tester/eval | tester/eval ko/test id ko-1 | ko | asked in ko",
        "tester/eval | tester/eval ko/more id more-1 | ko | asked in more",
        "tester/eval | tester/eval other/es id es-1 | es | asked in es",
        "tester/eval | tester/eval other/extra id extra-1 | None | asked in extra",
    ]
    n_before = len(hub.requests)
    assert person.python(READ, "tester/eval", "ko", "es")[1] == out
    assert not [request for request in hub.requests[n_before:] if "resolve" in request.path]
    n_before = len(hub.requests)
    assert person.python(READ, "tester/eval", "ko", "es", HF_HUB_OFFLINE="1")[1] == out
    assert len(hub.requests) == n_before


def test_a_data_set_that_cannot_be_had_is_told_of_in_one_line(tmp_path: Path, hub: HubServer) -> None:
    person = Person(tmp_path, hub)
    code, out, err = person.python(READ, "tester/absent", "en")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("tester/absent: it does not exist on the Hub, or not for you; check the id; a gated")
    code, out, err = person.python(READ, "tester/absent", "en", HF_HUB_OFFLINE="1")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("tester/absent: it is not in the Hub's cache, and cannot be fetched: ")


# In a corpus.


def taken_out(stage: str, lang: str | None = None) -> dict[int, str]:
    """Ordinal → detail of the rows that a stage found contaminated."""
    frame = Corpus(Path("corpus")).rows(stage, lang)
    own = frame.filter(pl.col("stage") == stage, pl.col("reason") == "contaminated")
    return dict(own.select("ordinal", "detail").iter_rows())


@pytest.mark.usefixtures("lid_model_path")
def test_a_contaminated_row_costs_nothing_and_a_changed_set_reruns_the_screen(run: Run, tmp_path: Path) -> None:
    asked = records(6)[2]["instruction"]
    mine = write(tmp_path / "mine.jsonl", [{"id": "q1", "question": asked.upper()}])
    with LlmServer() as server:
        recipe = write_recipe(tmp_path, server, screen={"decontaminate": ["mine.jsonl"]})
        code, _, err = run("run", recipe)
        assert code == 0, err
        assert kept(run) == {"ko": 5, "es": 5}
        assert len(server.requests) == 10
        assert taken_out("screen") == {2: f"100 % of mine.jsonl id q1: {asked.upper()}"}
        code, _, err = run("run", recipe)
        assert (code, "screen" in err) == (0, False), err
        write(mine, [{"question": "Is anything else asked in this file, or nothing at all?"}])
        code, _, err = run("run", recipe)
        assert code == 0, err
        assert kept(run) == {"ko": 6, "es": 6}
        assert len(server.requests) == 12


@pytest.mark.usefixtures("lid_model_path")
def test_a_translation_that_is_a_question_in_its_language_is_dropped_there_alone(run: Run, tmp_path: Path) -> None:
    with LlmServer() as server:
        code, _, err = run("run", write_recipe(tmp_path, server))
        assert code == 0, err
        n_calls = len(server.requests)
        said = Corpus(Path("corpus")).rows("dedup", "ko").filter(pl.col("ordinal") == 4)["instruction"][0]
        write(tmp_path / "sets" / "ko.jsonl", [{"instruction": said}])
        write(tmp_path / "sets" / "es.jsonl", [{"instruction": "¿Por qué no canta nadie en esta casa tan grande?"}])
        code, _, err = run("run", write_recipe(tmp_path, server, screen={"decontaminate": ["./sets"]}))
        assert code == 0, err
        assert len(server.requests) == n_calls
    assert kept(run) == {"ko": 5, "es": 6}
    assert taken_out("dedup", "ko").keys() == {4}
    assert taken_out("dedup", "ko")[4].startswith("100 % of ko.jsonl:1: ")
    assert taken_out("screen") == {}


def test_a_set_that_cannot_serve_stops_the_run_before_anything_is_sent(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "mine.jsonl", [{"label": 1}])
    with LlmServer() as server:
        for name, said in (("mine.jsonl", "no column of questions"), ("gone.jsonl", "does not exist")):
            code, _, err = run("run", write_recipe(tmp_path, server, screen={"decontaminate": [name]}))
            assert (code, said in err, "Traceback" in err) == (2, True, False), err
        assert not server.requests
