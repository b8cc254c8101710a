"""The commands as people type them: what they print, where, and with which exit code."""

import dataclasses
import io
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from plugdata import languages
from plugdata import recipe as recipes
from plugdata.calls import retry
from plugdata.corpus import Corpus
from plugdata.review.closing import closing
from tests import commands
from tests.commands import Run
from tests.servers import llm
from tests.servers.llm import LlmServer

run = commands.run

ROOT = Path(__file__).parents[1]
TOPICS = ["the old bridge", "a quiet garden", "the night train", "an island market", "the village school"]


def _source(folder: Path) -> Path:
    path = folder / "alpaca.json"
    records = [
        {
            "instruction": f"Describe {topic} to somebody who has never been there.",
            "input": "",
            "output": f"When you come to {topic}, you hear voices first, and then you see colours between the trees.",
        }
        for topic in TOPICS
    ]
    path.write_text(json.dumps(records))
    return path


HERE = ["--model", "m", "--base-url", "http://127.0.0.1:9/v1"]


def test_translate_pair_filter_dedup_one_by_one(run: Run, tmp_path: Path) -> None:
    with LlmServer() as server:
        asked = ["--to", "ko,es", "--model", "m", "--base-url", server.base_url]
        code, out, err = run("translate", _source(tmp_path), "corpus", *asked)
        assert (code, len(server.requests)) == (0, 10)
    assert "100 %" in out
    assert "translate: 10 rows, 10 calls, 0 retries" in err
    for command in ("pair", "filter", "dedup"):
        code, out, _ = run(command, "corpus", "-q")
        assert code == 0
    code, out, _ = run("status", "corpus", "--json")
    assert json.loads(out)["kept"] == {"ko": 5, "es": 5}
    code, out, _ = run("sample", "corpus", "--lang", "ko", "-n", 2, "--json")
    assert [json.loads(line)["lang"] for line in out.splitlines()] == ["ko", "ko"]
    code, out, _ = run("sample", "corpus", "--lang", "es", "-n", 1)
    assert "When you come to" in out.replace("\n", " ")
    screen = io.StringIO()
    Console(file=screen, width=100).print(closing(Corpus(tmp_path / "corpus")))
    shown = screen.getvalue()
    assert shown.count("· kept") == 3
    assert "What became of every row" in shown and "Taken out" in shown


def test_set_moves_a_threshold_of_a_corpus_and_is_remembered(run: Run, tmp_path: Path) -> None:
    with LlmServer() as server:
        run("translate", _source(tmp_path), "corpus", "--to", "ko", "--model", "m", "--base-url", server.base_url)
    run("filter", "corpus", "--set", "filter.length.max_chars=10")
    assert json.loads(run("status", "corpus", "--json")[1])["kept"] == {"ko": 0}
    run("dedup", "corpus")
    assert json.loads(run("status", "corpus", "--json")[1])["kept"] == {"ko": 0}


def test_translating_again_adds_to_what_the_corpus_has(run: Run, tmp_path: Path) -> None:
    with LlmServer() as server:
        here = ["--model", "m", "--base-url", server.base_url]
        run("translate", _source(tmp_path), "corpus", "--to", "ko", "--license", "mit", *here)
        run("filter", "corpus", "--set", "filter.lid.min=0.3")
        assert run("translate", _source(tmp_path), "corpus", "--to", "es")[0] == 0
        assert len(server.requests) == 10
    recipe = recipes.load(tmp_path / "corpus" / "recipe.yaml")
    assert (recipe.languages, recipe.filter.lid.min, recipe.sources[0].license) == (("ko", "es"), 0.3, "mit")


def test_a_stage_command_does_not_pretend_to_change_what_was_translated(run: Run, tmp_path: Path) -> None:
    with LlmServer() as server:
        run("translate", _source(tmp_path), "corpus", "--to", "ko", "--model", "m", "--base-url", server.base_url)
        code, _, err = run("dedup", "corpus", "--set", "translate.protocol=plain")
        assert (code, "plugdata run corpus/recipe.yaml --set" in err) == (2, True)
        code, _, err = run("run", "corpus/recipe.yaml", "--set", "sources.0.license=mit", "--until", "dedup")
        assert (code, len(server.requests)) == (0, 5)
    assert set(Corpus(tmp_path / "corpus").rows("dedup", "ko")["license"]) == {"mit"}


def test_what_is_asked_of_a_corpus_too_early_or_of_a_damaged_one(run: Run, tmp_path: Path) -> None:
    with LlmServer(faults=[llm.quota_exhausted()]) as server:
        here = ["--to", "ko", "--model", "m", "--base-url", server.base_url]
        assert run("translate", _source(tmp_path), "corpus", *here)[0] == 3
        for command in ("pair", "filter", "dedup"):
            code, _, err = run(command, "corpus")
            assert (code, "lacks the stage translate in ko" in err) == (2, True)
        code, out, _ = run("status", "corpus")
        assert "interrupted: the same command resumes" in out
        code, _, err = run("sample", "corpus", "--reason", "refusl")
        assert (code, "'refusl' is no reason; did you mean 'refusal'?" in err) == (2, True)
        server.faults = []
        assert run("translate", _source(tmp_path), "corpus", *here)[0] == 0
    (tmp_path / "corpus/rows/translate/ko/part-00000.parquet").write_bytes(b"not parquet")
    code, _, err = run("pair", "corpus")
    assert (code, "cannot be read" in err, "Traceback" in err) == (1, True, False)


@pytest.mark.parametrize(
    ("args", "code", "where", "what_next"),
    [
        (["translate", "absent.json", "c", "--to", "ko", "--model", "m"], 2, "absent.json", ""),
        (
            ["translate", "alpaca.json", "c", "--to", "koo", "--model", "m"],
            2,
            "unknown language 'koo'",
            "did you mean 'ko'",
        ),
        (
            ["translate", "alpaca.json", "c", "--to", "ko", "--map", "response=outptu", *HERE],
            2,
            "outptu",
            "output",
        ),
        (["translate", "alpaca.json", "c", "--to", "ko"], 2, "no model", "--model NAME"),
        (["translate", "alpaca.json", "c", "--to", "ko", "--model", "m"], 1, "OPENAI_API_KEY is empty", "api_key_env"),
        (["translate", "alpaca.json", "/proc/c", "--to", "ko", "--model", "m"], 1, "cannot write /proc/c", ""),
        (
            ["translate", "alpaca.json", "c", "--to", "ko", "--model", "m", "--set", "filter.lid.mn=1"],
            2,
            "'mn'",
            "'min'",
        ),
        (
            ["translate", "absent/x", "c", "--to", "ko", *HERE, "--base-url", "127.0.0.1:8"],
            2,
            "127.0.0.1:8",
            "http(s) URL",
        ),
        (["translate", "alpaca.json", "alpaca.json", "--to", "ko", *HERE], 2, "is a file", "new folder"),
        (["run", "absent.yaml"], 2, "absent.yaml", "recipe file"),
        (["status", "absent"], 2, "absent does not exist", "makes one"),
        (["filter", "."], 2, "is not a corpus", "makes one"),
        (["statsu"], 2, "No such command 'statsu'", "'status'?"),
    ],
)
def test_bad_input_is_told_in_two_lines(
    run: Run, tmp_path: Path, args: list[str], code: int, where: str, what_next: str
) -> None:
    _source(tmp_path)
    exit_code, out, err = run(*args)
    assert (exit_code, out) == (code, "")
    assert where in err
    assert what_next in err
    assert "Traceback" not in err
    news = ("source:", "screen:", "Usage:", "Try ")
    assert len([line for line in err.splitlines() if line.strip() and not line.startswith(news)]) <= 2


def test_a_wrong_key_an_empty_account_and_an_endpoint_that_is_not_there(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "REACH_S", 0.05)
    asked = ["translate", _source(tmp_path), "corpus", "--to", "ko", "--model", "m", "--base-url"]
    with LlmServer(api_key="right") as server:
        monkeypatch.setenv("OPENAI_API_KEY", "wrong")
        assert run(*asked, server.base_url)[0] == 1
        server.faults = [llm.quota_exhausted()]
        monkeypatch.setenv("OPENAI_API_KEY", "right")
        code, _, err = run(*asked, server.base_url)
        assert (code, "top the account up" in err) == (3, True)
        assert "right" not in err
        gone = server.base_url
    code, _, err = run(*asked, gone)
    assert (code, "cannot be reached" in err) == (1, True)


def test_failed_rows_are_exit_code_3_and_a_locked_corpus_1(run: Run, tmp_path: Path) -> None:
    with LlmServer(faults=[llm.when(lambda request: "bridge" in request.text, llm.server_error())]) as server:
        asked = ["--to", "ko", "--model", "m", "--base-url", server.base_url, "--set", "translate.retries=0"]
        code, _, err = run("translate", _source(tmp_path), "corpus", *asked)
    assert (code, "1 in ko" in err) == (3, True)
    with Corpus(tmp_path / "corpus").lock():
        code, _, err = run("filter", "corpus")
    assert (code, "written by another process" in err) == (1, True)


def test_status_tells_what_a_run_is_at_while_it_is_at_it(run: Run, tmp_path: Path) -> None:
    import threading

    from plugdata import pipeline

    with LlmServer(latency_s=0.5) as server:
        model = {"model": "m", "base_url": server.base_url, "limits": {"concurrency": 1}}
        asked = recipes.resolve(
            {
                "corpus": "corpus",
                "sources": [{"path": str(_source(tmp_path))}],
                "languages": ["ko"],
                "models": [{**model, "price": {"input": 1, "output": 2}, "params": {"max_tokens": 500}}],
                "budget": 3,
            }
        )
        seen = threading.Event()
        watch = pipeline.Watch(show=lambda progress: seen.set() if progress.done >= 2 else None)
        work = threading.Thread(target=pipeline.run, args=(asked,), kwargs={"until": "translate", "watch": watch})
        work.start()
        assert seen.wait(30)
        state = json.loads(run("status", "corpus", "--json")[1])
        shown = run("status", "corpus")[1]
        work.join()
    assert state["running"] is True
    assert state["progress"]["stage"] == "translate"
    assert 0 < state["progress"]["done"] < state["progress"]["total"] == 5
    assert re.search(r"\n\d calls · \d in flight\n\$0\.00\d+ spent · budget \$3\.00\n", shown)


def test_help_lists_the_commands_in_the_order_of_the_work_and_loads_nothing_heavy() -> None:
    script = (
        "import sys; from plugdata.cli import main; sys.argv = ['plugdata', '--help']\n"
        "heavy = {'polars', 'pydantic', 'rich', 'aiohttp', 'openai', 'duckdb', 'yaml'}\n"
        "try: main()\n"
        "finally: print(sorted(heavy & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    commands, _, loaded = shown.partition("Commands:")[2].rstrip().rpartition("\n")
    assert loaded == "[]"
    assert [line.split()[0] for line in commands.splitlines() if line.startswith("  ") and line[2] != " "] == [
        *("demo", "plan", "run", "translate", "generate", "rate", "diversify", "pair", "filter", "dedup"),
        *("retry", "merge", "push", "pull", "export", "judge"),
        *("status", "stats", "sample", "report", "ledger", "languages", "schema"),
    ]


def test_every_language_is_listed_in_columns_that_no_script_displaces(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    lines = [line.rstrip() for line in run("languages")[1].splitlines()]
    assert re.fullmatch(r" ko +Korean +Hangul +한국어", next(line for line in lines if " ko " in line))
    shown = [line for line in lines if re.match(" [a-z]{2}[ -]", line)]
    assert [line.split()[0] for line in shown] == list(languages.table())
    for line, language in zip(shown, languages.table().values(), strict=True):
        before = line.removesuffix(language.endonym)
        assert len(before) == lines[1].index("endonym") and before.isascii()
        assert len(line) <= 100


def test_a_language_as_json_has_every_field(run: Run) -> None:
    listed = [json.loads(line) for line in run("languages", "--json")[1].splitlines()]
    mexican = next(language for language in listed if language["code"] == "es-MX")
    assert len(listed) == len(languages.table())
    assert mexican == json.loads(json.dumps(dataclasses.asdict(languages.get("es-MX"))))
    assert (mexican["base"], mexican["informal"]) == ("es", "tú, plural ustedes")


def test_every_schema_can_be_printed(run: Run) -> None:
    assert json.loads(run("schema", "recipe")[1])["title"] == "plugdata recipe"


def test_the_schemas_in_the_project_are_those_of_the_code(run: Run) -> None:
    folder = Path(__file__).parent.parent / "schemas"
    assert sorted(path.name for path in folder.iterdir()) == [
        f"{n}.schema.json" for n in ("manifest", "recipe", "rows")
    ]
    for name in ("manifest", "recipe", "rows"):
        committed = (folder / f"{name}.schema.json").read_text(encoding="utf-8")
        assert run("schema", name)[1] == committed, "run `make schemas`"


def test_a_name_that_the_system_refuses_is_told_with_it(run: Run) -> None:
    name = "x" * 300
    code, _, err = run("status", name)
    assert (code, err) == (1, f"plugdata: {name}/recipe.yaml: File name too long\n")


def test_nothing_to_print_to_is_no_fault(tmp_path: Path) -> None:
    closed = f"{shlex.quote(sys.executable)} -m plugdata languages >&-"
    done = subprocess.run(["sh", "-c", closed], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_folder_is_no_file_to_write(run: Run) -> None:
    Path("out.json").mkdir()
    Path("in.jsonl").write_text('{"instruction": "Hola.", "input": "", "output": "Hola a todos."}\n')
    code, _, err = run("dedup", "in.jsonl", "--lang", "es", "-o", "out.json", "-q")
    assert (code, "out.json is a folder" in err) == (1, True)
