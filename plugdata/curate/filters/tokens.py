"""Tokens of texts, by a tokenizer of the user's choice: what a trainer will count. An optional dependency."""

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from plugdata import rows
from plugdata.assets.hub import probe, quiet
from plugdata.assets.known import Miss
from plugdata.errors import InputError
from plugdata.recipe import is_hub_id


def fetch(name: str) -> Path:
    """The tokenizer.json that a recipe names: that file, or the one of a Hub id. Raises InputError."""
    if not is_hub_id(name):
        if not Path(name).is_file():
            raise InputError(f"filter.length.tokenizer: {name}: no such file", "a tokenizer.json, or a Hub id")
        return Path(name)
    from huggingface_hub import hf_hub_download, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    endpoint = os.environ.get("HF_ENDPOINT") or None
    away = ""  # why the Hub cannot be asked: then what it gave before will do
    try:
        probe(hf_hub_url(name, "tokenizer.json", endpoint=endpoint))
    except Miss as miss:
        away = str(miss)
    try:
        with quiet("huggingface_hub"):
            file = hf_hub_download(name, "tokenizer.json", endpoint=endpoint, local_files_only=bool(away))
            return Path(file)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = away or str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(f"filter.length.tokenizer: no tokenizer.json of {name!r}: {reason}", "name a file") from error


def identity(name: str) -> str:
    """What the counts of a tokenizer depend on: the content of a file, or the Hub id. Raises InputError."""
    return name if is_hub_id(name) else hashlib.sha256(fetch(name).read_bytes()).hexdigest()


@cache
def load(path: Path) -> Any:
    """The tokenizer of a file; loaded once in a process. Raises InputError for another file, or without the library."""
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise InputError(
            "filter.length.tokenizer wants the package tokenizers", "pip install tokenizers, or leave it out"
        ) from None
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing more special
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"filter.length.tokenizer: {path} is no tokenizer.json: {reason}", "save_pretrained writes one"
        ) from error


def measured(asked: pl.DataFrame, tokenizer: Any | None) -> list[pl.Series]:
    """n_tokens of both fields, special tokens not counted; null without a tokenizer."""
    columns = []
    for field in rows.FIELDS:
        n: list[int | None] = [None] * asked.height
        if tokenizer is not None:
            places = asked[field].is_not_null().arg_true()
            texts = asked[field].gather(places).to_list()
            for place, encoded in zip(places, tokenizer.encode_batch(texts, add_special_tokens=False), strict=True):
                n[place] = len(encoded.ids)
        columns.append(pl.Series(f"n_tokens_{field}", n, dtype=pl.Int64))
    return columns
