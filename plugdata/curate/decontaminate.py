"""Rows that hold a question of an evaluation set, and what they hold of it.

A row is contaminated by a question if
- near: its instruction (with its input) or its response holds nearly all of the question's words and pairs of words,
  each counting by how few other questions have it, and all of its numbers; a question of fewer than LEAST words must be
  the whole instruction; or
- run: anywhere in it stand RUN words in a row of the question, which neither several questions nor many rows share.

So a question counts with other punctuation, with a word changed, behind a greeting, or inside a longer text. A sum
with other numbers does not count, unless a whole run of its story is copied: it has another answer. What every
question of a set opens with ("Answer with yes or no") weighs next to nothing, and nothing as a run.

Words are those of `normalise`; in scripts without spaces characters, as many as a word takes (UNITS). The questions
are held in memory, the rows stream by: windows of both are hashed and joined by Polars.

Must not know where questions come from, nor in which language they are.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from plugdata.curate.duplicates import normalise
from plugdata.rows import Reason, Status, kept, take_out

VERSION = 1

RUN, LEAST = 13, 8
"""Words of a run, and of the shortest question that is looked for within a text: the range of n in GPT-3's appendix C,
which lm-evaluation-harness and NeMo Curator (`max_ngram_size`, `min_ngram_size`) follow."""

NEAR = 0.75
"""Least share of a question's weight that an instruction or response must hold (docs/decontamination.md: measured)."""

SPARE = 0.15
"""Share of a question's weight that a candidate holds of its rarest words. With 0.1 to 0.25 the search is fastest
(2,549 questions, real rows: 59 µs a row; 92 with 0, 99 with 0.4)."""

MAX_ROWS = 10
"""Rows that may hold a run before it counts as nobody's own (NeMo Curator's `max_matches`)."""
MAX_QUESTIONS = 2
"""Questions that may share LEAST words in a row: what three share is their template, or the text that they are about,
and weighs a tenth. (By frequency alone it would weigh half, in a set of three.)"""


class Unit(NamedTuple):
    """A kind of script: the characters that are tokens of their own, and how many of them a word takes."""

    tokens: str
    per_word: float

    def n(self, n_words: int) -> int:
        return round(n_words * self.per_word)


UNITS = (
    Unit("", 1),  # all others: words
    Unit(r"[\p{Han}\p{Hiragana}\p{Katakana}]", 1.5),
    Unit(r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}]", 5),
)
"""Tokens per English word in the Universal Declaration of Human Rights: zh 1.44, ja 2.18, th 5.23. Japanese goes with
Chinese: a run of its 20 characters says what 9 English words say, within the range of 8 to 13."""

MOST = 2**22
"""Bytes of text taken at a time: what is made of them takes some 100 MB."""

SHOWN = 100
"""Characters of a match that a detail shows."""


@dataclass(frozen=True)
class Index:
    """The questions as they are looked for; `question` is a number."""

    questions: pl.DataFrame  # question, set, place, text, tokens, unit, weight (of all its features)
    features: pl.DataFrame  # question, window, weight: words and pairs of words
    numbers: pl.DataFrame  # question, window
    runs: pl.DataFrame  # window, question, at (token)
    feature_sizes: tuple[int, ...]
    run_sizes: tuple[int, ...]


def index(questions: pl.DataFrame) -> Index:
    """The index of some questions. Needs: set, place, text. The first of equal ones counts."""
    asked = questions.with_columns(tokens=normalise(questions["text"])).filter(pl.col("tokens") != "")
    asked = asked.unique("tokens", keep="first", maintain_order=True).with_row_index("question")
    in_words = [pl.col("tokens").str.count_matches(unit.tokens) / unit.per_word for unit in UNITS[1:]]
    spaced = (
        pl.col("tokens").str.count_matches(" ")
        + 1
        - pl.sum_horizontal(pl.col("tokens").str.count_matches(unit.tokens) for unit in UNITS[1:])
    )
    asked = asked.with_columns(
        unit=pl.concat_list(spaced.cast(pl.Float64), *in_words).list.arg_max(),
        n_tokens=pl.col("tokens").str.count_matches(" ") + 1,
    )
    features, numbers, runs = [], [], []
    feature_sizes, run_sizes = set(), set()
    for number, unit in enumerate(UNITS):
        part = asked.filter(pl.col("unit") == number, pl.col("n_tokens") >= unit.n(LEAST))
        if part.is_empty():
            continue
        tokens, least, run = part["tokens"], unit.n(LEAST), unit.n(RUN)
        found = _windows(tokens, {least})
        shared = found.filter(pl.col("text").n_unique().over("window") > MAX_QUESTIONS).select("text", "at")
        inside = _around(shared, range(least)).with_columns(in_template=True)
        for size in (unit.n(1), unit.n(2)):
            held = _windows(tokens, {size}).join(inside, on=["text", "at"], how="left")
            features.append(_of(part, held.with_columns(pl.col("in_template").fill_null(False)), "in_template"))
        numbers.append(_of(part, _windows(tokens, {1}, r"\p{N}")))
        whole = _windows(tokens, {run})
        runs.append(_of(part, whole.join(_around(shared, range(least - run, 1)), on=["text", "at"], how="anti")))
        feature_sizes |= {1, unit.n(1), unit.n(2)}
        run_sizes |= {run}
    none = pl.DataFrame(schema={"question": pl.UInt32, "window": pl.UInt64, "at": pl.Int64})
    weighed = _weighed(pl.concat([none.with_columns(in_template=pl.lit(False)), *features]), asked)
    total = weighed.group_by("question").agg(pl.col("weight").sum())
    return Index(
        asked.join(total, on="question", how="left", maintain_order="left"),
        weighed,
        pl.concat([none, *numbers]).select("question", "window").unique(),
        pl.concat([none, *runs]).sort("question", "at").unique("window", keep="first"),
        tuple(feature_sizes),
        tuple(run_sizes),
    )


def _around(places: pl.DataFrame, offsets: range) -> pl.DataFrame:
    """text, at: of every place so many tokens on from it."""
    steps = pl.DataFrame({"step": list(offsets)}, schema={"step": pl.Int64})
    return places.join(steps, how="cross").select("text", at=pl.col("at") + pl.col("step")).unique()


def contaminated(batches: Iterable[pl.DataFrame], index: Index) -> pl.DataFrame:
    """The kept rows that hold a question: `id` and `match`, for people.

    Needs: id, instruction, response, and input if there is one; all rows of a corpus, for what many of them share is
    nobody's own.
    """
    near = [pl.DataFrame(schema={"id": pl.String, "question": pl.UInt32, "share": pl.Float64})]
    runs = _Runs(index)
    anchors: pl.DataFrame | None = None
    for part in (part for batch in batches for part in _parts(batch) if index.questions.height):
        texts = [normalise(part["prompt"]), normalise(part["response"])]
        windows = [_windows(text, index.feature_sizes) for text in texts]
        anchors = _anchors(index, pl.concat(windows)) if anchors is None else anchors
        found = pl.concat([_whole(texts[0], index), *(_near(held, anchors, index) for held in windows)])
        for text in texts:
            runs.add(part["id"], _windows(text, index.run_sizes))
        near.append(found.select(part["id"].gather(found["text"]), "question", "share"))
    best = pl.concat(near).sort("id", "share", "question", descending=[False, True, False]).unique("id", keep="first")
    return _told(best, runs.found().join(best, on="id", how="anti"), index)


def _parts(batch: pl.DataFrame) -> list[pl.DataFrame]:
    """The kept rows in frames of some MOST bytes: id, prompt, response."""
    asked = [name for name in ("instruction", "input") if name in batch.columns]
    prompt = pl.concat_str(pl.col(asked).fill_null(""), separator="\n")
    texts = batch.filter(kept()).select("id", prompt=prompt, response=pl.col("response").fill_null(""))
    size = pl.col("prompt").str.len_bytes() + pl.col("response").str.len_bytes()
    return texts.with_columns(part=size.cum_sum() // MOST).partition_by("part", maintain_order=True)


def drop(batch: pl.DataFrame, found: pl.DataFrame, stage: str) -> pl.DataFrame:
    """Drop the kept rows that `contaminated` found. Rows: all, same order; those not kept are left untouched."""
    joined = batch.join(found, on="id", how="left", maintain_order="left")
    check = (Reason.CONTAMINATED, pl.col("match").is_not_null(), pl.col("match"))
    return take_out(joined, stage, Status.DROPPED, [check]).drop("match")


class _Runs:
    """The runs found so far, less those that turned out to be nobody's own: at most MAX_ROWS rows of each."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._held = pl.DataFrame(schema={"window": pl.UInt64, "id": pl.String})
        self._common = self._held.select("window")

    def add(self, ids: pl.Series, windows: pl.DataFrame) -> None:
        hits = windows.join(self._index.runs, on="window", how="semi").unique()
        if hits.is_empty():
            return
        new = hits.select("window", ids.gather(hits["text"]).alias("id")).join(self._common, on="window", how="anti")
        held = pl.concat([self._held, new]).unique()
        common = held.group_by("window").len().filter(pl.col("len") > MAX_ROWS).select("window")
        self._common = pl.concat([self._common, common])
        self._held = held.join(common, on="window", how="anti")

    def found(self) -> pl.DataFrame:
        """id, question, at, to: of each row the question that it shares most with, and from which token to which."""
        hits = self._held.join(self._index.runs, on="window").group_by("id", "question")
        spans = hits.agg(at=pl.col("at").min(), to=pl.col("at").max(), n=pl.len())
        return spans.sort("id", "n", "question", descending=[False, True, False]).unique("id", keep="first")


def _windows(texts: pl.Series, sizes: Iterable[int], holding: str = "") -> pl.DataFrame:
    """Every run of so many tokens in each text: text (number), at (token), window (hash). holding: of tokens that
    match alone."""
    tokens = pl.DataFrame({"token": texts.str.split(" ")}).with_row_index("text").explode("token")
    if holding:
        tokens = tokens.filter(pl.col("token").str.contains(holding))
    text, at = tokens["text"], tokens.select(pl.int_range(pl.len()).over("text")).to_series()
    doubled, n, found = [tokens["token"].hash()], 1, []
    for size in sorted(sizes):
        while 2 * n <= size:
            doubled.append(_joined(doubled[-1], doubled[-1].shift(-n)))
            n *= 2
        whole = doubled[-1] if size == n else _joined(doubled[-1], doubled[-1].shift(n - size))
        frame = pl.DataFrame({"text": text, "at": at, "window": whole})
        found.append(frame.filter(text == text.shift(1 - size)))
    return pl.concat([pl.DataFrame(schema={"text": pl.UInt32, "at": pl.Int64, "window": pl.UInt64}), *found])


def _joined(one: pl.Series, other: pl.Series) -> pl.Series:
    """The hash of two neighbours, which may overlap."""
    return (one * _ODD + other).hash()


_ODD = 0x9E3779B97F4A7C15
"""2⁶⁴ / the golden ratio, the usual multiplier: that the order of two hashes counts."""


def _of(part: pl.DataFrame, windows: pl.DataFrame, *more: str) -> pl.DataFrame:
    """The windows with the number of their question in place of its place in `part`."""
    return windows.select(part["question"].gather(windows["text"]), "window", "at", *more)


def _weighed(features: pl.DataFrame, asked: pl.DataFrame) -> pl.DataFrame:
    """question, window, weight = log(1 + questions of the set / those that have the feature), a tenth in a template.

    In thousandths: whole numbers have the same sum in every order.
    """
    once = features.group_by("question", "window").agg(pl.col("in_template").any())
    counted = once.join(asked.select("question", "set", n_set=pl.len().over("set")), on="question")
    weight = 1_000 * (1 + pl.col("n_set") / pl.len().over("set", "window")).log()
    weight = pl.when("in_template").then(weight / 10).otherwise(weight)
    return counted.select("question", "window", weight=weight.round().cast(pl.Int64))


def _anchors(index: Index, windows: pl.DataFrame) -> pl.DataFrame:
    """window, question, weight, least: of each question its rarest features, and what a near text must hold of them.

    They weigh SPARE more than a near text may lack, so it holds at least as much of them. Rare in the first rows that
    come by: that decides how many candidates there are, not which are near.
    """
    counts = windows.group_by("window").len()
    ranked = index.features.join(counts, on="window", how="left").with_columns(pl.col("len").fill_null(0))
    ranked = ranked.sort("question", "len", "window")
    whole = pl.col("weight").sum().over("question")
    before = pl.col("weight").cum_sum().over("question") - pl.col("weight")
    rarest = ranked.filter(before <= (1 - NEAR + SPARE) * whole)
    lack = (1 - NEAR) * index.questions["weight"].gather(rarest["question"])
    return rarest.select("window", "question", "weight", least=pl.col("weight").sum().over("question") - lack - 1)


def _whole(prompts: pl.Series, index: Index) -> pl.DataFrame:
    """text, question, share = 1: the prompts that are questions, however short."""
    asked = pl.DataFrame({"tokens": prompts}).with_row_index("text")
    return asked.join(index.questions, on="tokens").select("text", "question", share=pl.lit(1.0))


def _near(windows: pl.DataFrame, anchors: pl.DataFrame, index: Index) -> pl.DataFrame:
    """text, question, share: of each question near a prompt the share of its weight that the prompt holds."""
    hits = windows.join(anchors, on="window").unique(["text", "question", "window"]).group_by("text", "question")
    pairs = hits.agg(pl.col("weight").sum(), pl.col("least").first()).filter(pl.col("weight") >= pl.col("least"))
    pairs = pairs.select("text", "question")
    held = windows.join(pairs, on="text", how="semi").select("text", "window")
    found = pairs.join(index.features, on="question").join(held, on=["text", "window"], how="semi")
    weights = found.group_by("text", "question").agg(held=pl.col("weight").sum())
    shares = weights.join(index.questions.select("question", "weight"), on="question")
    near = shares.select("text", "question", share=pl.col("held") / pl.col("weight")).filter(pl.col("share") >= NEAR)
    numbers = near.join(index.numbers, on="question")
    lacking = numbers.join(held, on=["text", "window"], how="anti").select("text", "question")
    return near.join(lacking, on=["text", "question"], how="anti")


def _told(near: pl.DataFrame, runs: pl.DataFrame, index: Index) -> pl.DataFrame:
    """`id` and `match`: which question of which set, how much of it, and its text."""
    whole = near.join(index.questions, on="question").select(
        "id",
        match=pl.format(
            "{} % of {}: {}", (100 * pl.col("share")).floor().cast(pl.Int32), "place", _shown(pl.col("text"))
        ),
    )
    size = pl.col("unit").replace_strict({n: unit.n(RUN) for n, unit in enumerate(UNITS)}, return_dtype=pl.UInt32)
    tokens = pl.col("tokens").str.split(" ").list.slice("at", pl.col("to") - pl.col("at") + size)
    run = pl.when(pl.col("unit") == 0).then(tokens.list.join(" ")).otherwise(tokens.list.join(""))
    parts = runs.join(index.questions, on="question").select(
        "id", match=pl.format("run of {}: {}", "place", _shown(run))
    )
    return pl.concat([whole, parts]).sort("id")


def _shown(text: pl.Expr) -> pl.Expr:
    text = text.str.replace_all(r"\s+", " ").str.strip_chars()
    return pl.when(text.str.len_chars() > SHOWN).then(text.str.slice(0, SHOWN - 1) + "…").otherwise(text)
