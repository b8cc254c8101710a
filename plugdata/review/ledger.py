"""A ledger's summary on a terminal: calls, tokens and money by model, language, stage and prompt."""

from collections.abc import Iterable

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from plugdata.calls.ledger.archive import Sum, Summary, together
from plugdata.calls.money import usd

PARTS = {"model": "model", "language": "lang", "stage": "stage", "prompt": "prompt"}
"""What sums are shown of, and the name in a Use."""


def summary(summary: Summary) -> RenderableType:
    """Sums by model, language, stage and prompt, then all; under them what failed, was lost and is on its way."""
    if not summary.uses:
        return Group(Text("no answers yet"), *_notes(summary))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("by", no_wrap=True)
    table.add_column(overflow="fold", min_width=8)  # what is long in a table that must fit
    whole = together(use.sum for use in summary.uses)
    cached = ["cached"] if whole.cached_tokens else []
    for name in ("calls", "tokens in", *cached, "tokens out", "money", "s/call"):
        table.add_column(name, justify="right", no_wrap=name != "money")
    for part, field in PARTS.items():
        of: dict[str, list[Sum]] = {}
        for use in summary.uses:
            of.setdefault(getattr(use, field), []).append(use.sum)
        for nth, (value, sums) in enumerate(sorted(of.items())):
            table.add_row(part if nth == 0 else "", Text(value or "–"), *_cells(together(sums), bool(cached)))
        table.add_section()
    table.add_row("all", "", *_cells(whole, bool(cached)), style="bold")
    first, last = whole.first_date, whole.last_date
    return Group(table, Text(f"answered {first if first == last else f'{first} to {last}'}"), *_notes(summary))


def _cells(sum: Sum, cached: bool) -> Iterable[str]:
    unpriced = f" + {sum.n_unpriced} unpriced" if sum.n_unpriced else ""
    money = "unpriced" if sum.n_unpriced == sum.n_calls else usd(sum.nano_usd) + unpriced
    tokens = [sum.prompt_tokens, *([sum.cached_tokens] if cached else []), sum.completion_tokens]
    return *(f"{n:,}" for n in (sum.n_calls, *tokens)), money, "–" if sum.mean_s is None else f"{sum.mean_s:.1f}"


def _notes(summary: Summary) -> Iterable[Text]:
    """A line for each kind of call that is not an answer, if there are any; then the money of all."""
    if summary.errors:
        told = " · ".join(f"{n:,} {kind}" for kind, n in summary.errors.items())
        yield Text(f"errors: {told}")
    in_flight = {"calls": summary.in_flight} if summary.in_flight.n_calls else {}
    for title, of in (
        ("charged without an answer", summary.charges),
        ("in flight, money reserved", in_flight),
        ("in batches, money reserved", summary.batches),
    ):
        if of:
            told = " · ".join(f"{calls.n_calls:,} {what} {usd(calls.nano_usd)}" for what, calls in of.items())
            yield Text(f"{title}: {told}")
    yield Text(f"spent: {usd(summary.nano_usd)}", "bold")
