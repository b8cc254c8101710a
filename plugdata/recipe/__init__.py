"""A recipe: what a user may ask for (models), and how it is read, overridden and written (file)."""

from plugdata.recipe.base import did_you_mean
from plugdata.recipe.curation import Dedup, Filter, Pii, Ratio, UserFilter
from plugdata.recipe.endpoints import Limits, Model, Price, is_loopback
from plugdata.recipe.file import dump, load, packaged, public, resolve
from plugdata.recipe.flags import for_pairs, for_translation, model, with_model
from plugdata.recipe.models import OF_ROWS, Publish, Recipe, Source, Split
from plugdata.recipe.natural import Diversify, Edit, Generate, Passages, Rate, Texts
from plugdata.recipe.translation import Again, Existing, Route, Screen, Translate, is_hub_id

__all__ = [
    "OF_ROWS",
    "Again",
    "Dedup",
    "Diversify",
    "Edit",
    "Existing",
    "Filter",
    "Generate",
    "Limits",
    "Model",
    "Passages",
    "Pii",
    "Price",
    "Publish",
    "Rate",
    "Ratio",
    "Recipe",
    "Route",
    "Screen",
    "Source",
    "Split",
    "Texts",
    "Translate",
    "UserFilter",
    "did_you_mean",
    "dump",
    "for_pairs",
    "for_translation",
    "is_hub_id",
    "is_loopback",
    "load",
    "model",
    "packaged",
    "public",
    "resolve",
    "with_model",
]
