"""The YAML at the head of a card: what the Hub shows and searches, and `datasets` reads.

Owns its keys. A person's own keys in a published card are card.py's to keep.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from plugdata import licenses
from plugdata.publish import COLUMNS, Config, Facts, Origin
from plugdata.publish.wording import Words
from plugdata.recipe import Recipe

OWNED = (
    "language",
    "language_bcp47",
    "license",
    "license_name",
    "license_link",
    "pretty_name",
    "size_categories",
    "task_categories",
    "source_datasets",
    "multilinguality",
    "annotations_creators",
    "tags",
    "configs",
    "dataset_info",
)
"""The keys that a push sets, or takes out where nothing is to be said; tags of a person's own stay among ours."""


def metadata(
    recipe: Recipe,
    facts: Facts,
    configs: Sequence[Config],
    license: str,
    origins: Sequence[Origin],
    title: str,
    words: Words,
    by_machine: bool,
) -> dict[str, Any]:
    """Keys and values. The first config is the default one; by_machine: no translation was given."""
    codes = [*dict.fromkeys(config.lang for config in configs), facts.pivot]
    regional = [code for code in codes if "-" in code]  # the Hub's `language` takes bare ISO 639 codes only
    sources = list(dict.fromkeys(origin.source for origin in origins if on_hub(recipe, origin.source)))
    found: Mapping[str, Any] = {
        "language": list(dict.fromkeys(code.split("-")[0] for code in codes)),
        **({"language_bcp47": regional} if regional else {}),
        **licenses.on_card(license),
        "pretty_name": title,
        "size_categories": [_size_category(sum(size.n_rows for config in configs for size in config.splits.values()))],
        "task_categories": ["text-generation"],
        **({"source_datasets": sources} if sources else {}),
        "multilinguality": ["translation"],
        **({"annotations_creators": ["machine-generated"]} if by_machine else {}),
        "tags": [tag for tag in words.tags if by_machine or tag != "synthetic"],
        "configs": [
            {
                "config_name": config.name,
                **({"default": True} if config is configs[0] else {}),
                "data_files": [{"split": split, "path": f"{config.name}/{split}-*"} for split in config.splits],
            }
            for config in configs
        ],
        "dataset_info": [
            {
                "config_name": config.name,
                "features": [_feature(name, dtype) for name, (dtype, _) in COLUMNS.items()],
                "splits": [
                    {"name": split, "num_bytes": size.n_bytes, "num_examples": size.n_rows}
                    for split, size in config.splits.items()
                ],
                "download_size": config.n_file_bytes,
                "dataset_size": sum(size.n_bytes for size in config.splits.values()),
            }
            for config in configs
        ],
    }
    return {key: found[key] for key in OWNED if key in found}


def on_hub(recipe: Recipe, source: str) -> bool:
    """Whether a source's name is that of a data set on the Hub: it was read there, or is a well-known one's (the rows
    of a pulled corpus name sources that its recipe does not)."""
    read = any(known.id is not None and known.label == source for known in recipe.origins)
    return read or licenses.data_set(source) is not None


def _feature(name: str, dtype: str) -> dict[str, Any]:
    if dtype == "messages":
        return {"name": name, "list": [{"name": "role", "dtype": "string"}, {"name": "content", "dtype": "string"}]}
    return {"name": name, "dtype": dtype}


def _size_category(n: int) -> str:
    """The Hub's name for a number of rows."""
    marks = ["1K", "10K", "100K", "1M", "10M", "100M", "1B"]
    at = max(len(str(n)) - 3, 0)
    return "n<1K" if at == 0 else f"{marks[at - 1]}<n<{marks[at]}" if at < len(marks) else "n>1B"
