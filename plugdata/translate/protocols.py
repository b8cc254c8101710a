"""How the texts of a row travel in a message, and back: the wire contract of DESIGN §3.

`tags`: all texts of a row in one message, each in a tag of its name. `plain`: one text, nothing else. A parser
accepts exactly what its renderer asks for; text outside the tags is ignored, since models like to add a word.
"""

import re
from collections.abc import Mapping

from plugdata.rows import tagged_hash

SEGMENTS = ("instruction", "input", "response")
"""The texts of a row, in the order they are sent."""

_ANY_TAG = re.compile(r"</?(?:instruction|input|response)(-[0-9a-f]{4})?>")


def tag_suffix(texts: Mapping[str, str]) -> str:
    """What makes the tags of a row unmistakable: nothing, or "-" and 4 hex digits where a text holds such a tag.

    A pure function of the texts, as every part of a request is.
    """
    taken = {match[1] or "" for text in texts.values() for match in _ANY_TAG.finditer(text)}
    suffix, seed = "", tagged_hash(dict(texts))
    while suffix in taken:
        seed = tagged_hash(seed)
        suffix = f"-{seed[-4:]}"
    return suffix


def render_tags(texts: Mapping[str, str], suffix: str) -> str:
    """Each text in its tag, on lines of its own."""
    return "\n".join(f"<{name}{suffix}>\n{text}\n</{name}{suffix}>" for name, text in texts.items())


def parse_tags(answer: str, names: tuple[str, ...], suffix: str) -> dict[str, str] | str:
    """The text of each tag, edges stripped; or, in words, why the tags are not the ones asked for.

    A tag that was not asked for is passed over outside the ones that were (models like to add an empty <input>),
    and is a fault inside them.
    """
    ours = [match for match in _ANY_TAG.finditer(answer) if (match[1] or "") == suffix]
    expected = [tag for name in names for tag in (f"<{name}{suffix}>", f"</{name}{suffix}>")]
    asked = [match for match in ours if match[0] in expected]
    if [match[0] for match in asked] != expected:
        lacking = [tag for tag in expected if tag not in {match[0] for match in asked}]
        told = " ".join(match[0] for match in asked)
        return f"no {lacking[0]} in the answer" if lacking else f"tags doubled or out of order: {told}"
    texts = {}
    for name, start, end in zip(names, asked[0::2], asked[1::2], strict=True):
        if inside := [match[0] for match in ours if start.end() <= match.start() < end.start()]:
            return f"{inside[0]} inside {start[0]}"
        texts[name] = answer[start.end() : end.start()].strip()
    return texts


def edges(text: str) -> tuple[str, str, str]:
    """(leading white space, text, trailing white space): only the middle is sent, the edges are put back."""
    core = text.strip()
    start = text.find(core) if core else len(text)
    return text[:start], core, text[start + len(core) :]
