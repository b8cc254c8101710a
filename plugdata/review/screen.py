"""A corpus on a terminal: rich renderables for the funnel, the progress and rows side by side.

Text of rows is shown as it is, never read as markup, with what is hidden made visible (shown.py).
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from plugdata import languages
from plugdata.calls import money
from plugdata.calls.ledger.archive import Use, together
from plugdata.corpus import Progress
from plugdata.review import natural
from plugdata.review.measured import QUANTILES, Measurement
from plugdata.review.shown import visible
from plugdata.review.stats import Funnel, Mending, Numbers, State
from plugdata.rows import Status
from plugdata.translate.quality import Summary

EXCERPT = 300
"""Characters of a text shown in a row: some five lines of half a terminal."""


def state(state: State) -> Group:
    """A corpus at this moment: its funnel, and notes."""
    return Group(funnel(state.funnel), *notes(state))


def notes(state: State) -> list[Text]:
    """A line for whatever else is known of each language."""
    return [*natural.lines(state.ratings), *mending(state.mending), *quality(state.quality)]


def funnel(funnel: Funnel) -> Table:
    """Rows read, rows taken out by stage and reason, rows kept: a column for each language."""
    langs = list(funnel.kept)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("stage", "rows"):
        table.add_column(name, no_wrap=True)
    for lang in langs:
        table.add_column(lang, justify="right", no_wrap=True)
    table.add_row(funnel.first, "read", *(str(funnel.rows[lang]) for lang in langs))
    for line in funnel.lines:
        counts = (f"−{line.n[lang]}" if lang in line.n else "·" for lang in langs)
        table.add_row(line.stage, f"{line.status}: {line.reason}", *counts, style="dim")
    table.add_section()
    table.add_row("", "kept", *(str(funnel.kept[lang]) for lang in langs), style="bold")
    table.add_row("", "", *(_share(funnel.kept[lang], funnel.rows[lang]) for lang in langs))
    return table


def mending(by_lang: Mapping[str, Mending]) -> list[Text]:
    """A line a language on what asking again bought, where it bought anything."""
    return [
        Text(
            f"repair {lang}: {_share(found.at_once, found.rows)} of {found.rows} rows right at once, "
            f"{_share(found.kept, found.rows)} in the end, {found.calls / found.rows:.2f} calls a row"
        )
        for lang, found in by_lang.items()
        if found.calls > found.rows > found.at_once
    ]


def quality(found: Iterable[Summary]) -> list[Text]:
    """A line for each estimate of each language: what it is in the mean, and how many abstained."""
    lines = []
    for one in found:
        if one.n_back:
            lines.append(
                f"chrF {one.lang}: instructions {_mean(one.chrf_instruction_mean)}, "
                f"responses {_mean(one.chrf_response_mean)}, {_estimated(one.n_back, one.back_abstained_share)}"
            )
        if one.n_judged:
            lines.append(
                f"judge {one.lang}: accuracy {_mean(one.accuracy_mean)}, fluency {_mean(one.fluency_mean)}, "
                f"{_estimated(one.n_judged, one.judge_abstained_share)}"
            )
    return [Text(line) for line in lines]


def _mean(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _estimated(n: int, abstained: float | None) -> str:
    return f"{n:,} rows, {100 * (abstained or 0):.0f} % abstained"


SHOWN_QUANTILES = (0.01, 0.05, 0.5, 0.95, 0.99)
"""Those that fit beside a name and its bounds into 80 columns; all stand in --json."""


def numbers(found: Mapping[str, Numbers]) -> Iterable[RenderableType]:
    """For each language a table of its measurements, and a line of the languages that language ID named."""
    for lang, one in found.items():
        yield Text(f"{lang}: {one.kept:,} of {one.rows:,} rows kept, after {one.stage}", "bold")
        if one.measurements:
            yield _measurements(one.measurements)
        for field, names in one.named.items():
            yield Text(f"named, {field}: " + " · ".join(f"{name} {n:,}" for name, n in names.items()))
        yield Text()


def _measurements(found: Iterable[Measurement]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("measurement", overflow="fold")
    for name in ("rows", "bounds", *(f"{100 * q:g} %" for q in SHOWN_QUANTILES)):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found:
        values = [value for q, value in zip(QUANTILES, one.quantiles, strict=True) if q in SHOWN_QUANTILES]
        table.add_row(one.column, f"{one.n:,}", interval(one.bounds), *map(number, values))
    return table


def interval(bounds: tuple[float | None, float | None]) -> str:
    """Bounds in words: "≥ 0.5", "0.2–2.5", "" where there are none."""
    low, high = bounds
    if low is not None and high is not None:
        return f"{number(low)}–{number(high)}"
    return f"≥ {number(low)}" if low is not None else f"≤ {number(high)}" if high is not None else ""


def number(value: float) -> str:
    """A measurement to three digits; of a large one all that stand before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def models(uses: Iterable[Use]) -> list[Text]:
    """A line for each model: calls, tokens, money."""
    by_model: dict[str, list[Use]] = {}
    for use in uses:
        by_model.setdefault(use.model, []).append(use)
    lines = []
    for model, used in by_model.items():
        sum = together(use.sum for use in used)
        tokens = f"{sum.prompt_tokens:,} tokens in, {sum.completion_tokens:,} out"
        lines.append(Text(f"{model}: {sum.n_calls:,} calls, {tokens}, {money.usd(sum.nano_usd)}"))
    return lines


def taken_out(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Rows that are not kept, a line each: language, reason, measurement, the beginning of the instruction."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("lang", "reason", "because", "instruction"):
        table.add_column(name, overflow="fold")
    for row in rows:
        instruction = " ".join((row["pivot_instruction"] or row["instruction"] or "").split())
        table.add_row(row["lang"], row["reason"], _text(row["detail"], 80), _text(instruction, 60))
    return table


def side_by_side(row: Mapping[str, Any]) -> RenderableType:
    """A row as two columns, pivot and target, instruction above response."""
    verdict = str(row["status"]) + (f": {row['reason']} ({row['detail']})" if row["status"] != Status.KEPT else "")
    table = Table(box=box.ROUNDED, expand=True, title=f"{row['id']} · {verdict}", title_justify="left", show_lines=True)
    for code in (row["pivot_lang"], row["lang"]):
        table.add_column(languages.get(code).endonym, ratio=1, overflow="fold")
    table.add_row(_text(row["pivot_instruction"]), _text(row["instruction"]), style="bold")
    table.add_row(_text(row["pivot_response"]), _text(row["response"]))
    return table


def progress(progress: Progress, running: bool) -> list[Text]:
    """How far the stage at work is, or where it was cut off; what was asked; and the money, if there is any."""
    rate = progress.done / max(progress.updated_at - progress.started_at, 0.001)
    told = [f"{progress.stage} {progress.done:,}/{progress.total:,} ({_share(progress.done, progress.total)})"]
    if running and rate:
        left = timedelta(seconds=round((progress.total - progress.done) / rate))
        told += [f"{rate:,.0f} rows/s" if rate >= 10 else f"{rate:.2g} rows/s", f"{left} to go"]
    told.append("running" if running else "interrupted: the same command resumes")
    return [Text(" · ".join(told)), *calls(progress, running)]


def calls(progress: Progress, running: bool = True) -> list[Text]:
    """A line on the calls of a run: answered, in flight, come back without an answer by class; and one on the money
    of this run and of all, if there is any, beside the budget if there is one."""
    asked = [f"{progress.calls:,} calls", *([f"{progress.in_flight:,} in flight"] if running else [])]
    if progress.faults:
        faults = sorted(progress.faults.items(), key=lambda fault: (-fault[1], fault[0]))
        asked.append("again: " + ", ".join(f"{n:,} {name}" for name, n in faults))
    lines = [Text(" · ".join(asked))]
    if progress.nano_usd or progress.budget_nano_usd is not None:
        spent = [f"{money.usd(progress.run_nano_usd)} spent"]
        if progress.nano_usd != progress.run_nano_usd:
            spent.append(f"{money.usd(progress.nano_usd)} with earlier runs")
        if progress.budget_nano_usd is not None:
            spent.append(f"budget {money.usd(progress.budget_nano_usd)}")
        lines.append(Text(" · ".join(spent)))
    return lines


def sample(rows: Iterable[Mapping[str, Any]]) -> Group:
    """Rows side by side, one under the other."""
    return Group(*(side_by_side(row) for row in rows))


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "–"


def _text(text: str | None, limit: int = EXCERPT) -> Text:
    shown = visible(text or "")
    return Text(shown if len(shown) <= limit else shown[: limit - 1] + "…")
