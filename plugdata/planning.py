"""What a run will ask, cost and take, before it sends anything: rows, calls, tokens, money, hours.

Rows that need no call (the ledger leads to their result) are counted as paid. For the others the next request is made
as the run would make it, and measured in characters; tokens come from what the ledger's answers taught about the
language, or from a prior as long as it holds none (calls/estimate.py). Three sums of money:

    min        no answer is faulty, and the part that all prompts share is read from the provider's cache
    expected   rows take as many calls as finished rows of the ledger did, in the mean; nothing is cached
    max        every row uses all its repairs, and every call takes twice the tokens

Once some rows are done (a run with --limit), `outlook` says what all would come to at their rate.

Knows the tasks (stages.py), the sources and the ledger; sends nothing and writes nothing. What a plan holds, and how it
looks, is review/plan.py's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from plugdata import sources, stages
from plugdata.calls import estimate, money
from plugdata.calls.ledger import tables
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.pool import Ask, Member, advance, order
from plugdata.corpus import Corpus
from plugdata.recipe import Recipe
from plugdata.review.plan import Outlook, Plan, Share, Spend
from plugdata.translate.ask import STAGE
from plugdata.translate.protocols import PROTOCOLS, SEGMENTS
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


class _Load(NamedTuple):
    """What a member of the pool has to do."""

    calls: float
    tokens: float


@dataclass
class _Finished:
    """Rows of a language that the ledger leads to a result: what they took, and what they would if nothing failed."""

    rows: int = 0
    asked: int = 0  # of them, rows that took a call
    calls: int = 0
    least: int = 0


def make(recipe: Recipe, translation: stages.Translation, ledger: Ledger | None, read: int, screened: int) -> Plan:
    """The plan of a recipe whose rows are screened. `ledger` None: there is none yet."""
    together = PROTOCOLS[recipe.translate.protocol].together
    sums: dict[tuple[str, int], _Sum] = {}
    finished = {lang: _Finished() for lang in recipe.asked}
    for lang in recipe.asked:
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
        for lang in recipe.asked
        for at in range(len(translation.pool))
    ]
    loads = [
        _Load(sum(share.calls for share in mine), sum(share.prompt_tokens + share.completion_tokens for share in mine))
        for mine in (shares[at :: len(translation.pool)] for at in range(len(translation.pool)))
    ]
    hours, bound_by = _hours(translation.pool, loads, estimators)
    budget = None if recipe.budget is None else round(recipe.budget * 1e9)
    spent = ledger.money().spent if ledger else 0
    return Plan(read, screened, shares, spent, budget, hours, bound_by, recipe.translate.mode)


def outlook(recipe: Recipe, corpus: Corpus) -> Outlook | None:
    """What all rows of a recipe come to, at the rate of those that its corpus holds; None if it holds all, or asks
    for nothing.

    Counted are the answers that the rows rest on, whoever paid them. Reads the sources to their end.
    """
    manifest = corpus.manifest()
    done = manifest.stages["source"].counts.rows if manifest and recipe.asked else 0
    responses = recipe.translate.fields == "all"
    n_rows = sum(
        frame.height
        for source in recipe.sources
        for frame in sources.read(source, Path(), lang=recipe.read_lang, responses=responses)
    )
    if not 0 < done < n_rows:
        return None
    translation = stages.Translation(corpus, recipe)
    pool, batch = translation.pool, recipe.translate.mode == "batch"
    calls, tokens, cost = [0] * len(pool), [0] * len(pool), 0
    with Ledger(stages.ledger_path(corpus, recipe), read_only=True) as ledger:
        for row, tasks in translation.jobs(recipe.asked):
            answers: list[tuple[int, Answer]] = []
            advance(row, tasks, order(row["id"], pool), pool, ledger, answers)
            for at, said in answers:
                prompt, completion = said.prompt_tokens or 0, said.completion_tokens or 0
                calls[at] += 1
                tokens[at] += prompt + completion
                cost += money.cost(pool[at].price, prompt, said.cached_tokens or 0, completion, batch=batch)
        estimators = [_taught(member, ledger) for member in pool]
    times = n_rows / done
    loads = [_Load(times * n, times * m) for n, m in zip(calls, tokens, strict=True)]
    hours, bound_by = _hours(pool, loads, estimators)
    return Outlook(done, n_rows, len(recipe.languages), cost, round(cost * times), hours, bound_by, batch)


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
        estimator.learn_from(ledger.read(lambda db: estimate.counts(db, member.served_as, STAGE)))
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


def _hours(
    pool: Sequence[Member], loads: Sequence[_Load], estimators: Sequence[estimate.Estimator]
) -> tuple[float | None, str]:
    """Hours of the slowest member of a pool under its limits, and which limit decides."""
    found: list[tuple[float, str]] = []
    for member, load, estimator in zip(pool, loads, estimators, strict=True):
        limits, call_s = member.model.limits, estimator.seconds()
        bounds = {
            "rpm": load.calls / limits.rpm / 60 if limits.rpm else None,
            "tpm": load.tokens / limits.tpm / 60 if limits.tpm else None,
            "rpd": load.calls / limits.rpd * 24 if limits.rpd else None,
            "concurrency": load.calls * call_s / limits.concurrency / 3600 if call_s else None,
        }
        found += [(hours, name) for name, hours in bounds.items() if hours is not None]
    return max(found, default=(None, ""))
