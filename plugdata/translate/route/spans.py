"""Which parts of a row stay in the source language under the policy keep-span.

What is kept is what the task is about; the frame around it ("Translate … into French") is translated. Quotation marks
stay outside, for they differ between languages. Where nothing marks the span, nothing is kept of an instruction, and
all of an input.
"""

import re
from collections.abc import Callable, Mapping

Span = tuple[int, int]

_QUOTED = re.compile(
    r"\"([^\"\n]+)\"|“([^“”\n]+)”|«([^«»\n]+)»|「([^「」\n]+)」|`([^`\n]+)`"
    r"|(?<!\w)['‘]((?:[^'‘’\n]|(?<=\w)['’](?=\w))+)['’](?!\w)"  # an apostrophe inside a word closes nothing
)
_COLON = re.compile(r":\s+(?=\S)")
_WORDS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_ASKED_ABOUT = re.compile(
    r"(?i)\b(?:of|for|word|verb|noun|adjective|pronounce|spell|conjugate) ([a-z]{2,}(?:[-'’][a-z]+)?)\s*[?.!]?\s*$"
)
_NOT_ASKED_ABOUT = re.compile(r"(?i)(?:it|this|that|them|words?|sentences?|verb|noun|english|each|text|phrase)$")
_ASKS_MEANING = re.compile(r"(?i)\bmean(?:s|ing)?\b(?! in \w)")
# words of a frame around a translation or correction; two of them beside a quotation make an English frame
_FRAME = re.compile(
    r"(?i)\b(?:the|is|in|means|can|be|translat(?:ed|ion)|as|of|to|word|phrase|sentence|this|would|should)\b"
)
_TERMS = re.compile(
    r"(?i)\b(?:nouns?|verbs?|adjectives?|adverbs?|pronouns?|prepositions?|conjunctions?|interjections?|determiners?"
    r"|articles?|subject|predicate|object|active|passive|singular|plural|(?:past|present|future)(?: tense)?)\b"
)
_A_FORM = 3
"""Words of a response at most that can be nothing but the form asked for ("went", "has been running")."""


def kept_spans(task_class: str, texts: Mapping[str, str]) -> dict[str, list[Span]]:
    """Per field the ranges that stay, in order and apart; fields without any are left out.

    For the classes whose task is about a text (translation, correction, pivot-language); {} for the others. Code is
    kept by its masks (checks/mask.py), whatever the class.
    """
    if task_class not in _RESPONSE:
        return {}
    instruction, input, response = (texts.get(name) or "" for name in ("instruction", "input", "response"))
    asked = _marked(instruction, task_class)
    kept = [instruction[start:end] for start, end in asked] + [input]
    found = {"instruction": asked, "input": _whole(input)}
    found["response"] = _RESPONSE[task_class](instruction, kept, response)
    return {name: spans for name, spans in found.items() if spans}


def _marked(instruction: str, task_class: str) -> list[Span]:
    """What an instruction quotes; else what follows its colon or first line; else the word it ends in."""
    if quoted := _quoted(instruction):
        return quoted
    if task_class == "pivot-language":
        word = _ASKED_ABOUT.search(instruction)
        if word and not _NOT_ASKED_ABOUT.match(word[1]):
            return [word.span(1)]
    if colon := _COLON.search(instruction):
        labels = task_class == "pivot-language" and _TERMS.search(instruction, colon.end())  # "…: verbs or nouns"
        return [] if labels else [(colon.end(), len(instruction.rstrip()))]
    first = instruction.find("\n")
    rest = instruction[first:].strip() if first > 0 else ""
    return [(start := instruction.index(rest, first), start + len(rest))] if rest else []


def _of_translation(instruction: str, kept: list[str], response: str) -> list[Span]:
    """The response; of one that speaks about the translation its quotations; of a meaning only what is asked about."""
    quoted = _quoted(response)
    if _ASKS_MEANING.search(instruction):
        return [(start, end) for start, end in quoted if response[start:end] in kept]
    outside = _outside(response, quoted)
    framed = len({word.lower() for word in _FRAME.findall(outside)}) > 1 or not _words(outside)
    return quoted if quoted and framed else _whole(response)


def _of_correction(instruction: str, kept: list[str], response: str) -> list[Span]:
    """The response; of one that explains the mistake, its quotations. Explained: outside them most words are new."""
    quoted = _quoted(response)
    frame = _words(_outside(response, quoted))
    return quoted if quoted and _share(frame, kept) < 0.5 else _whole(response)


def _of_pivot_language(instruction: str, kept: list[str], response: str) -> list[Span]:
    """The response if it is only the form asked for, or mostly words asked about; else its quotations."""
    words = _words(response)
    only_forms = len(words) <= _A_FORM or _share(words, kept) >= 0.5
    return _whole(response) if words and only_forms and not _TERMS.search(response) else _quoted(response)


_RESPONSE: Mapping[str, Callable[[str, list[str], str], list[Span]]] = {
    "translation": _of_translation,
    "correction": _of_correction,
    "pivot-language": _of_pivot_language,
}


def _whole(text: str) -> list[Span]:
    core = text.strip()
    return [(start := text.index(core), start + len(core))] if core else []


def _quoted(text: str) -> list[Span]:
    return [match.span(match.lastindex or 0) for match in _QUOTED.finditer(text)]


def _outside(text: str, spans: list[Span]) -> str:
    edges = [0, *(place for span in spans for place in span), len(text)]
    return " ".join(text[start:end] for start, end in zip(edges[0::2], edges[1::2], strict=True))


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(text)]


def _share(words: list[str], kept: list[str]) -> float:
    """Share of the words that occur in the kept texts."""
    known = set(_words("\n".join(kept)))
    return sum(word in known for word in words) / len(words) if words else 0.0
