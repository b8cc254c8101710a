"""The page as text: templates, style and script put together, within a number of bytes.

What rows, sources and models call themselves is escaped by jinja2 and made visible (shown.py), every single time: by
`finalize`, not by care. Should a text act all the same, the page's policy lets it load nothing, send nothing and run no
script but the one whose hash it names.
"""

import base64
import hashlib
from collections.abc import Iterable
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from plugdata import languages
from plugdata.calls.money import usd
from plugdata.review.measured import ABSTAINED, QUANTILES, field_of
from plugdata.review.report.facts import Facts
from plugdata.review.report.rows import Shown
from plugdata.review.screen import interval, number
from plugdata.review.shown import visible
from plugdata.review.stats import ALL

MAX_BYTES = 960_000
"""Under a megabyte, whichever way it is counted: a page that can be mailed."""


def render(facts: Facts, rows: Iterable[Shown]) -> str:
    """The page, with as many of the rows, in their order, as there is room for."""
    environment = _environment()
    row_template, page = environment.get_template("row.html.j2"), environment.get_template("report.html.j2")
    room = MAX_BYTES - len(page.render(facts=facts, rows=[], choices={}).encode())
    taken: list[tuple[Shown, Markup]] = []
    for row in rows:
        text = Markup(row_template.render(row=row, values=row.values))
        room -= len(text.encode())
        if room < 0:
            break
        taken.append((row, text))
    # those of a language and group together again, those nearest to a bound first
    taken.sort(key=lambda one: (one[0].lang, one[0].near is None, one[0].near or 0.0))
    choices = {
        "lang": _counted(row.lang for row, _ in taken),
        "status": _counted(str(row.values["status"]) for row, _ in taken),
        "reason": _counted(str(row.values["reason"]) for row, _ in taken if row.values["reason"]),
    }
    return page.render(facts=facts, rows=[text for _, text in taken], choices=choices)


def _counted(values: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return dict(sorted(counts.items()))


def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("plugdata.review", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    found.filters["language"] = _language
    style, script = (_packaged(f"report.{kind}") for kind in ("css", "js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # bars have their length in a style attribute, which no hash can name; nothing is fetched for a style either
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'"
    found.globals.update(
        style=Markup(style),
        script=Markup(script),
        policy=Markup(f"{policy}; form-action 'none'"),
        language=_language,
        interval=interval,
        number=number,
        usd=usd,
        field_of=field_of,
        quantiles=QUANTILES,
        abstained=ABSTAINED,
        title=_title,
    )
    return found


def _packaged(name: str) -> str:
    return resources.files("plugdata.review.report").joinpath(name).read_text(encoding="utf-8")


def _language(code: str) -> str:
    """What people call a language; all of them, before one has rows of its own."""
    return "all languages" if code == ALL else languages.get(code).name


def _title(facts: Facts) -> str:
    pivot = languages.get(facts.views[0].manifest.pivot).name
    targets = ", ".join(_language(view.lang) for view in facts.views if view.lang)
    return f"{pivot} → {targets}" if targets else f"{pivot}, not translated yet"
