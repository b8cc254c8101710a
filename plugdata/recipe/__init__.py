"""A recipe: what a user may ask for (models), and how it is read, overridden and written (file)."""

from plugdata.recipe.file import dump, for_translation, load, packaged, public, resolve, with_model
from plugdata.recipe.models import (
    Dedup,
    Filter,
    Limits,
    Model,
    Price,
    Publish,
    Ratio,
    Recipe,
    Screen,
    Source,
    Split,
    Translate,
    did_you_mean,
    is_loopback,
)

__all__ = [
    "Dedup",
    "Filter",
    "Limits",
    "Model",
    "Price",
    "Publish",
    "Ratio",
    "Recipe",
    "Screen",
    "Source",
    "Split",
    "Translate",
    "did_you_mean",
    "dump",
    "for_translation",
    "is_loopback",
    "load",
    "packaged",
    "public",
    "resolve",
    "with_model",
]
