"""What each stage reads, by which settings, and computes: one function a stage, each giving its Steps.

A Step says everything that its rows depend on (`inputs`, `settings`, `version`) beside the function that makes them,
so that whether it must run can be decided without running it. Order, freshness and writing are pipeline.py's.
"""

from plugdata.stages.curation import check_filters, deduplicated, filtered, measure, pairs
from plugdata.stages.diversity import check_embedder, diversified, embedder
from plugdata.stages.diversity import table as verb_nouns
from plugdata.stages.generation import Generation, Kind, Rating
from plugdata.stages.models import ledger_path, pool, served_as, serving
from plugdata.stages.natural import NaturalTranslation
from plugdata.stages.passages import passages
from plugdata.stages.publishing import publish
from plugdata.stages.quality import Estimates
from plugdata.stages.sourcing import screen, source, source_records
from plugdata.stages.step import Ask, Asking, Step
from plugdata.stages.translation import Translation, chosen, given

__all__ = [
    "Ask",
    "Asking",
    "Estimates",
    "Generation",
    "Kind",
    "NaturalTranslation",
    "Rating",
    "Step",
    "Translation",
    "check_embedder",
    "check_filters",
    "chosen",
    "deduplicated",
    "diversified",
    "embedder",
    "filtered",
    "given",
    "ledger_path",
    "measure",
    "pairs",
    "passages",
    "pool",
    "publish",
    "screen",
    "served_as",
    "serving",
    "source",
    "source_records",
    "verb_nouns",
]
