"""The columns that each stage hands on, and the stages of each kind of corpus, in order. Computes nothing."""

import polars as pl

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
