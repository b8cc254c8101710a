"""A model fine-tuned on a published corpus, in OUTPUT, with what it was made of in OUTPUT/run.json.

    python train_ref/sft.py CONFIG.yaml [key=value ...]          e.g. data=org/plug configs=[ko,sw] train.seed=7
    accelerate launch --config_file train_ref/configs/fsdp.yaml train_ref/sft.py CONFIG.yaml [key=value ...]

Owns the training. The keys stand in settings.py, tokens.py says what the model reads and what gets loss, and TRL's
SFTTrainer does the rest.

- Rows are not packed by default: the paper did not pack, a batch of 64 would no longer be 64 rows, and without
  FlashAttention a row would see the rows before it. `packing: true` needs FlashAttention, and is refused without.
- run.json is written before the first step and again after the last, so that a run that was killed can be told from
  one that ended; `resume: true` goes on only with the same settings and the same bytes of data.
"""

import dataclasses
import importlib.metadata
import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from peft import LoraConfig
from transformers import AutoModelForCausalLM, set_seed
from transformers.trainer_utils import get_last_checkpoint
from transformers.utils import is_flash_attn_2_available
from trl import SFTConfig, SFTTrainer

from published import PublishedError, open_published
from settings import Settings, SettingsError, read
from tokens import load_rows, load_tokenizer, read_run, tell

PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")


def load_model(settings: Settings) -> Any:
    """The model: in bfloat16 if it stays as it is below LoRA; else in float32, as bf16 loses steps as small as 5e-6."""
    config = sft_config(settings)
    flash = is_flash_attn_2_available() and config.bf16
    if settings.packing and not flash:
        raise SettingsError("packing=true needs FlashAttention (pip install flash-attn) and bf16: rows would mix")
    try:
        return AutoModelForCausalLM.from_pretrained(
            settings.model,
            dtype=torch.bfloat16 if settings.lora is not None and config.bf16 else torch.float32,
            attn_implementation="flash_attention_2" if flash else "sdpa",
        )
    except (OSError, ValueError) as error:
        raise SettingsError(f"{settings.model}: cannot be loaded: {str(error).splitlines()[0]}") from error


def sft_config(settings: Settings) -> SFTConfig:
    """TRL's config: `train` of the settings, and accumulation that makes `batch` of so many processes."""
    at_once = settings.train.get("per_device_train_batch_size", 8) * PartialState().num_processes
    if settings.batch % at_once:
        raise SettingsError(f"batch {settings.batch} is no multiple of {at_once} rows at once on all processes")
    return SFTConfig(
        output_dir=settings.output,
        max_length=settings.max_length,
        packing=settings.packing,
        gradient_accumulation_steps=settings.batch // at_once,
        completion_only_loss=True,
        **settings.train,
    )


def make_trainer(settings: Settings, model: Any, tokenizer: Any, rows: Any, eval_rows: Any = None) -> SFTTrainer:
    """TRL's trainer, whose own dataset and collator say what gets loss."""
    args = sft_config(settings)
    args.eos_token = tokenizer.eos_token
    lora = LoraConfig(**settings.lora) if settings.lora is not None else None
    return SFTTrainer(
        model, args, train_dataset=rows, eval_dataset=eval_rows, processing_class=tokenizer, peft_config=lora
    )


def train(settings: Settings) -> None:
    """Train, and leave model, tokenizer and run.json in `output`."""
    PartialState(cpu=settings.train.get("use_cpu", False))  # the first call decides for all that follow
    set_seed(settings.train.get("seed", 42))
    published = open_published(settings.data, settings.revision)
    splits = [settings.split, *([settings.eval_split] if settings.eval_split else [])]
    run: dict[str, Any] = {
        "settings": dataclasses.asdict(settings) | {"resume": False},
        "data": {
            "where": published.where,
            "revision": published.revision,
            "sha256": {
                name: digest
                for config in settings.configs
                for split in splits
                for name, digest in published.sha256(config, split).items()
            },
        },
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
    }
    output = Path(settings.output)
    earlier = read_run(settings.output)
    if earlier and not settings.resume:
        raise SettingsError(f"{output} holds a run; resume=true goes on with it, or name another output")
    if "n_steps" in earlier:
        tell(f"{output}: ended already, after {earlier['n_steps']:,} steps")
        return
    for part in ("settings", "data") if earlier else ():
        for key, value in run[part].items():
            if key != "output" and earlier[part].get(key) != value:
                raise SettingsError(f"{output} was begun with {key} {earlier[part].get(key)!r}, not {value!r}")
    tokenizer = load_tokenizer(settings)
    loaded = {split: load_rows(settings, published, split, tokenizer) for split in splits}
    run["rows"] = {name: counted for rows in loaded.values() for name, counted in rows.counts.items()}
    eval_rows = loaded[settings.eval_split].tokens if settings.eval_split else None
    trainer = make_trainer(settings, load_model(settings), tokenizer, loaded[settings.split].tokens, eval_rows)
    checkpoint = get_last_checkpoint(settings.output) if earlier else None
    run["eval_loss_before"] = earlier.get("eval_loss_before")
    if eval_rows is not None and checkpoint is None:
        run["eval_loss_before"] = trainer.evaluate()["eval_loss"]
    _write(output / "run.json", run)
    done = trainer.train(resume_from_checkpoint=checkpoint)
    trainer.save_model()
    run |= {"n_steps": done.global_step, "train_loss": done.training_loss, "n_processes": PartialState().num_processes}
    if eval_rows is not None:
        run["eval_loss_after"] = trainer.evaluate()["eval_loss"]
    _write(output / "run.json", run)
    tell(f"{output}: {done.global_step:,} steps, loss {done.training_loss:.3f}")


def _write(path: Path, run: dict[str, Any]) -> None:
    if PartialState().is_main_process:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.new")
        new.write_text(json.dumps(run, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        os.replace(new, path)


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    try:
        train(read(sys.argv[1:]))
    except (PublishedError, SettingsError) as error:
        sys.exit(f"sft.py: {error}")
    PartialState().destroy_process_group()  # or a process of several may die of its threads on the way out
