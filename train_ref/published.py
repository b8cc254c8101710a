"""A published corpus as its reader sees it: rows of a config, layouts.json, and which files those were.

    CONFIG/SPLIT-*.parquet   a config is a language (`ko`) or a language with another layout (`ko-mono`)
    layouts.json             template id → how a prompt is built, and how an answer is taken apart

Owns where these lie, in a local folder or on the Hub. Must not know training, nor plugdata: the files are all it has.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import httpx2
import huggingface_hub


class PublishedError(Exception):
    """What the corpus lacks, and what it has instead: a line or two for whoever asked."""


class Layout(NamedTuple):
    """One template in one language: which column the user says, which parts the answer has, a label above each."""

    name: str
    pivot: str
    user: str
    system: str  # "": no system turn
    parts: tuple[str, ...]
    labels: tuple[str, ...]  # none: the one part stands bare


@dataclass(frozen=True)
class Published:
    """A corpus that `open_published` found. `revision`: the commit on the Hub, None for a local folder."""

    where: str
    revision: str | None
    layouts: Mapping[str, Any]
    files: Mapping[tuple[str, str], tuple[str, ...]]  # (config, split) → paths below the corpus

    def configs(self) -> list[str]:
        """The names of the configs, sorted."""
        return sorted({config for config, _ in self.files})

    def rows(self, config: str, split: str = "train") -> datasets.Dataset:
        """The rows of one split in their order, mapped from disk. Raises PublishedError if there is none."""
        return datasets.Dataset.from_parquet([str(path) for path in self._fetched(config, split).values()])

    def sha256(self, config: str, split: str = "train") -> dict[str, str]:
        """Of each file that `rows` reads: its path in the corpus and its SHA-256 in hex."""
        found = {}
        for name, path in self._fetched(config, split).items():
            with open(path, "rb") as handle:
                found[name] = hashlib.file_digest(handle, "sha256").hexdigest()
        return found

    def layout(self, template: str, lang: str) -> Layout:
        """What layouts.json says of a template in a language. Raises PublishedError if it says nothing."""
        if template not in self.layouts:
            raise PublishedError(f"{self.where}: layouts.json lacks {template!r}; it has {', '.join(self.layouts)}")
        found = self.layouts[template]
        if lang not in found["languages"]:
            raise PublishedError(f"{self.where}: layouts.json has no {lang!r} for {template!r}")
        text = found["languages"][lang]
        # a corpus published before layouts.json said who says what has the target instruction there
        user = found.get("user", "instruction")
        return Layout(
            found["layout"], found["pivot"], user, text["system"], tuple(found["parts"]), tuple(text["labels"])
        )

    def extract(self, output: str, template: str, lang: str) -> dict[str, str] | None:
        """Column → text of each part of an answer (the target response is `response`), edges stripped.

        None if a label is missing, doubled or out of order. A label counts only where a line starts with it; what
        stands before the first is passed over. A layout without labels has the whole output as its only part.
        """
        layout = self.layout(template, lang)
        texts = [output] if layout.parts else []
        if layout.labels:
            _, *pieces = re.split(f"(?m)^({'|'.join(map(re.escape, layout.labels))})", output)
            if tuple(pieces[0::2]) != layout.labels:
                return None
            texts = pieces[1::2]
        return {part: text.strip() for part, text in zip(layout.parts, texts, strict=True)}

    def _fetched(self, config: str, split: str) -> dict[str, Path]:
        """Path in the corpus → path on this disk, of every file of a split; from the Hub those alone are fetched."""
        if config not in self.configs():
            raise PublishedError(f"{self.where} has no config {config!r}; it has {', '.join(self.configs())}")
        if (config, split) not in self.files:
            splits = sorted(known for name, known in self.files if name == config)
            raise PublishedError(f"{self.where}: config {config!r} has no split {split!r}; it has {', '.join(splits)}")
        names = self.files[config, split]
        if self.revision is None:
            return {name: Path(self.where, name) for name in names}
        return {name: _download(self.where, name, self.revision) for name in names}


def open_published(where: str | Path, revision: str | None = None) -> Published:
    """The corpus in a local folder or, where no such folder is, on the Hub (at a branch, tag or commit; default main).

    Raises PublishedError if neither is there, or what is there is no corpus with configs and a layouts.json.
    """
    where = str(where)
    if Path(where).is_dir():
        if revision is not None:
            raise PublishedError(f"{where} is a folder: a revision ({revision!r}) is for a Hub id")
        names = [path.relative_to(where).as_posix() for path in Path(where).glob("*/*.parquet")]
        layouts = Path(where, "layouts.json")
    else:
        try:
            info = huggingface_hub.HfApi().dataset_info(where, revision=revision)
        except (httpx2.HTTPError, OSError, ValueError) as error:
            why = str(error).strip().splitlines()[0]
            raise PublishedError(f"{where!r} is no folder here, and the Hub does not give it: {why}") from error
        names, revision = [file.rfilename for file in info.siblings or ()], info.sha
        if "layouts.json" not in names:
            raise PublishedError(f"{where} has no layouts.json: it was not published by plugdata")
        layouts = _download(where, "layouts.json", str(revision))
    if not layouts.is_file():
        raise PublishedError(f"{where} has no layouts.json: name the folder dist/ of a corpus, or a Hub id")
    files: dict[tuple[str, str], tuple[str, ...]] = {}
    for name in sorted(names):
        if found := re.fullmatch(r"([^/]+)/(\w+)-[^/]*\.parquet", name):
            files[found[1], found[2]] = (*files.get((found[1], found[2]), ()), name)
    if not files:
        raise PublishedError(f"{where} has no CONFIG/SPLIT-*.parquet")
    return Published(where, revision, json.loads(layouts.read_text(encoding="utf-8")), files)


def _download(repo: str, name: str, revision: str) -> Path:
    try:
        return Path(huggingface_hub.hf_hub_download(repo, name, repo_type="dataset", revision=revision))
    except (httpx2.HTTPError, OSError) as error:
        why = str(error).strip().splitlines()[0]
        raise PublishedError(f"{repo}: {name} cannot be fetched: {why}") from error
