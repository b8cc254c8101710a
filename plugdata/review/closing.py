"""What the demo shows at its end: the funnel, every row that was taken out, three rows side by side, and what next."""

from rich.console import Group
from rich.text import Text

from plugdata.corpus import Corpus
from plugdata.review import chosen, screen, stats


def closing(corpus: Corpus) -> Group:
    """A small corpus on one long screen."""
    state = stats.state(corpus)
    langs = list(state.funnel.until)
    out = [row for lang in langs for row in chosen.taken_out(corpus, lang).iter_rows(named=True)]
    kept = [row for lang in langs for row in chosen.sample(corpus, lang, 2, status="kept").iter_rows(named=True)]
    return Group(
        Text("What became of every row", "bold"),
        screen.state(state),
        Text(),
        Text("Taken out", "bold"),
        screen.taken_out(out),
        Text("Kept, side by side", "bold"),
        screen.sample(kept[:3]),
        Text(f'Load it:  datasets.load_dataset("{corpus.dist}", "{langs[0]}", split="train")'),
        Text(f"Look on:  plugdata sample {corpus.path} --status dropped"),
    )
