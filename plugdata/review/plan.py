"""A plan as data, and on a terminal: what a run will ask, cost and take. How it is made stands in planning.py."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from plugdata.calls.money import usd


class Spend(NamedTuple):
    """Money in 1e-9 USD."""

    min: int
    expected: int
    max: int


NOTHING = Spend(0, 0, 0)


@dataclass(frozen=True)
class Share:
    """What one member of the pool has to do for one language. Tokens and calls are expectations."""

    lang: str
    model: str  # served_as
    rows: int = 0
    paid: int = 0  # rows that need no call
    calls: float = 0
    prompt_tokens: float = 0
    completion_tokens: float = 0
    online: Spend = NOTHING
    batch: Spend = NOTHING
    n_learnt: int = 0  # answers that the estimate rests on
    task: str = "translate"  # the stage that asks


@dataclass(frozen=True)
class Plan:
    """`hours`: of the slowest member under its limits; None while the ledger has not taught how long a call takes."""

    read: int  # records of the sources
    screened: int  # of them, worth a call
    shares: list[Share]
    spent: int  # by the ledger so far, 1e-9 USD
    budget: int | None
    hours: float | None
    bound_by: str  # the limit that decides: rpm, tpm, rpd or concurrency
    mode: str
    unit: str = "rows"  # what was read

    @property
    def online(self) -> Spend:
        return total(share.online for share in self.shares)

    @property
    def batch(self) -> Spend:
        return total(share.batch for share in self.shares)

    def as_json(self) -> dict[str, Any]:
        """What `plugdata plan --json` prints: money in USD."""

        def usd(spend: Spend) -> dict[str, float]:
            return {name: nano / 1e9 for name, nano in spend._asdict().items()}

        shares = [
            {**vars(share), "online_usd": usd(share.online), "batch_usd": usd(share.batch)} for share in self.shares
        ]
        for share in shares:
            del share["online"], share["batch"]
        return {
            "read": self.read,
            "screened": self.screened,
            "mode": self.mode,
            "online_usd": usd(self.online),
            "batch_usd": usd(self.batch),
            "spent_usd": self.spent / 1e9,
            "budget_usd": None if self.budget is None else self.budget / 1e9,
            "hours": self.hours,
            "bound_by": self.bound_by,
            "shares": shares,
        }


@dataclass(frozen=True)
class Outlook:
    """What all rows come to at the rate of the first ones. Money in 1e-9 USD; `hours` and `bound_by` as in a Plan."""

    done: int  # records of the sources that were worked on
    rows: int  # records of the sources
    n_languages: int
    cost: int  # of what was done
    whole_cost: int
    hours: float | None
    bound_by: str
    batch: bool


def total(spends: Iterable[Spend]) -> Spend:
    """The sum of some."""
    return Spend(*(sum(column) for column in zip(NOTHING, *spends, strict=True)))


def screen(plan: Plan) -> RenderableType:
    """A line for each language and model, the sums of money, and how long it takes."""
    if not plan.shares:
        return Text(f"{plan.read:,} rows read, whose translations are given: nothing to ask")
    spends = [share.batch if plan.mode == "batch" else share.online for share in plan.shares]
    costs = any(spend.max for spend in spends)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    tasks = len({share.task for share in plan.shares}) > 1
    table.add_column("lang", no_wrap=True)
    if tasks:
        table.add_column("for", no_wrap=True)
    table.add_column("model", overflow="fold", min_width=8)  # what is long in a table that must fit
    for name in ("paid", "to ask", "calls", "tokens in", "tokens out", *(["money"] if costs else [])):
        table.add_column(name, justify="right", no_wrap=True)
    for share, spend in zip(plan.shares, spends, strict=True):
        numbers = (share.paid, share.rows, share.calls, share.prompt_tokens, share.completion_tokens)
        money = [usd(spend.expected)] if costs else []
        named = (share.lang, share.task, share.model) if tasks else (share.lang, share.model)
        table.add_row(*named, *(f"{round(n):,}" for n in numbers), *money)
    each = " in each language" if plan.unit == "rows" else ""
    lines = [f"{plan.read:,} {plan.unit} read, {plan.screened:,} worth a call{each}"]
    for mode, spend in (("online", plan.online), ("batch", plan.batch)):
        if spend.max:
            when = f", {_hours(plan.hours, plan.bound_by)}" if mode == "online" else ", each batch within 24 hours"
            chosen = " (chosen)" if mode == plan.mode else ""
            lines.append(f"{mode}{chosen}: {usd(spend.expected)} expected, {usd(spend.min)} to {usd(spend.max)}{when}")
    if not plan.online.max:
        lines.append(f"no money; {_hours(plan.hours, plan.bound_by)}")
    if plan.budget is not None:
        lines.append(f"budget {usd(plan.budget)}, of which {usd(plan.spent)} is spent")
    elif plan.spent:
        lines.append(f"{usd(plan.spent)} is spent already")
    if any(share.rows and not share.n_learnt for share in plan.shares):
        lines.append("tokens are guessed until some rows are answered: a run with --limit 20 makes them known")
    return Group(table, *map(Text, lines))


def outlook(outlook: Outlook) -> Text:
    """One line: what the rows done have cost, what all would, and how long those take."""
    n = f"{outlook.n_languages} languages" if outlook.n_languages > 1 else "one language"
    when = "each batch within 24 hours" if outlook.batch else _hours(outlook.hours, outlook.bound_by)
    whole = f"all {outlook.rows:,} rows in {n}"
    if not outlook.whole_cost:
        return Text(f"{whole}: {when}", "bold")
    so_far = f"{outlook.done:,} row{'s' if outlook.done > 1 else ''} cost {usd(outlook.cost)}"
    return Text(f"{so_far}; {whole}: about {usd(outlook.whole_cost)}, {when}", "bold")


def _hours(hours: float | None, bound_by: str) -> str:
    if hours is None:
        return "how long a call takes is not known yet"
    return f"{hours:,.1f} hours by {bound_by}" if hours >= 0.1 else f"minutes, by {bound_by}"
