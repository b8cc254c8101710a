"""dist/, from the rows that are kept and from what ledger and manifest tell of them."""

from plugdata import __version__, rows
from plugdata import recipe as recipes
from plugdata.calls.ledger.store import Ledger
from plugdata.corpus import Corpus, Manifest, stage_key
from plugdata.publish import Facts, ModelUse, dist
from plugdata.recipe import Recipe
from plugdata.review import stats
from plugdata.stages.models import ledger_path


def publish(corpus: Corpus, recipe: Recipe, manifest: Manifest) -> dist.Built:
    """dist/, built from the rows that are kept and from what ledger and manifest tell of them."""
    uses = []
    if (path := ledger_path(corpus, recipe)).exists():
        with Ledger(path, read_only=True) as ledger:
            # "": what class a row is of is asked once, for all languages
            uses = [use for use in ledger.counts() if use.lang in (*recipe.asked, "")]
    by_model = {model: [use for use in uses if use.model == model] for model in dict.fromkeys(u.model for u in uses)}
    facts = Facts(
        pivot=recipe.pivot,
        funnel={lang: list(stats.stage_counts(manifest, lang).items()) for lang in recipe.languages},
        models=[
            ModelUse(
                model,
                sum(use.n_calls for use in used),
                sum(use.prompt_tokens for use in used),
                sum(use.completion_tokens for use in used),
                min(use.first_date for use in used),
                max(use.last_date for use in used),
            )
            for model, used in by_model.items()
        ],
        prompts=sorted({use.prompt for use in uses}),
        recipe_text=recipes.public(recipe),
        manifest_text=_ordered(manifest, recipe).model_dump_json(indent=2) + "\n",
        version=__version__,
    )
    return dist.build(
        corpus.dist, {lang: corpus.part(recipe.last_stage, lang) for lang in recipe.languages}, recipe, facts
    )


def _ordered(manifest: Manifest, recipe: Recipe) -> Manifest:
    """The manifest with the recipe's languages alone, stages in their order: the same however a corpus came about."""
    order = [(stage, None if stage in rows.SHARED else lang) for stage in rows.CONTRACTS for lang in recipe.translated]
    keys = dict.fromkeys(stage_key(stage, lang) for stage, lang in order)
    return manifest.model_copy(update={"stages": {key: manifest.stages[key] for key in keys if key in manifest.stages}})
