"""What an instruction asks: the instruction in lower case without what is only quoted or spoken about.

Both functions read a long instruction at its ends only, so their cost is bounded. English only; knows no class.
"""

import re

_EDGE = 300
"""Characters of a long instruction read at each end: what is asked stands first or last, pasted text between. Of 999
real Alpaca instructions the longest has 459 characters and is read whole."""
_QUOTED = re.compile(
    r"\"[^\"\n]{2,300}\"|“[^”\n]{2,300}”|«[^»\n]{2,300}»|(?<!\w)[‘'](?:[^'’\n]|(?<=\w)['’](?=\w)){2,300}['’](?!\w)"
)
_ASIDE = re.compile(
    r"\b(?:story|poem|essay|article|paragraph|song|letter|blog|post|speech|e-?mail|dialogue|paper|book|film|course)s? "
    r"(?:about|on) (?:[^.?!:\n](?!\b(?:that|which|using|with|in) ))*"
    r"|\b(?:history|importance|role|invention|popularity|benefits?) of [^.?!:\n]*"
    r"|(?<=\w )(?:who|whom|in which|where) [^.?!:\n]*"
)
_WORD = re.compile(r"[a-z+#]+")


def words_of(instruction: str) -> set[str]:
    """The words that may set off a rule, lower case."""
    return set(_WORD.findall(_ends(instruction).lower()))


def ask_of(instruction: str) -> str:
    """What is asked: quotations of two characters and more emptied to "", asides left out."""
    return _ASIDE.sub("", _QUOTED.sub('""', _ends(instruction)).lower().strip())


def _ends(text: str) -> str:
    return text if len(text) <= 2 * _EDGE else text[:_EDGE] + "\n" + text[-_EDGE:]
