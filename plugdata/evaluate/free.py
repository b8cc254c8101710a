"""What an answers file shows of itself: its languages, lengths, loops and structure. Needs no judge and costs nothing.

Language is asked as in the language-confusion benchmark (Marchisio et al. 2024): line by line, with an identifier;
an answer passes if each of its lines does (its LPR), and of those that pass, the ones without a word of English (WPR),
in languages that are not written in Latin letters. Lines of fewer than MIN_TOKENS tokens, or fewer letters than the
identifier needs (checks/prose.py), are not judged, and neither is an answer of only such lines. Code, URLs and tags are
no prose.

Of 999 real English answers (alpaca_en_demo) 99.7 % pass, 99.9 % of the lines; 2 repeat themselves, none ends in a loop.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import polars as pl

from plugdata import languages
from plugdata.checks import lid, repeats, words
from plugdata.checks.prose import prose
from plugdata.checks.repetition import is_loop
from plugdata.evaluate import estimates
from plugdata.evaluate.estimates import Estimate
from plugdata.evaluate.replies import Reply

MIN_TOKENS = 5
"""Words of the shortest line that is judged, as in the benchmark; of a script without spaces each letter is one."""

RIVAL = "en"
"""What a model slips into is English before all: the identifier weighs it as it weighs a corpus's pivot."""

REPEATED = 0.3
"""Share of words in 4-grams that stood before, from which an answer repeats itself: the default of
filter.repetition.ngrams, whose source is recipe/curation.py."""

_WORD = r"(?:^|[^\p{Latin}0-9_./@-])[a-z]{4,}\.?(?:$|[^\p{Latin}0-9_./@-])"
"""A word of another language within a line. The benchmark looks up lower-case words of more than three letters in an
English dictionary; here any such word counts, which needs none. Names have capitals, units are shorter."""

_FENCE = re.compile(r"^[ \t]*(?:```|~~~)", re.MULTILINE)


@dataclass(frozen=True)
class Checked:
    """What the answers of a language show. Shares are of the answers that are there, 0 to 1; None where none is.

    lines_ok: of the judged lines, those in the language.  answers_ok: of the answers with a judged line, those all of
    whose lines are.  words_ok: of these, those without a foreign word; of languages in Latin letters there is none.
    n_chars: the median, in Unicode characters.
    """

    lang: str
    n: int
    outcomes: dict[str, int]
    n_empty: int  # answered, with nothing but white space
    n_lines: int
    lines_ok: float | None
    answers_ok: Estimate
    words_ok: Estimate
    named: dict[str, int]  # languages that were named of lines that fail
    n_chars: float | None
    loops: float | None
    repeats: float | None
    unclosed: float | None  # a fence that is opened and not closed


@dataclass(frozen=True)
class Lengths:
    """Median length of the second file's answer as a multiple of the first's, where both have one."""

    lang: str
    n: int
    ratio: float | None


def check(replies: Sequence[Reply], model: lid.Model) -> tuple[Checked, ...]:
    """What the answers show, language by language."""
    langs = sorted({reply.lang for reply in replies})
    return tuple(_checked(lang, [reply for reply in replies if reply.lang == lang], model) for lang in langs)


def lengths(pairs: Sequence[tuple[Reply, Reply]]) -> tuple[Lengths, ...]:
    """How long the second of each pair is beside the first, language by language."""
    found: dict[str, list[float]] = {a.lang: [] for a, _ in sorted(pairs, key=lambda pair: pair[0].lang)}
    for a, b in pairs:
        if a.answer and b.answer:
            found[a.lang].append(len(b.answer) / len(a.answer))
    return tuple(Lengths(lang, len(ratios), median(ratios) if ratios else None) for lang, ratios in found.items())


def _checked(lang: str, replies: Sequence[Reply], model: lid.Model) -> Checked:
    there = [(reply.id, reply.answer) for reply in replies if reply.answer is not None]
    answers = pl.DataFrame(there, schema={"id": pl.String, "answer": pl.String}, orient="row")
    lines = _lines(answers, lang, model)
    passed = lines.group_by("id").agg(pl.col("ok", "pure").all())
    pure = passed.filter("ok").select("id", value="pure")
    texts = answers["answer"].to_list()
    return Checked(
        lang,
        len(replies),
        dict(sorted(Counter(reply.outcome for reply in replies).items())),
        sum(reply.outcome == "answered" and reply.answer is None for reply in replies),
        lines.height,
        _share(lines["ok"].to_list()),
        estimates.mean(passed.select("id", value="ok")),
        estimates.mean(pure.clear() if "Latin" in languages.get(lang).scripts else pure),
        dict(Counter(lines.filter(~pl.col("ok"))["top"]).most_common()),
        median(map(len, texts)) if texts else None,
        _share([is_loop(text) for text in texts]),
        _share([repeats.new("", text).ngrams > REPEATED for text in texts]),
        _share([len(_FENCE.findall(text)) % 2 == 1 for text in texts]),
    )


def _lines(answers: pl.DataFrame, lang: str, model: lid.Model) -> pl.DataFrame:
    """The judged lines of answers: id, top (the language named), ok (it is theirs), pure (no foreign word)."""
    language = languages.get(lang)
    rival = None if language.code == RIVAL else languages.get(RIVAL)
    lines = answers.select("id", line=prose(answers["answer"]).str.split("\n")).explode("line")
    lines = lines.filter(words.n_words(lines["line"]) >= MIN_TOKENS)
    top = lid.scores(model, lines["line"], language, rival).top
    pure = ~lines["line"].str.contains(_WORD)
    return lines.select("id", top=top, pure=pure).drop_nulls().with_columns(ok=pl.col("top") == language.code)


def _share(which: Sequence[bool]) -> float | None:
    return sum(which) / len(which) if which else None
