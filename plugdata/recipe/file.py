"""Reading a recipe file, with every problem told at once; laying flags over it; writing it out resolved.

A recipe is YAML 1.1, as PyYAML reads it. Paths of sources, weights and models are relative to the recipe's own
folder, `corpus` to the working directory.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from plugdata.errors import RecipeError
from plugdata.recipe.base import did_you_mean
from plugdata.recipe.endpoints import is_loopback
from plugdata.recipe.models import Recipe


def load(path: Path, assignments: Sequence[str] = ()) -> Recipe:
    """The recipe in a file, with "key.sub=value" assignments (YAML values) laid over it.

    The recipe.yaml of a corpus means that corpus, wherever it was moved.

    Raises RecipeError with every problem found, each with its line where it has one.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise RecipeError(str(path), [f"cannot be read: {reason}"], "name a recipe file (.yaml)") from None
    recipe = resolve(parse(text, str(path)), assignments, str(path), folder=path.parent)
    if path.name == "recipe.yaml" and (path.parent / ".lock").exists():
        return recipe.model_copy(update={"corpus": path.parent})
    return recipe


def resolve(
    asked: Mapping[str, Any], assignments: Sequence[str] = (), where: str = "recipe", folder: Path = Path()
) -> Recipe:
    """A validated Recipe from plain data; relative paths of sources, weights and models are taken from `folder`."""
    lines = asked.lines if isinstance(asked, _Lined) else {}
    data = plain(asked)
    problems = [problem for text in assignments if (problem := _assign(data, text))]
    try:
        recipe = Recipe.model_validate(data)
    except ValidationError as error:
        faults = [fault for fault in error.errors() if fault["type"] != "too_short" or not _explained(fault, error)]
        faults.sort(key=lambda fault: _line(fault["loc"], lines) or 0)
        problems += [_explain(dict(fault), lines) for fault in faults]
    if problems:
        raise RecipeError(where, problems, "recipe keys are described in schemas/recipe.schema.json")
    return _anchored(recipe, folder)


def dump(recipe: Recipe) -> str:
    """The recipe as YAML that loads back to the same; every default written out."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)


_FILES = r"sources\.\d+\.path|models\.\d+\.weights|filter\.lid\.model|ledger"
"""The keys that name a file."""


class _Lined(dict[str, Any]):
    """A YAML mapping that remembers the line (from 1) of each of its keys."""

    lines: dict[tuple[int | str, ...], int]


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    nodes = [key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
    keys = [loader.construct_object(key, deep=True) for key in nodes]
    for at, (key, where) in enumerate(zip(keys, nodes, strict=True)):
        if key in keys[:at]:
            raise yaml.MarkedYAMLError(problem=f"{key!r} stands twice", problem_mark=where.start_mark)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def parse(text: str, where: str) -> _Lined:
    try:
        data = yaml.load(text, _Loader)
        tree = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise RecipeError(where, [f"{line}not valid YAML: {error.problem}"]) from None
    except yaml.YAMLError as error:
        raise RecipeError(where, [f"not valid YAML: {str(error).splitlines()[0]}"]) from None
    if not isinstance(data, dict):
        what = "is empty" if data is None else f"is a {type(data).__name__}, not a mapping of keys"
        raise RecipeError(where, [what], "see recipes/quickstart.yaml")
    lined = _Lined(data)
    lined.lines = dict(_lines(tree, ()))
    return lined


def _lines(node: yaml.Node | None, loc: tuple[int | str, ...]) -> Iterator[tuple[tuple[int | str, ...], int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*loc, key.value), key.start_mark.line + 1
            yield from _lines(value, (*loc, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*loc, index), value.start_mark.line + 1
            yield from _lines(value, (*loc, index))


def plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def _assign(data: dict[str, Any], text: str) -> str | None:
    """Lay "filter.lid.min=0.7" over the data; a problem in words if it cannot be."""
    path, equals, value = text.partition("=")
    if not equals or not path:
        return f"{text!r} is not KEY=VALUE, e.g. filter.lid.min=0.7"
    *parents, last = path.split(".")
    block: Any = data
    for key in parents:
        block = (
            block[int(key)]
            if isinstance(block, list) and key.isdigit() and int(key) < len(block)
            else (block.setdefault(key, {}) if isinstance(block, dict) else None)
        )
    if not isinstance(block, dict):
        return f"{path!r} is not a key of a recipe"
    try:
        read = yaml.load(value, _Loader)
    except yaml.YAMLError:
        return f"{text!r}: {value!r} is not a YAML value"
    # what is typed at a prompt is relative to where it is typed
    is_file = re.fullmatch(_FILES, path) and isinstance(read, str) and read not in ("small", "medium")
    block[last] = str(Path(read).expanduser().absolute()) if is_file else read
    return None


_WORDS = {
    "tuple_type": "is not a list, e.g. [ko]",
    "model_type": "is not a block of keys",
    "model_attributes_type": "is not a block of keys",
    "dict_type": "is not a block of keys",
    "string_type": "is not text",
}
"""Pydantic's messages that speak Python, in words of YAML."""


def _explain(fault: dict[str, Any], lines: Mapping[tuple[int | str, ...], int]) -> str:
    """One pydantic fault as "line 4: languages[0]: what", with what to write instead where it is known."""
    loc: tuple[int | str, ...] = fault["loc"]
    known = _line(loc, lines)
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")
    if fault["type"] == "extra_forbidden":
        what = f"unknown key {loc[-1]!r}{did_you_mean(str(loc[-1]), _keys(loc[:-1]))}"
        place = place.rpartition(".")[0]
    elif fault["type"] == "missing":
        what = "is required"
    elif isinstance(fault["input"], bool) and "string" in fault["type"]:
        word = "no" if fault["input"] is False else "yes"
        what = f'got {fault["input"]}. YAML reads a bare {word} as a boolean; write "{word}"'
    else:
        what = _WORDS.get(fault["type"], fault["msg"].removeprefix("Value error, "))
        if not isinstance(fault["input"], dict | list) and repr(fault["input"]) not in what:
            what += f", got {fault['input']!r}"
    return ": ".join(part for part in (f"line {known}" if known else "", place, what) if part)


def _line(loc: tuple[int | str, ...], lines: Mapping[tuple[int | str, ...], int]) -> int | None:
    """The line of a place, or of what holds it."""
    return next((lines[loc[:n]] for n in range(len(loc), 0, -1) if loc[:n] in lines), None)


def _explained(short: ErrorDetails, error: ValidationError) -> bool:
    """Whether a list is too short only because an entry of it is faulty itself."""
    loc = short["loc"]
    return any(len(fault["loc"]) > len(loc) and fault["loc"][: len(loc)] == loc for fault in error.errors())


def _keys(loc: tuple[int | str, ...]) -> list[str]:
    """The keys of the recipe block at a place."""
    model: Any = Recipe
    for part in loc:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        model = next((a for a in getattr(annotation, "__args__", ()) if isinstance(a, type)), annotation)
    return list(getattr(model, "model_fields", {}))


def _anchored(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with relative paths of files made absolute, so that it means the same from the corpus."""

    def at(path: str | None) -> str | None:
        return None if path is None else str((folder / Path(path).expanduser()).resolve())

    sources = tuple(source.model_copy(update={"path": at(source.path)}) for source in recipe.sources)
    models = tuple(
        model if model.weights in (None, "small", "medium") else model.model_copy(update={"weights": at(model.weights)})
        for model in recipe.models
    )
    lid = recipe.filter.lid.model_copy(update={"model": at(recipe.filter.lid.model)})
    filters = recipe.filter.model_copy(update={"lid": lid})
    update = {"corpus": recipe.corpus.expanduser(), "sources": sources, "models": models, "filter": filters}
    if recipe.ledger:
        update["ledger"] = (folder / recipe.ledger.expanduser()).resolve()
    return recipe.model_copy(update=update)


def packaged(name: str) -> Path:
    """A recipe that comes with plugdata: inside an installed package, at the root of a checkout."""
    installed = Path(str(resources.files("plugdata"))) / "recipes"
    return (installed if installed.is_dir() else installed.parent.parent / "recipes") / name


def public(recipe: Recipe) -> str:
    """The recipe as YAML fit to be published: no path, no endpoint on this machine, no secret in a URL."""
    data = recipe.model_dump(mode="json", exclude_none=True)
    data["corpus"] = recipe.corpus.name
    data.pop("ledger", None)
    for source in data["sources"]:
        if "path" in source:
            source["path"] = Path(source["path"]).name
    for model in data["models"]:
        model.pop("api_key_env")
        if "weights" in model:
            model["weights"] = Path(model["weights"]).name
        if "base_url" in model:
            url = urlsplit(model.pop("base_url"))
            if url.hostname and not is_loopback(url.hostname):
                model["base_url"] = f"{url.scheme}://{url.hostname}{url.path}"
    if "model" in data["filter"]["lid"]:
        data["filter"]["lid"]["model"] = Path(data["filter"]["lid"]["model"]).name
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110)
