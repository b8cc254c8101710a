"""The corpus that `make test-train` writes, and a model of a few thousand weights with a tokenizer trained on it."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

from published import Published, open_published

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system turn') }}{% endif %}" + CHATML


torch.set_num_threads(1)  # a model this small is slower on two, and many times so on a busy machine


@pytest.fixture(scope="session")
def dist() -> Path:
    """The folder that the main environment's tests.exports.lessons wrote: this one cannot, it has no plugdata."""
    return Path(os.environ["TRAIN_DIST"])


@pytest.fixture(scope="session")
def published(dist: Path) -> Published:
    return open_published(dist)


@pytest.fixture(scope="session")
def tokenizer(published: Published) -> Any:
    """Bytes and some 500 merges: a row has some 80 tokens, and a rare character is several.

    Its template writes a newline after the token that ends a turn, as Qwen's does.
    """
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    texts = [turn["content"] for name in ("ko", "sw") for row in published.rows(name) for turn in row["messages"]]
    special = ["<pad>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        texts,
        trainers.BpeTrainer(vocab_size=800, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<|endoftext|>", pad_token="<pad>", additional_special_tokens=special[2:]
    )
    fast.chat_template = CHATML
    return fast


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> str:
    """A folder with a Llama of random weights, always the same ones."""
    set_seed(1)
    folder = str(tmp_path_factory.mktemp("model"))
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=512,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
        )
    ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
