"""Options that commands share, and the recipe that they ask for."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from plugdata.recipe import Recipe
    from plugdata.rows import Reason

F = TypeVar("F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)


def together(*options: Callable[[F], F]) -> Callable[[F], F]:
    """One decorator from several, listed in help in this order."""

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _price(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    """`--price` as a recipe has it."""
    if value is None:
        return None
    from plugdata.calls.money import parse_price

    parsed = parse_price(value)
    return parsed if parsed == "free" else parsed.model_dump(exclude_unset=True)


model_options = together(
    click.option("--model", envvar="PLUGDATA_MODEL", help="Model name at the endpoint, or `local`."),
    click.option("--base-url", envvar="PLUGDATA_BASE_URL", help="OpenAI-compatible endpoint. Default: OpenAI's."),
    click.option("--api-key-env", metavar="NAME", help="Variable that holds the key. Default: OPENAI_API_KEY."),
    click.option(
        "--rpm", type=click.IntRange(1), metavar="N", envvar="PLUGDATA_RPM", help="Requests a minute, at most."
    ),
    click.option("--tpm", type=click.IntRange(1), metavar="N", envvar="PLUGDATA_TPM", help="Tokens a minute, at most."),
    click.option(
        "--concurrency",
        type=click.IntRange(1),
        metavar="N",
        envvar="PLUGDATA_CONCURRENCY",
        help="Requests in flight, at most. Default: 16.",
    ),
    click.option(
        "--price",
        metavar="free|IN,OUT",
        envvar="PLUGDATA_PRICE",
        callback=_price,
        help="USD per million tokens. Default: the price list; nothing on this machine.",
    ),
)
MODEL_FLAGS = ("model", "base_url", "api_key_env", "rpm", "tpm", "concurrency", "price")
money_options = together(
    click.option(
        "--budget", type=float, metavar="USD", help="Never spend more than this, in all runs together that ask here."
    ),
    click.option("--ledger", type=PATH, help="A ledger shared with other corpora. Default: the corpus's own."),
)
limit_option = click.option(
    "--limit", type=click.IntRange(1), metavar="N", help="First N rows only; the same without it adds the rest."
)
set_option = click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Override a key, e.g. filter.lid.min=0.7."
)
quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress, no news.")
json_option = click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
corpus_argument = click.argument("corpus", type=PATH)


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """RECIPE (or its corpus) and all that may be laid over it; the command is given the result as `asked`, and --limit
    beside it."""

    @functools.wraps(command)
    def asking(
        recipe: Path,
        budget: float | None,
        ledger: Path | None,
        shard: str | None,
        assignments: tuple[str, ...],
        **others: Any,
    ) -> Any:
        from plugdata import recipe as recipes

        model = {name: others.pop(name) for name in MODEL_FLAGS}
        recipe = recipe / "recipe.yaml" if recipe.is_dir() else recipe
        asked = recipes.load(recipe, assigned(assignments, budget=budget, ledger=ledger, shard=shard))
        return command(asked=recipes.with_model(asked, **model), **others)

    return together(
        click.argument("recipe", type=PATH),
        limit_option,
        model_options,
        money_options,
        click.option("--shard", metavar="I/N", help="The I-th of N parts of the rows, for one of N machines."),
        set_option,
        quiet_option,
    )(asking)


def assigned(assignments: tuple[str, ...], **flags: Any) -> tuple[str, ...]:
    """Flags that are keys of a recipe, as assignments before those of --set."""
    return (*(f"{key}={json.dumps(str(value))}" for key, value in flags.items() if value is not None), *assignments)


def typed(flags: dict[str, Any]) -> dict[str, Any]:
    """The model's options as they are meant beside a recipe that has a model: those of the environment count only
    where one was named by hand."""
    source = click.get_current_context().get_parameter_source
    if source("model") is ParameterSource.COMMANDLINE:
        return flags
    return {name: value if source(name) is ParameterSource.COMMANDLINE else None for name, value in flags.items()}


def reason_of(word: str) -> "Reason":
    """The reason that a word of the command line names. Raises BadParameter."""
    from plugdata.recipe import did_you_mean
    from plugdata.rows import Reason

    known = [str(reason) for reason in Reason]
    if word not in known:
        told = did_you_mean(word, known) or f"; there are {', '.join(known)}"
        raise click.BadParameter(f"{word!r} is no reason{told}", param_hint="--reason")
    return Reason(word)


def first(recipe: "Recipe", limit: int | None) -> "Recipe":
    """A recipe for the first rows only, if there is a --limit."""
    return recipe if limit is None else recipe.model_copy(update={"limit": limit})


def recipe_of(corpus: Path, assignments: tuple[str, ...] = ()) -> "Recipe":
    """The recipe that a corpus was made by, with its own place as `corpus`."""
    from plugdata import recipe as recipes
    from plugdata.corpus import Corpus

    return recipes.load(Corpus.open(corpus).recipe, [*assignments, f"corpus={json.dumps(str(corpus))}"])
