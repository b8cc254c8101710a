"""A recipe: what a user may ask for (models), and how it is read, overridden and written (file)."""

from plugdata.recipe.base import did_you_mean
from plugdata.recipe.curation import Dedup, Filter, Ratio
from plugdata.recipe.endpoints import Limits, Model, Price, is_loopback
from plugdata.recipe.file import dump, for_translation, load, packaged, public, resolve, with_model
from plugdata.recipe.models import Publish, Recipe, Source, Split
from plugdata.recipe.translation import Screen, Translate

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
