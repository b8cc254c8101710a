"""From published rows to tokens: what the model reads, what of it gets loss, and which rows are too long.

- Loss is on the assistant's text and the one token that ends its turn. TRL's own reading of prompt and completion also
  trains what a template writes after that token (Qwen's: a newline).
- The prompt's tokens are those that the model is given when it answers, even where tokens would merge across the edge.
- A row of more than `max_length` tokens is counted, told and left out, or ends the run; it is never cut.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import datasets
from accelerate import PartialState
from jinja2 import TemplateError
from transformers import AutoTokenizer

from published import Published
from settings import Settings, SettingsError

TULU = (  # what PLUG's train.py writes (arXiv 2311.08711)
    "{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] }}"
    "{{ eos_token if m['role'] == 'assistant' else '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)


def load_tokenizer(settings: Settings) -> Any:
    """The model's tokenizer with the chat template of the settings; its EOS ends the assistant's turn there."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(settings.model)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{settings.model}: no tokenizer: {str(error).splitlines()[0]}") from error
    if settings.template == "tulu":
        adds_bos = tokenizer("").input_ids[:1] == [tokenizer.bos_token_id] != [tokenizer.eos_token_id]
        tokenizer.chat_template = ("{{ bos_token }}" if adds_bos else "") + TULU
    if tokenizer.chat_template is None:
        raise SettingsError(f"{settings.model} has no chat template; say template=tulu")
    answer = "0123456789"
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": answer}]
    end = tokenizer.apply_chat_template(turns, tokenize=False).rpartition(answer)[2].strip()
    if len(tokenizer(end, add_special_tokens=False).input_ids) == 1:  # else mere text, which stops no generation
        tokenizer.eos_token = end  # an instruct model's own may end the document, not the turn
    if tokenizer.eos_token is None:
        raise SettingsError(f"{settings.model} has no token that ends an answer")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    return tokenizer


def encode(row: dict[str, Any], tokenizer: Any, settings: Settings, published: Published) -> dict[str, Any]:
    """The row's tokens, and which of them get loss: those of the assistant's text and EOS."""
    *before, answer = row["messages"]
    if answer["role"] != "assistant":
        raise SettingsError(f"row {row['id']} has no assistant's turn: there is nothing to learn in its config")
    line = before[0]["content"] if before[0]["role"] == "system" else ""
    if line and settings.system == "inline":
        before = [{"role": "user", "content": f"{line}\n\n{before[1]['content']}"}]
    try:
        prompt = tokenizer.apply_chat_template(before, tokenize=False, add_generation_prompt=True)
    except TemplateError as error:
        raise SettingsError(f"{settings.model}'s chat template refuses a row ({error}); try system=inline") from error
    if line not in prompt:
        raise SettingsError(f"{settings.model}'s chat template leaves the system turn out; say system=inline")
    completion = answer["content"] + tokenizer.eos_token
    ids = tokenizer(prompt, add_special_tokens=False).input_ids
    whole = tokenizer(prompt + completion, add_special_tokens=False).input_ids
    if whole[: len(ids)] != ids:
        whole = ids + tokenizer(completion, add_special_tokens=False).input_ids
    return {
        "input_ids": whole,
        "completion_mask": [0] * len(ids) + [1] * (len(whole) - len(ids)),
        "n_tokens": len(whole),
        "n_loss_tokens": len(whole) - len(ids),
        "fits_layout": published.extract(answer["content"], row["template"], row["lang"]) is not None,
    }


def tokenized(rows: datasets.Dataset, tokenizer: Any, settings: Settings, published: Published) -> datasets.Dataset:
    """The columns of `encode`, and id and lang, of every row."""
    with PartialState().main_process_first():  # one process tokenizes, the others read its cache
        return rows.map(
            encode,
            fn_kwargs={"tokenizer": tokenizer, "settings": settings, "published": published},
            remove_columns=[name for name in rows.column_names if name not in ("id", "lang")],
            num_proc=settings.train.get("dataset_num_proc"),
            desc="tokenizing",
        )


class Rows(NamedTuple):
    """Tokenized rows, and by CONFIG/SPLIT what was counted: rows, tokens, and (lang, id) of each that is too long."""

    tokens: Any
    counts: dict[str, dict[str, Any]]


def load_rows(settings: Settings, published: Published, split: str, tokenizer: Any) -> Rows:
    """The rows of all configs that are short enough, in the order of the files.

    Raises SettingsError if a row is too long under `too_long: fail` or not of its layout, or no row is left.
    """
    gone = set()
    if settings.leave_out:
        other = read_run(settings.leave_out)
        if not other:
            raise SettingsError(f"leave_out: {settings.leave_out} has no run.json")
        gone = {tuple(name) for counted in other["rows"].values() for name in counted["too_long"]}
    parts, counts = [], {}
    for config in settings.configs:
        rows = tokenized(published.rows(config, split), tokenizer, settings, published)
        seen = rows.remove_columns(["input_ids", "completion_mask"]).to_dict()
        names = list(zip(seen["lang"], seen["id"], strict=True))
        if not all(seen["fits_layout"]):
            raise SettingsError(
                f"{config}: the answer of {names[seen['fits_layout'].index(False)]} is not of its layout"
            )
        too_long = [name for name, n in zip(names, seen["n_tokens"], strict=True) if n > settings.max_length]
        out = gone.union(too_long)
        kept = [n for n, name in enumerate(names) if name not in out]
        counts[f"{config}/{split}"] = {
            "n_rows": len(names),
            "n_used": len(kept),
            "n_too_long": len(too_long),
            "n_tokens": sum(seen["n_tokens"][n] for n in kept),
            "n_loss_tokens": sum(seen["n_loss_tokens"][n] for n in kept),
            "longest": max(seen["n_tokens"], default=0),
            "too_long": too_long,
        }
        tell(
            f"{config}/{split}: {len(names):,} rows, {len(too_long):,} of more than {settings.max_length:,} tokens "
            f"(the longest has {max(seen['n_tokens'], default=0):,}), {len(kept):,} used"
        )
        if too_long and settings.too_long == "fail":
            raise SettingsError(f"{config}: {len(too_long):,} rows are too long; raise max_length or say too_long=drop")
        if not kept:
            raise SettingsError(f"{settings.data}: config {config!r} has no row to use in {split!r}")
        parts.append(rows.select(kept).select_columns(["input_ids", "completion_mask"]))
    return Rows(datasets.concatenate_datasets(parts), counts)


def read_run(output: str) -> dict[str, Any]:
    """What run.json of a run's output says; {} where there is none."""
    path = Path(output, "run.json")
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def tell(line: str) -> None:
    """Print it once, however many processes train."""
    if PartialState().is_main_process:
        print(line, flush=True)
