"""The class of a row by the rules of rules.toml: the first that holds, in the order of CLASSES. Pure, English only."""

import re
import tomllib
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from plugdata import languages
from plugdata.translate.route.asked import ask_of, words_of
from plugdata.translate.route.classes import CLASSES
from plugdata.translate.route.code import fenced_code, is_code

_OTHERS = {
    "mandarin",
    "cantonese",
    "latin",
    "sanskrit",
    "esperanto",
    "hawaiian",
    "gaelic",
    "filipino",
    "farsi",
    "maori",
}
"""Languages that people ask about and the table lacks, or calls otherwise."""
_BEGINNING = 200
"""Characters of a response in which it says of what language a word is."""


class Found(NamedTuple):
    """The class of a row and, in words, why."""

    task_class: str
    why: str


class _Rule(NamedTuple):
    found: Found
    words: frozenset[str]
    any: re.Pattern[str]
    unless: re.Pattern[str] | None
    response: re.Pattern[str] | None


class _Rules(NamedTuple):
    words: frozenset[str]  # of all rules
    ordered: tuple[_Rule, ...]


def classify(instruction: str, input: str, response: str) -> Found | None:
    """The class of a row and which rule held; None: an ordinary task."""
    if is_code(response) or fenced_code(response):
        return Found("code", "the response is code")
    if input and (is_code(input) or fenced_code(input)):
        return Found("code", "the input is code")
    rules = _rules()
    words = words_of(instruction)
    if words.isdisjoint(rules.words):
        return None
    ask = ask_of(instruction)
    return next(
        (rule.found for rule in rules.ordered if not words.isdisjoint(rule.words) and _holds(rule, ask, response)), None
    )


def _holds(rule: _Rule, ask: str, response: str) -> bool:
    if not rule.any.search(ask) or (rule.unless and rule.unless.search(ask)):
        return False
    return rule.response is None or rule.response.search(response[:_BEGINNING].lower()) is not None


@cache
def _rules() -> _Rules:
    text = resources.files(__package__).joinpath("rules.toml").read_text(encoding="utf-8")
    file: dict[str, Any] = tomllib.loads(text)
    names = sorted({language.name.lower().split(" (")[0] for language in languages.table().values()} | _OTHERS)
    language = f"(?:{'|'.join(map(re.escape, names))})"
    parts = {"LANGUAGE": language, "FOREIGN": f"(?!english){language}"}
    parts |= {
        name: part if isinstance(part, str) else f"(?:{'|'.join(part)})" for name, part in file["vocabulary"].items()
    }
    language_words = {word for name in names for word in name.split()}
    rules = [_rule(block, parts, language_words) for block in file["rule"]]
    rules.sort(key=lambda rule: CLASSES.index(rule.found.task_class))  # stable: within a class as written
    return _Rules(frozenset[str]().union(*(rule.words for rule in rules)), tuple(rules))


def _rule(block: dict[str, Any], parts: dict[str, str], language_words: set[str]) -> _Rule:
    def pattern(key: str) -> re.Pattern[str] | None:
        return re.compile("|".join(_filled(line, parts) for line in block[key])) if key in block else None

    words = set(block["words"].split())
    if "LANGUAGES" in words:
        words = (words - {"LANGUAGES"}) | language_words
    asked = pattern("any")
    assert asked is not None
    return _Rule(Found(block["class"], block["why"]), frozenset(words), asked, pattern("unless"), pattern("response"))


def _filled(pattern: str, parts: dict[str, str]) -> str:
    return re.sub(r"<([A-Z_]+)>", lambda name: parts[name[1]], pattern)
