"""Who is told how far a run is: the caller, the run's log file, progress.json. Knows no stage."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from plugdata.calls.caller import Tally
from plugdata.calls.ledger.store import Ledger
from plugdata.corpus import Corpus, Progress, logged

PROGRESS_EVERY_S = 0.5
"""How often progress.json is rewritten: about as often as a person sees a number change."""


@dataclass(frozen=True)
class Watch:
    """Who is told: `say` gets a line now and then, `show` the progress of the stage at work."""

    say: Callable[[str], None] = lambda line: None
    show: Callable[[Progress], None] = lambda progress: None


SILENT = Watch()


@contextmanager
def noted(corpus: Corpus, watch: Watch) -> Iterator[Watch]:
    """A watch whose news also stands in the run's log file."""
    with logged(corpus, datetime.now(UTC)) as note:

        def say(line: str) -> None:
            note(line)
            watch.say(line)

        yield Watch(say, watch.show)


def telling(
    stage: str, total: int, ledger: Ledger, budget: int | None, show: Callable[[Progress], None]
) -> Callable[[Tally], None]:
    """What hands on how far the calls of a stage are, every PROGRESS_EVERY_S at most. `budget`: 10⁻⁹ USD."""
    started_at, before, told_at = time.time(), ledger.money().spent, 0.0

    def tell(tally: Tally) -> None:
        nonlocal told_at
        now = time.time()
        if tally.done and now - told_at < PROGRESS_EVERY_S and tally.done < total:
            return
        told_at = now
        money = ledger.money()
        show(
            Progress(
                stage=stage,
                total=total,
                started_at=started_at,
                updated_at=now,
                done=tally.done,
                calls=tally.calls,
                in_flight=tally.in_flight,
                faults=dict(tally.faults),
                run_nano_usd=money.spent - before,
                nano_usd=money.spent,
                budget_nano_usd=budget,
            )
        )

    return tell
