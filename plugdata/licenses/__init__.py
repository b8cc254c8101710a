"""Licences: what each asks of a translation and what rows may share (algebra); those of well-known data sets, and the
terms of providers (known). Must not know of rows, recipes or the Hub."""

from plugdata.licenses.algebra import LICENSES, PER_ROW, License, computed, declared, normal, on_card, stricter
from plugdata.licenses.known import Known, Provider, data_set, known_source, provider

__all__ = [
    "LICENSES",
    "PER_ROW",
    "Known",
    "License",
    "Provider",
    "computed",
    "data_set",
    "declared",
    "known_source",
    "normal",
    "on_card",
    "provider",
    "stricter",
]
