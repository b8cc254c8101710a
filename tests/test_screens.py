"""What a terminal shows of a run, a plan and a ledger: the money beside the calls, and nothing cut off."""

import io

import pytest
from rich.console import Console

from plugdata.calls.ledger import archive
from plugdata.corpus import Progress
from plugdata.review import ledger, plan, screen


@pytest.mark.parametrize(
    ("spent", "of_all_runs", "budget", "money"),
    [
        (0, 0, None, []),
        (120_000_000, 120_000_000, None, ["$0.12 spent"]),
        (120_000_000, 520_000_000, 2.5, ["$0.12 spent · $0.52 with earlier runs · budget $2.50"]),
        (0, 0, 2.5, ["$0 spent · budget $2.50"]),
    ],
)
def test_money_stands_beside_the_calls_once_there_is_any(
    spent: int, of_all_runs: int, budget: float | None, money: list[str]
) -> None:
    progress = Progress(
        stage="translate",
        done=50,
        total=2000,
        calls=60,
        in_flight=8,
        faults={"server": 2, "rate-limit": 7},
        run_nano_usd=spent,
        nano_usd=of_all_runs,
        budget_nano_usd=None if budget is None else round(budget * 1e9),
        started_at=100.0,
        updated_at=110.0,
    )
    at_work = ["translate 50/2,000 (2 %) · 5 rows/s · 0:06:30 to go · running"]
    cut_off = ["translate 50/2,000 (2 %) · interrupted: the same command resumes"]
    again = "again: 7 rate-limit, 2 server"
    told = [line.plain for line in screen.progress(progress, True)]
    assert told == [*at_work, f"60 calls · 8 in flight · {again}", *money]
    told = [line.plain for line in screen.progress(progress, False)]
    assert told == [*cut_off, f"60 calls · {again}", *money]


def test_a_plan_and_a_ledger_fit_into_a_terminal_of_80_columns() -> None:
    spend = plan.Spend(11_000_000_000, 87_400_000_000, 530_000_000_000)
    share = plan.Share("es-MX", "gpt-4o-mini-2024-07-18", 52_002, 0, 61_234, 21_141_715, 8_437_590, spend, spend)
    made = plan.Plan(52_002, 52_002, [share], 0, 90_000_000_000, 3.1, "rpm", "online")
    uses = [
        archive.Use(
            "gpt-4o-mini-2024-07-18",
            "translate",
            "translate-tags-v2",
            "ko",
            archive.Sum(61_234, 0, 21_141_715, 0, 8_437_590, 87_400_000_000, 61_234, 9e4, "2026-01-30", "2026-02-02"),
        )
    ]
    summary = archive.Summary(uses, {"rate-limit": 41}, {}, archive.Calls(0, 0), {}, 87_400_000_000)
    for shown in (plan.screen(made), ledger.summary(summary)):
        out = io.StringIO()
        Console(file=out, width=80).print(shown)
        assert "21,141,715" in out.getvalue() and "$87.40" in out.getvalue()
        assert "…" not in out.getvalue()
        assert max(map(len, out.getvalue().splitlines())) <= 80
