"""Questions in, answers out: one JSON line a question, the target response taken out of what the model wrote.

    python train_ref/generate.py zhihz0535/X-AlpacaEval -o plug.jsonl --model out/plug --layout plug

A line: id, lang, instruction, answer, outcome, output (raw), template, model, record (the question's other fields).

    answered      the target response stands in `answer`
    not-found     a label is there, but one is missing, doubled or out of order, or nothing stands under the target's
    monolingual   no label at all: the model answered without the pivot language
    cut           the model came to the end of its room before the end of its answer

`answer` is null unless the outcome is `answered`, so that nothing else can be scored as if it were one.
Owns how a model is asked, and the file of answers, which a killed run leaves whole: the same command asks what is
missing. Must not know how an answer is judged.
"""

import argparse
import hashlib
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import huggingface_hub
from tqdm import tqdm  # type: ignore[import-untyped]

from asking import MAX_NEW_TOKENS, AskError, Chat, Output, ask_model, ask_server, load
from published import Layout, Published, PublishedError, open_published
from questions import Choice, Question, QuestionError, read_questions

OUTCOMES = ("answered", "not-found", "monolingual", "cut")
NONE = "none"  # the layout of the bare question, all of whose output is the answer


class Asked(NamedTuple):
    """The corpus whose layouts.json says how to ask, and which template of it."""

    published: Published
    template: str

    def layout(self, lang: str) -> Layout:
        """What the template is in a language. Raises PublishedError if it is not in that one."""
        return self.published.layout(self.template, lang)

    def langs(self) -> set[str]:
        """All languages that the template is in."""
        return set(self.published.layouts[self.template]["languages"])

    def judge(self, output: str, lang: str) -> tuple[str, str | None]:
        """The outcome and the answer of an output that is not cut."""
        labels = self.layout(lang).labels
        if not labels:
            return "answered", output.strip()
        if not re.search(f"(?m)^({'|'.join(map(re.escape, labels))})", output):
            return "monolingual", None
        parts = self.published.extract(output, self.template, lang) or {}
        return ("answered", parts["response"]) if parts.get("response") else ("not-found", None)


def read_layout(where: str | None, revision: str | None, layout: str, lang: str | None) -> Asked:
    """The template of a layout ("plug") or of that id ("plug-v1"), from a corpus or from its layouts.json alone."""
    if layout == NONE:
        if lang is None:
            raise AskError(f"--layout {NONE} knows no languages: say --lang")
        bare = {"layout": NONE, "pivot": "", "parts": ["response"], "languages": {lang: {"system": "", "labels": []}}}
        return Asked(Published(NONE, None, {NONE: bare}, {}), NONE)
    if where is None:
        raise AskError("--layouts is missing: the corpus that the model was trained on, or its layouts.json")
    if Path(where).is_file():
        published = Published(where, None, _json(Path(where)), {})
    else:
        published = open_published(where, revision)
    try:
        names = {template: of["layout"] for template, of in published.layouts.items()}
    except (AttributeError, LookupError, TypeError) as error:
        raise AskError(f"{where} is no layouts.json") from error
    named = [template for template, name in names.items() if layout in (template, name)]
    if len(named) != 1:
        known = ", ".join(f"{name} ({template})" for template, name in names.items())
        raise AskError(f"--layout {layout} names {len(named)} templates of {where}, which has {known}")
    if not published.layouts[named[0]]["parts"]:
        raise AskError(f"--layout {layout} has no answer: name the one that the model was trained on, or {NONE}")
    return Asked(published, named[0])


def chat(question: Question, layout: Layout, system: str) -> Chat:
    """The turns that ask a question, as sft.py trains them: the system line has its own, or opens the user's."""
    if not layout.system:
        return [{"role": "user", "content": question.asked}]
    if system == "inline":
        return [{"role": "user", "content": f"{layout.system}\n\n{question.asked}"}]
    return [{"role": "system", "content": layout.system}, {"role": "user", "content": question.asked}]


def fetched(name: str, patterns: list[str] | None = None) -> Path:
    """The folder of a model or an adapter; from the Hub, its files of these patterns, in a folder named by commit."""
    if Path(name).is_dir():
        return Path(name)
    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=patterns))
    except (OSError, ValueError) as error:
        why = str(error).strip().splitlines()[0]
        raise AskError(f"{name!r} is no folder here, and the Hub does not give it: {why}") from error


def digest(folder: Path) -> str:
    """The hash of all that decides what a model in a folder answers; every byte of it is read."""
    found = hashlib.sha256()
    for pattern in ("*config.json", "tokenizer*", "*.jinja", "*.safetensors", "pytorch_model*.bin"):
        for path in sorted(folder.glob(pattern)):
            with path.open("rb") as content:
                found.update(hashlib.file_digest(content, "sha256").digest())
    return f"sha256:{found.hexdigest()}"


def resume(path: Path, settings: dict[str, Any], questions: Sequence[Question]) -> set[tuple[str, str]]:
    """(lang, id) of what a file answers already, once its half-written last line is off.

    Raises AskError, and leaves it as it was, if it was made with other settings or answers other questions.
    """
    beside = path.with_name(f"{path.name}.settings.json")
    if not path.exists() or not path.stat().st_size:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(settings, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        return set()
    if not beside.is_file():
        raise AskError(f"{path} is there, but not its {beside.name}: name another file")
    before = _json(beside)
    for key, value in settings.items():
        if before.get(key) != value:
            raise AskError(f"{path} was made with {key} {before.get(key)!r}, now {value!r}: name another file")
    whole = path.read_bytes()
    whole = whole[: whole.rfind(b"\n") + 1]
    asked = {(question.lang, question.id): question.instruction for question in questions}
    done = set()
    for line in map(json.loads, whole.splitlines()):
        if asked.get((line["lang"], line["id"])) != line["instruction"]:
            raise AskError(f"{path} answers {line['lang']} {line['id']}, not asked now: name another file")
        done.add((line["lang"], line["id"]))
    os.truncate(path, len(whole))
    return done


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise AskError(f"{path} is no JSON: {error}") from error


def run(args: argparse.Namespace) -> None:
    """Ask what the file does not answer yet, a line each, and print what became of all."""
    named = () if args.base_url else ((args.model, ["*.json"]), (args.adapter, None))
    folders = {name: fetched(name, only) for name, only in named if name}
    runs = [_json(folder / "run.json") for folder in folders.values() if (folder / "run.json").is_file()]
    trained = runs[-1] if runs else {"settings": {}, "data": {}}
    template = args.template or trained["settings"].get("template", "model")
    system = args.system or trained["settings"].get("system", "turn")
    data = {"where": args.layouts} if args.layouts else trained["data"]
    asked = read_layout(data.get("where"), data.get("revision"), args.layout, args.lang)
    langs = {args.lang} if args.lang else asked.langs()
    choice = Choice(args.questions, langs, args.lang, args.config, args.split, args.limit, args.suffix)
    questions = read_questions(choice, lambda lang: asked.layout(lang).user)
    settings = {
        "questions": args.questions,
        "suffix": args.suffix,
        "layouts": {lang: asked.layout(lang) for lang in sorted({question.lang for question in questions})},
        "model": args.model,
        "adapter": args.adapter,
        "weights": [digest(path) if Path(name).is_dir() else path.name for name, path in folders.items()],
        "template": template,
        "system": system,
        "max_new_tokens": args.max_new_tokens,
    }
    done = resume(args.output, json.loads(json.dumps(settings)), questions)
    left = [question for question in questions if (question.lang, question.id) not in done]
    chats = [chat(question, asked.layout(question.lang), system) for question in left]
    outputs: Iterator[Output] = iter(())
    if chats and args.base_url:
        body = {"model": args.model, "temperature": 0}
        if args.max_new_tokens:  # else all the room there is: servers refuse to be asked for more
            body["max_tokens"] = args.max_new_tokens
        outputs = ask_server(args.base_url, os.environ.get(args.api_key_env), body, chats, args.concurrency)
    elif chats:
        model, tokenizer = load(args.model, folders.get(args.adapter), template)
        outputs = ask_model(model, tokenizer, chats, args.batch_size, args.max_new_tokens or MAX_NEW_TOKENS)
    name = f"{args.model} + {args.adapter}" if args.adapter else args.model
    with (
        args.output.open("a", encoding="utf-8") as file,
        tqdm(total=len(questions), initial=len(done), disable=None) as bar,
    ):
        for place, output, cut in outputs:
            question = left[place]
            outcome, answer = ("cut", None) if cut else asked.judge(output, question.lang)
            line = {
                "id": question.id,
                "lang": question.lang,
                "instruction": question.instruction,
                "answer": answer,
                "outcome": outcome,
                "output": output,
                "template": None if asked.template == NONE else asked.template,
                "model": name,
                "record": question.record,
            }
            file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
            file.flush()
            bar.update()
    with args.output.open("rb") as lines:
        counts = Counter((answer["lang"], answer["outcome"]) for answer in map(json.loads, lines))
    for lang in sorted({lang for lang, _ in counts}):
        print(f"{args.output} {lang}:", ", ".join(f"{counts[lang, outcome]:,} {outcome}" for outcome in OUTCOMES))


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The options of a command line; a wrong one ends the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("questions", help="Hub id, file or folder of JSON, JSON Lines or Parquet with id and instruction; or a corpus")
    add("-o", "--output", type=Path, required=True, help="the file of answers; one begun before is gone on with")
    add("--model", required=True, help="folder or Hub id, of a LoRA adapter too; with --base-url, its name there")
    add("--adapter", help="folder or Hub id of a LoRA adapter to put on the model")
    add("--layout", required=True, help=f"as trained: plug, mono … or a template id; {NONE}: the bare question")
    add(
        "--layouts", metavar="CORPUS", help="Hub id, dist/ or its layouts.json; default: what the model's run.json says"
    )
    add("--lang", help="only questions in this language; those that tell no other are taken to be")
    add("--config", help="only this folder of the questions")
    add("--split", help="only this split, which is how files are named")
    add("--limit", type=_positive, metavar="N", help="the first N questions of each language")
    add("--suffix", metavar="TEXT", help="a line to end each question with (X-SVAMP's bring their own)")
    add("--template", choices=("model", "tulu"), help="as in sft.py; default: what run.json says, else model")
    add("--system", choices=("turn", "inline"), help="as in sft.py; default: what run.json says, else turn")
    add("--max-new-tokens", type=_positive, metavar="N", help=f"default: {MAX_NEW_TOKENS}; a server: all its room")
    add("--batch-size", type=_positive, default=16, metavar="N", help="questions at once (16); for the GPU's memory")
    add("--base-url", metavar="URL", help="ask an OpenAI-compatible server instead: http://127.0.0.1:8000/v1")
    add("--concurrency", type=_positive, default=16, metavar="N", help="requests at once to a server (16)")
    add("--api-key-env", default="OPENAI_API_KEY", metavar="NAME", help="the variable with its key (OPENAI_API_KEY)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: all is asked; 2: bad input or no answer, in a line on stderr; 130: stopped."""
    args = parse(argv)
    try:
        run(args)
    except (AskError, QuestionError, PublishedError, OSError) as error:
        print(f"generate.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"generate.py: stopped; the same command goes on with {args.output}", file=sys.stderr)
        return 130
    return 0


def _positive(text: str) -> int:
    if int(text) < 1:
        raise ValueError
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
