"""The config of a trainer that trains on an export, beside its data: what the data needs said, and what must be named.

Owns these files. Pure. Must not know rows. Everything about data and loss is written out, defaults too, since a
default that moves would move the loss; learning rates and the like are left to the trainer, and to you. Paths are
relative to the export's folder.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml

SEQUENCE = 4_096
"""Tokens of a row that the configs allow: where the paper's own training cut (its train.py). A row of the layout
`plug` has two to three times the tokens of a plain one, so that trainers' own 512 to 2,048 cut many."""

MODEL = "YOUR/MODEL"

Files = Mapping[str, Sequence[str]]
"""Split → the paths of its data files."""


def configs(format: str, files: Files) -> dict[str, str]:
    """File name → text, for a format of formats.FORMATS. What is trained on is the split `train`, else the only one;
    `validation` is what is evaluated on, where the trainer's config has a place for it."""
    return _MAKERS[format](files)


def _train(files: Files) -> Sequence[str]:
    return files.get("train") or next(iter(files.values()))


def _held_out(files: Files) -> Sequence[str]:
    return files.get("validation", ()) if "train" in files else ()


def _yaml(head: str, content: Mapping[str, Any]) -> str:
    lines = "".join(f"# {line}\n" for line in head.splitlines())
    return lines + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=False)


def _trl(files: Files, **loss: bool) -> dict[str, str]:
    content = {
        "model_name_or_path": MODEL,
        "datasets": [{"path": "json", "data_files": path, "split": "train"} for path in _train(files)],
        "max_length": SEQUENCE,
        **loss,
        "output_dir": "output",
    }
    return {"trl.yaml": _yaml("trl sft --config trl.yaml", content)}


def _axolotl(files: Files) -> dict[str, str]:
    def entry(path: str) -> dict[str, Any]:
        return {
            "path": path,
            "ds_type": "json",
            "type": "chat_template",
            "field_messages": "messages",
            "message_property_mappings": {"role": "role", "content": "content"},
            "roles_to_train": ["assistant"],
            "train_on_eos": "turn",
        }

    held_out = [{**entry(path), "split": "train"} for path in _held_out(files)]  # a file's only split has this name
    content = {
        "base_model": MODEL,
        "chat_template": "tokenizer_default",
        "datasets": [entry(path) for path in _train(files)],
        **({"test_datasets": held_out} if held_out else {}),
        "train_on_inputs": False,
        "sequence_len": SEQUENCE,
        "excess_length_strategy": "raise",
        "output_dir": "output",
        "micro_batch_size": 1,
        "gradient_accumulation_steps": 8,
        "num_epochs": 1,
        "learning_rate": 0.00002,
    }
    head = "axolotl train axolotl.yaml\nA row longer than sequence_len stops the run; axolotl's default drops it."
    return {"axolotl.yaml": _yaml(head, content)}


def _factory(files: Files, how: Mapping[str, Any]) -> dict[str, str]:
    def names(paths: Sequence[str]) -> str:
        return ",".join(_name(path) for path in paths)

    info = {_name(path): {"file_name": path, **how} for paths in files.values() for path in paths}
    held_out = _held_out(files)
    content = {
        "model_name_or_path": MODEL,
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora",
        "dataset_dir": ".",
        "dataset": names(_train(files)),
        **({"eval_dataset": names(held_out)} if held_out else {}),
        "cutoff_len": SEQUENCE,
        "train_on_prompt": False,
        "enable_thinking": False,
        "output_dir": "output",
    }
    head = "llamafactory-cli train llama_factory.yaml\nWithout `template` the tokenizer's own chat template is used."
    return {
        "dataset_info.json": json.dumps(info, ensure_ascii=False, indent=2) + "\n",
        "llama_factory.yaml": _yaml(head, content),
    }


def _name(path: str) -> str:
    return path.removesuffix(".jsonl").replace("/", "-")


def _torchtune(files: Files) -> dict[str, str]:
    def entry(path: str) -> dict[str, Any]:
        return {
            "_component_": "torchtune.datasets.chat_dataset",
            "source": "json",
            "data_files": path,
            "split": "train",
            "conversation_column": "messages",
            "conversation_style": "openai",
            "train_on_input": False,
        }

    entries = [entry(path) for path in _train(files)]
    head = (
        "Put this in place of `dataset:` in a config of yours (tune cp CONFIG my.yaml),\n"
        f"and let its tokenizer have `max_seq_len: {SEQUENCE}` or more."
    )
    return {"torchtune.yaml": _yaml(head, {"dataset": entries[0] if len(entries) == 1 else entries})}


def _openai(files: Files) -> dict[str, str]:
    return {"finetune.py": _FINETUNE.format(train=list(_train(files)), validation=list(_held_out(files)))}


_FINETUNE = '''\
"""Start a fine-tuning job: python finetune.py MODEL (with OPENAI_API_KEY set). Prints its id. It costs money."""

import sys
from pathlib import Path

from openai import OpenAI

TRAIN = {train}
VALIDATION = {validation}


def upload(client, name, paths):
    """The id of one file made of several: a job takes one for each purpose."""
    content = b"".join((Path(__file__).parent / path).read_bytes() for path in paths)
    return client.files.create(file=(name, content), purpose="fine-tune").id


client = OpenAI()
files = {{"training_file": upload(client, "train.jsonl", TRAIN)}}
if VALIDATION:
    files["validation_file"] = upload(client, "validation.jsonl", VALIDATION)
print(client.fine_tuning.jobs.create(model=sys.argv[1], method={{"type": "supervised"}}, **files).id)
'''

_SPOKEN = {
    "formatting": "sharegpt",  # `openai` exists too, and adds words of its own to the system's line
    "columns": {"messages": "messages"},
    "tags": {
        "role_tag": "role",
        "content_tag": "content",
        "user_tag": "user",
        "assistant_tag": "assistant",
        "system_tag": "system",
    },
}
_SHAREGPT = {
    "formatting": "sharegpt",
    "columns": {"messages": "conversations"},
    "tags": {
        "role_tag": "from",
        "content_tag": "value",
        "user_tag": "human",
        "assistant_tag": "gpt",
        "system_tag": "system",
    },
}
_ALPACA = {
    "formatting": "alpaca",
    "columns": {"prompt": "instruction", "query": "input", "response": "output", "system": "system"},
}

_MAKERS: dict[str, Callable[[Files], dict[str, str]]] = {
    "trl": lambda files: _trl(files, completion_only_loss=True),
    "messages": lambda files: _trl(files, assistant_only_loss=True),
    "axolotl": _axolotl,
    "llama-factory": lambda files: _factory(files, _SPOKEN),
    "torchtune": _torchtune,
    "openai": _openai,
    "sharegpt": lambda files: _factory(files, _SHAREGPT),
    "alpaca": lambda files: _factory(files, _ALPACA),
}
