"""How good a translation is, by the word of a model: translated back (back), judged (judge), on the rows (stage).

Each estimate is a task like any other and costs calls. One that cannot be read abstains: it never speaks against a row.
"""

from plugdata.asking import Abstained
from plugdata.translate.quality.back import STAGE, Back, back_translator
from plugdata.translate.quality.judge import ErrorKind, Verdict, judge
from plugdata.translate.quality.stage import VERSION, Applied, Counts, apply, chosen, is_sampled
from plugdata.translate.quality.summary import Summary, summary

__all__ = [
    "STAGE",
    "VERSION",
    "Abstained",
    "Applied",
    "Back",
    "Counts",
    "ErrorKind",
    "Summary",
    "Verdict",
    "apply",
    "back_translator",
    "chosen",
    "is_sampled",
    "judge",
    "summary",
]
