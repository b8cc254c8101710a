"""The row-wise filters: measure (costly, adds columns), fit (bounds for a language), decide (cheap, gives verdicts).

They are apart so that moving a threshold measures nothing again. A filter is one function and one line in
decide.FILTERS: it reads measured columns, the recipe's thresholds and the fitted bounds, and says for which rows it
holds and why. Both fields of a pair are judged alike, for a PLUG row trains on both; a measurement that abstained
(null) takes nothing out.

measure.py puts the columns together: language.py identifies, agreement.py compares a target with its pivot, fresh.py
looks for what is new in the target, tokens.py counts. user.py has the filters of a recipe's own.
fit.py looks at all rows of a language; decide.py gives the verdicts. Frames hold the rows of one language.
"""

from plugdata.curate.filters import tokens, user
from plugdata.curate.filters.decide import decide
from plugdata.curate.filters.fit import fit
from plugdata.curate.filters.measure import measure

MEASURE_VERSION = 7
DECIDE_VERSION = 6

__all__ = ["DECIDE_VERSION", "MEASURE_VERSION", "decide", "fit", "measure", "tokens", "user"]
