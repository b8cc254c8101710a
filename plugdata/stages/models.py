"""The models of a recipe: what is called, under which name it answers, and what runs here while it is called; what
identifies languages."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

from plugdata import assets
from plugdata.calls import client, local, money
from plugdata.calls.pool import Member
from plugdata.corpus import Corpus
from plugdata.errors import InputError
from plugdata.recipe import Model, Recipe
from plugdata.stages.step import Say

WEIGHTS = {None: assets.QWEN_MEDIUM, "small": assets.QWEN_SMALL, "medium": assets.QWEN_MEDIUM}
"""The weights that `model: local` may name."""
LOCAL_CONTEXT_TOKENS = 4096
"""Context of a local model for each request in flight: a row of instruction data, twice, and room to spare."""


def pool(recipe: Recipe) -> tuple[Member, ...]:
    """What a recipe asks, each with its price. Raises InputError where there is no model, or a price is unknown."""
    if not recipe.models:
        raise InputError(
            "no model to translate with",
            "give --model NAME (what your endpoint serves, or `local`), PLUGDATA_MODEL, or `models` in the recipe",
        )
    again = [again.model for again in recipe.translate.again if again.model]
    higher = (replace(member, tier=tier) for tier, member in enumerate(pool_of(again), 1))
    return (*pool_of(recipe.models), *higher)


def pool_of(models: Iterable[Model]) -> tuple[Member, ...]:
    """Models, each with its price. Raises InputError where a price is unknown."""
    return tuple(Member(model, served_as(model), money.price_of(model, client.base_url(model))) for model in models)


def served_as(model: Model) -> str:
    """What answers, in ledger keys: declared, or the weights' hash for a local model, or the model's name."""
    if model.served_as:
        return model.served_as
    if model.model != "local":
        return model.model
    known = WEIGHTS.get(model.weights)
    return f"sha256:{known.sha256}" if known else local.served_as(Path(str(model.weights)))


@contextmanager
def serving(members: Iterable[Member], say: Say) -> Iterator[list[Member]]:
    """The pool as something to call: local models are fetched, and served on loopback while the block lasts."""
    with ExitStack() as running:
        yield [
            replace(member, model=running.enter_context(_served(member.model, say)))
            if member.model.model == "local"
            else member
            for member in members
        ]


@contextmanager
def _served(model: Model, say: Say) -> Iterator[Model]:
    known = WEIGHTS.get(model.weights)
    path = assets.fetch(known, say=say) if known else Path(str(model.weights))
    slots = model.limits.concurrency
    with local.serve(path, slots=slots, context_tokens=LOCAL_CONTEXT_TOKENS) as base_url:
        yield model.model_copy(update={"base_url": base_url})


def identifier(recipe: Recipe, say: Say) -> tuple[str, Callable[[], Path]]:
    """What identifies the languages of rows: the hash of the model's file, and the file, fetched when it is first
    needed. Raises InputError for a file that cannot be read."""
    named = recipe.filter.lid.model or "lid176"
    if asset := assets.LID_MODELS.get(named):
        return asset.sha256, cache(lambda: assets.fetch(asset, say=say))
    path = Path(named)
    try:
        return assets.sha256_of(path), lambda: path
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def ledger_path(corpus: Corpus, recipe: Recipe) -> Path:
    """Where a corpus's answers lie: its own ledger, or one that it shares."""
    return recipe.ledger or corpus.ledger
