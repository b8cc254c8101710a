"""The report: one HTML file on a corpus, for people, that needs no network and runs nothing that came with the rows.

A chart is a table whose bars are drawn by CSS from the cell's value; there is no plotting library. Plotly's script
alone is 4.7 MB, Altair loads three from elsewhere, matplotlib draws no Chinese out of the box. A table is read by a
screen reader and by `grep`, is copied into a spreadsheet, follows dark mode and the width of the window, and takes
100 bytes a bar, which leaves the file to what decides: the rows.

facts.py gathers what the page says, rows.py chooses the rows that it shows, page.py makes text of both, with
report.html.j2, row.html.j2, report.css and report.js. The same corpus gives the same bytes: dates are the ledger's,
chance is seeded, and no path and no clock is read.
"""

from collections.abc import Collection
from pathlib import Path

from plugdata.calls.ledger.archive import Summary
from plugdata.corpus import Corpus, replacing
from plugdata.recipe import Recipe
from plugdata.review.report import facts, page, rows
from plugdata.rows import Reason


def write(path: Path, corpus: Corpus, recipe: Recipe, ledger: Summary | None, unshown: Collection[Reason] = ()) -> int:
    """Write the report of a corpus to a file; its size in bytes.

    unshown: of rows taken out for these reasons, and of those that were never looked at for them, nothing is shown.
    Raises FunnelError if the funnel does not balance, InputError if no stage is finished.
    """
    found = facts.gather(corpus, recipe, ledger, kept_only=bool(unshown))
    text = page.render(found, rows.choose(found.views, recipe, unshown)).encode()
    with replacing(path) as file:
        file.write(text)
    return len(text)
