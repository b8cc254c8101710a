"""Reading a recipe file, with every problem told at once; laying flags over it; writing it out resolved.

A recipe is YAML 1.1, as PyYAML reads it. Paths of files are relative to the recipe's own folder, `corpus` to the
working directory.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from plugdata.errors import RecipeError
from plugdata.recipe.base import did_you_mean
from plugdata.recipe.curation import LID_MODELS
from plugdata.recipe.endpoints import is_loopback
from plugdata.recipe.models import Recipe
from plugdata.recipe.translation import Again, is_hub_id


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
        return _of_corpus(recipe, path.parent)
    return recipe


def _of_corpus(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe of the corpus that lies in a folder: what it names of the corpus's own files lies there too."""

    def here(again: Again) -> Again:
        beside = again.rows and folder.resolve() / again.rows.name
        return again.model_copy(update={"rows": beside}) if beside and beside.is_file() else again

    translate = recipe.translate.model_copy(update={"again": tuple(map(here, recipe.translate.again))})
    return recipe.model_copy(update={"corpus": folder, "translate": translate})


def resolve(
    asked: Mapping[str, Any], assignments: Sequence[str] = (), where: str = "recipe", folder: Path = Path()
) -> Recipe:
    """A validated Recipe from plain data; relative paths of files are taken from `folder`."""
    lines = asked.lines if isinstance(asked, _Lined) else {}
    data = _with_files(plain(asked), lambda path: _absolute(folder, path))
    problems = [problem for text in assignments if (problem := _assign(data, text))]
    try:
        recipe = Recipe.model_validate(data)
    except ValidationError as error:
        faults = [fault for fault in error.errors() if fault["type"] != "too_short" or not _explained(fault, error)]
        faults = _of_the_nearest(faults)
        faults.sort(key=lambda fault: _line(_keys_of(fault), lines) or 0)
        problems += [_explain(dict(fault), lines) for fault in faults]
    if problems:
        raise RecipeError(where, problems, "recipe keys are described in schemas/recipe.schema.json")
    return recipe.model_copy(update={"corpus": recipe.corpus.expanduser()})


def dump(recipe: Recipe) -> str:
    """The recipe as YAML that loads back to the same; every default written out."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)


_FILES = re.compile(
    r"(?:sources|texts|translations)\.\d+\.path|ledger|translate\.(?:glossary|again\.\d+\.rows)"
    r"|screen\.(?:decontaminate|against)\.\d+|dedup\.against\.\d+|filter\.(?:lid\.model|length\.tokenizer|user\.\d+\.python)"
    r"|(?:models\.\d+|translate\.again\.\d+\.model|(?:quality\.\w+|rate|edit|diversify)\.model)\.weights"
)
"""The keys that name a file; some may name something else instead."""

_NAMED = ("small", "medium", *LID_MODELS)
"""Models known by name, where a file might stand."""


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
    """Lay "filter.lid.min=0.7" or "sources[0].limit=9" over the data; a problem in words if it cannot be."""
    path, equals, value = text.partition("=")
    if not equals or not path:
        return f"{text!r} is not KEY=VALUE, e.g. filter.lid.min=0.7"
    path = re.sub(r"\[(\d+)\]", r".\1", path)
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
    block[last] = _with_files(read, lambda name: _absolute(Path(), name), path)
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
    loc = _keys_of(fault)
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


def _keys_of(fault: Mapping[str, Any]) -> tuple[int | str, ...]:
    """Where a fault is, in keys: less what pydantic names of its types where a key takes several ("dict[…]")."""
    *blocks, last = fault["loc"] or ("",)
    unknown = fault["type"] == "extra_forbidden"  # then the last is the user's own word, whatever it holds
    return (*(part for part in blocks if "[" not in str(part)), *([last] if unknown or "[" not in str(last) else []))


def _of_the_nearest(faults: list[ErrorDetails]) -> list[ErrorDetails]:
    """One fault for each place: of a key that takes several types the first, or those inside the type meant."""
    places = [_keys_of(fault) for fault in faults]
    return [
        fault
        for nth, (fault, place) in enumerate(zip(faults, places, strict=True))
        if place not in places[:nth] and not any(other[: len(place)] == place != other for other in places)
    ]


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


def _with_files(value: Any, change: Callable[[str], str], at: str = "") -> Any:
    """Plain data with every name of a file changed; `at` is the key under which it stands."""
    if isinstance(value, Mapping):
        return {key: _with_files(item, change, f"{at}.{key}".lstrip(".")) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_files(item, change, f"{at}.{n}") for n, item in enumerate(value)]
    is_file = isinstance(value, str | Path) and _FILES.fullmatch(at) and value not in _NAMED
    if is_file and at.startswith(("screen.", "dedup.", "filter.length.")) and is_hub_id(str(value)):
        return value
    return change(str(value)) if is_file else value


def _absolute(folder: Path, path: str) -> str:
    """A path that means the same from everywhere."""
    return str((folder / Path(path).expanduser()).resolve())


def packaged(name: str) -> Path:
    """A recipe that comes with plugdata: inside an installed package, at the root of a checkout."""
    installed = Path(str(resources.files("plugdata"))) / "recipes"
    return (installed if installed.is_dir() else installed.parent.parent / "recipes") / name


def public(recipe: Recipe) -> str:
    """The recipe as YAML fit to be published: no path, no endpoint on this machine, no secret in a URL."""
    data = _with_files(recipe.model_dump(mode="json", exclude_none=True), lambda path: Path(path).name)
    data["corpus"] = recipe.corpus.name
    data.pop("ledger", None)
    for asked in (*data["translate"]["again"], *data["quality"].values(), *({"model": m} for m in data["models"])):
        if "model" in asked:
            _hide(asked["model"])
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110)


def _hide(model: dict[str, Any]) -> None:
    """Take out of a model what is nobody's business."""
    del model["api_key_env"]
    if "base_url" in model:
        url = urlsplit(model.pop("base_url"))
        if url.hostname and not is_loopback(url.hostname):
            model["base_url"] = f"{url.scheme}://{url.hostname}{url.path}"
