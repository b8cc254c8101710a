"""The layouts, `render` and its exact inverse `extract`. Pure: texts in, texts out.

An assistant text of the layout `plug`, for pivot en and target ko:

    English instruction:
    Name a fruit.

    English response:
    An apple.

    한국어 응답:
    사과입니다.

Choices that are ours (PLUG's code fixes the system lines of `plug` and `mono`, the order and the response labels; the
label of the pivot instruction, the white space and the wording of every other layout it leaves open):

- A label opens a line and its text starts on the next one, so that a text that starts with a list, a table or code
  keeps its shape. `extract` also takes text on the label's own line, as models write it.
- A line ends at "\\n" and at nothing else, in Python and in Polars alike. A label counts wherever a line starts with
  it and nowhere else: inside a line, or after a blank, it is text.
- Edges of every text are stripped (`SPACE`), when rendering and when extracting: what lies between two texts is the
  layout's, and a model that writes one newline too many has still answered. So `extract(render(parts))` gives the
  parts back exactly if their edges are bare, which those of `apply` are.
- What a model writes before the first label is no part, and is passed over.
- A label line in *any* text of a row takes the row out, the user's instruction too: PLUG's own scorer reads whole
  transcripts, and the same rows must serve every layout.
- A layout makes one text of a pair, under one template id. What trains on several kinds of texts, as code-switching
  and auxiliary translation do, is a mixture of layouts, and how much of each is the trainer's to say.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple

import polars as pl

from plugdata import languages
from plugdata.errors import LanguageError

# What counts as white space at an edge: the characters of str.isspace(). Spelt out because Polars' own notion
# lacks U+001C to U+001F, and Python and Polars must strip alike.
SPACE = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)

PairLayout = Literal[
    "plug",
    "plug-target-first",
    "plug-no-instruction",
    "plug-no-response",
    "mono",
    "pivot",
    "code-switch",
    "code-switch-reverse",
    "translate-instruction",
    "translate-response",
    "x-instruct",
]
"""What a recipe may ask for."""

LayoutName = Literal[PairLayout, "prompt"]

Text = Literal["pivot_instruction", "pivot_response", "response", "instruction"]


class Parts(NamedTuple):
    """The texts of a pair, those of `plug`'s assistant turn first; "" where there is none."""

    pivot_instruction: str
    pivot_response: str
    response: str
    instruction: str = ""


@dataclass(frozen=True)
class Part:
    """One text of an assistant turn: the field of `Parts`, and which label of which language stands above it."""

    field: Text
    side: Literal["pivot", "target"]
    label: Literal["instruction", "response"] | None  # None: the bare text, which must then be the only part


@dataclass(frozen=True)
class Layout:
    """A way to write a pair: what the user says, and of which parts the answer is made. A changed layout is a new
    template."""

    template: str
    system: str  # "": no system turn
    user: Text
    parts: tuple[Part, ...]  # none: no assistant turn


_PIVOT_INSTRUCTION = Part("pivot_instruction", "pivot", "instruction")
_PIVOT_RESPONSE = Part("pivot_response", "pivot", "response")
_RESPONSE = Part("response", "target", "response")
_BARE_RESPONSE = Part("response", "target", None)
_RESPOND = "Please respond to the following user message in {Target}."
_TRANSLATE = "Please translate the following user message into {Target}."

LAYOUTS: dict[LayoutName, Layout] = {
    "plug": Layout(
        "plug-v1",
        "Please interpret the instruction in {Pivot}, and then respond both in {Pivot} and in {Target}.",
        "instruction",
        (_PIVOT_INSTRUCTION, _PIVOT_RESPONSE, _RESPONSE),
    ),
    "plug-target-first": Layout(
        "plug-target-first-v1",
        "Please respond in {Target}, and then interpret the instruction and respond in {Pivot}.",
        "instruction",
        (_RESPONSE, _PIVOT_INSTRUCTION, _PIVOT_RESPONSE),
    ),
    "plug-no-instruction": Layout(
        "plug-no-instruction-v1",
        "Please respond both in {Pivot} and in {Target}.",
        "instruction",
        (_PIVOT_RESPONSE, _RESPONSE),
    ),
    "plug-no-response": Layout(
        "plug-no-response-v1",
        "Please interpret the instruction in {Pivot}, and then respond in {Target}.",
        "instruction",
        (_PIVOT_INSTRUCTION, _RESPONSE),
    ),
    "mono": Layout("mono-v1", _RESPOND, "instruction", (_BARE_RESPONSE,)),
    "pivot": Layout("pivot-v1", "", "pivot_instruction", (Part("pivot_response", "pivot", None),)),
    "code-switch": Layout("code-switch-v1", _RESPOND, "pivot_instruction", (_BARE_RESPONSE,)),
    "code-switch-reverse": Layout(
        "code-switch-reverse-v1",
        "Please respond to the following user message in {Pivot}.",
        "instruction",
        (Part("pivot_response", "pivot", None),),
    ),
    "translate-instruction": Layout(
        "translate-instruction-v1", _TRANSLATE, "pivot_instruction", (Part("instruction", "target", None),)
    ),
    "translate-response": Layout("translate-response-v1", _TRANSLATE, "pivot_response", (_BARE_RESPONSE,)),
    "x-instruct": Layout("x-instruct-v1", _RESPOND, "pivot_instruction", (_BARE_RESPONSE,)),
    "prompt": Layout("prompt-v1", "", "instruction", ()),  # of rows without responses: a benchmark's questions
}
"""plug, mono: system lines, order of the parts and response labels are those of the code released with PLUG (arXiv
2311.08711). The system lines of all others are ours; target-first is an order that its code knows. x-instruct is the
record of X-Instruction (arXiv 2405.19744) under the line of mono: the same turns as code-switch, of other rows."""


def system_line(layout: LayoutName, pivot: str, target: str) -> str:
    """The system message, with both languages by their English names; "" where the layout has none."""
    check(pivot, target)
    return LAYOUTS[layout].system.format(Pivot=languages.get(pivot).name, Target=languages.get(target).name)


def labels(layout: LayoutName, pivot: str, target: str) -> tuple[str, ...]:
    """The labels of an assistant text in the order in which they stand there; none for a bare text."""
    check(pivot, target)
    return _labels(layout, pivot, target)


def render(parts: Parts, layout: LayoutName, pivot: str, target: str) -> str:
    """The assistant text: each part below its label, a blank line between parts; a single part bare; "" for none."""
    check(pivot, target)
    texts = [getattr(parts, part.field).strip(SPACE) for part in LAYOUTS[layout].parts]
    above = _labels(layout, pivot, target)
    if not above:
        return "".join(texts)
    return "\n\n".join(f"{label}\n{text}" for label, text in zip(above, texts, strict=True))


def extract(text: str, layout: LayoutName, pivot: str, target: str) -> Parts | None:
    """The parts of an assistant text, edges stripped, or None if a label is missing, doubled or out of order.

    What the layout's answer does not hold is "".
    """
    check(pivot, target)
    expected = _labels(layout, pivot, target)
    texts = [text] if LAYOUTS[layout].parts else []
    if expected:
        _, *pieces = re.split(label_line(expected), text)
        if tuple(pieces[0::2]) != expected:
            return None
        texts = pieces[1::2]
    found: dict[str, str] = dict(zip((part.field for part in LAYOUTS[layout].parts), texts, strict=True))
    return Parts(*(found.get(field, "").strip(SPACE) for field in Parts._fields))


def messages(texts: Parts, layout: LayoutName, pivot: str, target: str) -> list[dict[str, str]]:
    """The system, user and assistant turn, each `{"role": …, "content": …}`; those that the layout has."""
    of, line = LAYOUTS[layout], system_line(layout, pivot, target)
    turns = [("system", line)] if line else []
    turns.append(("user", getattr(texts, of.user).strip(SPACE)))
    if of.parts:
        turns.append(("assistant", render(texts, layout, pivot, target)))
    return [{"role": role, "content": content} for role, content in turns]


def turns(layout: LayoutName, pivot: str, target: str) -> pl.Expr:
    """`messages` of every row of a frame of one language, eight times as fast.

    Needs: the columns of `Parts` that the layout names, without nulls.
    """

    def turn(role: str, content: pl.Expr) -> pl.Expr:
        return pl.struct(role=pl.lit(role), content=content)

    of, line = LAYOUTS[layout], system_line(layout, pivot, target)
    found = [turn("system", pl.lit(line))] if line else []
    found.append(turn("user", bare(of.user)))
    if of.parts:
        texts = [bare(part.field) for part in of.parts]
        above = [pl.lit(f"{label}\n") for label in labels(layout, pivot, target)]
        parts = [pl.concat_str(*part) for part in zip(above, texts, strict=True)] if above else texts
        found.append(turn("assistant", pl.concat_str(parts, separator="\n\n")))
    return pl.concat_list(found)


def layouts_json(layouts: Iterable[LayoutName], pivot: str, targets: Iterable[str]) -> dict[str, Any]:
    """What dist/layouts.json holds: all that a script needs to build prompts and to take answers apart again.

    Template id → layout, pivot, user (the column that the user says), parts (the columns of the answer, in order), and
    by target language: system, labels (one per part; none = the text is the only part). A part goes from the end of
    its label, which opens a line, to the next. No parts: no assistant's turn; a line "": no system's.
    """
    targets = list(targets)
    return {
        LAYOUTS[layout].template: {
            "layout": layout,
            "pivot": pivot,
            "user": LAYOUTS[layout].user,
            "parts": [part.field for part in LAYOUTS[layout].parts],
            "languages": {
                target: {
                    "system": system_line(layout, pivot, target),
                    "labels": list(labels(layout, pivot, target)),
                }
                for target in targets
            },
        }
        for layout in layouts
    }


def bare(column: str) -> pl.Expr:
    """A column, edges stripped."""
    return pl.col(column).str.strip_chars(SPACE)


def _labels(layout: LayoutName, pivot: str, target: str) -> tuple[str, ...]:
    sides = {"pivot": languages.get(pivot), "target": languages.get(target)}
    return tuple(
        sides[part.side].instruction_label if part.label == "instruction" else sides[part.side].response_label
        for part in LAYOUTS[layout].parts
        if part.label is not None
    )


def all_labels(pivot: str, target: str) -> tuple[str, ...]:
    """The labels of every layout for a pair of languages, each once."""
    return tuple(dict.fromkeys(label for layout in LAYOUTS for label in _labels(layout, pivot, target)))


def label_line(expected: tuple[str, ...]) -> str:
    """A pattern, for Python and Polars, that finds a label where a line starts; group 1 is the label."""
    return f"(?m)^({'|'.join(map(re.escape, expected))})"


@cache
def check(pivot: str, target: str) -> None:
    """Raise LanguageError for a pair of languages that cannot be written in one text."""
    if languages.get(pivot) == languages.get(target):
        raise LanguageError(f"pivot and target are both {pivot!r}", "a pair needs two languages")
    for layout in LAYOUTS:
        found = _labels(layout, pivot, target)
        for at, label in enumerate(found):
            for other in found[:at] + found[at + 1 :]:
                if other.startswith(label):
                    raise LanguageError(
                        f"{pivot!r} and {target!r} cannot be paired: the label {label!r} also opens {other!r}",
                        "they share their labels, or one opens with the other's",
                    )
