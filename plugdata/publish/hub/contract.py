"""What a published card promises to those who load the data set, and which promises a new card breaks.

Owns the comparison of two cards' metadata: configs, the default one, columns and their types. Pure: texts in, words
out. Must not know files or a Hub.

A script that loads `ORG/NAME`, "ko" and reads `response` breaks when any of these goes away, and a card whose features
are not those of the files breaks the viewer and `load_dataset` alike (huggingface/datasets#8608). A new config, or a
new column beside the others, breaks nothing.
"""

from collections.abc import Collection, Mapping
from typing import Any

import yaml

from plugdata.errors import GateError
from plugdata.publish import card


def metadata(text: str) -> dict[str, Any]:
    """The YAML between two lines of three dashes that open a card; {} where there is none that can be read."""
    try:
        return card.parted(text)[0]
    except GateError:
        return {}


def broken(ours: Mapping[str, Any], published: Mapping[str, Any], owned: Collection[str]) -> list[str]:
    """What users of the published data set would miss, a line each. Configs whose files are not ours do not count."""
    folders = {name.partition("/")[0] for name in owned if "/" in name}
    there = [name for name in _configs(published) if name in folders]
    here = _configs(ours)
    found = [f"config {name!r} vanishes" for name in there if name not in here]
    before, after = _default(published), _default(ours)
    if before in there and before != after:
        found.append(f"the default config changes from {before!r} to {after!r}")
    old, new = _features(published), _features(ours)
    for config in there:
        if config in here and config in old and config in new:
            found += [f"config {config!r}: {change}" for change in _columns(old[config], new[config])]
    return found


def _columns(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    gone = [name for name in old if name not in new]
    came = [name for name in new if name not in old]
    beside = f" (new: {', '.join(map(repr, came))})" if came else ""
    lines = [f"column {name!r} vanishes{beside}" for name in gone]
    return lines + [
        f"column {name!r} is {_said(new[name])}, was {_said(old[name])}"
        for name in old
        if name in new and old[name] != new[name]
    ]


def _said(kind: object) -> str:
    return kind if isinstance(kind, str) else yaml.safe_dump(kind, default_flow_style=True, sort_keys=True).strip()


def _entries(metadata: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The blocks under a key: a card with one config may have a block where others have a list."""
    found = metadata.get(key)
    blocks = found if isinstance(found, list) else [found]
    return [block for block in blocks if isinstance(block, dict)]


def _configs(metadata: Mapping[str, Any]) -> list[str]:
    return [str(block["config_name"]) for block in _entries(metadata, "configs") if "config_name" in block]


def _default(metadata: Mapping[str, Any]) -> str | None:
    """The config that `load_dataset(repo)` takes."""
    named = [str(b["config_name"]) for b in _entries(metadata, "configs") if b.get("default") and "config_name" in b]
    alone = _configs(metadata)
    return named[0] if named else alone[0] if len(alone) == 1 else None


def _features(metadata: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Config → column → what it holds, however its description is laid out."""
    found = {}
    for block in _entries(metadata, "dataset_info"):
        columns = block.get("features")
        if isinstance(columns, list) and all(isinstance(column, dict) and "name" in column for column in columns):
            found[str(block.get("config_name", "default"))] = {
                str(column["name"]): column.get("dtype") or {k: v for k, v in column.items() if k != "name"}
                for column in columns
            }
    return found
