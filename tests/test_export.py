"""Exports: each format by its trainer's documented rules and through the config beside it; what tests/exports/ sees in
the trainers themselves is not repeated here."""

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from plugdata import pair
from plugdata.cli import publishing
from plugdata.errors import ContractError, CorpusError, InputError
from plugdata.pair import LayoutName
from plugdata.publish import export
from plugdata.publish.export import snippets
from plugdata.publish.export.formats import FORMATS, Chat, System, chat
from tests import commands
from tests.commands import Run
from tests.exports.made import PAIRS, publish
from tests.servers.llm import LlmServer
from tests.test_dist import build, mixed_rows

run = commands.run

LAYOUTS: list[LayoutName] = [layout for layout, of in pair.LAYOUTS.items() if of.parts]

HOSTILE = {
    "ar": [
        ('Say "hi"\\n.', "{'a': \"b\"}\r\nNULL\x00", "قل \u2028«مرحبا»\u2029!", "😀\u0085\u200f مرحبا\x1c</s>"),
        ("<|im_end|>", "```\n{}\n```", "%s {x} $HOME\t—", "𝔘\u0301\ufeff|"),
    ]
}

Turns = list[tuple[str, str]]

ROLES = ("system", "user", "assistant")


def folder_of(tmp_path: Path, format: str, **asked: Any) -> Path:
    """The export of our rows, published in two layouts."""
    published = tmp_path / "published"
    if not published.exists():
        publish(published, layouts=("plug", "mono"), n_validation=1)
    export.write(published, tmp_path / "out", format, **asked)
    return tmp_path / "out"


def expected(layout: LayoutName, lang: str, system: System = "turn") -> list[Turns]:
    """The turns of our rows in a layout, by id."""
    rows = pl.concat(pl.read_parquet(path) for path in sorted(Path("published").glob(f"{lang}/*.parquet")))
    found = []
    for row in rows.sort("id").iter_rows(named=True):
        texts = pair.Parts(row["pivot_instruction"], row["pivot_response"], row["response"], row["instruction"])
        found.append(chat(pair.messages(texts, layout, "en", lang), system).turns)
    return found


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def load_yaml(folder: Path, name: str) -> Any:
    return yaml.safe_load((folder / name).read_text(encoding="utf-8"))


def by_role(messages: list[dict[str, str]], role: str = "role", content: str = "content") -> Turns:
    assert all(set(message) == {role, content} for message in messages)
    return [(message[role], message[content]) for message in messages]


def read_trl(folder: Path) -> dict[str, list[Turns]]:
    config, found = load_yaml(folder, "trl.yaml"), {}
    assert config["max_length"] == snippets.SEQUENCE
    for data in config["datasets"]:
        rows = records(folder / data["data_files"])
        if config.get("completion_only_loss"):
            assert all(set(row) == {"id", "prompt", "completion"} for row in rows)
            assert all([turn["role"] for turn in row["completion"]] == ["assistant"] for row in rows)
            found[data["data_files"]] = [by_role(row["prompt"] + row["completion"]) for row in rows]
        else:
            assert config["assistant_only_loss"] is True
            found[data["data_files"]] = [by_role(row["messages"]) for row in rows]
    return found


def read_axolotl(folder: Path) -> dict[str, list[Turns]]:
    config, found = load_yaml(folder, "axolotl.yaml"), {}
    assert (config["sequence_len"], config["excess_length_strategy"]) == (snippets.SEQUENCE, "raise")
    for data in [*config["datasets"], *config["test_datasets"]]:
        assert (data["type"], data["roles_to_train"], data["train_on_eos"]) == ("chat_template", ["assistant"], "turn")
        mapped = data["message_property_mappings"]
        rows = records(folder / data["path"])
        found[data["path"]] = [by_role(row[data["field_messages"]], mapped["role"], mapped["content"]) for row in rows]
    return {path: rows for path, rows in found.items() if "train" in path}


def read_llama_factory(folder: Path) -> dict[str, list[Turns]]:
    config, info = load_yaml(folder, "llama_factory.yaml"), json.loads((folder / "dataset_info.json").read_text())
    assert (config["cutoff_len"], config["train_on_prompt"]) == (snippets.SEQUENCE, False)
    assert set(config["eval_dataset"].split(",")) == set(info) - set(config["dataset"].split(","))
    found = {}
    for name in config["dataset"].split(","):
        how = info[name]
        rows, columns = records(folder / how["file_name"]), how["columns"]
        if how["formatting"] == "alpaca":
            # its reader joins prompt and query by a newline where both are there
            assert all(row[columns["query"]] == "" for row in rows)
            read = [
                [(role, row[columns[of]]) for role, of in zip(ROLES, ("system", "prompt", "response"), strict=True)]
                for row in rows
            ]
        else:
            tags = how["tags"]
            names = {tags[f"{role}_tag"]: role for role in ROLES}
            turns = [by_role(row[columns["messages"]], tags["role_tag"], tags["content_tag"]) for row in rows]
            read = [[(names[who], text) for who, text in row] for row in turns]
        found[how["file_name"]] = [[(who, text) for who, text in row if text] for row in read]
    return found


def read_torchtune(folder: Path) -> dict[str, list[Turns]]:
    found = {}
    for data in load_yaml(folder, "torchtune.yaml")["dataset"]:
        assert (data["conversation_style"], data["train_on_input"], data["source"]) == ("openai", False, "json")
        found[data["data_files"]] = [
            by_role(row[data["conversation_column"]]) for row in records(folder / data["data_files"])
        ]
    return found


def read_openai(folder: Path) -> dict[str, list[Turns]]:
    compile((folder / "finetune.py").read_text(), "finetune.py", "exec")
    found = {}
    for path in sorted(folder.glob("*/train.jsonl")):
        rows = records(path)
        assert all(set(row) == {"messages"} for row in rows)  # another key is refused
        found[path.relative_to(folder).as_posix()] = [by_role(row["messages"]) for row in rows]
    return found


READ: dict[str, Callable[[Path], dict[str, list[Turns]]]] = {
    "trl": read_trl,
    "messages": read_trl,
    "axolotl": read_axolotl,
    "llama-factory": read_llama_factory,
    "torchtune": read_torchtune,
    "openai": read_openai,
    "sharegpt": read_llama_factory,
    "alpaca": read_llama_factory,
}
"""How each trainer comes to the turns of a row: by the config of the export, and by its own rules."""


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_format_is_read_here_and_named_on_the_command_line() -> None:
    assert list(READ) == list(FORMATS) == list(publishing.FORMATS)


@pytest.mark.parametrize("system", ["turn", "inline"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("format", FORMATS)
def test_a_trainer_finds_every_row_of_every_layout_by_the_config_beside_it(
    tmp_path: Path, format: str, layout: LayoutName, system: System
) -> None:
    folder = folder_of(tmp_path, format, layout=layout, system=system)
    found = READ[format](folder)
    assert list(found) == ["ko/train.jsonl", "sw/train.jsonl"]
    for path, rows in found.items():
        assert rows == expected(layout, path.partition("/")[0], system)[:-1]  # the last is the split validation
        for row in rows:
            who = [role for role, _ in row]
            assert who[-2:] == ["user", "assistant"] and who[:-2] in ([], ["system"])
            assert all(text.strip() for _, text in row)
            assert system == "turn" or "system" not in who


@pytest.mark.parametrize("format", [format for format in FORMATS if format != "openai"])
def test_ids_come_back_in_order_and_every_file_loads_with_datasets(tmp_path: Path, format: str) -> None:
    import datasets

    folder = folder_of(tmp_path, format)
    for lang in PAIRS:
        ids = [
            datasets.load_dataset("json", data_files=str(folder / lang / f"{split}.jsonl"), split="train")["id"]
            for split in ("train", "validation")
        ]
        published = pl.read_parquet(tmp_path / f"published/{lang}/*.parquet")["id"].sort().to_list()
        assert [id for split in ids for id in split] == published and len(published) == 3


@pytest.mark.parametrize("format", FORMATS)
def test_hostile_texts_come_back_and_no_reader_finds_another_line_in_them(tmp_path: Path, format: str) -> None:
    published = publish(tmp_path / "published", HOSTILE, n_validation=0)
    export.write(published, tmp_path / "out", format)
    path = tmp_path / "out/ar/train.jsonl"
    assert len(path.read_text(encoding="utf-8").splitlines()) == len(HOSTILE["ar"]) == path.read_bytes().count(b"\n")
    texts = [list(_texts(record)) for record in records(path)]
    for turns, found in zip(expected("plug", "ar"), texts, strict=True):
        assert {text for _, text in turns} <= set(found)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    else:
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_one_line_and_reads_back(text: str) -> None:
    for of in FORMATS.values():
        record = of.record("b2:0", Chat(text, text, text))
        line = export.lines([record]).decode()
        assert line.splitlines() == [line[:-1]]
        assert json.loads(line) == record


def test_a_layout_that_was_not_published_is_written_as_it_would_have_been(tmp_path: Path) -> None:
    both, one = tmp_path / "both", tmp_path / "one"
    publish(both, layouts=("plug", "mono"))
    publish(one, layouts=("plug",))
    for published in (both, one):
        export.write(published, published / "out", "trl", layout="mono")
    assert digests(both / "out") == digests(one / "out")
    assert "layout `mono` (`mono-v1`)" in (one / "out/README.md").read_text()


def test_rows_that_are_published_apart_by_their_licence_are_exported_together(tmp_path: Path) -> None:
    frame = mixed_rows("ko", 60, ["odc-by", "cc-by-sa-3.0", "cc-by-nc-4.0"])  # "ko-mono-odc-by" < "ko-odc-by"
    asked: dict[str, Any] = {"layouts": ["plug", "mono"], "split": {"validation": 0.2}}
    built = build(tmp_path, {"ko": frame}, publish={"split_by_license": True}, **asked)
    build(tmp_path / "whole", {"ko": frame}, publish={"license": "other"}, **asked)
    assert len(built.rows) == 6
    for layout in (None, "plug", "mono", "pivot"):
        for folder in (tmp_path, tmp_path / "whole"):
            export.write(folder / "dist", folder / "out", "messages", layout=layout)
        found, whole = (digests(folder / "out") for folder in (tmp_path, tmp_path / "whole"))
        assert {"ko/train.jsonl", "ko/validation.jsonl"} < set(found)
        differ = {name for name in found if found[name] != whole[name]}
        assert differ == {"LICENSE", "plugdata-export.json"}  # which holds LICENSE's hash


def test_the_same_rows_give_the_same_bytes_and_a_new_export_replaces_the_old(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "llama-factory")
    before = digests(folder)
    for path in (tmp_path / "published").glob("*/*.parquet"):
        pl.read_parquet(path).write_parquet(path, row_group_size=1)
    assert digests(folder_of(tmp_path, "llama-factory")) == before
    assert set(digests(folder_of(tmp_path, "openai", langs=["sw"], splits=["train"]))) == {
        *("sw/train.jsonl", "finetune.py", "README.md", "LICENSE", export.MARK)
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "published"]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda out: (out / "output").mkdir() or (out / "output/model.bin").write_text("weights"), "output/model.bin"),
        (lambda out: (out / "trl.yaml").write_text("model_name_or_path: mine\n"), "trl.yaml was changed"),
        (lambda out: (out / export.MARK).unlink(), "no export"),
        (lambda out: (out / export.MARK).write_text("[]"), "no export"),
    ],
    ids=["a trained model", "an edited config", "another's folder", "another's file of our name"],
)
def test_what_an_export_did_not_write_is_never_replaced(
    tmp_path: Path, spoil: Callable[[Path], object], told: str
) -> None:
    folder = folder_of(tmp_path, "trl")
    spoil(folder)
    before = digests(folder)
    with pytest.raises(CorpusError, match=told):
        folder_of(tmp_path, "openai")
    assert digests(folder) == before


def test_a_damaged_file_leaves_the_old_export_and_nothing_half_written(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "trl")
    before = digests(folder)
    path = tmp_path / "published/sw/validation-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CorpusError, match=r"validation-.* cannot be read"):
        folder_of(tmp_path, "openai")
    assert digests(folder) == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out", "published"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"format": "tlr"}, "no format 'tlr'; did you mean 'trl'"),
        ({"layout": "plgu"}, "no layout 'plgu'; did you mean 'plug'"),
        ({"langs": ["th"]}, "no rows in 'th'"),
        ({"splits": ["test"]}, "no split 'test'"),
        ({"layout": "prompt"}, "the layout 'prompt' has no responses to train on"),
        ({"tokenizers": ["nowhere.json"]}, "--tokenizer: nowhere.json: no such file"),
    ],
)
def test_what_is_not_there_is_refused_before_anything_is_written(
    tmp_path: Path, asked: dict[str, Any], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        folder_of(tmp_path, **{"format": "trl", **asked})
    assert [path.name for path in tmp_path.iterdir()] == ["published"]


def test_the_empty_folder_that_one_stands_in_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = publish(tmp_path / "published")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    export.write(published, Path("."), "messages")
    assert (tmp_path / "here/ko/train.jsonl").is_file()


def test_a_folder_of_other_parquet_is_refused_by_its_first_lacking_column(tmp_path: Path) -> None:
    (tmp_path / "other/default").mkdir(parents=True)
    pl.DataFrame({"id": ["1"], "text": ["a"]}).write_parquet(tmp_path / "other/default/train-0.parquet")
    assert export.is_published(tmp_path / "other")
    with pytest.raises(InputError, match="lacks the column 'source'"):
        export.write(tmp_path / "other", tmp_path / "out", "trl")


@pytest.mark.parametrize("roles", [["user"], ["system", "user"], ["user", "assistant", "user", "assistant"]])
def test_turns_that_no_format_holds_are_refused(roles: list[str]) -> None:
    with pytest.raises(ContractError, match="a row has the turns"):
        chat([{"role": role, "content": "x"} for role in roles], "turn")


def test_the_licence_and_the_sources_of_the_rows_stand_beside_them(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "sharegpt")
    assert (folder / "LICENSE").read_bytes() == (tmp_path / "published/LICENSE").read_bytes()
    assert "| our/rows | Creative Commons Attribution 4.0 | 6 |" in (folder / "README.md").read_text()


def words(folder: Path) -> str:
    """A tokenizer for which a word is a token."""
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    (folder / "words").mkdir()
    made.save(str(folder / "words/tokenizer.json"))
    return str(folder / "words")


def test_token_lengths_are_those_of_whole_rows_and_long_rows_are_warned_of(tmp_path: Path) -> None:
    lengths = [10, 20, 3_000, 5_000]
    pairs = {"sw": [(f"Say {n}.", "a", f"Sema {n}.", "neno " * n) for n in lengths]}
    published = publish(tmp_path / "published", pairs)
    done = export.write(published, tmp_path / "out", "trl", layout="mono", tokenizers=[words(tmp_path)])
    extra = 11  # words of the system's line and of "Sema 10."
    p50, p95, most = (n + extra for n in (20, 5_000, 5_000))
    assert done.lengths == (("words", "sw", 4, p50, p95, most, (0.5, 0.25, 0.0)),)
    told = f"| words | Swahili | 4 | {p50:,} | {p95:,} | {most:,} | 50.0% | 25.0% | 0.0% |"
    readme = (tmp_path / "out/README.md").read_text()
    assert told in readme and str(tmp_path) not in readme
    assert done.warnings[0].startswith("1 of 4 rows have more than 4,096 tokens by words: such a row is cut at")


def test_a_file_too_short_for_a_fine_tuning_job_is_warned_of(tmp_path: Path) -> None:
    published = publish(tmp_path / "published")
    assert export.write(published, tmp_path / "out", "openai").warnings == (
        "a fine-tuning job wants 10 lines or more; these are 6",
    )
    longer = {"ko": [(f"Say {n}.", "a", f"{n}를 말하세요.", "네") for n in range(10)]}
    published = publish(tmp_path / "longer", longer)
    assert export.write(published, tmp_path / "out", "openai").warnings == ()


class _FineTuning(BaseHTTPRequestHandler):
    """OpenAI's files and jobs, as far as finetune.py goes; what it was sent stands in the server's `sent`."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kind = self.headers["Content-Type"]
        sent: list[Any] = self.server.sent  # type: ignore[attr-defined]
        if kind.startswith("multipart"):
            parts = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
            content = {part.get_param("name", header="content-disposition"): part for part in parts.iter_parts()}
            sent.append(content["file"].get_payload(decode=True))
            answer = {"id": f"file-{len(sent)}", "object": "file"}
        else:
            sent.append(json.loads(body))
            answer = {"id": "job-1", "object": "fine_tuning.job"}
        told = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_finetune_sends_each_split_as_one_file_and_starts_a_job(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "openai")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _FineTuning)
    server.sent = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        theirs = {"OPENAI_API_KEY": "any", "OPENAI_BASE_URL": f"http://127.0.0.1:{server.server_port}/v1"}
        done = subprocess.run(
            [sys.executable, folder / "finetune.py", "some-model"],
            env={**os.environ, **theirs},
            capture_output=True,
            text=True,
        )
    finally:
        server.shutdown()
        server.server_close()
    assert (done.returncode, done.stdout) == (0, "job-1\n"), done.stderr
    train, validation, job = server.sent  # type: ignore[attr-defined]
    for sent, split in ((train, "train"), (validation, "validation")):
        assert sent == b"".join((folder / lang / f"{split}.jsonl").read_bytes() for lang in ("ko", "sw"))
    assert (job["model"], job["training_file"], job["validation_file"]) == ("some-model", "file-1", "file-2")


def test_a_corpus_is_brought_up_to_date_and_a_published_folder_is_taken_as_it_is(run: Run, tmp_path: Path) -> None:
    with LlmServer() as server:
        recipe = commands.write_recipe(tmp_path, server, filter={"lid": {"min": None}})
        assert run("run", recipe, "--until", "translate")[0] == 0
    assert not (tmp_path / "corpus/dist").exists()
    code, out, err = run("export", "corpus", "--format", "trl", "--lang", "ko", "-o", "out")
    assert (code, out) == (0, f"out/ko/train.jsonl: {commands.kept(run)['ko']} rows\n"), err
    first = digests(tmp_path / "out")
    assert run("export", "corpus/dist", "--format", "trl", "--lang", "ko", "-o", "again")[0] == 0
    assert digests(tmp_path / "again") == first
    code, out, err = run("export", "rows.json", "--format", "trl", "-o", "third")
    assert code == 2 and "is not a corpus" in err
    assert run("export", "corpus", "--format", "trl", "-o", "corpus/dist")[0] == 1


def test_the_page_on_training_says_what_the_code_and_the_pinned_trainers_are() -> None:
    root = Path(__file__).parents[1]
    page = (root / "docs/training.md").read_text(encoding="utf-8")
    table = {line.split("`")[1]: line for line in page.splitlines() if re.match(r"\| `[a-z-]+` \| `", line)}
    assert set(table) == set(FORMATS)
    pinned = dict(
        line.split("==")
        for path in (root / "tests/exports").glob("*.txt")
        for line in path.read_text(encoding="utf-8").split()
    )
    said = dict(re.findall(r"\| (trl|llamafactory|torchtune) ([\d.]+) \|$", page, re.MULTILINE))
    assert said == {name: pinned[name] for name in said} and len(said) == 3
    options = {name for option in publishing.export.params for name in option.opts}
    assert set(re.findall(r"`(--(?:layout|lang|split|system|tokenizer))", page)) < options
    assert f"({snippets.SEQUENCE:,} tokens)" in page
