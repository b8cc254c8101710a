"""What is compared: the turns that an export holds, and the text that gets loss in a trainer."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

IGNORED = -100
"""The label of a token without loss, in PyTorch and all that is built on it."""


def with_loss(decode: Callable[[list[int]], str], ids: Sequence[int], labels: Sequence[int]) -> str:
    """The text of the tokens that get loss, which must be one run of them."""
    places = [n for n, label in enumerate(labels) if label != IGNORED]
    assert places == list(range(places[0], places[-1] + 1)), "the loss is not on one run of tokens"
    assert [labels[n] for n in places] == [ids[n] for n in places]
    return decode([ids[n] for n in places])


def said(folder: Path) -> list[tuple[str, str, str]]:
    """System, user and assistant of every row that an export in messages, trl's or other records holds, by file."""
    found = []
    for path in sorted(folder.glob("*/train.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            turns = row.get("messages") or row["prompt"] + row["completion"]
            texts = [turn["content"] for turn in turns]
            system, user, assistant = texts if len(texts) == 3 else ("", *texts)
            found.append((system, user, assistant))
    return found
