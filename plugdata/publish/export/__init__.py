"""An export: a published corpus as a trainer reads it, with the config that trains on it.

    DIR/
      LANG/SPLIT.jsonl         a record a line, by ascending id        formats.py
      trl.yaml …               the trainer's config                    snippets.py
      README.md                what gets loss, how long rows are       readme.py, lengths.py
      LICENSE                  the corpus's own
      plugdata-export.json     format, layout, and every file with its hash

Owns these names. Which rows of a published folder are written is published.py's; how that was made nobody's here.

- A layout that was published is taken as it stands; any other is rendered from the same rows' texts.
- The folder is built beside its name and swapped in whole. One that is there is replaced only if this module wrote all
  that lies in it and nobody edited its config since: a trainer's output is not lost to a second export.
- The same rows and options give the same bytes. A batch of rows is held at a time.
- U+0085, U+2028 and U+2029 are escaped: lawful in JSON, but str.splitlines() would tear a line apart at them.
"""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import polars as pl

from plugdata import pair
from plugdata.corpus.files import swap, writing
from plugdata.errors import CorpusError, InputError
from plugdata.publish.export import lengths, snippets
from plugdata.publish.export.formats import FORMATS, Record, System, chat
from plugdata.publish.export.published import Config, batches, choose
from plugdata.publish.export.published import is_published as is_published
from plugdata.publish.export.readme import Written, readme
from plugdata.recipe import did_you_mean

MARK = "plugdata-export.json"

OPENAI_MIN = 10
"""Lines that a fine-tuning job wants at least (OpenAI's guide on supervised fine-tuning)."""

_ESCAPED = {char.encode(): f"\\u{ord(char):04x}".encode() for char in "\x85\u2028\u2029"}


class Exported(NamedTuple):
    """What write() wrote, and what the user should know."""

    files: tuple[Written, ...]
    lengths: tuple[lengths.Spread, ...]
    warnings: tuple[str, ...]


def write(
    published: Path,
    target: Path,
    format: str,
    *,
    layout: str | None = None,
    langs: Sequence[str] = (),
    splits: Sequence[str] = (),
    system: System = "turn",
    tokenizers: Sequence[str] = (),
) -> Exported:
    """Write an export of a published folder to `target`. Default: the default layout, all languages, all splits.

    `system` "inline" opens the user's turn with the system's line. `tokenizers`: as lengths.load takes them.
    Raises InputError for what the folder does not hold, CorpusError for a target that is not an export, or that
    somebody changed.
    """
    if format not in FORMATS:
        raise InputError(
            f"no format {format!r}{did_you_mean(format, list(FORMATS))}", f"there are {', '.join(FORMATS)}"
        )
    chosen = choose(published, layout, langs, splits)
    layouts = {config.lang: wanted for config, wanted in chosen}
    _refuse_foreign(target)
    counters = lengths.load(tokenizers)
    place = target.absolute()  # "." has no name to build beside
    new = place.with_name(f".{place.name}.new")
    files: list[Written] = []
    origins: Counter[tuple[str, str]] = Counter()
    with writing(target):
        shutil.rmtree(new, ignore_errors=True)
        try:
            for config, wanted in chosen:
                for split, parts in config.splits.items():
                    path = f"{config.lang}/{split}.jsonl"
                    (new / config.lang).mkdir(parents=True, exist_ok=True)
                    with open(new / path, "wb") as handle:
                        n = _write_rows(handle, config, parts, wanted, format, system, counters, origins)
                    files.append(Written(path, config.lang, split, n))
            warnings = _warnings(format, files, counters)
            spreads = [spread for counter in counters for spread in counter.spreads()]
            by_split: dict[str, list[str]] = {}
            for one in files:
                by_split.setdefault(one.split, []).append(one.path)
            licence = published / "LICENSE"
            if licence.is_file():
                shutil.copyfile(licence, new / "LICENSE")
            told = readme(format, system, layouts, files, origins, spreads, warnings, licence.is_file())
            for name, text in {**snippets.configs(format, by_split), "README.md": told}.items():
                (new / name).write_text(text, encoding="utf-8", newline="\n")
            _mark(new, {"format": format, "system": system, "layouts": layouts})
            swap(new, place)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return Exported(tuple(files), tuple(spreads), tuple(warnings))


def lines(records: Iterable[Record]) -> bytes:
    """Records as JSON Lines, whatever takes them apart."""
    text = "".join(f"{_encode(record)}\n" for record in records).encode()
    for char, escaped in _ESCAPED.items():  # str.translate took two thirds of all the time
        text = text.replace(char, escaped)
    return text


_encode = json.JSONEncoder(ensure_ascii=False).encode


def _write_rows(
    handle: IO[bytes],
    config: Config,
    parts: Sequence[Sequence[Path]],
    layout: pair.LayoutName,
    format: str,
    system: System,
    counters: Sequence[lengths.Lengths],
    origins: Counter[tuple[str, str]],
) -> int:
    """Write the records of some Parquet files, count their tokens and sources, and give how many there are."""
    n_rows = 0
    record = FORMATS[format].record
    for frame in batches(parts):
        if layout != config.layout:
            frame = frame.with_columns(messages=pair.turns(layout, config.pivot, config.lang))
        rows = [chat(messages, system) for messages in frame["messages"].to_list()]
        handle.write(lines(record(id, row) for id, row in zip(frame["id"], rows, strict=True)))
        for counter in counters:
            counter.add(config.lang, [[text for _, text in row.turns] for row in rows])
        origins.update(frame.select("source", pl.col("license").fill_null("")).iter_rows())
        n_rows += frame.height
    return n_rows


def _warnings(format: str, files: Sequence[Written], counters: Sequence[lengths.Lengths]) -> list[str]:
    found = []
    n_rows = sum(one.n_rows for one in files)
    for counter in counters:
        if n := counter.n_over(snippets.SEQUENCE):
            found.append(
                f"{n:,} of {n_rows:,} rows have more than {snippets.SEQUENCE:,} tokens by {counter.name}: such a row "
                + FORMATS[format].long.partition(". ")[0].rstrip(".")
            )
    n_train = sum(one.n_rows for one in files if one.split == "train")
    if format == "openai" and 0 < n_train < OPENAI_MIN:
        found.append(f"a fine-tuning job wants {OPENAI_MIN} lines or more; these are {n_train}")
    return found


def _mark(folder: Path, about: Mapping[str, Any]) -> None:
    sums = {path.relative_to(folder).as_posix(): _digest(path) for path in sorted(folder.rglob("*")) if path.is_file()}
    text = json.dumps({**about, "files": sums}, ensure_ascii=False, indent=2) + "\n"
    (folder / MARK).write_text(text, encoding="utf-8", newline="\n")


def _digest(path: Path) -> str:
    with open(path, "rb") as handle:
        return "sha256:" + hashlib.file_digest(handle, "sha256").hexdigest()


def _refuse_foreign(target: Path) -> None:
    """Raise CorpusError if a folder that would be replaced holds anything that write() did not leave there so."""
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(f"{target} is a file", "name a folder")
    there = {path.relative_to(target).as_posix() for path in target.rglob("*") if not path.is_dir()}
    if not there:
        return
    try:
        listed = json.loads((target / MARK).read_bytes())["files"]
    except (OSError, ValueError, KeyError, TypeError):
        raise CorpusError(f"{target} holds files that are no export", "move them, or name another folder") from None
    if foreign := sorted(there - {*listed, MARK}):
        raise CorpusError(f"{target} holds {foreign[0]!r}, which no export wrote", "move it, or name another folder")
    for name in sorted(there & {*listed}):
        if not name.endswith(".jsonl") and _digest(target / name) != listed[name]:
            raise CorpusError(f"{target / name} was changed since it was written", "move it, or name another folder")
