"""What gives away that an instruction was made for a passage: it asks for a translation, speaks of a text that its
reader does not have, or quotes the passage.

A generator that is shown foreign text leaks "translate …" without a source (a visible slice of the released
corpus), and one that is shown any text speaks of "the passage". Such rows teach a model to make up what is not there.

The first two are phrases of English (LEXICONS): for another pivot they are not asked, and what a rater sees is left to
it. Quotations are told in every language. Precision and recall on instructions of our own (tests/labelled/
instructions.toml) are printed by `python -m tests.test_leaks`.

Every pattern takes time linear in the text: what stands between two words is bounded.
"""

import re

from plugdata.asking import Fault
from plugdata.checks.script import weight
from plugdata.languages import Language
from plugdata.rows import Reason

QUOTED_LETTERS = 40
"""Letters in a row, in a script as dense as the Latin one and without names and numbers, that stand in the passage too
and make a quotation. Of 408 real pairs of which both halves are English, where a response may restate its question, 5 %
share a run of more than 41 and 1 % one of more than 51; an instruction in another language than its passage shares
names and single words."""

_TEXT = (
    r"(?:passages?|texts?|articles?|excerpts?|extracts?|paragraphs?|documents?|snippets?|sentences?|stor(?:y|ies)|poems?"
    r"|letters?|emails?|reports?|posts?|blogs?|speech(?:es)?|interviews?|reviews?|statements?|announcements?|dialogues?"
    r"|conversations?|contents?|information|data|context|pictures?|images?|photos?|videos?|audio|recordings?|tables?"
    r"|news|items?|essays?|quotes?|quotations?|messages?|comments?|tweets?|input)"
)
_KIND = r"(?:news|blog|forum|short|written|source|original|given|provided|following|newspaper|whole|entire|full)"
_READ = r"(?:passage|text|article|excerpt|paragraph|snippet)"
"""What hardly an instruction that stands by itself calls a thing of its own."""
_OF_ITS_OWN = (
    r"(?! (?:of|on|from|through|between|across|over|for|that|which|in which|\d)\b)(?! [\"'“‘«])(?! (?-i:[^\W\d_a-z]))"
)
"""Not "the passage of time", "the text of a treaty", "the article 'On Bees'"."""
_TASK = r"(?:summari[sz]e|paraphrase|rephrase|rewrite|proofread|shorten|continue|complete|analy[sz]e|classify|edit)"
_ASKED = r"(?:write|give|provide|make|produce|create|prepare|offer|do)"
_BEGINS = r"(?:^|[.!?:;\n(] ?|\b(?:please|and|then|you) )"
_THESE = r"(?:the following|this|these)"


def _compiled(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)


_TRANSLATION = _compiled(
    # first in a sentence, or behind "please", "you", "and": not "who translated", "learn to translate"
    rf"(?:{_BEGINS}|\bis to )translate\b",
    rf"\b{_ASKED} (?:me )?(?:a |an |the |your )?(?:\w+ ){{0,2}}translation\b",
    rf"\btranslation of {_THESE}\b",
    rf"\b{_THESE} (?:\w+ ){{0,2}}{_TEXT} translated\b",
    rf"\b(?:convert|render|put|version of) {_THESE} (?:\w+ )?{_TEXT}\b",
    rf"{_BEGINS}transcribe\b",
    # the answer is not in English; not "what is it called in English?", "in English football"
    r"\b(?:write|answer|respond|reply|describe|explain|summari[sz]e|rewrite|rephrase|give|provide|tell|list|compose)"
    r"\b[^.?!\n]{0,200}\b(?:in|into) (?:plain |simple |good )?English(?: language)?"
    r"(?=[.,;:!?\n]|$| (?:what|how|why|who))",
)

_NOT_GIVEN = r"(?![^:\n\"“–]{0,80}(?:[:\n\"“–]| - )\s{0,4}[\"“]?[^\s\"”][^\n]{5})"
"""The text does not stand there itself."""
_NEEDED = _compiled(
    rf"\b(?:this|these|the (?:given|provided|attached|accompanying|presented)|given the) (?:{_KIND} )?{_TEXT}\b"
    rf"(?! names?){_NOT_GIVEN}",
    r"\bthe following\b(?! (?:day|week|month|year|decade|centur|morning|evening|night|summer|winter|spring|season))"
    rf"{_NOT_GIVEN}",
    rf"\bthe (?:\w+ )?{_TEXT} (?:above|below)\b(?! the\b)",
    rf"\bthe (?:\w+ )?{_TEXT} (?:provided|attached|given|shown|quoted)\b(?! (?:to|by|in|at)\b)",
    rf"\bthe (?:{_KIND} )?{_READ}\b{_OF_ITS_OWN}",
    r"\bthe (?:author|writer|narrator)(?:'s|’s|s)?\b(?! (?:of|in|who)\b)(?! (?-i:[^\W\d_a-z]))",
    rf"\b(?:in|from|on|by) the (?:{_KIND} )?(?:picture|image|photo|recording|extract|document|input)s?\b{_OF_ITS_OWN}",
    r"\b(?:mentioned|described|listed|stated|quoted|discussed|given|shown|named|reported|explained|outlined|as)"
    r" (?:above|below)\b",
    rf"\b(?:the above|(?:the )?below (?:\w+ )?{_TEXT})\b",
    rf"\b(?:based (?:only )?on|according to|using(?: only)?|use) (?:the|this|these) (?:\w+ )?{_TEXT}\b{_OF_ITS_OWN}",
    rf"\b{_TASK} (?:it|this|that|these)\b(?= (?:for|in|to)\b| ?[.?!\n]| ?$)",
    r"(?:^|[.!?] )given (?:a|an) ",
)


def faults(instruction: str, passage: str, pivot: Language, language: Language) -> list[Fault]:
    """All that gives an instruction away, in order of precedence."""
    found: list[tuple[Reason, str, str | None]] = []
    if pivot.code.split("-")[0] in LEXICONS:
        found += [
            (Reason.ASKS_TRANSLATION, "it asks for a translation or a transcript", asks_translation(instruction)),
            (Reason.NEEDS_PASSAGE, "it speaks of a text that its reader does not have", needs_passage(instruction)),
        ]
    found.append((Reason.QUOTES_PASSAGE, "it quotes the passage", quotes(instruction, passage, language)))
    return [Fault(reason, f'{told}: "{phrase}"') for reason, told, phrase in found if phrase]


LEXICONS = ("en",)
"""Pivots whose phrases are known."""


def asks_translation(instruction: str) -> str | None:
    """The words by which an instruction asks for a translation, a transcript or an answer in English."""
    return _first(_TRANSLATION, instruction)


def needs_passage(instruction: str) -> str | None:
    """The words by which an instruction speaks of a text as if its reader had it."""
    return _first(_NEEDED, instruction)


def _first(patterns: tuple[re.Pattern[str], ...], text: str) -> str | None:
    return next((found[0].strip(" .!?:;(\n") for pattern in patterns if (found := pattern.search(text))), None)


_WORD = re.compile(r"[^\W_]\S*")
_DIGIT = re.compile(r"\d")
_SIGNS = re.compile(r"[!-/:-@\[-`{-~]+")


def quotes(instruction: str, passage: str, language: Language) -> str | None:
    """The first run of the passage's own words in an instruction that is too long for a name or a term.

    Words with a capital or a digit are passed over on both sides, and so is white space. In scripts without capitals a
    name counts like any word: the bound leaves room for a long one.
    """
    least = round(QUOTED_LETTERS / weight(language))
    half = least // 2
    ours, theirs = _plain(instruction), _plain(passage)
    # a run holds one of these whole, and hardly another text does
    if not any(ours[at : at + half] in theirs for at in range(0, len(ours) - half + 1, half)):
        return None
    known = {theirs[at : at + least] for at in range(len(theirs) - least + 1)}
    for start in range(len(ours) - least + 1):
        if ours[start : start + least] in known:
            end = start + least
            while end < len(ours) and ours[end - least + 1 : end + 1] in known:
                end += 1
            return ours[start:end]
    return None


def _plain(text: str) -> str:
    words = _WORD.findall(text)
    return _SIGNS.sub("", "".join(word for word in words if not (word[0].isupper() or _DIGIT.search(word))))
