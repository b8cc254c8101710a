"""Documents → rows of rows.PASSAGES, in two steps that look at single documents alone.

`cleaned` takes out what a page has beside its text; `divided`, which knows by then what the documents of a domain
share, makes the passages and judges each: letters, repetition, language, personal data. Between the two, all
documents are counted (boilerplate.Counts). Both are row-wise: a frame of documents may go to any process.
"""

from pathlib import Path

import polars as pl

from plugdata import languages, rows
from plugdata.checks import lid, numbers, pii, repeats, repetition, script
from plugdata.checks.prose import prose
from plugdata.hashing import tagged_hash
from plugdata.languages import Language
from plugdata.recipe import Passages
from plugdata.rows import Reason, Status, row_id
from plugdata.xinstruct import boilerplate, segment
from plugdata.xinstruct.cleaning import clean

VERSION = 3
"""Of what is taken for text, where it is divided, and what of a passage is measured: a change of rows is a new one."""

DOCUMENTS: dict[str, pl.DataType] = {
    "place": pl.String(),
    "source": pl.String(),
    "source_id": pl.String(),
    "url": pl.String(),
    "date": pl.String(),
    "license": pl.String(),
    "text": pl.String(),  # NFC; "" with a fault
    "fault": pl.String(),  # "" = none
}
"""A frame of documents."""

OTHERS = 0.3
"""Share of characters that are neither letters nor white space above which a passage is no text: LumiOpen's for
Finnish. Digits count: a table of results is no answer."""

SUSPECT = 0.5
"""`repeats.compression` below which repetition is counted in words, at fifty times the cost: a text said twice has some
0.5. Of 532 English responses of 400 characters or more the lowest is at 0.53, the median at 0.76."""
REPEATED = 0.3
"""Share of words in such n-grams, or of lines, from which a passage is dropped: as `filter.repetition`."""

LID_CHARS = 300
"""Characters of a passage that language ID reads, half of them from its end, in a script as dense as the Latin one:
what lid.READ_CHARS takes of any text, at a third of the time of whole passages (benchmarks/passages.py)."""

_HEADING = r"\A[^\n]{1,80}\n+"
"""Says little of what follows: of 109 passages of a half-translated handbook (Vietnamese), 27 were English under a
heading in the language, which sufficed to hide it."""

MIN_SCRIPT = 0.5
"""Share of its letters that must be in the language's scripts: less is another language, whatever the identifier says
of it."""


def cleaned(documents: pl.DataFrame, lang: str) -> pl.DataFrame:
    """The documents with what cleaning leaves of `text`, and `n_chars` (of the text as it was), `domain`, `keys`.

    Needs: DOCUMENTS. Rows: all, same order. `keys`: boilerplate.keys.
    """
    texts = clean(documents["text"], languages.get(lang))
    with_domain = documents.with_columns(domain=boilerplate.domain(pl.col("url"), pl.col("source")))
    return with_domain.with_columns(
        texts.alias("text"),
        n_chars=documents["text"].str.len_chars().cast(pl.Int64),
        keys=boilerplate.keys(texts, with_domain["domain"]),
    )


def divided(documents: pl.DataFrame, lang: str, pivot: str, settings: Passages, model: Path) -> pl.DataFrame:
    """The passages of the documents (rows.PASSAGES, `ordinal` from 0), and a row for each document that has none.

    Needs: what `cleaned` gives, of `keys` only those that are repeated. model: of language ID. Order: of the documents,
    and within them.
    """
    language = languages.get(lang)
    dense = script.weight(language)
    least, most = round(settings.min_chars / dense), round(settings.max_chars / dense)
    texts = boilerplate.without(documents["text"], documents["domain"], documents["keys"])
    parts = [segment.passages(text, least, most) for text in texts]
    n_taken = pl.Series([sum(map(len, of)) for of in parts], dtype=pl.Int64)
    told = documents.with_row_index("doc").with_columns(
        passage=pl.Series(parts, dtype=pl.List(pl.String)),
        n_left=texts.str.len_chars(),
        n_removed=(documents["n_chars"] - n_taken).clip(0),
    )
    told = told.explode("passage", empty_as_null=True)
    if settings.pii == "mask":
        told = told.with_columns(_masked(told["passage"]).alias("passage"))
    none = pl.col("passage").is_null()
    faulty = pl.col("fault") != ""
    judged = told.with_columns(
        id=pl.Series([_id(*of) for of in told.select("passage", "source", "place", "source_id").iter_rows()]),
        ordinal=pl.int_range(pl.len()),
        lang=pl.lit(lang),
        provenance=pl.concat_list(pl.struct("source", "source_id", "license")),
        n_removed=pl.when(pl.col("doc").is_first_distinct()).then("n_removed").otherwise(0),
        kept_id=pl.lit(None, pl.String),
        status=pl.when(faulty).then(pl.lit(str(Status.QUARANTINED))).otherwise(pl.lit(str(Status.KEPT))),
        stage=pl.when(faulty).then(pl.lit("passages")),
        reason=pl.when(faulty).then(pl.lit(str(Reason.NOT_TEXT))),
        reasons=pl.when(faulty).then(pl.lit([str(Reason.NOT_TEXT)])).otherwise(pl.lit([], pl.List(pl.String))),
        detail=pl.when(faulty).then("fault"),
    )
    measured = judged.with_columns(_measured(judged["passage"], language, languages.get(pivot), settings, Path(model)))
    nothing = pl.format("{} characters are left, and no passage of {} or more", "n_left", least)
    no_letters = pl.format("{} of it are no letters", pl.col("others").round(2))
    foreign, mixed = pl.col("lid") < settings.min_lid, pl.col("mixed") > settings.max_mixed
    sounds_like = pl.format("p({}) is {}, it sounds like {}", pl.lit(lang), pl.col("lid").round(2), pl.col("lid_top"))
    in_part = pl.format("{} of its beginning and end is in another language", pl.col("mixed").round(2))
    checks = [
        (
            Reason.NO_PASSAGE,
            none | (pl.col("others") > OTHERS),
            pl.when(none).then(nothing).otherwise(no_letters),
        ),
        (Reason.LID, foreign | mixed, pl.when(foreign).then(sounds_like).otherwise(in_part)),
        (Reason.REPETITION, pl.col("again") != "", pl.col("again")),
        (Reason.PII, pl.col("kinds") != "", pl.col("kinds")),
    ]
    return rows.conform(rows.take_out(measured, "passages", Status.DROPPED, checks), rows.PASSAGES)


def _id(passage: str | None, source: str, place: str, source_id: str) -> str:
    """Of the passage; of the place for a document that has none."""
    return tagged_hash(["document", source, place, source_id]) if passage is None else row_id("", "", passage)


def _masked(passages: pl.Series) -> pl.Series:
    places = pii.may_hold(passages, numbers.foreign_digits(passages)).fill_null(False).arg_true()
    masked = [pii.masked(text, pii.KINDS) for text in passages.gather(places)]
    return passages.clone().scatter(places, pl.Series(masked, dtype=pl.String))


def _measured(
    passages: pl.Series, language: Language, pivot: Language, settings: Passages, model: Path
) -> list[pl.Series]:
    """lid, lid_top, and what the verdict needs: mixed, others, again ("" = it does not), kinds ("" = none)."""
    texts = passages.fill_null("")
    others = texts.str.count_matches(r"[^\p{L}\p{M}\s]") / texts.str.len_chars()
    kinds = pl.Series([""]).new_from_index(0, len(texts))
    if settings.pii == "drop":
        places = pii.may_hold(texts, numbers.foreign_digits(texts)).arg_true()
        kinds = kinds.scatter(places, pl.Series([", ".join(pii.kinds(text)) for text in texts.gather(places)]))
    again = pl.Series([_repeated(text) for text in texts], dtype=pl.String)
    found = identified(texts, language, pivot, model)
    return [
        *(found.p.alias("lid"), found.top.alias("lid_top"), found.mixed.alias("mixed")),
        *(others.alias("others"), again.alias("again"), kinds.alias("kinds")),
    ]


def _repeated(text: str) -> str:
    if repetition.is_loop(text):
        return "it ends in a loop"
    # beside a text that cannot be pressed the figure is the text's own
    if (repeats.compression(".", text) or 1.0) >= SUSPECT:
        return ""
    found = repeats.new("", text)
    if max(found.ngrams, found.lines) <= REPEATED:
        return ""
    return f"{found.ngrams:.0%} of its words and {found.lines:.0%} of its lines are said again"


def identified(texts: pl.Series, language: Language, pivot: Language, model: Path) -> lid.Scores:
    """What is said of the beginning and the end of each text, its heading aside; null where too little is prose.

    Where most of its letters are of other scripts, p is 0 and nothing is named.
    """
    n = round(LID_CHARS / script.weight(language))
    texts = texts.str.replace(_HEADING, "")
    ends = pl.select(
        pl.when(texts.str.len_chars() > n)
        .then(pl.concat_str(texts.str.head(n // 2), texts.str.tail(n // 2), separator="\n"))
        .otherwise(texts)
    ).to_series()
    read = prose(ends)
    doubted = (script.share(read, language) < MIN_SCRIPT).fill_null(False).arg_true()
    whole = prose(texts.gather(doubted))  # an English name at each end makes no English text
    foreign = doubted.filter((script.share(whole, language) < MIN_SCRIPT).fill_null(False))
    read = read.scatter(doubted, whole).scatter(foreign, "")
    found = lid.scores(lid.load(model), read, language, pivot)
    return found._replace(p=found.p.scatter(foreign, 0.0))
