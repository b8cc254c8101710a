"""README.md of an export: what lies here, what a trainer does with it, whose it is, and how long its rows are.

Pure: facts in, text out. Must not know where rows came from nor how files are written.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from plugdata import languages, licenses
from plugdata.pair import LAYOUTS, LayoutName
from plugdata.publish.export.formats import FORMATS, System
from plugdata.publish.export.lengths import BOUNDS, Spread
from plugdata.publish.export.snippets import SEQUENCE
from plugdata.publish.markdown import inert, table


class Written(NamedTuple):
    """A data file: its path in the export, whose rows, how many."""

    path: str
    lang: str
    split: str
    n_rows: int


def readme(
    format: str,
    system: System,
    layouts: Mapping[str, LayoutName],
    files: Sequence[Written],
    origins: Mapping[tuple[str, str], int],
    spreads: Sequence[Spread],
    warnings: Sequence[str],
    has_licence: bool,
) -> str:
    """The text. layouts: of each language; origins: rows by source and licence ("": unknown)."""
    about = FORMATS[format]
    used = list(dict.fromkeys(layouts.values()))
    names = ", ".join(languages.get(lang).name for lang in layouts)
    told = " and ".join(f"`{layout}` (`{LAYOUTS[layout].template}`)" for layout in used)
    sections = [
        f"# {names}, for {format}",
        f"Instruction data made with plugdata, in the format `{format}`, layout {told}. A record is a line of JSON: "
        f"{about.shape}.",
        table(
            ["file", "language", "split", "rows"],
            [[f"`{one.path}`", languages.get(one.lang).name, one.split, f"{one.n_rows:,}"] for one in files],
            numbers_from=3,
        ),
        *(_layout(layout, system) for layout in used),
        "## Train",
        f"{about.before}\n\n```bash\n{about.command}\n```",
        f"**What gets loss.** {about.loss}",
        f"**Long rows.** A row that is too long {about.long}",
        *(f"- {pitfall}" for pitfall in about.pitfalls),
        "## Token lengths",
        *_lengths(spreads),
        *(f"**{inert(warning)}**" for warning in warnings),
        "## Licence",
        *_licence(origins, has_licence),
    ]
    return "\n\n".join(sections) + "\n"


def _layout(layout: LayoutName, system: System) -> str:
    of = LAYOUTS[layout]
    parts = ", ".join(f"`{part.field}`" for part in of.parts)
    line = {
        "turn": "The system's line is a turn of its own; where a chat template refuses one, export with "
        "`--system inline`.",
        "inline": "The system's line opens the user's turn (`--system inline`): send it so to the trained model too.",
    }[system]
    turns = f"In `{layout}` the user says `{of.user}`, and the assistant's turn holds {parts}."
    return f"{turns} {line}" if of.system else turns


def _lengths(spreads: Sequence[Spread]) -> list[str]:
    if not spreads:
        return [
            "Not counted. `plugdata export … --tokenizer ORG/MODEL` counts them, for each model you name: trainers "
            f"drop or cut what is longer than their config says ({SEQUENCE:,} tokens in the one here)."
        ]
    return [
        "Tokens of a row's texts, system, user and assistant; a chat template adds some ten to thirty.",
        lengths(spreads),
    ]


def lengths(spreads: Sequence[Spread]) -> str:
    """The table of token lengths."""
    header = ["tokenizer", "language", "rows", "p50", "p95", "max", *(f"> {bound:,}" for bound in BOUNDS)]
    rows = [
        [
            inert(one.tokenizer),
            languages.get(one.lang).name,
            *(f"{n:,}" for n in (one.n_rows, one.p50, one.p95, one.max)),
            *(f"{share:.1%}" for share in one.over),
        ]
        for one in spreads
    ]
    return table(header, rows, numbers_from=2)


def _licence(origins: Mapping[tuple[str, str], int], has_licence: bool) -> list[str]:
    rows = [
        [inert(source), inert(licenses.LICENSES[id].name if id in licenses.LICENSES else id or "unknown"), f"{n:,}"]
        for (source, id), n in sorted(origins.items(), key=lambda item: (-item[1], item[0]))
    ]
    where = "`LICENSE` says under which licence these rows may be shared." if has_licence else "No licence is stated."
    return [f"{where} They adapt rows of:", table(["source", "its licence", "rows"], rows, numbers_from=2)]
