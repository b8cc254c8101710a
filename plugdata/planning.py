"""What a run will ask, cost and take, before it sends anything: rows, calls, tokens, money, hours.

Rows that need no call (the ledger leads to their result) are counted as paid. For the others the next request is made
as the run would make it, and measured in characters; tokens come from what the ledger's answers taught about the
language, or from a prior as long as it holds none (calls/estimate.py). Three sums of money:

    min        no answer is faulty, and the part that all prompts share is read from the provider's cache
    expected   rows take as many calls as finished rows of the ledger did, in the mean; nothing is cached
    max        every row uses all its repairs, and every call takes twice the tokens

Knows the tasks (stages.py) and the ledger; sends nothing and writes nothing. What a plan holds, and how it looks, is
review/plan.py's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from plugdata import stages
from plugdata.calls import estimate, money
from plugdata.calls.ledger import tables
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.pool import Ask, Member, advance, order
from plugdata.recipe import Recipe
from plugdata.review.plan import Plan, Share, Spend
from plugdata.translate.protocols import SEGMENTS
from plugdata.translate.task import STAGE
from plugdata.wire import Answer, Result

MAX_TOKENS_FACTOR = 2.0
"""Of `max`. Estimates that rest on priors are right in their order only (calls/estimate.py)."""
ENOUGH_ROWS = 20
"""Finished rows of a language from which its calls a row are taken to be known (as calls/estimate.py)."""


@dataclass
class _Sum:
    """What is still to be asked of a member for a language, in characters."""

    rows: int = 0
    calls: int = 0
    fixed_chars: int = 0  # of the messages before the last one, which calls share
    text_chars: int = 0


@dataclass
class _Finished:
    """Rows of a language that the ledger leads to a result: what they took, and what they would if nothing failed."""

    rows: int = 0
    asked: int = 0  # of them, rows that took a call
    calls: int = 0
    least: int = 0


def make(recipe: Recipe, translation: stages.Translation, ledger: Ledger | None, read: int, screened: int) -> Plan:
    """The plan of a recipe whose rows are screened. `ledger` None: there is none yet."""
    together = recipe.translate.protocol == "tags"
    sums: dict[tuple[str, int], _Sum] = {}
    finished = {lang: _Finished() for lang in recipe.languages}
    for lang in recipe.languages:
        for row, tasks in translation.jobs([lang]):
            n_texts = 1 if together else sum(bool((row[name] or "").strip()) for name in SEGMENTS)
            answers: list[tuple[int, Answer]] = []
            places = order(row["id"], translation.pool)
            step = advance(row, tasks, places, translation.pool, ledger, answers)
            if isinstance(step, Result):
                done = finished[lang]
                done.rows += 1
                done.asked += bool(answers)
                done.calls += len(answers)
                done.least += n_texts if answers else 0
            else:
                _add(sums.setdefault((lang, step[0].member), _Sum()), step[0], row, n_texts, len(answers))
    estimators = [_taught(member, ledger) for member in translation.pool]
    shares = [
        _share(lang, at, recipe, translation.pool, sums.get((lang, at), _Sum()), finished[lang], estimators[at])
        for lang in recipe.languages
        for at in range(len(translation.pool))
    ]
    hours, bound_by = max(
        (_hours(member, [s for s in shares if s.model == member.served_as], estimators[at])
         for at, member in enumerate(translation.pool)),
        key=lambda found: found[0] or 0.0,
    )  # fmt: skip
    budget = None if recipe.budget is None else round(recipe.budget * 1e9)
    spent = ledger.money().spent if ledger else 0
    return Plan(read, screened, shares, spent, budget, hours, bound_by, recipe.translate.mode)


def _add(to: _Sum, ask: Ask, row: Any, n_texts: int, n_answers: int) -> None:
    """Add the calls that a row still needs if all goes well: one for all texts, or one for each."""
    n_chars, n_text = tables.request_chars(ask.request.body())
    calls = max(1, n_texts - n_answers)
    to.rows += 1
    to.calls += calls
    to.fixed_chars += (n_chars - n_text) * calls
    to.text_chars += n_text if calls == 1 else sum(len(row[name] or "") for name in SEGMENTS)


def _taught(member: Member, ledger: Ledger | None) -> estimate.Estimator:
    estimator = estimate.Estimator()
    if ledger:
        estimator.learn_from(ledger.read(lambda db: estimate.counts(db, STAGE, member.served_as)))
    return estimator


def _share(
    lang: str,
    at: int,
    recipe: Recipe,
    pool: Sequence[Member],
    todo: _Sum,
    done: _Finished,
    estimator: estimate.Estimator,
) -> Share:
    fixed = estimator.prompt_tokens(lang, todo.fixed_chars)
    prompt = fixed + estimator.prompt_tokens(lang, todo.text_chars)
    completion = estimator.completion_tokens(lang, todo.text_chars)
    again = done.calls / done.least if done.asked >= ENOUGH_ROWS else 1.0
    most = (1 + recipe.translate.repair) * MAX_TOKENS_FACTOR

    def spend(batch: bool) -> Spend:
        def cost(factor: float, cached: float) -> int:
            tokens = (round(n * factor) for n in (prompt, cached, completion))
            return money.cost(pool[at].price, *tokens, batch=batch)

        return Spend(cost(1, fixed), cost(again, 0), cost(max(most, again), 0))

    return Share(
        lang=lang,
        model=pool[at].served_as,
        rows=todo.rows,
        paid=done.rows if at == 0 else 0,
        calls=todo.calls * again,
        prompt_tokens=prompt * again,
        completion_tokens=completion * again,
        online=spend(batch=False),
        batch=spend(batch=True),
        n_learnt=estimator.n_learnt(lang),
    )


def _hours(member: Member, shares: Sequence[Share], estimator: estimate.Estimator) -> tuple[float | None, str]:
    """Hours under a member's limits, and which limit decides."""
    calls = sum(share.calls for share in shares)
    tokens = sum(share.prompt_tokens + share.completion_tokens for share in shares)
    limits, seconds = member.model.limits, estimator.seconds()
    bounds = {
        "rpm": calls / limits.rpm / 60 if limits.rpm else None,
        "tpm": tokens / limits.tpm / 60 if limits.tpm else None,
        "rpd": calls / limits.rpd * 24 if limits.rpd else None,
        "concurrency": calls * seconds / limits.concurrency / 3600 if seconds else None,
    }
    known = {name: hours for name, hours in bounds.items() if hours is not None}
    if not known:
        return None, ""
    bound_by = max(known, key=lambda name: known[name])
    return known[bound_by], bound_by
