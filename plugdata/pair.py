"""Layouts: how the parts of a pair become one training text, and how that text gives them back.

Owns the layouts (`LAYOUTS`), `render` and its exact inverse `extract`, `fold`, and the row-wise stage `apply` that
joins pivot and target and takes out rows that could not be rendered unambiguously. Must not know where rows come
from, how they were translated or who trains on them.

An assistant text of the layout `plug`, for pivot en and target ko:

    English instruction:
    Name a fruit.

    English response:
    An apple.

    한국어 응답:
    사과입니다.

Choices that are ours (PLUG's code fixes the system lines, the order and the response labels; the label of the pivot
instruction and the white space it leaves open):

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
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple

import polars as pl

from plugdata import languages
from plugdata.errors import ContractError, LanguageError
from plugdata.rows import PAIR, TRANSLATE, Reason, Status, conform, take_out

VERSION = 2  # of `apply`

# What counts as white space at an edge: the characters of str.isspace(). Spelt out because Polars' own notion
# lacks U+001C to U+001F, and Python and Polars must strip alike.
SPACE = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)

LayoutName = Literal["plug", "mono", "prompt"]


class Parts(NamedTuple):
    """The texts of an assistant turn, in the order of `plug`; "" where a layout has no such part."""

    pivot_instruction: str
    pivot_response: str
    response: str


@dataclass(frozen=True)
class Part:
    """One text of an assistant turn: the field of `Parts`, and which label of which language stands above it."""

    field: Literal["pivot_instruction", "pivot_response", "response"]
    side: Literal["pivot", "target"]
    label: Literal["instruction", "response"] | None  # None: the bare text, which must then be the only part


@dataclass(frozen=True)
class Layout:
    """A way to write a pair. The user turn is always the target instruction. A changed layout is a new template."""

    template: str
    system: str  # "": no system turn
    parts: tuple[Part, ...]  # none: no assistant turn


LAYOUTS: dict[LayoutName, Layout] = {
    "plug": Layout(
        "plug-v1",
        "Please interpret the instruction in {Pivot}, and then respond both in {Pivot} and in {Target}.",
        (
            Part("pivot_instruction", "pivot", "instruction"),
            Part("pivot_response", "pivot", "response"),
            Part("response", "target", "response"),
        ),
    ),
    "mono": Layout(
        "mono-v1",
        "Please respond to the following user message in {Target}.",
        (Part("response", "target", None),),
    ),
    "prompt": Layout("prompt-v1", "", ()),  # of rows without responses: a benchmark's questions (issue 4)
}  # plug, mono: system lines, order of the parts, response labels: the code released with PLUG (arXiv 2311.08711)


def system_line(layout: LayoutName, pivot: str, target: str) -> str:
    """The system message, with both languages by their English names; "" where the layout has none."""
    _check(pivot, target)
    return LAYOUTS[layout].system.format(Pivot=languages.get(pivot).name, Target=languages.get(target).name)


def labels(layout: LayoutName, pivot: str, target: str) -> tuple[str, ...]:
    """The labels of an assistant text in the order in which they stand there; none for a bare text."""
    _check(pivot, target)
    return _labels(layout, pivot, target)


def render(parts: Parts, layout: LayoutName, pivot: str, target: str) -> str:
    """The assistant text: each part below its label, a blank line between parts; for `mono` bare, for `prompt` ""."""
    _check(pivot, target)
    texts = [getattr(parts, part.field).strip(SPACE) for part in LAYOUTS[layout].parts]
    above = _labels(layout, pivot, target)
    if not above:
        return "".join(texts)
    return "\n\n".join(f"{label}\n{text}" for label, text in zip(above, texts, strict=True))


def extract(text: str, layout: LayoutName, pivot: str, target: str) -> Parts | None:
    """The parts of an assistant text, edges stripped, or None if a label is missing, doubled or out of order."""
    _check(pivot, target)
    expected = _labels(layout, pivot, target)
    texts = [text] if LAYOUTS[layout].parts else []
    if expected:
        _, *pieces = re.split(_label_line(expected), text)
        if tuple(pieces[0::2]) != expected:
            return None
        texts = pieces[1::2]
    found: dict[str, str] = dict(zip((part.field for part in LAYOUTS[layout].parts), texts, strict=True))
    return Parts(*(found.get(field, "").strip(SPACE) for field in Parts._fields))


def messages(instruction: str, parts: Parts, layout: LayoutName, pivot: str, target: str) -> list[dict[str, str]]:
    """The system, user (the target instruction) and assistant turn, each `{"role": …, "content": …}`.

    A layout without parts has the user's turn alone.
    """
    user = {"role": "user", "content": instruction.strip(SPACE)}
    if not LAYOUTS[layout].parts:
        return [user]
    system = {"role": "system", "content": system_line(layout, pivot, target)}
    return [system, user, {"role": "assistant", "content": render(parts, layout, pivot, target)}]


def turns(layout: LayoutName, pivot: str, target: str) -> pl.Expr:
    """`messages` of every row of a frame of one language, eight times as fast.

    Needs: instruction and, where the layout has parts, the columns of `Parts`, without nulls.
    """

    def turn(role: str, content: pl.Expr) -> pl.Expr:
        return pl.struct(role=pl.lit(role), content=content)

    user = turn("user", _bare("instruction"))
    if not LAYOUTS[layout].parts:
        return pl.concat_list(user)
    texts = [_bare(part.field) for part in LAYOUTS[layout].parts]
    above = [pl.lit(f"{label}\n") for label in labels(layout, pivot, target)]
    parts = [pl.concat_str(*part) for part in zip(above, texts, strict=True)] if above else texts
    system = turn("system", pl.lit(system_line(layout, pivot, target)))
    return pl.concat_list(system, user, turn("assistant", pl.concat_str(parts, separator="\n\n")))


def layouts_json(layouts: Iterable[LayoutName], pivot: str, targets: Iterable[str]) -> dict[str, Any]:
    """What dist/layouts.json holds: all that a script needs to build prompts and to take answers apart again.

    Template id → layout, pivot, parts (column names, in order), and by target language: system, labels (one per
    part; none = the text is the only part). A part goes from the end of its label, which opens a line, to the next.
    A layout without parts has neither an assistant's turn nor, its line being "", a system's.
    """
    targets = list(targets)
    return {
        LAYOUTS[layout].template: {
            "layout": layout,
            "pivot": pivot,
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


def fold(instruction: str, input: str | None) -> str:
    """Instruction, blank line, input, each with bare edges; one alone where the other is empty."""
    return "\n\n".join(filter(None, (instruction.strip(SPACE), (input or "").strip(SPACE))))


def apply(batch: pl.DataFrame, pivot: str, pivots: pl.DataFrame | None = None) -> pl.DataFrame:
    """Rows of contract PAIR from rows of contract TRANSLATE: pivot and target texts folded, edges stripped.

    `pivots`: the same rows translated into the pivot, where that is not the sources' language; a row whose translation
    into it is not kept is quarantined. Rows: all, same order. A kept one in which a line of any text starts with a
    label of any layout is quarantined (label-collision; detail: column and label). Others keep their verdict and the
    texts they have. A row without a pivot response is a prompt alone: both its responses are null, so that nothing
    measures them.
    Raises: ContractError for a missing column; LanguageError for a language that cannot be paired with the pivot.
    """
    batch = conform(batch, TRANSLATE)
    original = {"source_instruction": pl.lit(None, pl.String), "source_response": pl.lit(None, pl.String)}
    if pivots is not None:
        original = {f"source_{name}": pl.col(f"original_{name}") for name in ("instruction", "response")}
        batch = _in_pivot(batch, conform(pivots, TRANSLATE))
    pivot_response = pl.col("response").str.strip_chars(SPACE).replace("", None)
    pairs = batch.select(
        *(name for name in PAIR if name in TRANSLATE and name not in ("instruction", "response")),
        **original,
        pivot_lang=pl.lit(pivot),
        pivot_instruction=_fold("instruction", "input"),
        pivot_response=pivot_response,
        instruction=_fold("target_instruction", "target_input"),
        response=pl.when(pivot_response.is_not_null()).then(pl.col("target_response").str.strip_chars(SPACE)),
    )
    by_language = pairs.with_row_index("at").partition_by("lang", maintain_order=True)
    if not by_language:
        return conform(pairs, PAIR)
    checked = [_check_collisions(rows, pivot, rows["lang"][0]) for rows in by_language]
    return conform(pl.concat(checked).sort("at"), PAIR)


def _in_pivot(batch: pl.DataFrame, pivots: pl.DataFrame) -> pl.DataFrame:
    """The rows with the pivot's translation in place of the source's texts, which become original_*, folded."""
    if batch["id"].to_list() != pivots["id"].to_list():
        raise ContractError("the rows in the pivot and in the target are not the same", "bring translate up again")
    texts = [pivots[f"target_{name}"].alias(name) for name in ("instruction", "input", "response")]
    original = batch.with_columns(
        original_instruction=_fold("instruction", "input"), original_response=pl.col("response").str.strip_chars(SPACE)
    ).with_columns(*texts, _lost=pivots["status"] != Status.KEPT, _why=pivots["reason"])
    why = pl.format("into the pivot: {}", pl.col("_why").fill_null(""))
    return take_out(original, "pair", Status.QUARANTINED, [(Reason.PIVOT, pl.col("_lost"), why)])


def _check_collisions(rows: pl.DataFrame, pivot: str, target: str) -> pl.DataFrame:
    _check(pivot, target)
    pattern = _label_line(_all_labels(pivot, target))
    details = [
        pl.format(column + ": a line starts with '{}'", pl.col(column).str.extract(pattern, 1))
        for column in ("pivot_instruction", "pivot_response", "instruction", "response")
    ]
    detail = pl.coalesce(details)
    return take_out(rows, "pair", Status.QUARANTINED, [(Reason.LABEL_COLLISION, detail.is_not_null(), detail)])


def _fold(instruction: str, input: str) -> pl.Expr:
    """`fold`, of two columns; null where the instruction is null."""
    first, second = _bare(instruction), _bare(input).fill_null("")
    gap = pl.when((first == "") | (second == "")).then(pl.lit("")).otherwise(pl.lit("\n\n"))
    return pl.concat_str(first, gap, second)


def _bare(column: str) -> pl.Expr:
    return pl.col(column).str.strip_chars(SPACE)


def _labels(layout: LayoutName, pivot: str, target: str) -> tuple[str, ...]:
    sides = {"pivot": languages.get(pivot), "target": languages.get(target)}
    return tuple(
        sides[part.side].instruction_label if part.label == "instruction" else sides[part.side].response_label
        for part in LAYOUTS[layout].parts
        if part.label is not None
    )


def _all_labels(pivot: str, target: str) -> tuple[str, ...]:
    """The labels of every layout for a pair of languages, each once."""
    return tuple(dict.fromkeys(label for layout in LAYOUTS for label in _labels(layout, pivot, target)))


def _label_line(expected: tuple[str, ...]) -> str:
    """A pattern, for Python and Polars, that finds a label where a line starts; group 1 is the label."""
    return f"(?m)^({'|'.join(map(re.escape, expected))})"


@cache
def _check(pivot: str, target: str) -> None:
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
