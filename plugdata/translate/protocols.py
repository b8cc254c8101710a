"""How the texts of a row travel in a message, and back.

    tags         all texts of a row in one message, each in a tag of its name
    json_schema  the same as one JSON object, whose form the endpoint enforces (response_format)
    plain        one text, nothing else
    plug-paper   the form of PLUG's released script: instruction (input folded in) and response behind <|user|> and
                 <|assistant|>, below a line in the target language

A parser accepts exactly what its renderer asks for; text outside it is ignored, since models like to add a word.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from plugdata.hashing import tagged_hash

SEGMENTS = ("instruction", "input", "response")
"""The texts of a row, in the order they are sent."""

Texts = Mapping[str, str]
"""By segment name, in the order of SEGMENTS."""


@dataclass(frozen=True)
class Protocol:
    """One way to send texts: its templates (prompts/), renderer and parser.

    `system` and `repair` are template ids. `parse(answer, names, suffix)` gives the texts by name, or in words what is
    wrong. `together`: a row's texts share a call. `examples`: whether worked ones are sent. `proves_its_end`: an answer
    that parses is whole, whatever its finish_reason. `end(names, suffix)`: the last closing tag, which `asking.ended`
    gives back. `params(names)` goes with the request.
    """

    system: str
    repair: str
    render: Callable[[Texts, str], str]
    parse: Callable[[str, tuple[str, ...], str], dict[str, str] | str]
    together: bool = True
    examples: bool = True
    proves_its_end: bool = True
    end: Callable[[tuple[str, ...], str], str] = lambda names, suffix: ""
    params: Callable[[tuple[str, ...]], Mapping[str, Any]] = lambda names: {}


_SHOWN = 8
"""Tags named in a fault, which is sent to the model."""

_ANY_TAG = re.compile(r"</?(?:instruction|input|response)(-[0-9a-f]{4})?>")
_BETWEEN_TAGS = re.compile(r"(</?(?:instruction|input|response)(?:-[0-9a-f]{4})?>)")


def tag_suffix(texts: Mapping[str, str]) -> str:
    """What makes the tags of a row unmistakable: nothing, or "-" and 4 hex digits where a text holds such a tag.

    A pure function of the texts, as every part of a request is.
    """
    taken = {match[1] or "" for text in texts.values() if "<" in text for match in _ANY_TAG.finditer(text)}
    if "" not in taken:
        return ""
    seed = tagged_hash(tagged_hash(dict(texts)))
    while (suffix := f"-{seed[-4:]}") in taken:
        seed = tagged_hash(seed)
    return suffix


def render_tags(texts: Mapping[str, str], suffix: str) -> str:
    """Each text in its tag, on lines of its own."""
    return "\n".join(f"<{name}{suffix}>\n{text}\n</{name}{suffix}>" for name, text in texts.items())


def parse_tags(answer: str, names: tuple[str, ...], suffix: str) -> dict[str, str] | str:
    """The text of each tag, edges stripped; or, in words, why the tags are not the ones asked for.

    A tag that was not asked for is passed over outside the ones that were (models like to add an empty <input>),
    and is a fault inside them.
    """
    expected = [tag for name in names for tag in (f"<{name}{suffix}>", f"</{name}{suffix}>")]
    pieces = _BETWEEN_TAGS.split(answer)
    if pieces[1::2] == expected:  # as nearly always
        return {name: text.strip() for name, text in zip(names, pieces[2::4], strict=True)}
    ours = [match for match in _ANY_TAG.finditer(answer) if (match[1] or "") == suffix]
    asked = [match for match in ours if match[0] in expected]
    if [match[0] for match in asked] != expected:
        lacking = [tag for tag in expected if tag not in {match[0] for match in asked}]
        told = " ".join(match[0] for match in asked[:_SHOWN]) + (" …" if len(asked) > _SHOWN else "")
        return f"no {lacking[0]} in the answer" if lacking else f"tags doubled or out of order: {told}"
    texts = {}
    for name, start, end in zip(names, asked[0::2], asked[1::2], strict=True):
        if inside := [match[0] for match in ours if start.end() <= match.start() < end.start()]:
            return f"{inside[0]} inside {start[0]}"
        texts[name] = answer[start.end() : end.start()].strip()
    return texts


def _last_tag(names: tuple[str, ...], suffix: str) -> str:
    return f"</{names[-1]}{suffix}>"


def render_json(texts: Texts, suffix: str) -> str:
    """The texts as one JSON object."""
    return json.dumps(dict(texts), ensure_ascii=False, indent=0)


def parse_json(answer: str, names: tuple[str, ...], suffix: str) -> dict[str, str] | str:
    """The text of each key, edges stripped; or, in words, why the answer is not the object asked for.

    What stands around the object (a fence, a word) is ignored; the keys must be the ones asked for.
    """
    start, end = answer.find("{"), answer.rfind("}")
    try:
        found = json.loads(answer[start : end + 1], strict=False) if start >= 0 else None
    except (ValueError, RecursionError) as error:
        return f"not a JSON object: {error}"
    if not isinstance(found, dict):
        return "no JSON object in the answer"
    if set(found) != set(names):
        wrong = sorted(set(names) - set(found)) or sorted(set(found) - set(names))
        return f"the key {wrong[0]!r} is {'missing' if wrong[0] in names else 'not one asked for'}"
    if wrong := [name for name in names if not isinstance(found[name], str)]:
        return f"the value of {wrong[0]!r} is not a text"
    # half a surrogate, which JSON can spell, is no text
    return {name: found[name].encode("utf-16", "surrogatepass").decode("utf-16", "replace").strip() for name in names}


def json_params(names: tuple[str, ...]) -> Mapping[str, Any]:
    """The response_format that holds an answer to its keys."""
    schema = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in names},
        "required": list(names),
        "additionalProperties": False,
    }
    return {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "translation", "strict": True, "schema": schema},
        }
    }


PAPER_MARKERS = {"instruction": "<|user|>", "response": "<|assistant|>"}
"""The special tokens of PLUG's script."""


def render_paper(texts: Texts, suffix: str) -> str:
    """Each text behind its marker, as PLUG's script joins them."""
    return " \n\n".join(f"{PAPER_MARKERS[name]} {text}" for name, text in texts.items())


def parse_paper(answer: str, names: tuple[str, ...], suffix: str) -> dict[str, str] | str:
    """The text behind each marker, edges stripped. Each marker must stand once, and in order: the script took the
    first of each and looked no further."""
    expected = [PAPER_MARKERS[name] for name in names]
    found = re.findall(r"<\|(?:user|assistant)\|>", answer)
    if found != expected:
        return f"markers lacking, doubled or out of order: {' '.join(found) or 'none'}"
    pieces = re.split(r"<\|(?:user|assistant)\|>", answer)[1:]
    return {name: piece.strip() for name, piece in zip(names, pieces, strict=True)}


PROTOCOLS = {
    "tags": Protocol("translate-tags-v2", "repair-tags-v1", render_tags, parse_tags, end=_last_tag),
    "json_schema": Protocol("translate-json-v1", "repair-json-v1", render_json, parse_json, params=json_params),
    "plain": Protocol(
        "translate-plain-v2",
        "repair-plain-v1",
        lambda texts, suffix: next(iter(texts.values())),
        lambda answer, names, suffix: {names[0]: answer.strip()},
        together=False,
        proves_its_end=False,
    ),
    "plug-paper": Protocol(
        "plug-paper-v1", "repair-paper-v1", render_paper, parse_paper, examples=False, proves_its_end=False
    ),
}


def edges(text: str) -> tuple[str, str, str]:
    """(leading white space, text, trailing white space): only the middle is sent, the edges are put back."""
    core = text.strip()
    if len(core) == len(text):
        return "", text, ""
    start = text.find(core) if core else len(text)
    return text[:start], core, text[start + len(core) :]
