"""The parts of a card's page that are made of facts: how rows were made, what became of them, what is known of them.

Owns their tables and sentences; fixed passages are wording.py's. Pure.
"""

from collections.abc import Mapping, Sequence

from plugdata import languages, licenses
from plugdata.licenses import Provider
from plugdata.pair import LAYOUTS
from plugdata.publish import Config, Facts, ModelUse, Origin, Sample
from plugdata.publish.findings import Findings, Share
from plugdata.publish.markdown import cut, fenced, inert, table
from plugdata.publish.wording import FINDINGS, MEANS, MIXED, X_INSTRUCTION
from plugdata.publish.wording import LAYOUTS as PURPOSES
from plugdata.recipe import Recipe
from plugdata.rows import Status

_SAMPLE = (600, 12)  # characters and lines of a row's text that the card shows


def layouts(configs: Sequence[Config]) -> str:
    """Which config is which layout, and how to mix those that are meant to be mixed."""
    texts = {
        "pivot_instruction": "pivot instruction",
        "pivot_response": "pivot response",
        "instruction": "target instruction",
        "response": "target response",
    }
    rows = [
        [
            f"`{config.name}`" + (" (default)" if config is configs[0] else ""),
            name(config.lang),
            f"`{config.layout}`",
            PURPOSES[config.layout],
            texts[LAYOUTS[config.layout].user],
            ", ".join(texts[part.field] for part in LAYOUTS[config.layout].parts) or "–",
            " · ".join(f"{size.n_rows:,} {split}" for split, size in config.splits.items()),
        ]
        for config in configs
    ]
    found = table(["config", "language", "layout", "what it is", "user says", "assistant answers", "rows"], rows)
    mixed = [config.name for config in configs if config.layout in MIXED]
    if not mixed:
        return found
    return f"{found}\n\nMeant to be mixed with others (`datasets.concatenate_datasets`): " + (
        ", ".join(f"`{config}`" for config in mixed) + "."
    )


def making(recipe: Recipe, facts: Facts, given: Sequence[str]) -> list[str]:
    """Which models did what, when, for how much, with which prompts."""
    built = f"Built by plugdata {inert(facts.version)}."
    said = "`recipe.yaml` says what was asked for, `manifest.json` and `report.html` what came of it."
    made = any(use.task == "translation" for use in facts.models)
    told = [
        f"Translations into {names(langs)} were given{'' if by == 'given' else f', from {inert(by)}'}."
        for by, langs in _givers(recipe, given).items()
    ]
    if recipe.kind == "x-instruction":
        told = _making_of_natural(recipe, made)
    elif made:
        told.insert(0, f"The {name(recipe.read_lang)} rows were translated by a language model.")
    told.append("All rows were checked, filtered and deduplicated.")
    if not facts.models:
        return [" ".join([*told, "No model was called.", said, built])]
    prompts = ", ".join(f"`{inert(prompt)}`" for prompt in facts.prompts)
    return [
        " ".join([*told, said]),
        table(
            ["model", "for", "calls", "tokens in", "tokens out", "cost (USD)", "answered"],
            [
                [
                    inert(use.served_as),
                    use.task,
                    f"{use.n_calls:,}",
                    f"{use.prompt_tokens:,}",
                    f"{use.completion_tokens:,}",
                    _cost([use]),
                    " to ".join(dict.fromkeys((use.first_date, use.last_date))),
                ]
                for use in facts.models
            ],
            numbers_from=2,
        ),
        f"In all {sum(use.n_calls for use in facts.models):,} calls for USD {_cost(facts.models)}. Prompt templates: "
        f"{prompts}. {built}",
    ]


def _making_of_natural(recipe: Recipe, translated: bool) -> list[str]:
    """How natural text came by its instructions."""
    told = [
        "Documents were cleaned, cut into passages and checked for their language, and "
        f"{name(recipe.pivot)} instructions that the passages answer were made by a language model."
    ]
    if recipe.rate:
        least = f"{recipe.rate.least} of {recipe.rate.levels}"
        told.append(f"A model marked each pair as an assistant's answer; {least} was needed.")
    if recipe.edit:
        changed = f"{recipe.edit.max_change:.0%}"
        told.append(f"A model edited passages lightly into answers, changing {changed} of a passage at most.")
    if recipe.diversify and recipe.diversify.rows:
        told.append("Rows were sampled from clusters of their instructions, so that no kind of task rules.")
    if translated:
        told.append("What the layouts need beside instruction and passage was translated by a language model.")
    return told


def _givers(recipe: Recipe, given: Sequence[str]) -> dict[str, list[str]]:
    """Who is said to have made given translations → their languages."""
    said = {existing.lang: existing.made_by for existing in recipe.translations}
    found: dict[str, list[str]] = {}
    for lang in given:
        found.setdefault(said.get(lang, "given"), []).append(lang)
    return found


def _cost(uses: Sequence[ModelUse]) -> str:
    n_unpriced, usd = sum(use.n_unpriced for use in uses), sum(use.nano_usd for use in uses) / 1e9
    if n_unpriced == sum(use.n_calls for use in uses):
        return "not known"
    told = "0" if not usd else f"{usd:,.2f}" if usd >= 0.01 else "< 0.01"
    return f"{told}, {n_unpriced:,} calls not known" if n_unpriced else told


def funnel(facts: Facts, n_published: Mapping[str, int], parallel: bool) -> str:
    """One table for all languages: rows read, what each step took out and why, rows published, with their shares."""
    langs = [lang for lang in facts.funnel if facts.funnel[lang]]
    if not langs:
        return "Not recorded."
    read = {lang: facts.funnel[lang][0][1].rows for lang in langs}
    taken: dict[str, dict[tuple[str, str], dict[str, int]]] = {}  # stage → (status, reason) → language → rows
    for lang in langs:
        for stage, counts in facts.funnel[lang]:
            for status, reasons in counts.out.items():
                for reason, n in reasons.items():
                    taken.setdefault(stage, {}).setdefault((status, reason), {})[lang] = n

    def line(what: str, by_lang: Mapping[str, int]) -> list[str]:
        return [what, *(_minus(by_lang.get(lang, 0), read[lang]) for lang in langs)]

    rows = [["rows read", *(f"{read[lang]:,}" for lang in langs)]]
    for stage in dict.fromkeys(stage for lang in langs for stage, _ in facts.funnel[lang]):
        for (status, reason), by_lang in sorted(taken.get(stage, {}).items()):
            aside = "" if status == Status.DROPPED else f" ({status})"
            rows.append(line(f"{stage}: {reason}{aside}", by_lang))
    if parallel:
        kept = {lang: facts.funnel[lang][-1][1].kept for lang in langs}
        rows.append(line("not kept in every language", {lang: kept[lang] - n_published.get(lang, 0) for lang in langs}))
    shown = {lang: n_published.get(lang, 0) for lang in langs}
    rows.append(["**published**", *(f"**{n:,}** ({_percent(n, read[lang])})" for lang, n in shown.items())])
    return (
        table(["step: reason", *map(name, langs)], rows, numbers_from=1)
        + "\n\nA rule of `recipe.yaml` took a row out, unless it is quarantined: then what came for it could not be"
        " made right. `report.html` shows rows of each reason."
    )


def findings(found: Mapping[str, Findings]) -> list[str]:
    """What filters and estimates measured of the published rows; nothing if nothing was measured."""
    langs = list(found)
    seen = {key for of in found.values() for key, share in of.shares.items() if share.n}
    asked = {key for of in found.values() for key in of.shares}
    rows = [
        [told, *(_share(found[lang].shares.get(key)) for lang in langs)]
        for key, told in FINDINGS.items()
        if key in seen
    ]
    for key, told in MEANS.items():
        means = [found[lang].means.get(key) for lang in langs]
        if any(means):
            rows.append([told, *(f"{mean.value:.1f} ({mean.of:,} rows)" if mean else "–" for mean in means)])
    clean = [told for key, told in FINDINGS.items() if key in asked - seen]
    blocks = []
    if rows:
        blocks = [
            "What was measured of the published rows, in shares of those that could be judged; target and pivot are "
            "compared, and a difference need not be a mistake:",
            table(["measured", *map(name, langs)], rows, numbers_from=1),
        ]
    return blocks + ([f"Looked for, and found in none: {'; '.join(clean)}."] if clean else [])


def sample(row: Sample, pivot: str) -> str:
    """One row's texts under their languages."""
    target = name(row.lang)
    blocks = [
        (f"{target} instruction", row.instruction),
        (f"{name(pivot)} instruction", row.pivot_instruction),
        (f"{name(pivot)} response", row.pivot_response),
        (f"{target} response", row.response),
    ]
    shown = [f"**{title}**\n\n{fenced(cut(text, *_SAMPLE))}" for title, text in blocks if text]
    return "\n\n".join(shown) + "\n\n---"


def terms(facts: Facts, configs: Sequence[Config], license: str, origins: Sequence[Origin]) -> list[str]:
    """The licence, that of each source, and whose terms the answers came under."""
    apart = [config for config in configs if config.license is not None]
    if license in licenses.LICENSES:
        known = licenses.LICENSES[license]
        head = f"The data set is under [{known.name}]({known.url}) (`{known.id}`)"
        head += ", the licence that keeps every condition of its sources." if len(origins) > 1 else "."
    elif apart:
        head = "No one licence covers the data set. Rows that cannot share one stand in configs of their own: "
        head += ", ".join(f"`{config.name}` under {inert(license_name(config.license))}" for config in apart) + "."
    elif license == licenses.PER_ROW:
        head = "No one licence covers the data set: each row is under that of its source, in the column `license`."
    else:
        head = f"The data set is under `{inert(license)}`, as declared by its publisher."
    served: dict[Provider, list[str]] = {}
    for model in dict.fromkeys(use.served_as for use in facts.models):
        if model in facts.providers:
            served.setdefault(facts.providers[model], []).append(inert(model))
    found = [
        head,
        table(
            ["source", "licence", "rows of all languages"],
            [[inert(o.source), inert(license_name(o.license)), f"{o.n_rows:,}"] for o in origins],
            numbers_from=2,
        ),
    ]
    if facts.models:
        found.append(
            "The terms of a model's provider, or the licence of its weights, may limit what its output is used for, "
            "such as training a model that competes with it. They are a contract of their own: read those of the "
            "models named above."
        )
    found += [f"- {by.name} served {', '.join(models)}: <{by.terms}>" for by, models in served.items()]
    return [*found, "This is bookkeeping, no legal advice."]


def citations(words_cited: str, citation: str, configs: Sequence[Config], origins: Sequence[Origin]) -> list[str]:
    """What to cite: the method, and the sources whose references are known."""
    entries = [citation, *([X_INSTRUCTION] if any(config.layout == "x-instruct" for config in configs) else [])]
    known = {found for origin in origins if (found := licenses.data_set(origin.source))}
    sources = [f"- {found}" for found in sorted(known, key=str)]
    return [
        f"{words_cited}:\n\n```bibtex\n" + "\n\n".join(entries) + "\n```",
        *(["The sources:\n\n" + "\n".join(sources)] if sources else []),
    ]


def name(code: str) -> str:
    """A language's English name."""
    return languages.get(code).name


def names(codes: Sequence[str]) -> str:
    """The English names of some languages: "Korean, Thai and Arabic"."""
    found = [name(code) for code in codes]
    return " and ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)


def license_name(license: str | None) -> str:
    if license is None:
        return "licence unknown"
    return f"{licenses.LICENSES[license].name} ({license})" if license in licenses.LICENSES else license


def _minus(n: int, of: int) -> str:
    return f"−{n:,} ({_percent(n, of)})" if n else "0"


def _share(share: Share | None) -> str:
    return f"{_percent(share.n, share.of)} of {share.of:,}" if share else "–"


def _percent(n: int, of: int) -> str:
    """A share in per cent, in which neither few look like none nor most like all."""
    if 0 < n < of:
        return f"{min(max(100 * n / of, 0.1), 99.9):.1f} %"
    return "100 %" if n else "0 %"
