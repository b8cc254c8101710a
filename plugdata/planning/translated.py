"""What a corpus of translations will ask: the next request of every row, made as the run would make it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from plugdata import stages
from plugdata.calls import estimate, money
from plugdata.calls.ledger import tables
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.pool import Ask, Member, advance, order
from plugdata.corpus import Corpus
from plugdata.planning.loads import MAX_TOKENS_FACTOR, Load
from plugdata.recipe import Recipe
from plugdata.review.plan import Share, Spend
from plugdata.translate.ask import STAGE
from plugdata.translate.protocols import PROTOCOLS, SEGMENTS
from plugdata.wire import Answer, Result

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


def asked(recipe: Recipe, corpus: Corpus, ledger: Ledger | None) -> tuple[list[Share], list[Load]]:
    """What each model has to do for each language, and in all. `ledger` None: there is none yet."""
    translation = stages.Translation(corpus, recipe)
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
    estimators = [taught(member, ledger) for member in translation.pool]
    shares = [
        _share(lang, at, recipe, translation.pool, sums.get((lang, at), _Sum()), finished[lang], estimators[at])
        for lang in recipe.asked
        for at in range(len(translation.pool))
    ]
    loads = []
    for at, (member, estimator) in enumerate(zip(translation.pool, estimators, strict=True)):
        mine = shares[at :: len(translation.pool)]
        tokens = sum(share.prompt_tokens + share.completion_tokens for share in mine)
        loads.append(Load(member, estimator, sum(share.calls for share in mine), tokens))
    return shares, loads


def _add(to: _Sum, ask: Ask, row: Any, n_texts: int, n_answers: int) -> None:
    """Add the calls that a row still needs if all goes well: one for all texts, or one for each."""
    n_chars, n_text = tables.request_chars(ask.request.body())
    calls = max(1, n_texts - n_answers)
    to.rows += 1
    to.calls += calls
    to.fixed_chars += (n_chars - n_text) * calls
    to.text_chars += n_text if calls == 1 else sum(len(row[name] or "") for name in SEGMENTS)


def taught(member: Member, ledger: Ledger | None) -> estimate.Estimator:
    """What a ledger knows of the answers of a member, of translations."""
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
