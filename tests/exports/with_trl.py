"""TRL reads the exports for it: python -m tests.exports.with_trl DIR (of tests.exports.made).

Its own parser reads trl.yaml, its own trainer tokenizes, collates and trains two steps.
"""

import math
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from trl import DatasetMixtureConfig, ModelConfig, ScriptArguments, SFTConfig, SFTTrainer, TrlParser, get_dataset

from tests.exports import seen, tiny


def trainer(template: str = tiny.CHATML, **settings: Any) -> Any:
    """TRL's trainer by trl.yaml of this folder, with a tiny model in place of yours."""
    parser = TrlParser((ScriptArguments, SFTConfig, ModelConfig, DatasetMixtureConfig))
    ours = {"output_dir": tempfile.mkdtemp(), "max_steps": 2, "use_cpu": True, "bf16": False, "report_to": "none"}
    ours |= {"save_strategy": "no", "disable_tqdm": True, **settings}
    given = [word for name, value in ours.items() for word in (f"--{name}", str(value))]
    _, args, model, mixture = parser.parse_args_and_config(["--config", "trl.yaml", *given])
    assert (model.model_name_or_path, args.max_length) == ("YOUR/MODEL", settings.get("max_length", 4096))
    data = get_dataset(mixture)["train"]
    return SFTTrainer(model=tiny.model(), args=args, train_dataset=data, processing_class=tiny.tokenizer(template))


def losses(made: Any) -> list[str]:
    """Of each row the text that gets loss."""
    found = []
    for row in made.train_dataset:
        batch = made.data_collator([row])
        found.append(
            seen.with_loss(made.processing_class.decode, batch["input_ids"][0].tolist(), batch["labels"][0].tolist())
        )
    return found


def only_the_assistant_gets_loss(**settings: Any) -> None:
    made, rows = trainer(**settings), seen.said(Path())
    assert len(rows) == 6
    # TRL's completion ends where the template does: with a newline after the token that ends the turn
    assert [text.removesuffix("\n") for text in losses(made)] == [f"{row[2]}<|im_end|>" for row in rows]
    whole = [made.processing_class.decode(row["input_ids"]) for row in made.train_dataset]
    assert all(system in text and user in text for (system, user, _), text in zip(rows, whole, strict=True))
    assert math.isfinite(made.train().training_loss)


def main(folder: Path) -> None:
    for name in ("trl", "trl-inline", "messages", "messages-inline"):
        os.chdir(folder / name)
        only_the_assistant_gets_loss()
        print(f"{name}: loss on the assistant's turn alone, 2 steps")
    os.chdir(folder / "trl-inline")
    only_the_assistant_gets_loss(template=tiny.NO_SYSTEM)
    print("trl-inline: trains with a template that refuses a system's turn")

    # what docs/training.md warns of is so
    os.chdir(folder / "trl")
    try:
        trainer(tiny.NO_SYSTEM)
    except Exception as error:  # whatever the template raises
        assert "System role not supported" in str(error)
    else:
        raise AssertionError("a template that refuses a system's turn took one")
    whole, cut = losses(trainer()), losses(trainer(max_length=200))
    assert any(len(short) < len(text) and text.startswith(short) for short, text in zip(cut, whole, strict=True))
    os.chdir(folder / "messages")
    assert all("<|im_start|>user" in text for text in losses(trainer(assistant_only_loss=False)))
    print("as warned: a long row loses its end; messages without assistant_only_loss train on the user's turn")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
