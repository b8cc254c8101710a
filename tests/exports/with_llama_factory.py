"""LLaMA-Factory reads the exports for it: python -m tests.exports.with_llama_factory DIR (of tests.exports.made).

Its own parser reads llama_factory.yaml and dataset_info.json, its own loader tokenizes, its own command trains.
"""

import os
import sys
import tempfile
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any

import yaml

from tests.exports import seen, tiny

try:
    import torchaudio  # noqa: F401
except (ImportError, OSError):  # the registry has no build for torch's own CPU build; no row here has a sound
    sys.modules["torchaudio"] = module_from_spec(ModuleSpec("torchaudio", None))

from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
from llamafactory.hparams import get_train_args
from llamafactory.model import load_tokenizer
from llamafactory.train.tuner import run_exp


def settings(model: str, **others: Any) -> dict[str, Any]:
    """llama_factory.yaml of this folder, with a tiny model in place of yours."""
    asked = yaml.safe_load(Path("llama_factory.yaml").read_text(encoding="utf-8"))
    assert asked["model_name_or_path"] == "YOUR/MODEL"
    ours = {"model_name_or_path": model, "output_dir": tempfile.mkdtemp(), "overwrite_cache": True}
    ours |= {"max_steps": 2, "use_cpu": True, "report_to": "none", "save_strategy": "no", "disable_tqdm": True}
    return {**asked, **ours, **others}


def losses(asked: dict[str, Any]) -> list[tuple[str, str]]:
    """Of each row all text, and that which gets loss."""
    model_args, data_args, training_args, _, _ = get_train_args(dict(asked))
    module = load_tokenizer(model_args)
    template = get_template_and_fix_tokenizer(module["tokenizer"], data_args)
    data = get_dataset(template, model_args, data_args, training_args, stage="sft", **module)["train_dataset"]
    tokens = module["tokenizer"]
    return [
        (tokens.decode(row["input_ids"]), seen.with_loss(tokens.decode, row["input_ids"], row["labels"]))
        for row in data
    ]


def main(folder: Path) -> None:
    model = tempfile.mkdtemp()
    tiny.model().save_pretrained(model)
    tiny.tokenizer().save_pretrained(model)
    for system in ("", "-inline"):
        rows = seen.said(folder / f"llama-factory{system}")
        assert len(rows) == 6
        for name in ("llama-factory", "sharegpt", "alpaca"):
            os.chdir(folder / f"{name}{system}")
            found = losses(settings(model))
            assert [loss.removesuffix("\n") for _, loss in found] == [f"{row[2]}<|im_end|>" for row in rows]
            for (line, user, _), (whole, _) in zip(rows, found, strict=True):
                assert user in whole and line in whole
                assert "detailed thinking" not in whole
            run_exp(settings(model))
            print(f"{name}{system}: loss on the assistant's turn alone, 2 steps")

    # what docs/training.md warns of is so
    os.chdir(folder / "llama-factory")
    cut = losses(settings(model, cutoff_len=200))
    assert len(cut) == 6 and any(not loss.endswith("<|im_end|>\n") for _, loss in cut)
    print("as warned: a long row is cut without a word")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
