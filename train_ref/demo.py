"""RESULTS.md: a small real model before and after LoRA on a small corpus, for `plug` and for `mono`, on held-out rows.

    python train_ref/demo.py MODEL.gguf dist WORK train_ref/RESULTS.md [key=value ...]

Owns the experiment: which rows are held out, and the table. sft.py trains and generate.py answers, by their commands.
"""

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from published import open_published
from settings import read

HERE = Path(__file__).parent
EACH_NTH = 4  # row is held out: of so few rows enough to train on, and some to answer
N_NEW_TOKENS = 384  # the longest answer of the demo's corpus has some 160 in its three parts
LAYOUTS = {"plug": "", "mono": "-mono"}  # layout → what the name of its config ends with


def main(gguf: Path, dist: Path, work: Path, results: Path, words: list[str]) -> None:
    model, held, config = work / "model", work / "dist", str(HERE / "configs/cpu-smoke.yaml")
    if not model.is_dir():
        _unpack(gguf, model)
    _hold_out(dist, held)
    langs = [name for name in open_published(held).configs() if f"{name}-mono" in open_published(held).configs()]
    lines = []
    for layout, ending in LAYOUTS.items():
        output = work / layout
        shutil.rmtree(output, ignore_errors=True)
        configs = ",".join(f"{lang}{ending}" for lang in langs)
        said = [f"data={held}", f"configs=[{configs}]", f"model={model}", f"output={output}", "eval_split=validation"]
        _run("sft.py", config, *said, *words)
        run = json.loads((output / "run.json").read_text(encoding="utf-8"))
        before, after = (_answered(folder, held, layout, langs, work) for folder in (model, output))
        lines.append(
            f"| {layout} | {run['n_steps']} | {run['eval_loss_before']:.2f} | {run['eval_loss_after']:.2f} "
            f"| {before} | {after} |"
        )
    rows = {lang: len(open_published(held).rows(lang)) for lang in langs}
    n_held = sum(len(open_published(held).rows(lang, "validation")) for lang in langs)
    settings = read([config, f"data={held}", "configs=[all]", f"model={model}", f"output={work}", *words])
    results.write_text(
        f"""# What training gave

`make train-demo` wrote this. {gguf.stem}, LoRA of rank {settings.lora and settings.lora["r"]}, batch \
{settings.batch}, learning rate {settings.train["learning_rate"]}; trained on {_listed(rows)} rows of the corpus that \
`make demo` made, looked at on {n_held} rows that were held out. It shows that the scripts work and that the structure \
is learnt. It says nothing on whose answers are better: for that there are far too few rows.

| layout | steps | loss before | loss after | answers that extract, before | after |
|---|---|---|---|---|---|
"""
        + "\n".join(lines)
        + "\n\nLoss: on held-out rows, a token of the assistant's text; that of one layout is no measure for another. "
        "An answer of `mono` has no label to be found by, so it extracts unless it is cut.\n",
        encoding="utf-8",
    )


def _unpack(gguf: Path, model: Path) -> None:
    """The model as a folder with safetensors: a GGUF takes 40 s each time it is read."""
    new = model.with_name(f".{model.name}.new")
    given = {"pretrained_model_name_or_path": gguf.parent, "gguf_file": gguf.name}
    AutoTokenizer.from_pretrained(**given).save_pretrained(new)
    dense = GgufConfig(dequantize=True)  # else transformers keeps the weights packed, and saves none of them
    AutoModelForCausalLM.from_pretrained(**given, quantization_config=dense).save_pretrained(new)
    new.rename(model)


def _hold_out(dist: Path, held: Path) -> None:
    """The corpus again, each nth row of every config in the split validation: of all layouts the same ids."""
    shutil.rmtree(held, ignore_errors=True)
    for path in dist.glob("*/train-*.parquet"):
        table, folder = pq.read_table(path), held / path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        out = [n % EACH_NTH == 0 for n in range(table.num_rows)]
        pq.write_table(table.filter(out), folder / path.name.replace("train", "validation"))
        pq.write_table(table.filter([not is_out for is_out in out]), folder / path.name)
    shutil.copy(dist / "layouts.json", held)


def _answered(model: Path, held: Path, layout: str, langs: list[str], work: Path) -> str:
    """How many of the held-out instructions are answered in the layout, of how many."""
    found: Counter[str] = Counter()
    for lang in langs:
        answers = work / f"{layout}-{model.name}-{lang}.jsonl"
        for old in work.glob(f"{answers.name}*"):
            old.unlink()
        said = ["--layout", layout, "--layouts", str(held), "--config", lang, "--split", "validation"]
        said += ["--max-new-tokens", str(N_NEW_TOKENS)]
        _run("generate.py", str(held), "-o", str(answers), "--model", str(model), *said)
        found.update(json.loads(line)["outcome"] for line in answers.read_text(encoding="utf-8").splitlines())
    return f"{found['answered']} of {found.total()}"


def _listed(rows: dict[str, int]) -> str:
    return " and ".join(f"{n} {lang}" for lang, n in rows.items())


def _run(script: str, *words: str) -> None:
    subprocess.run([sys.executable, str(HERE / script), *words], check=True)


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    gguf, dist, work, results = map(Path, sys.argv[1:5])
    main(gguf, dist, work, results, sys.argv[5:])
