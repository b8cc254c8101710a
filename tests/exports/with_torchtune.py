"""torchtune reads the export for it: python -m tests.exports.with_torchtune DIR (of tests.exports.made).

Its own config loader builds the data sets of torchtune.yaml, its own Qwen2 tokenizer, with bytes for a vocabulary, sets
the masks, and its own collater pads.
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from torchtune import config
from torchtune.data import padded_collate_sft
from torchtune.models.qwen2 import Qwen2Tokenizer
from torchtune.models.qwen2._tokenizer import bytes_to_unicode

from tests.exports import seen

SPECIAL = {"<|endoftext|>": 256, "<|im_start|>": 257, "<|im_end|>": 258}


def tokenizer(max_seq_len: int | None = None) -> Any:
    """A token for each byte and special token, in the chat format of Qwen2."""
    folder = Path(tempfile.mkdtemp())
    (folder / "vocab.json").write_text(json.dumps({char: byte for byte, char in bytes_to_unicode().items()}))
    (folder / "merges.txt").write_text("")
    return Qwen2Tokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), SPECIAL, max_seq_len)


def losses(tokens: Any) -> list[tuple[str, str]]:
    """Of each row of torchtune.yaml all text, and that which gets loss."""
    found = []
    for entry in OmegaConf.load("torchtune.yaml").dataset:
        for row in config.instantiate(entry, tokens):
            batch = padded_collate_sft([row], padding_idx=0)
            ids, labels = batch["tokens"][0].tolist(), batch["labels"][0].tolist()
            found.append((tokens.decode(ids), seen.with_loss(tokens.decode, ids, labels)))
    return found


def main(folder: Path) -> None:
    for name in ("torchtune", "torchtune-inline"):
        rows = seen.said(folder / name)
        assert len(rows) == 6
        os.chdir(folder / name)
        for (line, user, answer), (whole, loss) in zip(rows, losses(tokenizer()), strict=True):
            # the mark that opens the assistant's turn gets loss too, here
            assert loss == f"<|im_start|>assistant\n{answer}<|im_end|>"
            assert line in whole and user in whole
        print(f"{name}: loss on the assistant's turn alone")
    cut = losses(tokenizer(max_seq_len=200))
    assert all(answer not in loss for (_, _, answer), (_, loss) in zip(rows, cut, strict=True))
    print("as warned: a long row loses its end")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
