"""What a published corpus says of itself: README.md (the Hub's card: metadata and a page for people) and LICENSE.

Owns the two texts; the passages that depend on the kind of rows are wording.py's. Pure: facts in, text out, no clock,
no files, no network. Must not know where rows lie, how Parquet is written or how a Hub is spoken to.

Texts of rows and names from recipes stand in the card as they are, but inert: rows inside fences longer than any run
of backticks in them, names with their Markdown escaped. A row is cut to a readable length in the card only.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from plugdata import languages, licenses
from plugdata.pair import LAYOUTS
from plugdata.publish import COLUMNS, Config, Facts, Origin, Sample
from plugdata.publish.markdown import cut, fenced, inert, table
from plugdata.publish.wording import CITATION, PAIRS, PROMPTS, Words, limits, summary
from plugdata.recipe import Recipe
from plugdata.rows import Status

_SAMPLE = (600, 12)  # characters and lines of a row's text that the card shows


def card(
    recipe: Recipe,
    facts: Facts,
    configs: Sequence[Config],
    license: str,
    origins: Sequence[Origin],
    samples: Sequence[Sample],
) -> str:
    """README.md. The first config is the default one."""
    metadata = yaml.safe_dump(_metadata(recipe, facts, configs, license, origins), sort_keys=False, allow_unicode=True)
    targets, words = _targets(configs), _words(configs)
    given = _given(recipe, facts, targets)
    made = len(given) < len(targets)
    beside = "original" if recipe.read_lang == recipe.pivot else "translation"
    n_rows = {lang: _n_rows([config for config in configs if config.lang == lang][:1]) for lang in targets}
    repo = recipe.publish.repo or "ORG/NAME"
    sections = [
        f"# {inert(_title(recipe, configs))}",
        f"{words.texts} in {_names(targets)}, each beside its {_name(facts.pivot)} {beside}: "
        + ", ".join(f"{n:,} rows in {_name(lang)}" for lang, n in n_rows.items())
        + ".",
        *filter(None, [summary(words, made)]),
        words.about,
        "## Use",
        f'```python\nfrom datasets import load_dataset\n\nrows = load_dataset("{repo}", "{configs[0].name}")\n'
        f'print(rows["{next(iter(configs[0].splits))}"][0]["messages"])\n```',
        table(
            ["config", "language", "layout", "the assistant turn holds", "rows"],
            [
                [
                    f"`{config.name}`" + (" (default)" if config is configs[0] else ""),
                    _name(config.lang),
                    f"`{config.layout}` (`{LAYOUTS[config.layout].template}`)",
                    ", ".join(f"`{part.field}`" for part in LAYOUTS[config.layout].parts) or "–",
                    " · ".join(f"{size.n_rows:,} {split}" for split, size in config.splits.items()),
                ]
                for config in configs
            ],
        ),
        words.use,
        "## Columns",
        table(
            ["column", "type", "meaning"],
            [[f"`{n}`", _type(t), words.meanings.get(n, meaning)] for n, (t, meaning) in COLUMNS.items()],
        ),
        "## How it was made",
        *_making(recipe, facts, given),
        "## What became of every row",
        *_funnel(facts, n_rows, recipe.parallel),
        "## Three rows",
        *(_sample(sample, facts.pivot) for sample in samples),
        "## Licence and sources",
        *_terms(license, origins),
        "## Known limits",
        limits(words, made, _names(given)),
        "## Citation",
        f"{words.cited}:\n\n```bibtex\n{CITATION}\n```",
    ]
    return f"---\n{metadata}---\n\n" + "\n\n".join(sections) + "\n"


def license_text(
    recipe: Recipe, facts: Facts, configs: Sequence[Config], license: str, origins: Sequence[Origin]
) -> str:
    """LICENSE: which licence, where its text is, whose rows these are and what was done to them."""
    given = _given(recipe, facts, _targets(configs))
    made = [lang for lang in _targets(configs) if lang not in given]
    if license in licenses.LICENSES:
        known = licenses.LICENSES[license]
        head = f"{known.name} ({known.id})\n{known.url}"
    elif license.lower() == "other":
        head = "Each row is under the licence of its source, given in the column `license`."
    else:
        head = f"{license}\nas declared by the publisher of this data set"
    lines = [_title(recipe, configs), "", head, "", "It adapts rows of:"]
    lines += [
        f"- {origin.source}: {origin.n_rows:,} rows, {_license_name(origin.license)}"
        + (f"\n  https://huggingface.co/datasets/{origin.source}" if _on_hub(recipe, origin.source) else "")
        for origin in origins
    ]
    changes = [f"machine-translated into {_names(made)}"] if made else []
    changes += [f"put beside given translations into {_names(given)}"] if given else []
    lines += ["", f"Changes: {', '.join(changes)}, filtered, deduplicated, laid out as chat."]
    return "\n".join(lines) + "\n"


def _metadata(
    recipe: Recipe, facts: Facts, configs: Sequence[Config], license: str, origins: Sequence[Origin]
) -> dict[str, Any]:
    codes = [*_targets(configs), facts.pivot]
    regional = [code for code in codes if "-" in code]  # the Hub's `language` takes bare ISO 639 codes only
    sources = list(dict.fromkeys(origin.source for origin in origins if _on_hub(recipe, origin.source)))
    return {
        "language": list(dict.fromkeys(code.split("-")[0] for code in codes)),
        **({"language_bcp47": regional} if regional else {}),
        **licenses.on_card(license),
        "pretty_name": _title(recipe, configs),
        "size_categories": [_size_category(_n_rows(configs))],
        "task_categories": ["text-generation"],
        **({"source_datasets": sources} if sources else {}),
        "multilinguality": ["translation"],
        **({} if _given(recipe, facts, _targets(configs)) else {"annotations_creators": ["machine-generated"]}),
        "tags": list(_words(configs).tags),
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


def _feature(name: str, dtype: str) -> dict[str, Any]:
    if dtype == "messages":
        return {"name": name, "list": [{"name": "role", "dtype": "string"}, {"name": "content", "dtype": "string"}]}
    return {"name": name, "dtype": dtype}


def _making(recipe: Recipe, facts: Facts, given: Sequence[str]) -> list[str]:
    if not facts.models:
        return [f"The translations were given; no model was called. Built by plugdata {inert(facts.version)}."]
    rows = [
        [
            inert(use.served_as),
            f"{use.n_calls:,}",
            f"{use.prompt_tokens:,}",
            f"{use.completion_tokens:,}",
            use.first_date or "–",
            use.last_date or "–",
        ]
        for use in facts.models
    ]
    prompts = ", ".join(f"`{inert(prompt)}`" for prompt in facts.prompts) or "none"
    return [
        f"The {_name(recipe.read_lang)} rows were translated by a language model, then checked, filtered and "
        "deduplicated. "
        + (f"Translations into {_names(given)} were given. " if given else "")
        + "`recipe.yaml` says what was asked for, `manifest.json` what came of it.",
        table(["model", "calls", "tokens in", "tokens out", "first answer", "last answer"], rows, numbers_from=1),
        f"Prompt templates: {prompts}. Built by plugdata {inert(facts.version)}.",
    ]


def _funnel(facts: Facts, n_published: Mapping[str, int], parallel: bool) -> list[str]:
    """One table for all languages: rows read, what each step took out and why, rows kept."""
    langs = [lang for lang in facts.funnel if facts.funnel[lang]]
    if not langs:
        return ["Not recorded."]
    taken: dict[str, dict[tuple[str, str], dict[str, int]]] = {}  # stage → (status, reason) → language → rows
    for lang in langs:
        for stage, counts in facts.funnel[lang]:
            for status, reasons in counts.out.items():
                for reason, n in reasons.items():
                    taken.setdefault(stage, {}).setdefault((status, reason), {})[lang] = n
    rows = [["rows read", *(f"{facts.funnel[lang][0][1].rows:,}" for lang in langs)]]
    for stage in dict.fromkeys(stage for lang in langs for stage, _ in facts.funnel[lang]):
        for (status, reason), by_lang in sorted(taken.get(stage, {}).items()):
            aside = "" if status == Status.DROPPED else f" ({status})"
            rows.append([f"{stage}: {reason}{aside}", *(_minus(by_lang.get(lang, 0)) for lang in langs)])
    kept = {lang: facts.funnel[lang][-1][1].kept for lang in langs}
    if parallel:
        rows.append(["not kept in every language", *(_minus(kept[lang] - n_published.get(lang, 0)) for lang in langs)])
    rows.append(["**published**", *(f"**{n_published.get(lang, 0):,}**" for lang in langs)])
    return [table(["step: reason", *map(_name, langs)], rows, numbers_from=1)]


def _minus(n: int) -> str:
    return f"−{n:,}" if n else "0"


def _sample(sample: Sample, pivot: str) -> str:
    target = _name(sample.lang)
    blocks = [
        (f"{target} instruction", sample.instruction),
        (f"{_name(pivot)} instruction", sample.pivot_instruction),
        (f"{_name(pivot)} response", sample.pivot_response),
        (f"{target} response", sample.response),
    ]
    shown = [f"**{title}**\n\n{fenced(cut(text, *_SAMPLE))}" for title, text in blocks if text]
    return "\n\n".join(shown) + "\n\n---"


def _terms(license: str, origins: Sequence[Origin]) -> list[str]:
    if license in licenses.LICENSES:
        known = licenses.LICENSES[license]
        head = f"The data set is under [{known.name}]({known.url}) (`{known.id}`)"
        head += ", the licence that keeps every condition of its sources." if len(origins) > 1 else "."
    elif license.lower() == "other":
        head = "No one licence covers the data set: each row is under that of its source, in the column `license`."
    else:
        head = f"The data set is under `{inert(license)}`, as declared by its publisher."
    return [
        head,
        table(
            ["source", "licence", "rows"],
            [[inert(o.source), inert(_license_name(o.license)), f"{o.n_rows:,}"] for o in origins],
            numbers_from=2,
        ),
        "The terms of a model's provider may limit what its output is used for, such as training a model that competes "
        "with it. They are a contract of their own: read those of the models named above. This is no legal advice.",
    ]


def _title(recipe: Recipe, configs: Sequence[Config]) -> str:
    repo = recipe.publish.repo
    unnamed = f"{_words(configs).title} {'-'.join(_targets(configs))}"
    return recipe.publish.title or (repo.partition("/")[2] if repo else unnamed)


def _words(configs: Sequence[Config]) -> Words:
    return PROMPTS if configs[0].layout == "prompt" else PAIRS


def _given(recipe: Recipe, facts: Facts, targets: Sequence[str]) -> list[str]:
    """The languages whose translations were not made here."""
    return [lang for lang in targets if lang not in recipe.asked or not facts.models]


def _targets(configs: Sequence[Config]) -> list[str]:
    return list(dict.fromkeys(config.lang for config in configs))


def _n_rows(configs: Sequence[Config]) -> int:
    return sum(size.n_rows for config in configs for size in config.splits.values())


def _size_category(n: int) -> str:
    """The Hub's name for a number of rows."""
    marks = ["1K", "10K", "100K", "1M", "10M", "100M", "1B"]
    at = max(len(str(n)) - 3, 0)
    return "n<1K" if at == 0 else f"{marks[at - 1]}<n<{marks[at]}" if at < len(marks) else "n>1B"


def _on_hub(recipe: Recipe, source: str) -> bool:
    return any(known.id is not None and known.label == source for known in recipe.sources)


def _license_name(license: str | None) -> str:
    if license is None:
        return "licence unknown"
    return f"{licenses.LICENSES[license].name} ({license})" if license in licenses.LICENSES else license


def _type(dtype: str) -> str:
    return "list of {role, content}" if dtype == "messages" else dtype


def _name(code: str) -> str:
    return languages.get(code).name


def _names(codes: Sequence[str]) -> str:
    names = [_name(code) for code in codes]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
