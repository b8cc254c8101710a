"""dist/, from the rows that are kept and from what ledger and manifest tell of them."""

from functools import partial

from plugdata import __version__, licenses, rows
from plugdata import recipe as recipes
from plugdata.calls import client
from plugdata.calls.ledger import archive
from plugdata.corpus import Corpus, Manifest, stage_key
from plugdata.licenses import Provider
from plugdata.publish import Facts, ModelUse, Task, dist
from plugdata.recipe import Recipe
from plugdata.review import report, stats
from plugdata.rows import Reason
from plugdata.stages.models import ledger_path
from plugdata.translate.quality.judge import PROMPT as JUDGE_PROMPT
from plugdata.translate.task import ROUTE_STAGE

UNSHOWN = (Reason.PII, Reason.CONTAMINATED)
"""Rows that were taken out so that they are not published, and so are not shown in a published report, nor what may be
like them: duplicates, and rows that left before anybody looked."""


def publish(corpus: Corpus, recipe: Recipe, manifest: Manifest) -> dist.Built:
    """dist/, built from the rows that are kept and from what ledger and manifest tell of them."""
    path = ledger_path(corpus, recipe)
    ledger = archive.summary(path) if path.exists() else None
    uses = stats.used(ledger, recipe)
    facts = Facts(
        pivot=recipe.pivot,
        funnel={lang: list(stats.stage_counts(manifest, lang).items()) for lang in recipe.languages},
        models=_models(uses),
        providers=_providers(recipe),
        prompts=sorted({use.prompt for use in uses}),
        recipe_text=recipes.public(recipe),
        manifest_text=_ordered(manifest, recipe).model_dump_json(indent=2) + "\n",
        version=__version__,
    )
    kept = {lang: corpus.part(recipe.last_stage, lang) for lang in recipe.languages}
    return dist.build(
        corpus.dist,
        kept,
        recipe,
        facts,
        partial(report.write, corpus=corpus, recipe=recipe, ledger=ledger and _answers(ledger), unshown=UNSHOWN),
    )


def _answers(ledger: archive.Summary) -> archive.Summary:
    """The answers alone. How a run fared (seconds, faults, calls paid in vain) is not what the rows are made of, and
    would make two reports of the same rows from the same answers."""
    uses = [use._replace(sum=use.sum._replace(n_timed=0, seconds=0.0)) for use in ledger.uses]
    nano_usd = sum(use.sum.nano_usd for use in uses)
    none = archive.Calls(0, 0)
    return archive.Summary(uses, errors={}, charges={}, in_flight=none, batches={}, nano_usd=nano_usd)


def _models(uses: list[archive.Use]) -> list[ModelUse]:
    """What each model was asked for, that of which rows are made first."""
    by: dict[tuple[Task, str], list[archive.Sum]] = {}
    for use in sorted(uses, key=lambda use: (use.stage not in ("generate", "translate"), use.model)):
        by.setdefault((_task(use), use.model), []).append(use.sum)
    found = [(task, model, archive.together(sums)) for (task, model), sums in by.items()]
    return [
        ModelUse(
            model,
            task,
            of.n_calls,
            of.prompt_tokens,
            of.completion_tokens,
            of.nano_usd,
            of.n_unpriced,
            of.first_date,
            of.last_date,
        )
        for task, model, of in found
    ]


_TASKS: dict[str, Task] = {ROUTE_STAGE: "classification", "generate": "generation", "rate": "rating", "edit": "editing"}


def _task(use: archive.Use) -> Task:
    if use.stage in _TASKS:
        return _TASKS[use.stage]
    if use.stage == "quality":
        return "judging" if use.prompt == JUDGE_PROMPT else "back-translation"
    return "translation"


def _providers(recipe: Recipe) -> dict[str, Provider]:
    """Who serves the recipe's models, of those that are known. Where a recipe names no endpoint, it is the client's."""
    estimates = (recipe.quality.back_translation, recipe.quality.judge)
    others = [
        by.model
        for by in (*recipe.translate.again, *estimates, recipe.generate, recipe.rate, recipe.edit)
        if by and by.model
    ]
    remote = [model for model in (*recipe.models, *others) if model.model != "local"]
    found = {model.served_as or model.model: licenses.provider(client.base_url(model)) for model in remote}
    return {model: provider for model, provider in found.items() if provider}


def _ordered(manifest: Manifest, recipe: Recipe) -> Manifest:
    """The manifest with the recipe's languages alone, stages in their order: the same however a corpus came about."""
    order = [(stage, None if stage in rows.SHARED else lang) for stage in rows.CONTRACTS for lang in recipe.translated]
    keys = dict.fromkeys(stage_key(stage, lang) for stage, lang in order)
    return manifest.model_copy(update={"stages": {key: manifest.stages[key] for key in keys if key in manifest.stages}})
