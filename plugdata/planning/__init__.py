"""What a run will ask, cost and take, before it sends anything: rows, calls, tokens, money, hours.

Rows that need no call (the ledger leads to their result) are counted as paid. For the others the next request is made
as the run would make it, and measured in characters; tokens come from what the ledger's answers taught about the
language, or from a prior as long as it holds none (calls/estimate.py). Three sums of money:

    min        no answer is faulty, and the part that all prompts share is read from the provider's cache
    expected   rows take as many calls as finished rows of the ledger did, in the mean; nothing is cached
    max        every row uses all its repairs, and every call takes twice the tokens

Once some rows are done (a run with --limit), `outlook` says what all would come to at their rate.

Knows the tasks (stages/), the sources and the ledger; sends nothing and writes nothing. What a plan holds, and how it
looks, is review/plan.py's. Of natural text, natural.py.
"""

from pathlib import Path

from plugdata import sources, stages
from plugdata.calls import money
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.pool import advance, order
from plugdata.corpus import Corpus, Manifest, stage_key
from plugdata.planning import natural, translated
from plugdata.planning.loads import Load
from plugdata.planning.loads import hours as slowest
from plugdata.recipe import Recipe
from plugdata.review.plan import Outlook, Plan
from plugdata.wire import Answer


def make(recipe: Recipe, corpus: Corpus, manifest: Manifest, ledger: Ledger | None) -> Plan:
    """The plan of a recipe whose corpus has its rows up to the first stage that asks. `ledger` None: there is none
    yet."""
    counts = {key: record.counts for key, record in manifest.stages.items()}
    if recipe.kind == "x-instruction":
        passages = [counts[stage_key("passages", lang)] for lang in recipe.languages]
        read, screened, unit = sum(of.rows for of in passages), sum(of.kept for of in passages), "passages"
        shares, loads = natural.asked(recipe, corpus, ledger)
    else:
        read, screened, unit = counts["source"].rows, counts["screen"].kept, "rows"
        shares, loads = translated.asked(recipe, corpus, ledger)
    hours, bound_by = slowest(loads)
    budget = None if recipe.budget is None else round(recipe.budget * 1e9)
    spent = ledger.money().spent if ledger else 0
    return Plan(read, screened, shares, spent, budget, hours, bound_by, recipe.translate.mode, unit)


def outlook(recipe: Recipe, corpus: Corpus) -> Outlook | None:
    """What all rows of a recipe come to, at the rate of those that its corpus holds; None if it holds all, or asks
    for nothing.

    Counted are the answers that the rows rest on, whoever paid them. Reads the sources to their end.
    """
    if recipe.kind == "x-instruction":
        return None  # how many passages all its documents come to is not known
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
        estimators = [translated.taught(member, ledger) for member in pool]
    times = n_rows / done
    loads = [Load(*of[:2], times * of[2], times * of[3]) for of in zip(pool, estimators, calls, tokens, strict=True)]
    hours, bound_by = slowest(loads)
    return Outlook(done, n_rows, len(recipe.languages), cost, round(cost * times), hours, bound_by, batch)
