"""One row as the model is trained on it: its tokens, those that get loss in colour.

    python train_ref/mask_view.py org/plug --config ko --row 0 --model Qwen/Qwen2.5-1.5B-Instruct
    python train_ref/mask_view.py dist --config ko --config-file train_ref/configs/paper-13b.yaml --html mask.html

Owns the picture alone. What gets loss is read from the data set and the collator of the very trainer that sft.py makes,
with a model of random weights in place of yours: none is loaded.
"""

import argparse
import dataclasses
import html
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from transformers import LlamaConfig, LlamaForCausalLM

from published import PublishedError, open_published
from settings import Settings, SettingsError, read
from sft import make_trainer
from tokens import load_tokenizer, tokenized

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>
:root {{ color-scheme: light dark }} body {{ font: 1rem/1.7 system-ui; margin: 2rem auto; max-width: 60rem }}
pre {{ font: inherit; white-space: pre-wrap; overflow-wrap: anywhere }} span {{ border-right: 1px solid #8886 }}
.loss {{ background: light-dark(#bdf0c8, #14532d) }}
</style><h1>{title}</h1><p>{summary} <span class="loss">Coloured</span> tokens get loss.</p><pre dir="auto">{row}</pre>
"""


class Piece(NamedTuple):
    """The shortest run of tokens that is whole characters, and whether it gets loss."""

    text: str
    ids: tuple[int, ...]
    has_loss: bool


def pieces(settings: Settings, config: str, row: int) -> list[Piece]:
    """The row's tokens in order, as the trainer has them. Raises PublishedError, SettingsError."""
    published = open_published(settings.data, settings.revision)
    rows = published.rows(config, settings.split)
    if not 0 <= row < len(rows):
        raise SettingsError(f"{config} has {len(rows):,} rows in {settings.split!r}: 0 is the first; got {row}")
    tokenizer = load_tokenizer(settings)
    encoded = tokenized(rows.select([row]), tokenizer, settings, published)
    tiny = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=8,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=1,
            num_key_value_heads=1,
        )
    )
    with tempfile.TemporaryDirectory() as output:
        shown = dataclasses.replace(
            settings,
            output=output,
            max_length=max(settings.max_length, encoded[0]["n_tokens"]),
            packing=False,  # as a row that is alone
            batch=1,
            lora=None,
            train={"per_device_train_batch_size": 1, "use_cpu": True, "bf16": False, "report_to": "none"},
        )
        trainer = make_trainer(shown, tiny, tokenizer, encoded.select_columns(["input_ids", "completion_mask"]))
        batch: Any = trainer.data_collator([trainer.train_dataset[0]])
    found: list[Piece] = []
    held: list[int] = []
    pairs = list(zip(batch["input_ids"][0].tolist(), batch["labels"][0].tolist(), strict=True))
    for n, (token, label) in enumerate(pairs):
        held.append(token)
        text = tokenizer.decode(held)
        ends = n + 1 == len(pairs) or (pairs[n + 1][1] == -100) != (label == -100)
        if ends or not text.endswith("\ufffd"):  # else a character goes on in the next token
            found.append(Piece(text, tuple(held), label != -100))
            held = []
    return found


def in_terminal(found: list[Piece]) -> str:
    """The text with the tokens that get loss on green, a faint bar after each; control characters are spelt out."""
    shown = []
    for piece in found:
        text = "".join(c if c == "\n" or c.isprintable() else c.encode("unicode_escape").decode() for c in piece.text)
        colour, plain = ("\x1b[30;42m", "\x1b[0m") if piece.has_loss else ("", "")
        shown.append("\n".join(f"{colour}{line}{plain}" for line in text.split("\n")) + "\x1b[2m|\x1b[0m")
    return "".join(shown)


def in_html(found: list[Piece], title: str, summary: str) -> str:
    """A page that needs no network; each token's number is its tooltip."""
    row = "".join(
        f'<span{" class=loss" if piece.has_loss else ""} title="{" ".join(map(str, piece.ids))}">'
        f"{html.escape(piece.text)}</span>"
        for piece in found
    )
    return PAGE.format(title=html.escape(title), summary=html.escape(summary), row=row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("where", help="Hub id or dist/")
    parser.add_argument("--config", required=True, help="as ko or ko-mono")
    parser.add_argument("--row", type=int, default=0, help="counted from 0")
    parser.add_argument("--config-file", help="a config of sft.py; what is said here wins")
    parser.add_argument("--model", help="Hub id or folder; only its tokenizer is loaded")
    parser.add_argument("--template", choices=["model", "tulu"])
    parser.add_argument("--system", choices=["turn", "inline"])
    parser.add_argument("--split")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page too")
    given = parser.parse_args()
    words = {"data": given.where, "configs": f"[{given.config}]", "output": "."}
    words |= {key: getattr(given, key) for key in ("model", "template", "system", "split")}
    said = [f"{key}={value}" for key, value in words.items() if value is not None]
    try:
        settings = read([given.config_file or os.devnull, *said])
        found = pieces(settings, given.config, given.row)
    except (PublishedError, SettingsError) as error:
        sys.exit(f"mask_view.py: {error}")
    n, n_loss = (sum(len(piece.ids) for piece in found if piece.has_loss in of) for of in ((True, False), (True,)))
    summary = f"{n:,} tokens, {n_loss:,} with loss."
    if n > settings.max_length:
        summary += f" More than {settings.max_length:,}: this row is left out of training."
    print(in_terminal(found), f"\n{summary}")
    if given.html:
        given.html.write_text(in_html(found, f"{given.config}, row {given.row}", summary), encoding="utf-8")


if __name__ == "__main__":
    main()
