"""What a published corpus says of itself: README.md (the Hub's card: metadata and a page for people) and LICENSE.

Owns the two texts as wholes, and how a new card meets one that a person has written in; the parts of the page are
sections.py's and wording.py's, the metadata is metadata.py's. Pure: facts in, text out, no clock, no files, no network.
Must not know where rows lie, how Parquet is written or how a Hub is spoken to.

- Texts of rows and names from recipes stand in the card as they are, but inert: rows inside fences longer than any run
  of backticks in them, names with their Markdown escaped. A row is cut to a readable length in the card only.
- Each section stands between two comments, `<!-- plugdata:begin NAME -->` and `<!-- plugdata:end NAME -->`, on lines of
  their own. What a person writes outside of them is theirs and stays where it stands; what is inside is written anew.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from plugdata import licenses
from plugdata.errors import GateError
from plugdata.publish import COLUMNS, Config, Facts, Origin, Sample, sections
from plugdata.publish.findings import Findings
from plugdata.publish.markdown import inert, table
from plugdata.publish.metadata import OWNED, metadata, on_hub
from plugdata.publish.wording import CITATION, NATURAL, PAIRS, PROMPTS, Words, limits, summary
from plugdata.recipe import Recipe

_MARK = re.compile(r"^<!-- plugdata:(begin|end) ([a-z]+) -->\s*$")


def card(
    recipe: Recipe,
    facts: Facts,
    configs: Sequence[Config],
    license: str,
    origins: Sequence[Origin],
    samples: Sequence[Sample],
    findings: Mapping[str, Findings],
) -> str:
    """README.md. The first config is the default one; findings: of each language."""
    targets, words = _targets(configs), _words(recipe, configs)
    given = _given(recipe, facts, targets)
    made = len(given) < len(targets)
    title = _title(recipe, configs)
    beside = "original" if recipe.read_lang == recipe.pivot else "translation"
    if words is NATURAL:
        beside = "instruction"
    first = {lang: next(config for config in configs if config.lang == lang).layout for lang in targets}
    n_rows = {
        lang: sum(
            size.n_rows
            for config in configs
            if (config.lang, config.layout) == (lang, layout)
            for size in config.splits.values()
        )
        for lang, layout in first.items()
    }
    repo = recipe.publish.repo or "ORG/NAME"
    split = next(iter(configs[0].splits))
    blocks: dict[str, list[str]] = {
        "about": [
            f"# {inert(title)}",
            f"{words.texts} in {sections.names(targets)}, each beside its {sections.name(facts.pivot)} {beside}: "
            + ", ".join(f"{n:,} rows in {sections.name(lang)}" for lang, n in n_rows.items())
            + ".",
            *filter(None, [summary(words, made)]),
            words.about,
        ],
        "use": [
            "## Use",
            f'```python\nfrom datasets import load_dataset\n\nrows = load_dataset("{repo}", "{configs[0].name}", '
            f'split="{split}")\nprint(rows[0]["messages"])\n```',
            sections.layouts(configs),
            "A row has the same `id`, and is in the same split, in every config that holds it.",
            words.use,
        ],
        "columns": [
            "## Columns",
            table(
                ["column", "type", "meaning"],
                [[f"`{n}`", _type(t), words.meanings.get(n, meaning)] for n, (t, meaning) in COLUMNS.items()],
            ),
        ],
        "making": ["## How it was made", *sections.making(recipe, facts, given)],
        "funnel": ["## What became of every row", sections.funnel(facts, n_rows, recipe.parallel)],
        "rows": ["## Three rows", *(sections.sample(sample, facts.pivot) for sample in samples)],
        "limits": [
            "## Known limits",
            limits(words, made, sections.names(given)),
            *sections.findings(findings),
        ],
        "licence": ["## Licence and sources", *sections.terms(facts, configs, license, origins)],
        "citation": ["## Citation", *sections.citations(words.cited, CITATION, configs, origins)],
    }
    head = metadata(recipe, facts, configs, license, origins, title, words, by_machine=not given)
    return _whole(head, "\n\n".join(_marked(name, "\n\n".join(block)) for name, block in blocks.items()))


def license_text(
    recipe: Recipe, facts: Facts, configs: Sequence[Config], license: str, origins: Sequence[Origin]
) -> str:
    """LICENSE: which licence, where its text is, whose rows these are and what was done to them."""
    given = _given(recipe, facts, _targets(configs))
    made = [lang for lang in _targets(configs) if lang not in given]
    if license in licenses.LICENSES:
        known = licenses.LICENSES[license]
        head = f"{known.name} ({known.id})\n{known.url}"
    elif license == licenses.PER_ROW:
        head = "Each row is under the licence of its source, given in the column `license`."
    else:
        head = f"{license}\nas declared by the publisher of this data set"
    lines = [_title(recipe, configs), "", head]
    lines += [f"- {c.name}: {sections.license_name(c.license)}" for c in configs if c.license is not None]
    lines += ["", "It adapts rows of:"]
    lines += [
        f"- {origin.source}: {origin.n_rows:,} rows, {sections.license_name(origin.license)}"
        + (f"\n  https://huggingface.co/datasets/{origin.source}" if on_hub(recipe, origin.source) else "")
        for origin in origins
    ]
    if recipe.kind == "x-instruction":
        changes = ["cleaned, cut into passages, given instructions that a model made"]
    else:
        changes = [f"machine-translated into {sections.names(made)}"] if made else []
    changes += [f"put beside given translations into {sections.names(given)}"] if given else []
    lines += ["", f"Changes: {', '.join(changes)}, filtered, deduplicated, laid out as chat."]
    return "\n".join(lines) + "\n"


def merged(ours: str, published: str | None) -> str:
    """A new card that keeps what a person wrote in the published one.

    Theirs: text outside of our sections, where it stood; keys of the metadata that are not OWNED; tags beside ours.
    Sections that they deleted come back; a card without our marks stands below ours whole.
    Raises GateError, with the line, for metadata that is no YAML, or marks that do not match.
    """
    if published is None:
        return ours
    head, text, _ = parted(ours)
    theirs, rest, at = parted(published)
    tags = theirs.get("tags")
    more = [tag for tag in tags if tag not in head["tags"]] if isinstance(tags, list) else []
    kept = {key: value for key, value in theirs.items() if key not in OWNED}
    together = {**head, "tags": [*head["tags"], *more], **kept}
    found = _pieces(rest, at)
    places = [name for name, _ in found if name]
    blocks = {name: block for name, block in _pieces(text, 0) if name}
    after: dict[str, list[str]] = {}  # section that is there ("": none) → ours that are to follow it
    last = ""
    for name in blocks:
        if name in places:
            last = name
        else:
            after.setdefault(last, []).append(name)
    said = [blocks[name] for name in after.get("", [])]
    for name, piece in found:
        if not name:
            said.append(piece)
        elif name in blocks:
            said += [blocks[name], *(blocks[new] for new in after.get(name, []))]
    return _whole(together, "\n\n".join(filter(None, (piece.strip("\n") for piece in said))))


def _whole(head: Mapping[str, Any], text: str) -> str:
    return f"---\n{yaml.safe_dump(dict(head), sort_keys=False, allow_unicode=True)}---\n\n{text}\n"


def _marked(name: str, text: str) -> str:
    """A section between its marks; no line of a row can pass for one."""
    inside = text.replace("<!-- plugdata:", "<!-- plugdata :")
    return f"<!-- plugdata:begin {name} -->\n\n{inside}\n\n<!-- plugdata:end {name} -->"


def parted(text: str) -> tuple[dict[str, Any], str, int]:
    """A card's metadata, the text below, and how many lines stand above that text. Raises GateError, with the line."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    lines = text.split("\n")
    ends = [at for at, line in enumerate(lines) if line.rstrip() == "---"]
    if ends[:1] != [0]:
        return {}, text, 0
    if len(ends) < 2:
        raise GateError("the published README.md: line 1 opens metadata that no line --- closes", _MEND)
    try:
        found = yaml.safe_load("\n".join(lines[1 : ends[1]]))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 2}: " if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise GateError(f"the published README.md: {where}the metadata is no valid YAML: {problem}", _MEND) from None
    if not isinstance(found or {}, dict):
        raise GateError(f"the published README.md: line 2: the metadata is a {type(found).__name__}, not keys", _MEND)
    return found or {}, "\n".join(lines[ends[1] + 1 :]), ends[1] + 1


def _pieces(text: str, above: int) -> list[tuple[str, str]]:
    """The text in order: (name, section with its marks), and ("", what stands between them)."""
    found: list[tuple[str, str]] = []
    piece: list[str] = []
    inside = ""
    for at, line in enumerate(text.split("\n"), start=above + 1):
        mark = _MARK.match(line)
        kind, name = mark.groups() if mark else ("", "")
        doubled = kind == "begin" and name in {known for known, _ in found}
        if doubled or (kind == "begin" and inside) or (kind == "end" and name != inside):
            raise GateError(f"the published README.md: line {at}: {line.strip()} does not match the marks above", _MEND)
        if kind == "begin":
            found.append(("", "\n".join(piece)))
            piece, inside = [], name
        piece.append(line)
        if kind == "end":
            found.append((inside, "\n".join(piece)))
            piece, inside = [], ""
    if inside:
        raise GateError(f"the published README.md: the section {inside!r} has no end", _MEND)
    return [*found, ("", "\n".join(piece))]


_MEND = "mend it where it is published; the marks of a section that is gone may go too"


def _title(recipe: Recipe, configs: Sequence[Config]) -> str:
    repo = recipe.publish.repo
    unnamed = f"{_words(recipe, configs).title} {'-'.join(_targets(configs))}"
    return recipe.publish.title or (repo.partition("/")[2] if repo else unnamed)


def _words(recipe: Recipe, configs: Sequence[Config]) -> Words:
    if recipe.kind == "x-instruction":
        return NATURAL
    return PROMPTS if configs[0].layout == "prompt" else PAIRS


def _given(recipe: Recipe, facts: Facts, targets: Sequence[str]) -> list[str]:
    """The languages whose translations were not made here, but given."""
    if recipe.kind == "x-instruction":
        return []
    made = any(use.task == "translation" for use in facts.models)
    return [lang for lang in targets if lang not in recipe.asked or not made]


def _targets(configs: Sequence[Config]) -> list[str]:
    return list(dict.fromkeys(config.lang for config in configs))


def _type(dtype: str) -> str:
    return "list of {role, content}" if dtype == "messages" else dtype
