"""What a row looks like to each trainer: its record, and what the trainer does with it.

Owns the formats (`FORMATS`). Pure. Must not know files, nor the configs of trainers (snippets.py).

A row is one system turn (or none), one user turn and one assistant turn, whatever its layout; so one line here is all
that a format adds. What is said of loss and long rows was read in the trainers' documentation and code, and, where
tests/exports/ has a script for the trainer, seen in what its own loader makes of an export.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from plugdata.errors import ContractError

Record = dict[str, Any]
"""A line of JSON, to be written as it is."""

System = Literal["turn", "inline"]


class Chat(NamedTuple):
    """The turns of a row. `system` "": it has none."""

    system: str
    user: str
    assistant: str

    @property
    def turns(self) -> list[tuple[str, str]]:
        """Role and text of each turn, in the order in which they are said."""
        system = [("system", self.system)] if self.system else []
        return [*system, ("user", self.user), ("assistant", self.assistant)]


@dataclass(frozen=True)
class Format:
    """How one trainer reads rows. The texts stand in the README of an export."""

    record: Callable[[str, Chat], Record]  # of an id and its turns
    shape: str  # of a record
    loss: str  # which tokens get loss with the config beside the data
    long: str  # what becomes of a row that is longer than the config allows
    command: str  # run in the folder of the export
    pitfalls: tuple[str, ...] = ()
    before: str = "Name your model in the config (`YOUR/MODEL`), then, in this folder:"  # the command


def chat(messages: Sequence[dict[str, str]], system: System) -> Chat:
    """The turns of a row of a published corpus; with `inline` the system's line opens the user's turn.

    Raises ContractError for turns of another order: no format below could hold them.
    """
    roles = [message["role"] for message in messages]
    texts = [message["content"] for message in messages]
    if roles == ["user", "assistant"]:
        texts = ["", *texts]
    elif roles != ["system", "user", "assistant"]:
        raise ContractError(f"a row has the turns {roles}", "a trainer needs a user's turn and an assistant's")
    line, user, assistant = texts
    if system == "inline" and line:
        return Chat("", f"{line}\n\n{user}", assistant)
    return Chat(line, user, assistant)


def _spoken(turns: Sequence[tuple[str, str]], role: str = "role", content: str = "content") -> list[dict[str, str]]:
    return [{role: who, content: text} for who, text in turns]


def _messages(id: str, row: Chat) -> Record:
    return {"id": id, "messages": _spoken(row.turns)}


def _trl(id: str, row: Chat) -> Record:
    return {"id": id, "prompt": _spoken(row.turns[:-1]), "completion": _spoken(row.turns[-1:])}


def _openai(id: str, row: Chat) -> Record:
    return {"messages": _spoken(row.turns)}  # no other key may stand in a record


def _sharegpt(id: str, row: Chat) -> Record:
    names = {"system": "system", "user": "human", "assistant": "gpt"}
    return {"id": id, "conversations": _spoken([(names[who], text) for who, text in row.turns], "from", "value")}


def _alpaca(id: str, row: Chat) -> Record:
    return {"id": id, "instruction": row.user, "input": "", "output": row.assistant, "system": row.system}


_FACTORY = {
    "long": "is cut at `cutoff_len`, prompt and answer in proportion, without a word. The answer's end, which is in "
    "the target language, goes first.",
    "command": "llamafactory-cli train llama_factory.yaml",
}
_FACTORY_PITFALLS = (
    "Rows whose turns are out of order are skipped with a warning only. None of these are.",
    "A template of a reasoning model puts an empty thought before each answer: into the prompt, where it gets no loss, "
    "with `enable_thinking: false` as the config has it.",
)

FORMATS: dict[str, Format] = {
    "trl": Format(
        _trl,
        "`prompt` (system and user turn) and `completion` (assistant turn), each a list of `role` and `content`",
        "The completion: the assistant's turn with the token that ends it. System and user turn get none, whatever the "
        "chat template.",
        "is cut at `max_length` (1,024 unless set) from its end, which is the answer in the target language.",
        "trl sft --config trl.yaml",
    ),
    "messages": Format(
        _messages,
        "`messages`: a list of `role` and `content`",
        "The assistant's turn, by `assistant_only_loss`. It wants a chat template that marks that turn with "
        "`{% generation %}`; TRL has such templates for well-known models and refuses others. The format `trl` needs "
        "none.",
        "is cut at `max_length` (1,024 unless set) from its end, which is the answer in the target language.",
        "trl sft --config trl.yaml",
        ("Without `assistant_only_loss` every token gets loss, the user's too.",),
    ),
    "axolotl": Format(
        _messages,
        "`messages`: a list of `role` and `content`",
        "The assistant's turn with the token that ends it (`roles_to_train`, `train_on_eos: turn`).",
        "stops the run by `excess_length_strategy: raise` as the config has it. Axolotl's own default drops such rows "
        "without a word; `truncate` cuts the answer's end.",
        "axolotl train axolotl.yaml",
        ("`axolotl preprocess axolotl.yaml --debug` shows each token with its label: look at it once for your model.",),
    ),
    "llama-factory": Format(
        _messages,
        "`messages`: a list of `role` and `content`; `dataset_info.json` tells LLaMA-Factory so",
        "The assistant's turn with the token that ends it (`train_on_prompt: false`).",
        **_FACTORY,
        pitfalls=_FACTORY_PITFALLS,
    ),
    "torchtune": Format(
        _messages,
        "`messages`: a list of `role` and `content`",
        "The assistant's turn with the tokens that open and end it (`train_on_input: false`).",
        "is cut at the tokenizer's `max_seq_len` from its end, which is the answer in the target language; left out, "
        "nothing is cut.",
        "tune run lora_finetune_single_device --config my.yaml",
        before="`torchtune.yaml` is the part of a recipe's config that names the data: `tune cp CONFIG my.yaml`, put "
        "it in place of `dataset:` there, then, in this folder:",
    ),
    "openai": Format(
        _openai,
        "`messages`: a list of `role` and `content`, and no other key, so that ids are left out: rows are in the order "
        "of their ids, as in the corpus",
        "The assistant's turn.",
        "is cut at the model's own limit, from its end, which is the answer in the target language.",
        "python finetune.py MODEL",
        ("A file needs 10 lines or more.",),
        "With `OPENAI_API_KEY` set, in this folder:",
    ),
    "sharegpt": Format(
        _sharegpt,
        "`conversations`: a list of `from` (`system`, `human`, `gpt`) and `value`; `dataset_info.json` tells "
        "LLaMA-Factory so, others know it by name",
        "In LLaMA-Factory, for which the config is: the turn of `gpt` with the token that ends it.",
        **_FACTORY,
        pitfalls=_FACTORY_PITFALLS,
    ),
    "alpaca": Format(
        _alpaca,
        "`instruction`, `input` (always empty: it is part of the instruction), `output`, `system` (empty where there "
        "is none); `dataset_info.json` tells LLaMA-Factory so, others know it by name",
        "In LLaMA-Factory, for which the config is: `output` with the token that ends it.",
        **_FACTORY,
        pitfalls=(
            "Many readers of this format pass over `system` and lay a template of their own around `instruction`. "
            "`--system inline` leaves nothing to pass over.",
        ),
    ),
}
