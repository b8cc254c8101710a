"""Questions to ask a model: of a file, a folder or a data set on the Hub, each with its id and its language.

    korean.json                     [{"id", "instruction", …}, …], or JSON Lines
    ko/test-00000-of-00001.parquet  as published

Owns how such files are found and read. Must not know how a question is put to a model, nor what it answers.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import huggingface_hub
import pyarrow as pa
import pyarrow.parquet as pq

NAMES = {"english": "en", "chinese": "zh", "korean": "ko", "italian": "it", "spanish": "es"}
"""The splits of X-AlpacaEval, X-TruthfulQA and X-SVAMP (arXiv 2311.08711) → language."""

TYPES = (".jsonl", ".json", ".parquet")
OURS = {"layouts.json", "manifest.json"}  # of a published corpus: no rows


class QuestionError(Exception):
    """What is wrong with the questions, in a line for whoever named them."""


class Question(NamedTuple):
    """A row of a question set: what is asked, in which language, and all its other fields."""

    id: str
    lang: str
    instruction: str  # in the target language
    asked: str  # what the user says: the instruction, or another column that the layout names
    record: dict[str, Any]


class Choice(NamedTuple):
    """Which questions of a set are wanted."""

    where: str  # a Hub id, a file or a folder
    langs: set[str]
    lang: str | None = None  # that of questions whose row, folder and file tell none
    config: str | None = None  # a folder of the set
    split: str | None = None  # a file's name, before its shard
    limit: int | None = None  # the first of each language
    suffix: str | None = None  # a line to end each with


def read_questions(choice: Choice, user: Callable[[str], str]) -> list[Question]:
    """The questions in the languages wanted, in the order of their files. `user`: language → the column that is asked.

    The language stands in the row (`lang`), else in the name of folder or file (ko/…, korean.json), else in the choice.
    Raises QuestionError for a row without id or text, an id that stands twice, two files of a language, or no question.
    """
    found: dict[tuple[str, str], Question] = {}
    parts: dict[str, str] = {}
    passed: set[str] = set()
    n_asked: Counter[str] = Counter()
    end = f"\n{choice.suffix}" if choice.suffix else ""
    for name, path in _files(choice):
        part = re.sub(r"-\d+-of-\d+", "", name)
        words = [NAMES.get(word.lower(), word) for word in Path(part).with_suffix("").parts]
        told = next((word for word in words if word in choice.langs | set(NAMES.values())), choice.lang)
        for number, row in enumerate(_rows(path), 1):
            at = f"{name}, row {number}"
            if not isinstance(row, dict) or row.get("id") is None:
                raise QuestionError(f"{at} has no id: by its id the answers of two models to it are compared")
            lang = row.get("lang") or told
            if lang is None:
                raise QuestionError(f"{at}: neither a field `lang` nor the file's name tells its language: say --lang")
            if lang not in choice.langs:
                passed.add(lang)
                continue
            if parts.setdefault(lang, part) != part:
                raise QuestionError(f"{lang} stands in {parts[lang]} and {part}: choose by --config or --split")
            if n_asked[lang] == choice.limit:
                continue
            n_asked[lang] += 1
            for column in ("instruction", user(lang)):
                if not isinstance(row.get(column), str) or not row[column].strip():
                    raise QuestionError(f"{at} has no text in {column!r}; its fields are {', '.join(row)}")
            id = str(row["id"])
            if (lang, id) in found:
                raise QuestionError(f"{at}: the id {id!r} stands there twice")
            record = {key: value for key, value in row.items() if key not in ("id", "lang", "instruction")}
            instruction, said = (row[column].strip() + end for column in ("instruction", user(lang)))
            found[lang, id] = Question(id, lang, instruction, said, record)
    if not found:
        others = f"; it has {', '.join(sorted(passed))}" if passed else ""
        raise QuestionError(f"{choice.where} has no question in {', '.join(sorted(choice.langs))}{others}")
    return list(found.values())


def _files(choice: Choice) -> Iterator[tuple[str, Path]]:
    """The name in the set, and the path, of each file of questions."""
    root = Path(choice.where)
    if root.is_file():
        yield root.name, root
        return
    if not root.is_dir():
        wanted = [f"{choice.config + '/' if choice.config else ''}*{choice.split or ''}*{type}" for type in TYPES]
        try:
            root = Path(huggingface_hub.snapshot_download(choice.where, repo_type="dataset", allow_patterns=wanted))
        except (OSError, ValueError) as error:
            why = str(error).strip().splitlines()[0]
            raise QuestionError(
                f"{choice.where!r} is no file or folder, and the Hub does not give it: {why}"
            ) from error
    names = [path.relative_to(root) for path in sorted(root.rglob("*")) if path.suffix in TYPES]
    names = [name for name in names if name.name not in OURS]
    chosen = [
        name
        for name in names
        if choice.config in (None, *name.parent.parts) and choice.split in (None, name.stem, name.stem.split("-")[0])
    ]
    if not chosen:
        known = ", ".join(map(str, names[:10])) or f"no {', '.join(TYPES)}"
        raise QuestionError(f"{choice.where} has no file of that config and split; it has {known}")
    yield from ((name.as_posix(), root / name) for name in chosen)


def _rows(path: Path) -> Iterator[Any]:
    """The records of a file, one after the other; a Parquet file is never in memory whole."""
    if path.suffix == ".parquet":
        try:
            for batch in pq.ParquetFile(path).iter_batches():
                yield from batch.to_pylist()
        except pa.ArrowInvalid as error:
            raise QuestionError(f"{path} is no Parquet: {error}") from error
        return
    at = str(path)
    try:
        with path.open(encoding="utf-8-sig") as lines:
            listed = lines.read(4096).lstrip().startswith("[")
            lines.seek(0)
            if listed:
                yield from json.load(lines)
                return
            for number, line in enumerate(lines, 1):
                at = f"{path}, line {number}"
                if line.strip():
                    yield json.loads(line)
    except ValueError as error:  # UnicodeDecodeError is one, too
        raise QuestionError(f"{at} is no JSON: {error}") from error
