"""JSON Schemas of what others read and write: a recipe, the rows of each stage, manifest.json.

They are generated from the models and contracts in the code; the copies in schemas/ are compared with these by a
test, so that a change of contract is seen in review.
"""

import json
from typing import Any

import polars as pl

from plugdata import rows
from plugdata.corpus import Manifest
from plugdata.recipe import Recipe

DIALECT = "https://json-schema.org/draft/2020-12/schema"
NAMES = ("recipe", "rows", "manifest")


def text(name: str) -> str:
    """The schema of a name (one of NAMES) as indented JSON."""
    made = {"recipe": Recipe.model_json_schema, "manifest": Manifest.model_json_schema, "rows": _rows}[name]()
    return json.dumps({"$schema": DIALECT, **made, "title": f"plugdata {name}"}, indent=2, ensure_ascii=False) + "\n"


def _rows() -> dict[str, Any]:
    """The rows of every stage, one definition each, as they lie in rows/STAGE/."""
    stages = {stage: _row(contract) for stage, contract in rows.CONTRACTS.items()}
    return {"$defs": stages, "anyOf": [{"$ref": f"#/$defs/{stage}"} for stage in stages]}


def _row(contract: dict[str, pl.DataType]) -> dict[str, Any]:
    properties = {name: _type(dtype) for name, dtype in contract.items()}
    properties["status"] = {"enum": list(rows.Status)}
    properties["reason"] = {"enum": [*rows.Reason, None]}
    return {"type": "object", "properties": properties, "required": list(contract), "additionalProperties": False}


def _type(dtype: pl.DataType) -> dict[str, Any]:
    if isinstance(dtype, pl.List):
        return {"type": ["array", "null"], "items": _type(_instance(dtype.inner))}
    if isinstance(dtype, pl.Struct):
        fields = {field.name: _type(_instance(field.dtype)) for field in dtype.fields}
        return {"type": "object", "properties": fields}
    if dtype == pl.Boolean:
        return {"type": ["boolean", "null"]}
    kind = "string" if dtype == pl.String else "integer" if dtype.is_integer() else "number"
    return {"type": [kind, "null"]}


def _instance(dtype: Any) -> pl.DataType:
    return dtype if isinstance(dtype, pl.DataType) else dtype()
