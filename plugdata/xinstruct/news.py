"""Whether an English instruction asks for news: an article, a headline, a report of an event.

By words of the instruction alone. What only looks like news is passed over: "Write an article about tea" is no news,
nor are a school report, good news or a newsletter. Of other languages nothing is known.
"""

import polars as pl

VERSION = 1
"""Raised when other instructions would be news."""

_WRITTEN = r"(?:articles?|pieces?|stor(?:y|ies)|items?|reports?|bulletins?|briefs?|updates?|coverage|paragraphs?)"
_PAPER = (
    r"(?:newspapers?|tabloids?|broadsheets?|news ?wires?|news ?(?:agency|agencies|sites?|portals?|outlets?|rooms?))"
)
_NEWS = "|".join(
    (
        rf"\bnews[- ]{_WRITTEN}\b",
        rf"\b{_PAPER}\b",
        r"\b(?:latest|breaking|recent|local|sports?|business|political|world|today's|this week's) news\b",
        r"\bnews (?:about|on|of|from|headlines?|anchors?|readers?|reporters?|conferences?|style|format)\b",
        r"\bheadlines?\b",
        r"\bpress (?:releases?|statements?|conferences?|briefings?)\b",
        r"\bjournalis(?:ts?|tic)\b",
        r"\b(?:reporters?|correspondents?)\b",
        r"\breports? (?:on|about) (?:the |a |an )?(?:latest|recent|yesterday|today|outcome|results? of|match|game)\b",
        r"\b(?:articles?|reports?|stor(?:y|ies)|paragraphs?)\b.{0,20}\breporting\b",
        r"\bas (?:a |an |it would be )?reported\b",
    )
)


def is_news(instructions: pl.Series, pivot: str) -> pl.Series:
    """Whether each instruction is about news; null where the pivot is not English, and of a null."""
    if pivot != "en":
        return pl.Series([None] * len(instructions), dtype=pl.Boolean)
    return instructions.str.to_lowercase().str.contains(_NEWS)
