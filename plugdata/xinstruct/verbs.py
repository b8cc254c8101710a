"""What English instructions ask for, as a verb and its object: "write article", "list reason".

The figure by which Self-Instruct (Wang et al. 2023, arXiv 2212.10560) and X-Instruction show how diverse instructions
are takes both from a parser. Rules do here, for a table that a person looks at: the verb is the first word of the
sentence, after words of politeness, if it is one of VERBS; the noun is the last word of the run behind it, before the
first word that ends an object. So an instruction that does not open with an imperative (a question, "You are a …") has
neither, a verb that is missing from VERBS is not seen, and two nouns side by side give the last ("job interview" →
interview). Of verbs without an object of their own ("explain how …") nothing is counted, as in the papers.
"""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import dropwhile, takewhile
from typing import NamedTuple

_VERBS = """
add advise analyse analyze announce answer argue arrange ask assess brainstorm build calculate categorise categorize
choose cite classify collect combine comment compare compile complete compose compute conduct consider construct
convert correct count craft create critique debate deduce define demonstrate describe design detail determine develop
devise differentiate discuss distinguish divide draft draw edit elaborate enumerate estimate evaluate examine expand
explain explore express extract fill find form formulate generate give highlight identify illustrate implement improve
include indicate infer inform interpret introduce invent investigate justify label list make match mention name
narrate note offer order organise organize outline paraphrase perform plan predict prepare present produce propose
prove provide rank rate re-write read recommend recount reflect rephrase report research respond retell review revise
reword rewrite say search select share show simplify sketch solve sort specify state structure suggest summarise
summarize supply take talk teach tell trace transform translate turn use verify write
"""
VERBS = frozenset(_VERBS.split())
_POLITE = re.compile(
    r"\s*(?:(?:please|kindly|now|then|next|first|try to|you (?:should|must|need to)|help me(?: to)?|let's|"
    r"(?:can|could|would|will) you(?: please)?|(?:i|we) (?:want|need|would like|'d like) you to|"
    r"your task is to|in \d+ words|using the text)[\s,:]+)*"
)
_WORD = re.compile(r"[a-z][a-z'’-]*|[0-9][\w-]*|[^\sa-z]")
_FIRST = "me us him her them the a an this that these those my your his its their our some any all both"
_SKIPPED = frozenset(_FIRST.split())
_BEHIND = """
about above after against along among and around as at based be because before behind below between but by can
containing could describing discussing during each explaining focusing for from given has have highlighting how if in
including inside into is like listing must near of on or over regarding related reporting should since so such than
that through to together toward towards under until upon using versus via was we were what when where whether which
while who whom whose why will with within without would you
"""
_ENDS = frozenset(_BEHIND.split())
LOOKED_AT = 300
"""Characters of an instruction in which its verb and object stand, if it has them."""
LONGEST = 8
"""Words of an object and its adjectives; a run that is no shorter is no object that ends where we think."""


class VerbNoun(NamedTuple):
    verb: str
    noun: str
    n: int


def verb_nouns(instructions: Iterable[str]) -> list[VerbNoun]:
    """Each verb and noun with the number of instructions that have them, the most frequent first, then by letters."""
    counts = Counter(pair for text in instructions if (pair := verb_noun(text)))
    return sorted((VerbNoun(*pair, n) for pair, n in counts.items()), key=lambda of: (-of.n, of.verb, of.noun))


def verb_noun(instruction: str) -> tuple[str, str] | None:
    """The verb of an English instruction and the head of its object, in the singular; None where the rules see none."""
    text = instruction[:LOOKED_AT].lower()
    polite = _POLITE.match(text)
    words = _WORD.findall(text, polite.end() if polite else 0)
    if not words or words[0] not in VERBS:
        return None
    run = list(takewhile(_goes_on, dropwhile(_comes_first, words[1 : LONGEST + 2])))
    return (words[0], _singular(run[-1])) if 0 < len(run) < LONGEST else None


def _comes_first(word: str) -> bool:
    return word in _SKIPPED or word[0].isdigit() or word in "“‘\"'"


def _goes_on(word: str) -> bool:
    return "a" <= word[0] <= "z" and word not in _ENDS


def _singular(noun: str) -> str:
    noun = noun.removesuffix("'s").removesuffix("’s")
    if noun.endswith("ies") and len(noun) > 4:
        return noun[:-3] + "y"
    if noun.endswith(("sses", "shes", "ches", "xes")):
        return noun[:-2]
    return noun[:-1] if noun.endswith("s") and not noun.endswith(("ss", "us", "is", "news")) else noun
