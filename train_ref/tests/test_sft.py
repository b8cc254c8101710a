"""Training end to end: a model of random weights learns the structure, a run can be resumed, and nothing is cut."""

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from published import Published, PublishedError
from settings import Settings, SettingsError, read
from sft import train

ROOT = Path(__file__).parents[1]
CPU = {
    "use_cpu": True,
    "bf16": False,
    "report_to": "none",
    "activation_checkpointing": False,
    "per_device_train_batch_size": 16,
    "disable_tqdm": True,
    "save_strategy": "no",
}


def settings(model: str, dist: Path, output: Path, train: dict[str, Any], **given: Any) -> Settings:
    words = {
        "model": model,
        "data": str(dist),
        "configs": ["ko"],
        "output": str(output),
        "max_length": 512,
        "batch": 16,
    }
    return Settings(**{**words, **given, "train": {**CPU, **train}})


def run_json(output: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((output / "run.json").read_text(encoding="utf-8"))
    return found


def weights(output: Path, name: str = "model.safetensors") -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(output / name)
    return found


def share_extracted(folder: str, published: Published, configs: list[str]) -> float:
    """Of the rows of these configs, how many are answered in the structure of their layout (greedy, 160 tokens)."""
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(folder)
    found = []
    for config in configs:
        rows = published.rows(config)
        asked = [row["messages"][:-1] for row in rows]
        batch = tokenizer.apply_chat_template(
            asked, add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True
        )
        ids = model.generate(**batch, max_new_tokens=160, do_sample=False)[:, batch["input_ids"].shape[1] :]
        texts = tokenizer.batch_decode(ids, skip_special_tokens=True)
        found += [
            published.extract(text, row["template"], row["lang"]) is not None
            for text, row in zip(texts, rows, strict=True)
        ]
    return sum(found) / len(found)


def test_a_model_of_random_weights_learns_the_structure(
    model: str, dist: Path, published: Published, tmp_path: Path
) -> None:
    steps = {"max_steps": 150, "learning_rate": 3e-3, "warmup_steps": 20}
    assert share_extracted(model, published, ["ko", "sw"]) == 0
    train(settings(model, dist, tmp_path / "run", steps, configs=["ko", "sw"], eval_split="validation"))
    assert share_extracted(str(tmp_path / "run"), published, ["ko", "sw"]) >= 0.95

    run = run_json(tmp_path / "run")
    assert run["eval_loss_after"] < run["eval_loss_before"] / 2 and run["n_steps"] == 150
    read_files = [
        f"{lang}/{split}-00000-of-00001.parquet" for lang in ("ko", "sw") for split in ("train", "validation")
    ]
    assert run["data"] == {
        "where": str(dist),
        "revision": None,
        "sha256": {name: hashlib.sha256((dist / name).read_bytes()).hexdigest() for name in read_files},
    }
    assert run["versions"]["torch"] == importlib.metadata.version("torch")
    assert run["settings"]["train"]["learning_rate"] == 3e-3 and run["settings"]["configs"] == ["ko", "sw"]
    counted = run["rows"]["sw/train"]
    assert (counted["n_rows"], counted["n_used"], counted["n_too_long"]) == (55, 55, 0)
    assert 0 < counted["n_loss_tokens"] < counted["n_tokens"]
    # what generates with the folder stops where an answer ends
    assert AutoTokenizer.from_pretrained(tmp_path / "run").eos_token == "<|im_end|>"


@pytest.fixture(scope="module")
def short(model: str, dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 6 steps with a checkpoint after the third."""
    output = tmp_path_factory.mktemp("short") / "run"
    train(settings(model, dist, output, SHORT))
    return output


SHORT = {"max_steps": 6, "save_steps": 3, "save_strategy": "steps", "learning_rate": 1e-3}


def killed(short: Path, output: Path) -> Path:
    """What a kill after the checkpoint leaves."""
    shutil.copytree(short / "checkpoint-3", output / "checkpoint-3")
    run = {key: value for key, value in run_json(short).items() if key in ("settings", "data", "versions", "rows")}
    (output / "run.json").write_text(json.dumps(run))
    return output


def test_a_resumed_run_has_the_weights_of_one_that_was_not_killed(
    short: Path, model: str, dist: Path, tmp_path: Path
) -> None:
    output = killed(short, tmp_path / "killed")
    train(settings(model, dist, output, SHORT, resume=True))
    whole, resumed, untrained = weights(short), weights(output), weights(Path(model))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole), "not the same to the last bit"
    assert any(not torch.equal(whole[name], untrained[name]) for name in whole)
    assert run_json(output)["n_steps"] == 6


def test_a_run_is_neither_overwritten_nor_mixed_with_another(
    short: Path, model: str, dist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SettingsError, match="holds a run; resume=true goes on with it"):
        train(settings(model, dist, short, SHORT))
    train(settings(model, dist, short, SHORT, resume=True))
    assert "ended already, after 6 steps" in capsys.readouterr().out
    output = killed(short, tmp_path / "killed")
    with pytest.raises(SettingsError, match="was begun with batch 16, not 32"):
        train(settings(model, dist, output, SHORT, resume=True, batch=32))
    other = shutil.copytree(dist, tmp_path / "dist")
    shutil.copy(dist / "sw/train-00000-of-00001.parquet", other / "ko/train-00000-of-00001.parquet")
    run = run_json(output)
    run["settings"]["data"] = run["data"]["where"] = str(other)
    (output / "run.json").write_text(json.dumps(run))
    with pytest.raises(SettingsError, match="was begun with sha256"):
        train(settings(model, other, output, SHORT, resume=True))


def test_rows_that_are_too_long_are_told_and_left_out_of_the_matched_baseline_too(
    model: str, dist: Path, published: Published, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model)
    lengths = {
        row["id"]: len(tokenizer.apply_chat_template(row["messages"], return_dict=False)) - 1  # the last newline
        for row in published.rows("ko")
    }
    limit, one = sorted(lengths.values())[30], {"max_steps": 1}
    with pytest.raises(SettingsError, match="rows are too long; raise max_length or say too_long=drop"):
        train(settings(model, dist, tmp_path / "none", one, max_length=limit, too_long="fail"))
    train(settings(model, dist, tmp_path / "plug", one, max_length=limit))
    counted = run_json(tmp_path / "plug")["rows"]["ko/train"]
    long = {id for id, n in lengths.items() if n > limit}
    assert 0 < len(long) < 55 and {id for _, id in counted["too_long"]} == long
    assert (counted["n_too_long"], counted["n_used"]) == (len(long), 55 - len(long))
    assert counted["longest"] == max(lengths.values())
    assert counted["n_tokens"] == sum(n for n in lengths.values() if n <= limit)
    assert f"ko/train: 55 rows, {len(long)} of more than {limit} tokens" in capsys.readouterr().out

    train(settings(model, dist, tmp_path / "mono", one, max_length=limit, configs=["ko-mono"]))
    assert run_json(tmp_path / "mono")["rows"]["ko-mono/train"]["n_used"] == 55  # without it the two would not match
    matched = settings(
        model, dist, tmp_path / "fair", one, max_length=limit, configs=["ko-mono"], leave_out=str(tmp_path / "plug")
    )
    train(matched)
    assert run_json(tmp_path / "fair")["rows"]["ko-mono/train"]["n_used"] == 55 - len(long)


def test_lora_trains_an_adapter_and_leaves_the_model_as_it_is(model: str, dist: Path, tmp_path: Path) -> None:
    before = weights(Path(model))
    lora = {"r": 4, "target_modules": "all-linear"}
    train(settings(model, dist, tmp_path / "run", {"max_steps": 2, "learning_rate": 1e-2}, lora=lora))
    adapter = weights(tmp_path / "run", "adapter_model.safetensors")
    assert any(bool(value.any()) for name, value in adapter.items() if "lora_B" in name)  # zero until trained
    assert not (tmp_path / "run/model.safetensors").exists()
    assert all(torch.equal(before[name], value) for name, value in weights(Path(model)).items())


def test_two_processes_train_one_model_on_the_same_batch(model: str, dist: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"model": model, "data": str(dist.resolve()), "train": {**CPU, "max_steps": 2}}))
    launch = ["-m", "torch.distributed.run", "--nproc_per_node", "2"]  # what `accelerate launch` starts on GPUs
    words = ["configs=[ko]", f"output={tmp_path / 'run'}", "batch=16", "train.per_device_train_batch_size=4"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *launch, str(ROOT / "sft.py"), str(config), *words],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ko/train: 55 rows, 0 of more than 4,096 tokens") == 1
    run = run_json(tmp_path / "run")
    assert (run["n_processes"], run["n_steps"]) == (2, 2)
    train(settings(model, dist, tmp_path / "alone", {"max_steps": 2}))
    alone = weights(tmp_path / "alone")
    # sums in another order: float32 differs in its last digits, and Adam's first steps carry them over
    assert all(torch.allclose(alone[name], value, atol=1e-5) for name, value in weights(tmp_path / "run").items())


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"configs": ["fr"]}, "no config 'fr'; it has ko, "),
        ({"split": "test"}, "no split 'test'; it has train, validation"),
        ({"configs": ["ko-prompt"]}, "row b2:.* has no assistant's turn"),
        ({"data": "nowhere/at-all"}, "is no folder here, and the Hub does not give it"),
        ({"model": "nowhere/at-all"}, "nowhere/at-all: no tokenizer"),
        ({"packing": True}, "packing=true needs FlashAttention"),
        ({"batch": 24}, "batch 24 is no multiple of 16"),
        ({"leave_out": "nowhere"}, "nowhere has no run.json"),
    ],
)
def test_what_cannot_be_trained_is_told_before_the_first_step(
    model: str, dist: Path, tmp_path: Path, given: dict[str, Any], why: str
) -> None:
    with pytest.raises((SettingsError, PublishedError), match=why) as told:
        train(dataclasses.replace(settings(model, dist, tmp_path / "run", {}), **given))
    assert str(told.value).count("\n") < 2
    assert not (tmp_path / "run/run.json").exists()


WHOLE = ["model=m", "data=d", "configs=[ko]", "output=o"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (WHOLE[1:], "'model' is missing: say model=..."),
        ([*WHOLE, "tempalte=tulu"], "unknown key tempalte; did you mean template?"),
        ([*WHOLE, "train.learning_rat=1"], "unknown key train.learning_rat; did you mean train.learning_rate?"),
        ([*WHOLE, "lora.rank_patern=1"], "unknown key lora.rank_patern; did you mean lora.rank_pattern?"),
        ([*WHOLE, "train.max_length=7"], "train.max_length is not set there: the key 'max_length' decides it"),
        ([*WHOLE, "train=5"], "train: got 5; it holds keys"),
        ([*WHOLE, "template=chat"], "template: got 'chat'; it is one of model, tulu"),
        ([*WHOLE, "max_length=long"], "max_length: got 'long', which is no int"),
        ([*WHOLE, "configs=[no]"], r"configs: got \[False\]; name one or more, quoted"),
        ([*WHOLE, "configs=[]"], r"configs: got \[\]"),
        ([*WHOLE, "model"], "'model' is no key=value"),
        ([*WHOLE, "configs=[ko"], "cannot be read"),
    ],
)
def test_a_wrong_setting_is_told_with_what_would_be_right(tmp_path: Path, words: list[str], why: str) -> None:
    (tmp_path / "empty.yaml").write_text("")
    with pytest.raises(SettingsError, match=why):
        read([str(tmp_path / "empty.yaml"), *words])


def test_words_win_over_the_file_and_5e_6_is_a_number(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("model: m\nconfigs: ko\nlora: {r: 4}\ntrain: {learning_rate: 5e-6, seed: 1}\n")
    found = read([str(file), "data=d", "output=o", "train.seed=7", "model=other", "lora=null"])
    assert (found.model, found.configs, found.lora) == ("other", ["ko"], None)
    assert found.train == {"learning_rate": 5e-6, "seed": 7}


def test_every_config_that_is_shipped_is_read() -> None:
    found = {path.name for path in (ROOT / "configs").rglob("*.yaml")} - {"fsdp.yaml"}  # accelerate's
    assert found == {"paper-13b.yaml", "one-gpu.yaml", "cpu-smoke.yaml"}
    read_ones = {name: read([str(ROOT / "configs" / name), *WHOLE[1:]]) for name in found}
    paper = read_ones["paper-13b.yaml"]
    assert (paper.batch, paper.max_length, paper.template, paper.lora, paper.packing) == (64, 4096, "tulu", None, False)
    assert (paper.train["learning_rate"], paper.train["num_train_epochs"], paper.train["seed"]) == (5e-6, 4, 42)


def test_the_command_says_what_is_wrong_in_one_line_and_fails(dist: Path) -> None:
    words = [f"data={dist.resolve()}", "configs=[fr]", "output=o"]
    command = [sys.executable, str(ROOT / "sft.py"), str(ROOT / "configs/cpu-smoke.yaml"), *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("sft.py: ") and "no config 'fr'" in done.stderr
    assert "Traceback" not in done.stderr
