"""Recipes as commands ask for them: flags laid over a recipe, or over nothing."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from plugdata import languages
from plugdata.errors import InputError, LanguageError, RecipeError
from plugdata.recipe.endpoints import Model
from plugdata.recipe.file import parse, plain, resolve
from plugdata.recipe.models import Recipe

DATA_SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".parquet", ".gz", ".zst")
"""Endings of the files that sources are read from."""


def with_model(recipe: Recipe, **flags: Any) -> Recipe:
    """The recipe with the command line's model options laid over its model; a new `model` starts from nothing.

    `flags`: model, base_url, api_key_env, price, rpm, tpm, concurrency; None is not given. Of a recipe with several
    models, `model` takes the place of all, and the other flags have none to go to (RecipeError).
    """
    limits = {key: flags.pop(key) for key in ("rpm", "tpm", "concurrency") if flags.get(key) is not None}
    given = {key: value for key, value in flags.items() if value is not None}
    if not given and not limits:
        return recipe
    if len(recipe.models) > 1 and "model" not in given:
        flag = next(iter({**given, **limits})).replace("_", "-")
        raise RecipeError(
            "the model's options",
            [f"--{flag} is for one model, and the recipe has {len(recipe.models)}"],
            "set keys of each, e.g. --set models.0.limits.rpm=500, or give --model to ask just one",
        )
    declared = recipe.models[0].model_dump(exclude_unset=True) if recipe.models else {}
    if given.get("model", declared.get("model")) != declared.get("model"):
        declared = {}
    model = {**declared, **given, "limits": {**declared.get("limits", {}), **limits}}
    return resolve({**recipe.model_dump(exclude_unset=True), "models": [model]}, where="the model's options")


def model(**flags: Any) -> Model | None:
    """The one model that the command line's options describe; None if they name none."""
    if flags.get("model") is None:
        if stray := [name for name, value in flags.items() if value is not None]:
            raise RecipeError("the model's options", [f"--{stray[0].replace('_', '-')} needs --model"])
        return None
    limits = {key: flags.pop(key) for key in ("rpm", "tpm", "concurrency") if flags.get(key) is not None}
    given = {key: value for key, value in flags.items() if value is not None}
    try:
        return Model.model_validate({**given, "limits": limits})
    except ValidationError as error:
        raise RecipeError("the model's options", [fault["msg"] for fault in error.errors()]) from None


def for_translation(
    source: str, corpus: Path, to: str, assignments: Sequence[str] = (), *, columns: Sequence[str] = (), **flags: Any
) -> Recipe:
    """The recipe that `plugdata translate` asks for, laid over that of the corpus if there is one.

    SOURCE is a path if it exists, looks like one or ends like a data file, else a Hub id. Languages are added to
    those the corpus has. `flags`: pivot, source_lang, split, config, license, protocol, fields, limit and those of
    `with_model`; None is not given.
    """
    given = {key: value for key, value in flags.items() if value is not None}
    there = corpus / "recipe.yaml"
    before = plain(parse(there.read_text("utf-8"), str(there))) if there.is_file() else {}
    place = {"path": str(Path(source).expanduser().absolute())} if _is_path(source) else {"id": source}
    origin: dict[str, Any] = next((s for s in before.get("sources", []) if place.items() <= s.items()), {})
    origin = {**origin, **place, **{key: given[key] for key in ("split", "config", "license") if key in given}}
    if columns:
        origin["columns"] = dict(pair.partition("=")[::2] for pair in columns)
    codes = [languages.get(code.strip()).code for code in to.split(",")]
    asked = {
        **before,
        "corpus": str(corpus),
        "sources": [origin],
        "languages": list(dict.fromkeys([*before.get("languages", []), *codes])),
        "limit": given.get("limit"),
    }
    asked |= {key: given[key] for key in ("pivot", "source_lang") if key in given}
    if how := {key: given[key] for key in ("protocol", "fields") if key in given}:
        asked["translate"] = {**before.get("translate", {}), **how}
    ours = ("model", "base_url", "api_key_env", "price", "rpm", "tpm", "concurrency")
    recipe = resolve(asked, assignments, where="plugdata translate")
    return with_model(recipe, **{key: value for key, value in given.items() if key in ours})


def for_pairs(
    pivot: Path,
    targets: Sequence[Path],
    corpus: Path,
    to: str | None,
    by: str,
    license: str | None = None,
    assignments: Sequence[str] = (),
) -> Recipe:
    """The recipe of `plugdata pair --pivot FILE --target FILE`, laid over that of the corpus if there is one.

    `to` None: the language that the name of a target's file ends in (ko.json, alpaca.ko.jsonl, alpaca_ko.json).
    The pivot of a new corpus is read off its file's name likewise, and is en where that says nothing.
    Raises LanguageError if `to` or a target's name is no language, InputError if two are of one language.
    """
    if to and len(targets) > 1:
        raise InputError(
            f"--to {to} says the language of one --target, not of {len(targets)}", "name files like ko.json"
        )
    if unnamed := [target for target in targets if not to and not _language(target)]:
        raise LanguageError(f"the name of {unnamed[0]} ends in no language", "say which it is: --to CODE")
    named = [languages.get(to or _last_word(target)).code for target in targets]
    if len(set(named)) < len(named):
        raise InputError(f"two of {', '.join(map(str, targets))} are of one language", "name one file for a language")
    there = corpus / "recipe.yaml"
    before = plain(parse(there.read_text("utf-8"), str(there))) if there.is_file() else {}
    given = [t for t in before.get("translations", []) if t["lang"] not in named]
    new = [{"lang": c, "path": str(t.expanduser().absolute()), "by": by} for c, t in zip(named, targets, strict=True)]
    place = {"path": str(pivot.expanduser().absolute())}
    origin = next((source for source in before.get("sources", []) if place.items() <= source.items()), place)
    asked = {
        **({} if before else {"pivot": _language(pivot) or "en"}),
        **before,
        "corpus": str(corpus),
        "sources": [{**origin, "license": license} if license else origin],
        "languages": list(dict.fromkeys([*before.get("languages", []), *named])),
        "translations": [*given, *new],
    }
    return resolve(asked, assignments, where="plugdata pair")


def _last_word(file: Path) -> str:
    """What a data file's name ends in, before what says of which type it is: "ko" of alpaca_ko.jsonl.gz."""
    words = [word for word in re.split(r"[._]", file.name) if f".{word}" not in DATA_SUFFIXES]
    return words[-1] if words else file.name


def _language(file: Path) -> str | None:
    """The language that a file's name ends in, if any."""
    try:
        return languages.get(_last_word(file)).code
    except LanguageError:
        return None


def _is_path(source: str) -> bool:
    """Whether SOURCE is meant as a path: "data/nope.jsn" is one if there is a folder data/, "org/name" is a Hub id."""
    path = Path(source).expanduser()
    return (
        path.exists()
        or source.startswith((".", "/", "~"))
        or source.count("/") != 1
        or path.parent.is_dir()
        or path.suffix in DATA_SUFFIXES
    )
