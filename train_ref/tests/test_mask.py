"""What gets loss: of every layout the assistant's text and the token that ends it, and nothing else."""

import re
from pathlib import Path
from typing import Any

import pytest
from conftest import CHATML, NO_SYSTEM
from tokenizers import processors
from trl import SFTConfig, SFTTrainer

import mask_view
from mask_view import Piece, in_html, in_terminal, pieces
from published import Published
from settings import Settings, SettingsError
from sft import load_model, make_trainer
from tokens import load_tokenizer, tokenized

LAYOUTS = (
    "", "-plug-target-first", "-plug-no-instruction", "-plug-no-response", "-mono", "-pivot", "-code-switch",
    "-code-switch-reverse", "-translate-instruction", "-translate-response", "-x-instruct",
)  # fmt: skip
CPU = {"use_cpu": True, "bf16": False, "report_to": "none", "activation_checkpointing": False}


def settings(model: str, dist: Path, output: Path, **given: Any) -> Settings:
    return Settings(
        **{"model": model, "data": str(dist), "configs": ["ko"], "output": str(output), "train": CPU, **given}
    )


def trained(of: Settings, published: Published, config: str) -> tuple[Any, list[tuple[list[int], list[int]]]]:
    """The tokenizer, and of each row the tokens that the trainer's collator gives and those of them that get loss."""
    tokenizer = load_tokenizer(of)
    rows = tokenized(published.rows(config), tokenizer, of, published).select_columns(["input_ids", "completion_mask"])
    made: Any = make_trainer(of, load_model(of), tokenizer, rows)
    found = []
    for row in made.train_dataset:
        batch = made.data_collator([row])
        ids, labels = batch["input_ids"][0].tolist(), batch["labels"][0].tolist()
        places = [n for n, label in enumerate(labels) if label != -100]
        assert places == list(range(places[0], len(ids))), "the loss is not on the end of the row, and on that alone"
        assert [labels[n] for n in places] == ids[places[0] :]
        found.append((ids, ids[places[0] :]))
    return tokenizer, found


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("lang", "template", "end"), [("ko", "model", "<|im_end|>"), ("sw", "tulu", "<|endoftext|>")])
def test_loss_is_on_the_answer_and_its_end_alone(
    model: str, dist: Path, published: Published, tmp_path: Path, layout: str, lang: str, template: str, end: str
) -> None:
    config = f"{lang}{layout}"
    tokenizer, found = trained(settings(model, dist, tmp_path, template=template), published, config)
    assert tokenizer.eos_token == end
    for row, (ids, loss) in zip(published.rows(config), found, strict=True):
        *before, answer = row["messages"]
        assert tokenizer.decode(loss) == answer["content"] + end
        asked = tokenizer.apply_chat_template(before, add_generation_prompt=True, return_dict=False)
        assert ids == [*asked, *loss], "the model would be asked in other tokens than it learnt from"


def test_every_layout_with_an_answer_is_tested(published: Published) -> None:
    assert {f"ko{layout}" for layout in (*LAYOUTS, "-prompt")} == {n for n in published.configs() if n.startswith("ko")}


def test_tulu_is_written_as_plug_writes_it(model: str, dist: Path, published: Published, tmp_path: Path) -> None:
    tokenizer, found = trained(settings(model, dist, tmp_path, template="tulu"), published, "ko")
    row = published.rows("ko")[0]
    system, user, answer = (turn["content"] for turn in row["messages"])
    assert (
        tokenizer.decode(found[0][0]) == f"<|system|>\n{system}\n<|user|>\n{user}\n<|assistant|>\n{answer}<|endoftext|>"
    )


def test_the_mask_is_that_of_trls_own_reading_where_a_template_writes_nothing_after_the_answer(
    model: str, dist: Path, published: Published, tmp_path: Path
) -> None:
    of = settings(model, dist, tmp_path, template="tulu")
    tokenizer, found = trained(of, published, "ko")
    rows = published.rows("ko").map(
        lambda row: {"prompt": row["messages"][:-1], "completion": row["messages"][-1:]},
        remove_columns=published.rows("ko").column_names,
    )
    args = SFTConfig(output_dir=str(tmp_path), max_length=None, **CPU)
    theirs: Any = SFTTrainer(load_model(of), args, train_dataset=rows, processing_class=tokenizer)
    assert [(row["input_ids"], [n for n in row["labels"] if n != -100]) for row in theirs.train_dataset] == found


def saved(tokenizer: Any, folder: Path, template: str | None, **given: str) -> str:
    """A folder that holds the tokenizer with another template."""
    tokenizer.save_pretrained(folder)
    made = type(tokenizer).from_pretrained(folder, **given)
    made.chat_template = template
    (folder / "chat_template.jinja").unlink()
    made.save_pretrained(folder)
    return str(folder)


def encoded(of: Settings, published: Published, config: str = "ko") -> tuple[Any, list[dict[str, Any]]]:
    tokenizer = load_tokenizer(of)
    return tokenizer, list(tokenized(published.rows(config), tokenizer, of, published))


def test_tulu_starts_with_the_token_that_the_model_starts_every_text_with(
    tokenizer: Any, dist: Path, published: Published, tmp_path: Path
) -> None:
    folder = saved(tokenizer, tmp_path / "bos", None, bos_token="<|im_start|>")
    made = type(tokenizer).from_pretrained(folder)
    made.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", made.bos_token_id)]
    )
    made.save_pretrained(folder)
    _, rows = encoded(settings(folder, dist, tmp_path, template="tulu"), published)
    assert all(
        row["input_ids"].count(made.bos_token_id) == 1 == row["input_ids"].index(made.bos_token_id) + 1 for row in rows
    )


def test_tokens_that_would_merge_across_the_edge_do_not(
    tokenizer: Any, dist: Path, published: Published, tmp_path: Path
) -> None:
    # " English" is one token: a template that ends with a space would lend it to the answer
    folder = saved(tokenizer, tmp_path / "space", CHATML.replace("assistant\n'", "assistant '"))
    made, rows = encoded(settings(folder, dist, tmp_path), published)
    for row, text in zip(rows, published.rows("ko"), strict=True):
        asked = made.apply_chat_template(text["messages"][:-1], add_generation_prompt=True, return_dict=False)
        assert row["input_ids"][: len(asked)] == asked and row["n_loss_tokens"] == row["n_tokens"] - len(asked)
        assert made.decode(row["input_ids"][len(asked) :]) == text["messages"][-1]["content"] + "<|im_end|>"


@pytest.mark.parametrize(
    ("template", "why"),
    [
        (NO_SYSTEM, r"refuses a row \(no system turn\); try system=inline"),
        (
            CHATML.replace("messages %}", "messages if m['role'] != 'system' %}"),
            "leaves the system turn out; say system=inline",
        ),
        (None, "has no chat template; say template=tulu"),
    ],
)
def test_a_template_that_cannot_hold_the_rows_is_told(
    tokenizer: Any, dist: Path, published: Published, tmp_path: Path, template: str | None, why: str
) -> None:
    folder = saved(tokenizer, tmp_path / "other", template)
    with pytest.raises(SettingsError, match=why):
        encoded(settings(folder, dist, tmp_path), published)


def test_inline_the_system_line_opens_the_users_turn(
    tokenizer: Any, dist: Path, published: Published, tmp_path: Path
) -> None:
    folder = saved(tokenizer, tmp_path / "other", NO_SYSTEM)
    made, rows = encoded(settings(folder, dist, tmp_path, system="inline"), published)
    system, user, answer = (turn["content"] for turn in published.rows("ko")[0]["messages"])
    asked = f"<|im_start|>user\n{system}\n\n{user}<|im_end|>\n<|im_start|>assistant\n"
    assert made.decode(rows[0]["input_ids"]) == f"{asked}{answer}<|im_end|>"


def test_the_view_shows_every_token_and_whole_characters(
    model: str, dist: Path, published: Published, tmp_path: Path
) -> None:
    of = settings(model, dist, tmp_path)
    found = pieces(of, "ko", 3)
    _, rows = encoded(of, published)
    assert [token for piece in found for token in piece.ids] == rows[3]["input_ids"]
    assert (
        "".join(p.text for p in found if p.has_loss)
        == published.rows("ko")[3]["messages"][-1]["content"] + "<|im_end|>"
    )
    assert not any("\ufffd" in piece.text for piece in found) and any(len(piece.ids) > 1 for piece in found)


def test_the_view_in_the_terminal_and_as_a_page(
    model: str, dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "mask.html"
    words = ["--config", "sw-mono", "--row", "1", "--model", model, "--template", "tulu", "--html", str(page)]
    monkeypatch.setattr("sys.argv", ["mask_view.py", str(dist), *words])
    mask_view.main()
    shown, written = capsys.readouterr().out, page.read_text(encoding="utf-8")
    n, n_loss = map(int, re.findall(r"(\d+) tokens, (\d+) with loss", shown)[0])
    assert n > n_loss == shown.count("\x1b[30;42m")
    assert written.count("<span class=loss") == n_loss and written.count("<span ") == n + 1  # that of the legend
    assert f"{n} tokens, {n_loss} with loss" in written and "http" not in written and "light-dark(" in written


def test_what_stands_in_a_row_is_neither_markup_nor_a_terminals_command() -> None:
    hostile = [Piece("<script>&\x1b[2J\u202e\n", (1, 2), True)]
    assert "<script>" not in in_html(hostile, "<b>", "") and "&lt;script&gt;&amp;" in in_html(hostile, "<b>", "")
    shown = in_terminal(hostile)
    assert "\\x1b[2J\\u202e" in shown and "\x1b[2J" not in shown and "\u202e" not in shown


def test_a_row_that_is_not_there_is_told(model: str, dist: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="ko has 55 rows in 'train': 0 is the first; got 55"):
        pieces(settings(model, dist, tmp_path), "ko", 55)
