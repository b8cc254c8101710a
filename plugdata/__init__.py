"""plugdata: PLUG corpora for languages that models serve badly.

    from pathlib import Path
    import plugdata

    recipe = plugdata.load_recipe(Path("recipes/quickstart.yaml"))
    corpus = plugdata.run(recipe)
    rows = corpus.rows("dedup", "ko")       # a Polars frame: every row, with status and reason

The names below are the public API; what a command does, it does through them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plugdata.corpus import Corpus
    from plugdata.errors import PlugdataError
    from plugdata.pipeline import merge, plan, preview, pull, push, push_to, retry, run
    from plugdata.pipeline.plain import curate
    from plugdata.publish.export import write as export
    from plugdata.recipe import Recipe, for_translation
    from plugdata.recipe import load as load_recipe
    from plugdata.review.chosen import sample
    from plugdata.review.stats import state

__version__ = "0.1.0"

_PUBLIC = {  # public name → module and name there
    "Corpus": "corpus:Corpus",
    "PlugdataError": "errors:PlugdataError",
    "Recipe": "recipe:Recipe",
    "curate": "pipeline.plain:curate",
    "export": "publish.export:write",
    "for_translation": "recipe:for_translation",
    "load_recipe": "recipe:load",
    "merge": "pipeline:merge",
    "plan": "pipeline:plan",
    "preview": "pipeline:preview",
    "pull": "pipeline:pull",
    "push": "pipeline:push",
    "push_to": "pipeline:push_to",
    "retry": "pipeline:retry",
    "run": "pipeline:run",
    "sample": "review.chosen:sample",
    "state": "review.stats:state",
}

__all__ = [
    "Corpus",
    "PlugdataError",
    "Recipe",
    "__version__",
    "curate",
    "export",
    "for_translation",
    "load_recipe",
    "merge",
    "plan",
    "preview",
    "pull",
    "push",
    "push_to",
    "retry",
    "run",
    "sample",
    "state",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used, so that importing plugdata costs nothing."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'plugdata' has no attribute {name!r}")
    module, _, attribute = _PUBLIC[name].partition(":")
    return getattr(import_module(f"plugdata.{module}"), attribute)
