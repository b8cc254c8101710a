"""What a row is: its id, its status, the columns each stage hands on.

A row's `id` hashes its source texts, so it is the same in every language, run and machine. No row disappears:
a stage gives back every row it got; one that it takes out keeps its place with `status`, `stage` (who decided),
`reason` (one of `Reason`, the first that applied), `reasons` (all of that stage's) and `detail` (the measurement
or message, for people). The first non-kept status wins: later stages copy such rows untouched.

This module owns names and types; it computes nothing but ids and statuses.
"""

import unicodedata
from collections.abc import Iterable
from enum import StrEnum

import polars as pl

from plugdata.errors import ContractError
from plugdata.hashing import tagged_hash


class Status(StrEnum):
    KEPT = "kept"
    DROPPED = "dropped"  # a rule of the recipe took it out
    QUARANTINED = "quarantined"  # it could not be made right; asked for again only by hand
    FAILED = "failed"  # a transient error; asked for again by the next run


class Reason(StrEnum):
    """Why a row is not kept: the closed list. The stage that gives each is in brackets."""

    BAD_RECORD = "bad-record"  # [source] not an object, or a field of the wrong type
    NO_RESPONSE = "no-response"  # [source] a conversation without a first user-assistant exchange
    MULTI_TURN = "multi-turn"  # [source] `turns: quarantine`
    SYSTEM_PROMPT = "system-prompt"  # [source] carries its own system prompt and the recipe does not say what to do
    DUPLICATE_ID = "duplicate-id"  # [source, passages] the same texts as an earlier row
    EMPTY_INSTRUCTION = "empty-instruction"  # [screen]
    EMPTY_RESPONSE = "empty-response"  # [screen]
    PLACEHOLDER = "placeholder"  # [screen] "N/A", "none", "<noinput>" as a response, a template left unfilled
    NEEDS_MEDIA = "needs-media"  # [screen] asks about an image, a recording, a link that is not there
    DUPLICATE_EXACT = "duplicate-exact"  # [screen, passages, dedup] equal after normalisation
    DUPLICATE_NEAR = "duplicate-near"  # [screen, passages, dedup] Jaccard to the kept row at or above the threshold
    CONTAMINATED = "contaminated"  # [screen, dedup] holds a question of an evaluation set
    OTHER_SHARD = "other-shard"  # [screen, passages] another machine's part of the rows
    UNTRANSLATABLE = "untranslatable"  # [screen, translate] a task that loses its sense in translation
    NOT_TEXT = "not-text"  # [passages] a document that is empty, binary, or of no encoding that can be told
    NO_PASSAGE = "no-passage"  # [passages] a document of which cleaning and dividing leave nothing
    DOMAIN_CAP = "domain-cap"  # [passages] more of its domain than the recipe takes
    ASKS_TRANSLATION = "asks-translation"  # [generate] "translate …" for a text whose source nobody gives
    QUOTES_PASSAGE = "quotes-passage"  # [generate] the instruction gives the passage away
    NEEDS_PASSAGE = "needs-passage"  # [generate] it speaks of a text that its reader does not have
    RATING = "rating"  # [rate] the best of its marks is too low
    UNRATED = "unrated"  # [rate] none of its marks could be read
    QUOTA = "quota"  # [diversify] more of its cluster than the recipe takes
    NEWS = "news"  # [diversify] more about news than the recipe takes
    NO_TRANSLATION = "no-translation"  # [translate] the file of existing translations lacks it
    CALL_FAILED = "call-failed"  # [translate, generate, rate] transient errors outlasted the retries
    CONTENT_FILTER = "content-filter"  # [translate, generate, rate] the provider refused the text
    CONTEXT_LENGTH = "context-length"  # [translate, generate, rate] longer than the model's context
    REFUSAL = "refusal"  # [translate, generate, filter] it declined, or speaks of itself where the source does not
    TRUNCATED = "truncated"  # [translate, generate] cut short, or nothing says that the answer is whole
    LOOP = "loop"  # [translate] one thing said again and again
    BAD_TAGS = "bad-tags"  # [translate, generate] a segment missing, doubled or out of order
    EMPTY_ANSWER = "empty-answer"  # [translate, generate] a segment without text, or a tool call
    ECHO = "echo"  # [translate] the source came back; [generate] the prompt, or an earlier candidate
    MARKS = "marks"  # [translate] a protected span lost, doubled or made up
    ANSWERED = "answered"  # [translate] the instruction was followed, not translated
    COPIED = "copied-example"  # [translate, generate] a worked example of the prompt came back
    GLOSSARY = "glossary"  # [translate] a term of the glossary is not rendered as it says
    NO_MISTAKE = "no-mistake"  # [translate] the text to be corrected came back without its mistake
    TOO_LONG = "too-long"  # [translate] longer than a call takes, and without a place to split it
    PIVOT = "pivot"  # [pair] its translation into the pivot is not kept
    LABEL_COLLISION = "label-collision"  # [pair] a text holds a line that starts with one of the layout's labels
    LID = "lid"  # [passages, translate, generate, filter] language ID of a field
    SCRIPT = "script"  # [filter] letters of another script
    LENGTH = "length"  # [generate, filter] too short or too long
    RATIO = "ratio"  # [filter] target / pivot length out of band
    NUMBERS = "numbers"  # [filter] numbers lost or invented
    LISTS = "lists"  # [filter] list items lost or invented
    TABLES = "tables"  # [filter] table rows or columns
    HEADINGS = "headings"  # [filter] headings
    FENCES = "fences"  # [filter] blocks of code
    PARAGRAPHS = "paragraphs"  # [filter] paragraphs
    VERSE = "verse"  # [filter] lines of verse
    QUOTES = "quotes"  # [filter] brackets or quotation marks not closed
    ENDS = "ends"  # [filter] breaks off in a sentence
    LEFTOVER = "leftover"  # [filter] parts left in the pivot's language
    UNTRANSLATED = "untranslated"  # [translate, filter] single words of the pivot in a text of another script
    CORRUPTION = "corruption"  # [filter] characters of a wrong encoding, words of two scripts
    OPTIONS = "options"  # [filter] the response is none of the choices that the instruction offers
    REPETITION = "repetition"  # [passages, filter] says again what it has said, or the pivot says once
    COPYING = "copying"  # [filter] words left as the pivot has them
    SYMBOLS = "symbols"  # [filter] symbols or digits that the pivot lacks
    TEMPLATE = "template"  # [filter] something of a prompt or a trainer's template that the pivot lacks
    EQUAL = "equal"  # [filter] the response only gives its instruction back
    PII = "pii"  # [passages, filter] personal data, where the recipe drops it
    USER_FILTER = "user-filter"  # [filter] a filter of the recipe's own
    BACK_TRANSLATION = "back-translation"  # [quality] translated back, it is too unlike the pivot
    JUDGE = "judge"  # [quality] a mark of the judge's is too low


VERDICT: dict[str, pl.DataType] = {
    "status": pl.String(),
    "stage": pl.String(),
    "reason": pl.String(),
    "reasons": pl.List(pl.String()),
    "detail": pl.String(),
}

PROVENANCE = pl.List(pl.Struct({"source": pl.String(), "source_id": pl.String(), "license": pl.String()}))

SOURCE: dict[str, pl.DataType] = {
    "id": pl.String(),  # of the texts; of the place for a record that has none
    "ordinal": pl.Int64(),  # place in the sources, from 0, without gaps
    "source": pl.String(),  # Hub id or declared name, never a path
    "source_id": pl.String(),  # the source's own id, else its ordinal there
    "license": pl.String(),  # of the source, as declared; the strictest of a row's twins; null = unknown
    "provenance": PROVENANCE,  # this row and the twins merged into it
    "place": pl.String(),  # where it was read: "alpaca.jsonl:17"
    "instruction": pl.String(),
    "input": pl.String(),
    "response": pl.String(),
    "system": pl.String(),
    "n_turns": pl.Int32(),  # user-assistant exchanges in the record
    **VERDICT,
}

SCREEN: dict[str, pl.DataType] = {
    **SOURCE,
    "kept_id": pl.String(),  # of a duplicate: the id of the row kept in its place
    "task_class": pl.String(),  # a task that may lose its sense in translation, see translate/route.py; null = another
    "policy": pl.String(),  # what the recipe says of its class
}

PASSAGES: dict[str, pl.DataType] = {
    **{name: SOURCE[name] for name in ("id", "ordinal", "source", "source_id", "license", "provenance", "place")},
    "lang": pl.String(),
    "url": pl.String(),  # of the document
    "date": pl.String(),  # as the source has it
    "passage": pl.String(),  # what is left of the document, or a part of it; null for one that holds no text
    "n_removed": pl.Int64(),  # characters that cleaning took out of the document, told with its first passage
    "lid": pl.Float64(),  # p(lang) of its prose; null = abstained
    "lid_top": pl.String(),
    "kept_id": pl.String(),
    **VERDICT,
}
"""Of kind x-instruction: a row for each passage, and one for each document that has none."""

CANDIDATE = pl.Struct({"text": pl.String(), "model": pl.String(), "reason": pl.String(), "detail": pl.String()})

GENERATE: dict[str, pl.DataType] = {
    **PASSAGES,
    "candidates": pl.List(CANDIDATE),  # instructions that were made, in order; `reason` null = of use
    "n_generate": pl.Int32(),  # answers used
}

RATE: dict[str, pl.DataType] = {
    **GENERATE,
    "ratings": pl.List(pl.Int32()),  # of each candidate; null = of no use, or the mark could not be read
    "rating": pl.Int32(),  # the best of them
    "instruction": pl.String(),  # the first candidate that has it; without any, the first of use
    "generator": pl.String(),  # what made it (`served_as`)
    "rater": pl.String(),
    "edited": pl.String(),  # the passage as an answer; null = not asked for, or not taken
    "changed": pl.Float64(),  # share of the passage that the edit changes; told of one that was not taken too
}

DIVERSIFY: dict[str, pl.DataType] = {
    **RATE,
    "topic": pl.Int32(),  # cluster of its instruction, from 0; null = not kept before
    "is_news": pl.Boolean(),
}

TRANSLATE: dict[str, pl.DataType] = {
    **SCREEN,
    "lang": pl.String(),
    "target_instruction": pl.String(),
    "target_input": pl.String(),
    "target_response": pl.String(),
    "model": pl.String(),  # what answered (`served_as`)
    "prompt": pl.String(),  # template id of the prompt
    "n_calls": pl.Int32(),  # answers used, repairs included
    "mended": pl.List(pl.String()),  # reasons of the faulty answers on the way, in order; [] = none
}

PAIR: dict[str, pl.DataType] = {
    "id": pl.String(),
    "ordinal": pl.Int64(),
    "source": pl.String(),
    "source_id": pl.String(),
    "license": pl.String(),
    "lang": pl.String(),
    "pivot_lang": pl.String(),
    "pivot_instruction": pl.String(),  # instruction ⏎⏎ input, folded once, edges stripped
    "pivot_response": pl.String(),
    "instruction": pl.String(),
    "response": pl.String(),
    "source_instruction": pl.String(),  # as read, folded; null where the pivot is the sources' language
    "source_response": pl.String(),
    "task_class": pl.String(),
    "policy": pl.String(),
    "model": pl.String(),
    "prompt": pl.String(),
    "kept_id": pl.String(),
    **VERDICT,
}

FIELDS = ("instruction", "response")
"""The halves of a pair: each is measured and judged beside the pivot's, `pivot_instruction` and `pivot_response`."""

AGREEMENTS = (
    "numbers",
    "lists",
    "tables",
    "headings",
    "fences",
    "paragraphs",
    "verse",
    "quotes",
    "ends",
    "leftover",
    "untranslated",
    "corruption",
)
"""The soft checks of a field against the pivot's, a column each: 0 to 1, 1 = agrees, null = nothing to judge. What each
measures is told by the function of its name in checks/."""

_OF_A_FIELD: dict[str, pl.DataType] = {
    "n_words": pl.Int64(),  # runs of letters; letters of scripts without spaces
    "n_tokens": pl.Int64(),  # of the recipe's tokenizer; null without one
    "compression": pl.Float64(),  # how far it can be pressed together / how far the pivot can; null = empty
    "repeated": pl.Float64(),  # share of words in n-grams that stood before, less the pivot's
    "repeated_lines": pl.Float64(),  # share of lines that stood before, less the pivot's
    "run": pl.Int64(),  # one character in a row, at most; 0 where the pivot has as many
    "copied": pl.Float64(),  # share of different words that the pivot has; null = too few
    "symbols": pl.Float64(),  # symbols beyond as many as the pivot has / characters
    "digits": pl.Float64(),  # the same of digits
    "refusal": pl.String(),  # the phrase by which it declines, where the pivot does not
    "template": pl.String(),  # the first thing of a template that the pivot lacks
}
"""Measurements of a field by itself or against the pivot's, a column each."""

MEASURE: dict[str, pl.DataType] = {
    **PAIR,
    "lid_instruction": pl.Float64(),  # p(lang) of the prose against what it may be mistaken for; null = abstained
    "lid_response": pl.Float64(),
    "lid_instruction_top": pl.String(),  # the language the identifier would name; null = abstained
    "lid_response_top": pl.String(),
    "lid_instruction_mixed": pl.Float64(),  # share that is in passages of another language; null = abstained
    "lid_response_mixed": pl.Float64(),
    "script_instruction": pl.Float64(),  # share of the prose's letters in the language's scripts; null = abstained
    "script_response": pl.Float64(),
    "n_chars_instruction": pl.Int64(),  # Unicode characters
    "n_chars_response": pl.Int64(),
    "ratio_instruction": pl.Float64(),  # target / pivot, characters; null = empty pivot
    "ratio_response": pl.Float64(),
    **{f"{check}_{field}": pl.Float64() for check in AGREEMENTS for field in FIELDS},
    "options": pl.Float64(),  # how far the response is what its instruction offers, as the pivot's is
    **{f"{name}_{field}": dtype for name, dtype in _OF_A_FIELD.items() for field in FIELDS},
    "equal": pl.Boolean(),  # whether the response is the instruction, and the pivot's is not
    "pii": pl.List(pl.String()),  # kinds of personal data in the target's texts or the pivot's
}

FILTER = MEASURE

DEDUP: dict[str, pl.DataType] = {
    **FILTER,
    "cluster": pl.String(),  # id of the row kept in a group of duplicates; null = alone
    "jaccard": pl.Float64(),  # of a near-duplicate: true Jaccard similarity to that row; it may have been spared
}

QUALITY: dict[str, pl.DataType] = {
    **DEDUP,
    "back_response": pl.String(),  # the response in the pivot again, for a person to read
    "back_model": pl.String(),  # what translated back; without chrf_*: its answer could not be used
    "chrf_instruction": pl.Float64(),  # chrF of the back-translation against the pivot, 0 to 100; null = not measured
    "chrf_response": pl.Float64(),
    "judge_accuracy": pl.Int32(),  # 1 to 5; null = not judged
    "judge_fluency": pl.Int32(),
    "judge_errors": pl.List(pl.String()),  # kinds of error; [] = none found
    "judge_model": pl.String(),  # what judged; without marks: its answer could not be read
}


CONTRACTS: dict[str, dict[str, pl.DataType]] = {
    "source": SOURCE,
    "screen": SCREEN,
    "passages": PASSAGES,
    "generate": GENERATE,
    "rate": RATE,
    "diversify": DIVERSIFY,
    "translate": TRANSLATE,
    "pair": PAIR,
    "measure": MEASURE,
    "filter": FILTER,
    "dedup": DEDUP,
    "quality": QUALITY,  # only where the recipe asks for estimates
}
"""The columns of each stage's rows, in the order of the stages."""

SHARED = ("source", "screen")
"""The stages whose rows are the same for every language."""

NATURAL = ("passages", "generate", "rate", "diversify")
"""The stages before natural text and its instruction are a pair."""

_AFTER = ("translate", "pair", "measure", "filter", "dedup", "quality")
STAGES = {"plug": (*SHARED, *_AFTER), "x-instruction": (*NATURAL, *_AFTER)}
"""The stages of each kind of corpus, in order."""


def row_id(instruction: str, input: str, response: str, system: str | None = None) -> str:
    """The id of a row: tagged 128-bit BLAKE2b of its texts (NFC, edges stripped) as canonical JSON.

    128 bits: among 10⁹ rows a chance collision has odds below 10⁻²⁰.
    """
    texts = [instruction, input, response] + ([system] if system else [])
    return tagged_hash([unicodedata.normalize("NFC", text).strip() for text in texts])


def conform(frame: pl.DataFrame, contract: dict[str, pl.DataType]) -> pl.DataFrame:
    """The frame with exactly the contract's columns, in its order and types. Raises ContractError if one lacks."""
    if frame.schema == contract and frame.columns == [*contract]:
        return frame
    lacking = [name for name in contract if name not in frame.columns]
    if lacking:
        raise ContractError(f"rows lack the column {lacking[0]!r}", "was the corpus made by another release?")
    return frame.select(pl.col(name).cast(dtype) for name, dtype in contract.items())


def kept() -> pl.Expr:
    """Which rows are still kept."""
    return pl.col("status") == Status.KEPT


def take_out(
    rows: pl.DataFrame, stage: str, status: Status, checks: Iterable[tuple[Reason, pl.Expr, pl.Expr]]
) -> pl.DataFrame:
    """Set the verdict of every kept row for which a check holds; all other rows and columns are left untouched.

    checks: (reason, condition, detail) in order of precedence; a null condition means the check abstains. A detail says
    its words of a row by itself: it is asked only of the rows that are taken out.
    `reason` and `detail` become those of the first that holds, `reasons` all that hold.
    """
    checks = list(checks)
    names = [f"_{reason}" for reason, _, _ in checks]
    # each condition once, as a column: it is used many times below
    asked = rows.with_row_index("_row").with_columns(
        (kept() & condition.fill_null(False)).alias(name) for name, (_, condition, _) in zip(names, checks, strict=True)
    )
    held = [(name, text) for name, (_, _, text) in zip(names, checks, strict=True) if asked[name].any()]
    if not held:
        return rows
    reasons = pl.concat_list(pl.when(name).then(pl.lit(name[1:])) for name, _ in held).list.drop_nulls()
    details = [pl.when(name).then(text.cast(pl.String)) for name, text in held]
    verdict = {
        "status": pl.lit(str(status)),
        "stage": pl.lit(stage),
        "reason": reasons.list.first(),
        "reasons": reasons,
        "detail": pl.coalesce(details),
    }
    told = {f"_{column}": new for column, new in verdict.items()}
    out = asked.filter(pl.any_horizontal(name for name, _ in held)).select("_row", _out=pl.lit(True), **told)
    joined = rows.with_row_index("_row").join(out, on="_row", how="left", maintain_order="left")
    judged = {column: pl.when("_out").then(f"_{column}").otherwise(column) for column in verdict}
    return joined.select(judged.get(column, pl.col(column)).alias(column) for column in rows.columns)
