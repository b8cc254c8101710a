"""From questions to the file of answers: with a tiny model of random weights, and with servers on this machine."""

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast, set_seed

import asking
import generate
from asking import AskError, ask_model, load

sys.path.append(str(Path(__file__).parents[2] / "tests" / "servers"))
from hub import HubServer  # type: ignore[import-not-found]  # it knows nothing of plugdata

PLUG_LINE = "Please interpret the instruction in English, and then respond both in English and in {}."
MONO_LINE = "Please respond to the following user message in {}."
EN = ["English instruction:", "English response:"]


def layout(name: str, user: str, parts: list[str], **languages: tuple[str, list[str]]) -> dict[str, Any]:
    said = {lang: {"system": system, "labels": labels} for lang, (system, labels) in languages.items()}
    return {"layout": name, "pivot": "en", "user": user, "parts": parts, "languages": said}


LAYOUTS = {
    "plug-v1": layout(
        "plug",
        "instruction",
        ["pivot_instruction", "pivot_response", "response"],
        ko=(PLUG_LINE.format("Korean"), [*EN, "한국어 응답:"]),
        zh=(PLUG_LINE.format("Chinese"), [*EN, "中文回复："]),
    ),
    "mono-v1": layout(
        "mono", "instruction", ["response"], ko=(MONO_LINE.format("Korean"), []), zh=(MONO_LINE.format("Chinese"), [])
    ),
    "code-switch-v1": layout("code-switch", "pivot_instruction", ["response"], ko=(MONO_LINE.format("Korean"), [])),
    "prompt-v1": layout("prompt", "instruction", [], ko=("", [])),
}
KOREAN = [
    {"id": 1, "dataset": "helpful_base", "instruction": "과일 하나를 말해 보세요."},
    {"id": 2, "dataset": "koala", "instruction": "비 오는 날에 읽기 좋은 책을 세 권 추천하고 이유도 설명해 주세요."},
    {"id": 3, "dataset": "koala", "instruction": "물은 몇 도에서 끓나요?"},
]
CHINESE = [{"id": 1, "dataset": "helpful_base", "instruction": "请说出一种水果。"}]
PLUG = "English instruction:\nName a fruit.\n\nEnglish response:\nAn apple.\n\n한국어 응답:\n사과입니다."


class Server(NamedTuple):
    url: str
    asked: list[dict[str, Any]]  # the bodies that came, in order


Reply = tuple[int, dict[str, str], str]  # status, headers, body


def says(text: str | None, finish: str = "stop") -> Reply:
    return 200, {}, json.dumps({"choices": [{"message": {"content": text}, "finish_reason": finish}]})


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[str, int], Reply]], Server]]:
    """A server that answers a user's text, the how manieth time it is asked, with what a function says."""
    servers = []

    def start(reply: Callable[[str, int], Reply]) -> Server:
        asked: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                text = asked[-1]["messages"][-1]["content"]
                status, headers, body = reply(text, sum(text == one["messages"][-1]["content"] for one in asked))
                if self.path != "/v1/chat/completions":
                    status = 404
                content = body.encode()
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return Server(f"http://127.0.0.1:{server.server_address[1]}/v1", asked)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def layouts(tmp_path: Path) -> Path:
    return write(tmp_path / "layouts.json", json.dumps(LAYOUTS, ensure_ascii=False))


@pytest.fixture
def korean(tmp_path: Path) -> Path:
    return write(tmp_path / "korean.json", json.dumps(KOREAN, ensure_ascii=False))


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Random weights and learnt positions, so that a wrong position changes what is written. A token is a byte."""
    folder = str(tmp_path_factory.mktemp("gpt2"))
    special = ["<pad>", "<|endoftext|>", "<|im_end|>"]
    vocabulary = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    bytes_ = Tokenizer(models.BPE({token: id for id, token in enumerate(vocabulary)}, []))
    bytes_.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bytes_, eos_token=special[1], pad_token=special[0], additional_special_tokens=special[2:]
    )
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['role'][0] + ':' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'a:' }}{% endif %}"
    )
    tokenizer.save_pretrained(folder)
    set_seed(3)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=256, n_embd=32, n_layer=2, n_head=4, bos_token_id=None, eos_token_id=1
    )
    model = GPT2LMHeadModel(config)
    for parameter in model.parameters():  # far from nought, so that the next token is never a close call
        torch.nn.init.normal_(parameter, std=0.5)
    model.generation_config.repetition_penalty = 1.8  # as some models bring with them
    model.save_pretrained(folder)
    return folder


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def answers(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def run(*words: object) -> int:
    return generate.main([str(word) for word in words])


def turns(*texts: str) -> list[list[dict[str, str]]]:
    return [[{"role": "user", "content": text}] for text in texts]


def greedy(model: Any, tokenizer: Any, text: str, n: int) -> list[int]:
    """The n tokens that are likeliest after a prompt, one by one, without `generate`."""
    prompt = tokenizer.apply_chat_template(turns(text)[0], tokenize=False, add_generation_prompt=True)
    ids = tokenizer(prompt).input_ids
    for _ in range(n):
        ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return list(ids[-n:])


# what a model writes


@pytest.mark.parametrize("pad", ["<pad>", "<|im_end|>"])  # sft.py takes the end of a turn where a model has none
def test_a_batch_writes_what_each_question_alone_would_get(pad: str, gpt2: str) -> None:
    model, tokenizer = load(gpt2, None, "model")
    tokenizer.pad_token = pad
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    chats = turns("가", "물은 몇 도에서 끓나요?", "Name a fruit.", "x" * 90)
    together = {place: output for place, output, _ in ask_model(model, tokenizer, chats, 4, 24)}
    alone = {place: output for place, output, _ in ask_model(model, tokenizer, chats, 1, 24)}
    assert together == alone
    assert list(alone) == [3, 1, 2, 0]  # the longest first, so that too large a batch fails at once
    assert len(set(alone.values())) == 4  # or wrong padding could not be seen


def test_the_end_of_a_turn_ends_an_answer_and_a_text_without_it_is_cut(gpt2: str) -> None:
    model, tokenizer = load(gpt2, None, "model")
    assert {1, 2} <= set(model.generation_config.eos_token_id)  # the document's end and the template's end of a turn
    ids = greedy(model, tokenizer, "가", 30)
    assert next(ask_model(model, tokenizer, turns("가"), 1, 30))[1:] == (tokenizer.decode(ids), True)
    model.generation_config.eos_token_id.append(ids[20])
    [ended] = ask_model(model, tokenizer, turns("가"), 1, 30)
    assert ended == (0, tokenizer.decode(ids[: ids.index(ids[20])]), False)


def test_a_models_own_sampling_and_penalties_are_off(gpt2: str) -> None:
    model, tokenizer = load(gpt2, None, "model")
    [(_, output, _)] = ask_model(model, tokenizer, turns("가"), 1, 12)
    assert output == tokenizer.decode(greedy(model, tokenizer, "가", 12))


def test_an_answer_ends_with_the_context_and_a_prompt_that_fills_it_is_cut_at_once(gpt2: str) -> None:
    model, tokenizer = load(gpt2, None, "model")
    long, short = (len(tokenizer(text).input_ids) for text in ("x" * 400, "x" * 150))
    assert long > 256 > short
    outputs = {
        place: (output, cut) for place, output, cut in ask_model(model, tokenizer, turns("x" * 400, "x" * 150), 8, 999)
    }
    assert outputs[0] == ("", True)
    assert outputs[1][1]


def test_a_template_that_refuses_the_system_line_says_what_to_do(gpt2: str) -> None:
    model, tokenizer = load(gpt2, None, "model")
    with_system = [[{"role": "system", "content": "Be kind."}, {"role": "user", "content": "가"}]]
    tokenizer.chat_template = "{{ raise_exception('no system turn') }}"
    with pytest.raises(AskError, match=r"no system turn.*--system inline"):
        list(ask_model(model, tokenizer, with_system, 1, 4))
    tokenizer.chat_template = "{{ messages[-1]['content'] }}"
    with pytest.raises(AskError, match="leaves the system line out"):
        list(ask_model(model, tokenizer, with_system, 1, 4))


def test_a_model_answers_a_file_and_a_second_run_asks_nothing(
    gpt2: str, korean: Path, layouts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "answers.jsonl"
    words = (korean, "-o", out, "--model", gpt2, "--layouts", layouts, "--layout", "mono", "--max-new-tokens", 8)
    assert run(*words) == 0
    before = out.read_bytes()
    assert {line["id"]: line["outcome"] for line in answers(out)} == {"1": "cut", "2": "cut", "3": "cut"}
    assert [line["answer"] for line in answers(out)] == [None] * 3
    assert capsys.readouterr().out.endswith("ko: 0 answered, 0 not-found, 0 monolingual, 3 cut\n")
    assert run(*words) == 0
    assert out.read_bytes() == before
    assert run(*words[:-1], 9) == 2
    assert "max_new_tokens 8, now 9" in capsys.readouterr().err


def test_a_folder_of_sft_says_corpus_and_system_itself(gpt2: str, korean: Path, layouts: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tuned"
    folder.mkdir()
    for path in Path(gpt2).iterdir():
        (folder / path.name).symlink_to(path)
    made = {"settings": {"template": "tulu", "system": "inline"}, "data": {"where": str(layouts), "revision": None}}
    write(folder / "run.json", json.dumps(made))
    out = tmp_path / "answers.jsonl"
    assert run(korean, "-o", out, "--model", folder, "--layout", "plug", "--max-new-tokens", 4) == 0
    settings = json.loads((tmp_path / "answers.jsonl.settings.json").read_text(encoding="utf-8"))
    assert (settings["template"], settings["system"]) == ("tulu", "inline")
    assert list(settings["layouts"]) == ["ko"]


# what becomes of an output


@pytest.mark.parametrize(
    ("named", "reply", "outcome", "answer"),
    [
        ("plug", says(PLUG), "answered", "사과입니다."),
        ("plug-v1", says(f"Sure.\n{PLUG}\n"), "answered", "사과입니다."),
        ("plug", says("사과입니다."), "monolingual", None),
        ("plug", says("The 한국어 응답: 사과입니다."), "monolingual", None),
        ("plug", says(""), "monolingual", None),
        ("plug", says(None), "monolingual", None),
        ("plug", says(PLUG.replace("한국어 응답:", "대답:")), "not-found", None),
        ("plug", says(f"{PLUG}\n\n한국어 응답:\n배입니다."), "not-found", None),
        ("plug", says("한국어 응답:\n사과입니다.\n\nEnglish response:\nAn apple."), "not-found", None),
        ("plug", says(PLUG.removesuffix("사과입니다.")), "not-found", None),
        ("plug", says(PLUG, "length"), "cut", None),
        ("mono", says(" 사과입니다.\n"), "answered", "사과입니다."),
        ("mono", says(PLUG), "answered", PLUG),
        ("mono", says("사과", "length"), "cut", None),
        ("none", says("사과입니다."), "answered", "사과입니다."),
    ],
)
def test_an_output_is_an_answer_only_if_its_layout_is_whole(
    named: str, reply: Reply, outcome: str, answer: str | None, serve: Any, tmp_path: Path, layouts: Path
) -> None:
    question = write(tmp_path / "q.jsonl", json.dumps({"id": "a", "instruction": "과일?", "category": "food"}) + "\n")
    server = serve(lambda text, time: reply)
    out = tmp_path / "answers.jsonl"
    words = (
        question,
        "-o",
        out,
        "--model",
        "tuned",
        "--base-url",
        server.url,
        "--layouts",
        layouts,
        "--layout",
        named,
    )
    assert run(*words, "--lang", "ko") == 0
    template = {"plug": "plug-v1", "plug-v1": "plug-v1", "mono": "mono-v1", "none": None}[named]
    assert answers(out) == [
        {
            "id": "a",
            "lang": "ko",
            "instruction": "과일?",
            "answer": answer,
            "outcome": outcome,
            "output": json.loads(reply[2])["choices"][0]["message"]["content"] or "",
            "template": template,
            "model": "tuned",
            "record": {"category": "food"},
        }
    ]


def test_an_answer_is_counted_by_language_and_outcome(
    serve: Any, tmp_path: Path, layouts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "set" / "korean.json", json.dumps(KOREAN))
    write(tmp_path / "set" / "chinese.json", json.dumps(CHINESE))
    server = serve(
        lambda text, time: says("사과입니다." if "과일" in text else PLUG, "length" if "물" in text else "stop")
    )
    out = tmp_path / "answers.jsonl"
    words = (tmp_path / "set", "-o", out, "--model", "m", "--base-url", server.url, "--layouts", layouts)
    assert run(*words, "--layout", "plug") == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{out} ko: 1 answered, 0 not-found, 1 monolingual, 1 cut",
        f"{out} zh: 0 answered, 1 not-found, 0 monolingual, 0 cut",
    ]


# how it is asked


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (("--layout", "mono"), [("system", MONO_LINE.format("Korean")), ("user", "물은 몇 도?")]),
        (("--layout", "none"), [("user", "물은 몇 도?")]),
        (
            ("--layout", "none", "--suffix", "차근차근 생각해 보세요."),
            [("user", "물은 몇 도?\n차근차근 생각해 보세요.")],
        ),
        (
            ("--layout", "mono", "--system", "inline"),
            [("user", MONO_LINE.format("Korean") + "\n\n물은 몇 도?")],
        ),
        (
            ("--layout", "code-switch"),
            [("system", MONO_LINE.format("Korean")), ("user", "Water boils when?")],
        ),
    ],
)
def test_the_turns_are_those_of_the_layout(
    more: tuple[str, ...], expected: list[tuple[str, str]], serve: Any, tmp_path: Path, layouts: Path
) -> None:
    row = {"id": 1, "instruction": " 물은 몇 도?\n", "pivot_instruction": "Water boils when?"}
    question = write(tmp_path / "q.jsonl", json.dumps(row))
    server = serve(lambda text, time: says("100"))
    words = (question, "-o", tmp_path / "a.jsonl", "--model", "m", "--base-url", server.url, "--layouts", layouts)
    assert run(*words, "--lang", "ko", *more) == 0
    [body] = server.asked
    assert [(turn["role"], turn["content"]) for turn in body.pop("messages")] == expected
    assert body == {"model": "m", "temperature": 0}


def test_room_is_asked_of_a_server_only_if_named(serve: Any, tmp_path: Path, korean: Path, layouts: Path) -> None:
    server = serve(lambda text, time: says("네."))
    words = (korean, "-o", tmp_path / "a.jsonl", "--model", "m", "--base-url", server.url, "--layouts", layouts)
    assert run(*words, "--layout", "mono", "--max-new-tokens", 700) == 0
    assert [body["max_tokens"] for body in server.asked] == [700] * 3


def test_a_server_that_is_busy_is_asked_again(
    serve: Any, tmp_path: Path, korean: Path, layouts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "WAITS_S", (0, 0))
    busy: dict[int, Reply] = {1: (503, {}, "loading"), 2: (429, {"retry-after": "0"}, "slow down")}
    server = serve(lambda text, time: busy.get(time, says("네.")))
    out = tmp_path / "a.jsonl"
    assert (
        run(korean, "-o", out, "--model", "m", "--base-url", server.url, "--layouts", layouts, "--layout", "mono") == 0
    )
    assert len(server.asked) == 9
    assert [line["answer"] for line in answers(out)] == ["네."] * 3


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ((400, {}, '{"error": "no model m"}'), 'answers 400: {"error": "no model m"}'),
        ((503, {}, "loading"), "answers 503: loading"),
        ((200, {}, "<html>hello</html>"), "answers 200: <html>hello</html>"),
        ((200, {}, '{"choices": []}'), 'answers 200: {"choices": []}'),
    ],
)
def test_a_server_that_fails_ends_the_run_in_a_line_and_what_is_answered_stays(
    reply: Reply,
    said: str,
    serve: Any,
    tmp_path: Path,
    korean: Path,
    layouts: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(asking, "WAITS_S", (0,))
    server = serve(lambda text, time: reply if "책" in text else says("네."))
    out = tmp_path / "a.jsonl"
    words = (korean, "-o", out, "--model", "m", "--base-url", server.url, "--layouts", layouts, "--layout", "mono")
    assert run(*words, "--concurrency", 1) == 2
    assert capsys.readouterr().err == f"generate.py: {server.url}/ {said}\n"
    assert [line["id"] for line in answers(out)] == ["1"]
    assert all("물" not in body["messages"][-1]["content"] for body in server.asked)  # nothing more was sent


def test_a_server_that_is_not_there_ends_the_run_in_a_line(
    tmp_path: Path, korean: Path, layouts: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(asking, "WAITS_S", ())
    closed = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    closed.server_close()
    url = f"http://127.0.0.1:{closed.server_address[1]}/v1"
    words = (korean, "-o", tmp_path / "a.jsonl", "--model", "m", "--base-url", url, "--layouts", layouts)
    assert run(*words, "--layout", "mono") == 2
    assert capsys.readouterr().err.startswith(f"generate.py: {url}/ does not answer: ")


# a file that is gone on with


def test_a_half_line_is_asked_again_and_nothing_else(serve: Any, tmp_path: Path, korean: Path, layouts: Path) -> None:
    server = serve(lambda text, time: says("네."))
    out = tmp_path / "a.jsonl"
    words = (korean, "-o", out, "--model", "m", "--base-url", server.url, "--layouts", layouts, "--layout", "mono")
    assert run(*words, "--concurrency", 1) == 0
    whole, last = out.read_bytes(), answers(out)[-1]
    out.write_bytes(whole[:-40])
    assert run(*words) == 0
    assert out.read_bytes() == whole
    assert [body["messages"][-1]["content"] for body in server.asked[3:]] == [last["instruction"]]


def test_a_killed_run_is_gone_on_with(serve: Any, tmp_path: Path, korean: Path, layouts: Path) -> None:
    reached, release = threading.Event(), threading.Event()

    def reply(text: str, time: int) -> Reply:
        if "물" in text and time == 1:
            reached.set()
            release.wait(60)
        return says("네.")

    server = serve(reply)
    out = tmp_path / "a.jsonl"
    words = (korean, "-o", out, "--model", "m", "--base-url", server.url, "--layouts", layouts, "--layout", "mono")
    command = [sys.executable, generate.__file__, *map(str, words), "--concurrency", "1"]
    with subprocess.Popen(command) as process:
        assert reached.wait(60)
        process.send_signal(signal.SIGKILL)
    release.set()
    there = [line["instruction"] for line in answers(out)]
    assert run(*words) == 0
    assert sorted(line["id"] for line in answers(out)) == ["1", "2", "3"]
    assert len(server.asked) == 6 - len(there)
    assert all(sum(text == body["messages"][-1]["content"] for body in server.asked) == 1 for text in there)


def test_a_larger_limit_asks_only_what_is_new(serve: Any, tmp_path: Path, korean: Path, layouts: Path) -> None:
    server = serve(lambda text, time: says("네."))
    out = tmp_path / "a.jsonl"
    words = (korean, "-o", out, "--model", "m", "--base-url", server.url, "--layouts", layouts, "--layout", "mono")
    assert run(*words, "--limit", 1) == 0
    assert run(*words) == 0
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("--layout", "plug"), "was made with layouts"),
        (("--model", "another"), "was made with model 'm', now 'another'"),
        (("--suffix", "왜?"), "was made with suffix"),
        (("--limit", "1"), ", not asked now"),
    ],
)
def test_answers_of_other_settings_are_refused_and_left_alone(
    change: tuple[str, str],
    said: str,
    serve: Any,
    tmp_path: Path,
    korean: Path,
    layouts: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = serve(lambda text, time: says("네."))
    out = tmp_path / "a.jsonl"
    words = (korean, "-o", out, "--model", "m", "--base-url", server.url, "--layouts", layouts, "--layout", "mono")
    assert run(*words) == 0
    out.write_bytes(out.read_bytes()[:-1])
    before = out.read_bytes()
    assert run(*words, *change) == 2
    assert said in capsys.readouterr().err
    assert out.read_bytes() == before
    assert len(server.asked) == 3


def test_a_file_that_generate_did_not_begin_is_refused(tmp_path: Path, korean: Path, layouts: Path) -> None:
    mine = write(tmp_path / "mine.jsonl", "{}\n")
    words = (korean, "-o", mine, "--model", "m", "--base-url", "http://127.0.0.1:9/v1", "--layouts", layouts)
    assert run(*words, "--layout", "mono") == 2
    assert mine.read_text(encoding="utf-8") == "{}\n"


# where questions come from


def corpus(folder: Path) -> Path:
    """A corpus of questions as plugdata publishes one, with a config for each language."""
    write(folder / "layouts.json", json.dumps(LAYOUTS))
    for name, rows in (("ko/train", KOREAN), ("ko/validation", KOREAN[:1]), ("zh/train", CHINESE)):
        (folder / name).parent.mkdir(exist_ok=True)
        table = [{**row, "id": f"b2:{row['id']}", "lang": name[:2], "template": "prompt-v1"} for row in rows]
        pq.write_table(pa.Table.from_pylist(table), folder / f"{name}-00000-of-00001.parquet")
    return folder


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".parquet"])
@pytest.mark.parametrize("name", ["korean", "ko/test-00000-of-00001", "data/korean-00000-of-00001"])
def test_questions_are_read_with_the_language_of_their_name(
    name: str, suffix: str, serve: Any, tmp_path: Path, layouts: Path
) -> None:
    path = tmp_path / "set" / f"{name}{suffix}"
    path.parent.mkdir(parents=True)
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(KOREAN), path)
    else:
        lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in KOREAN)
        write(path, f"\ufeff{lines}\n" if suffix == ".jsonl" else json.dumps(KOREAN))
    write(tmp_path / "set" / "french.json", '[{"id": 1, "instruction": "Nommez un fruit."}]')
    server = serve(lambda text, time: says("네."))
    out = tmp_path / "a.jsonl"
    words = (tmp_path / "set", "-o", out, "--model", "m", "--base-url", server.url, "--layouts", layouts)
    assert run(*words, "--layout", "mono", "--split", path.stem.split("-")[0], "--concurrency", 1) == 0
    found = [(line["id"], line["lang"], line["instruction"], line["record"]) for line in answers(out)]
    assert sorted(found) == [(str(row["id"]), "ko", row["instruction"], {"dataset": row["dataset"]}) for row in KOREAN]


def test_a_published_corpus_holds_questions_too(serve: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dist, out = corpus(tmp_path / "dist"), tmp_path / "a.jsonl"
    server = serve(lambda text, time: says("네."))
    words = (dist, "-o", out, "--model", "m", "--base-url", server.url, "--layouts", dist, "--layout", "mono")
    assert run(*words) == 2
    assert "ko stands in ko/train.parquet and ko/validation.parquet" in capsys.readouterr().err
    assert run(*words, "--split", "train") == 0
    assert sorted((line["lang"], line["id"]) for line in answers(out)) == [
        ("ko", "b2:1"),
        ("ko", "b2:2"),
        ("ko", "b2:3"),
        ("zh", "b2:1"),
    ]


def test_questions_and_layouts_come_from_the_hub(serve: Any, tmp_path: Path) -> None:
    dist = corpus(tmp_path / "dist")
    write(tmp_path / "questions" / "korean.json", json.dumps(KOREAN))
    write(tmp_path / "questions" / "english.json", '[{"id": 1, "instruction": "Name a fruit."}]')
    server = serve(lambda text, time: says("네."))
    out = tmp_path / "a.jsonl"
    upload = (
        "import sys, huggingface_hub as hub\n"
        "hub.create_repo(sys.argv[1], repo_type='dataset')\n"
        "hub.upload_folder(repo_id=sys.argv[1], folder_path=sys.argv[2], repo_type='dataset')"
    )
    with HubServer() as hub:  # clients read where the Hub is when they are imported
        env = {**os.environ, **hub.environment(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}
        for repo, folder in (("tester/plug", dist), ("tester/questions", tmp_path / "questions")):
            subprocess.run([sys.executable, "-c", upload, repo, folder], env=env, check=True)
        words = ("tester/questions", "-o", out, "--model", "m", "--base-url", server.url)
        command = [sys.executable, generate.__file__, *map(str, words), "--layouts", "tester/plug", "--layout", "mono"]
        told = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        assert told.stdout == f"{out} ko: 3 answered, 0 not-found, 0 monolingual, 0 cut\n"
        command[command.index("tester/questions")] = "tester/nothing"
        told = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert "'tester/nothing' is no file or folder, and the Hub does not give it" in told.stderr


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [
        ('{"id": 1}', (), "q.jsonl, row 1 has no text in 'instruction'; its fields are id"),
        ('{"id": 1, "instruction": " "}', (), "has no text in 'instruction'"),
        ('{"id": 1, "instruction": "왜?"}', ("--layout", "code-switch"), "has no text in 'pivot_instruction'"),
        ('{"instruction": "왜?"}', (), "row 1 has no id"),
        ('["왜?"]', (), "row 1 has no id"),
        ('{"id": 1, "instruction": "왜?"}\n' * 2, (), "row 2: the id '1' stands there twice"),
        ('{"id": 1, "instruction": "왜?"}\n{"id": 2,', (), "q.jsonl, line 2 is no JSON"),
        ("[", (), "q.jsonl is no JSON"),
        ("", (), "has no question in ko"),
        ('{"id": 1, "lang": "fr", "instruction": "Pourquoi ?"}', (), "has no question in ko; it has fr"),
        ('{"id": 1, "instruction": "왜?"}', ("--layout", "plug-v9"), "names 0 templates"),
        ('{"id": 1, "instruction": "왜?"}', ("--layout", "prompt"), "has no answer"),
        ('{"id": 1, "instruction": "왜?"}', ("--lang", "fr"), "no 'fr'"),
        ('{"id": 1, "instruction": "왜?"}', ("--layouts", "nowhere/at/all"), "nowhere/at/all"),
        ('{"id": 1, "instruction": "왜?"}', ("--layouts", "q.jsonl"), "q.jsonl is no layouts.json"),
    ],
)
def test_bad_input_gets_one_line(
    text: str,
    more: tuple[str, ...],
    said: str,
    tmp_path: Path,
    layouts: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    question = write(tmp_path / "q.jsonl", text)
    words = (question, "-o", "a.jsonl", "--model", "m", "--base-url", "http://127.0.0.1:9/v1", "--layouts", layouts)
    assert run(*words, "--layout", "mono", "--lang", "ko", *more) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not os.path.exists("a.jsonl")


def test_the_commands_of_the_readme_are_commands() -> None:
    readme = Path(generate.__file__).with_name("README.md").read_text(encoding="utf-8").replace("\\\n", "")
    commands = [
        shlex.split(line)[2:] for line in readme.splitlines() if line.startswith("python train_ref/generate.py")
    ]
    assert [generate.parse(command).layout for command in commands] == ["plug", "mono", "plug"]


def test_a_question_of_no_told_language_asks_for_it(
    tmp_path: Path, layouts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    question = write(tmp_path / "q.jsonl", '{"id": 1, "instruction": "왜?"}')
    words = (question, "-o", tmp_path / "a.jsonl", "--model", "m", "--base-url", "http://127.0.0.1:9/v1")
    assert run(*words, "--layouts", layouts, "--layout", "mono") == 2
    assert "say --lang" in capsys.readouterr().err
    assert run(*words, "--layout", "mono", "--lang", "ko") == 2
    assert "--layouts is missing" in capsys.readouterr().err
