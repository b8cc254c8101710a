"""What a model writes when it is asked: by transformers here, or by an OpenAI-compatible server.

Owns how turns become tokens, batches and requests, where a text ends, and when a server is asked again. Must not know
layouts, nor what the texts are for. Outputs come as they are ready, each with its place among the chats.
"""

import concurrent.futures
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
from jinja2 import TemplateError

MAX_NEW_TOKENS = 4096
"""A PLUG answer is instruction, answer and answer. sft.py trains on rows of at most 4096 tokens, prompt and all (as did
arXiv 2311.08711, which generates up to there, too): no model has learnt to write more."""

WAITS_S = (1, 2, 4, 8, 16, 32)  # before each further try at a server that is busy or away: a minute, as one restarts
AGAIN = {408, 429, 500, 502, 503, 504}
TIMEOUT_S = 600  # for one answer: 4096 tokens at 7 a second, which a server with a full queue may come down to

Chat = list[dict[str, str]]
Output = tuple[int, str, bool]  # the question's place, what was written, whether it was cut


class AskError(Exception):
    """Why there are no answers, in a line or two for whoever asked."""


def load(model: Path | str, adapter: Path | None, template: str) -> tuple[Any, Any]:
    """The model, and the tokenizer that sft.py trains with: it knows the chat template, and its EOS ends a turn."""
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig

    from settings import Settings, SettingsError
    from tokens import load_tokenizer

    own = adapter is not None and (adapter / "tokenizer_config.json").is_file()
    gpu = torch.cuda.is_available()
    try:
        tokenizer = load_tokenizer(Settings(str(adapter if own else model), "", [], "", template=template))  # type: ignore[arg-type]
        loaded = AutoModelForCausalLM.from_pretrained(
            model, dtype=torch.bfloat16 if gpu else torch.float32, device_map="auto" if gpu else None
        )
        if adapter is not None:
            loaded.load_adapter(str(adapter))
    except (SettingsError, OSError, ValueError) as error:
        raise AskError(f"the model cannot be loaded: {str(error).strip().splitlines()[0]}") from error
    ends = loaded.generation_config.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]
    # not the model's own settings: they bring sampling and penalties, and what they leave out is filled in from them
    loaded.generation_config = GenerationConfig(
        do_sample=False,
        eos_token_id=sorted({tokenizer.eos_token_id, *ends} - {None}),
        pad_token_id=tokenizer.pad_token_id,
    )
    return loaded.eval(), tokenizer


def ask_model(model: Any, tokenizer: Any, chats: Sequence[Chat], batch: int, max_new_tokens: int) -> Iterator[Output]:
    """Greedy outputs, those of the longest prompts first. A prompt that fills the model's context is cut at once.

    Padding stands on the left, since the right end is where the model writes; the mask hides it, and `generate` counts
    positions by the mask.
    """
    import torch

    try:
        texts = [tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True) for turns in chats]
    except TemplateError as error:
        raise AskError(f"the model's chat template refuses a question ({error}); try --system inline") from error
    if any(turns[0]["content"].strip() not in text for turns, text in zip(chats, texts, strict=True)):
        raise AskError("the model's chat template leaves the system line out; say --system inline")
    prompts = [tokenizer(text, add_special_tokens=False).input_ids for text in texts]  # the template wrote them
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None) or sys.maxsize
    yield from ((place, "", True) for place, ids in enumerate(prompts) if len(ids) >= context)
    order = sorted((-len(ids), place) for place, ids in enumerate(prompts) if len(ids) < context)
    ends = set(model.generation_config.eos_token_id)
    for start in range(0, len(order), batch):
        places = [place for _, place in order[start : start + batch]]
        inputs = tokenizer.pad({"input_ids": [prompts[n] for n in places]}, padding_side="left", return_tensors="pt")
        width = inputs["input_ids"].shape[1]
        try:
            with torch.inference_mode():
                whole = model.generate(**inputs.to(model.device), max_new_tokens=min(max_new_tokens, context - width))
        except torch.OutOfMemoryError as error:
            raise AskError(f"too little memory for {batch} at once: go on with a smaller --batch-size") from error
        for place, ids in zip(places, whole[:, width:].tolist(), strict=True):
            n_written = next((n for n, id in enumerate(ids) if id in ends), None)
            yield place, tokenizer.decode(ids[:n_written], skip_special_tokens=True), n_written is None


def ask_server(
    url: str, key: str | None, body: dict[str, Any], chats: Sequence[Chat], at_once: int
) -> Iterator[Output]:
    """The outputs of an OpenAI-compatible server as they come in. Raises AskError, after what was under way."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    stopped = threading.Event()

    def ask(turns: Chat) -> tuple[str, bool] | None:
        if stopped.is_set():
            return None
        try:
            return _post(client, body | {"messages": turns})
        except AskError:
            stopped.set()
            raise

    with (
        httpx2.Client(base_url=url, headers=headers, timeout=TIMEOUT_S) as client,
        concurrent.futures.ThreadPoolExecutor(at_once) as pool,
    ):
        places = {pool.submit(ask, turns): place for place, turns in enumerate(chats)}
        failed = None
        try:
            for future in concurrent.futures.as_completed(places):
                if error := future.exception():
                    failed = error
                elif said := future.result():
                    yield places[future], *said
        finally:
            stopped.set()  # also when whoever reads us stops: nothing more is sent
    if failed:
        raise failed


def _post(client: httpx2.Client, body: dict[str, Any]) -> tuple[str, bool]:
    for wait_s in (*WAITS_S, None):
        again = True
        try:
            reply = client.post("chat/completions", json=body)
        except httpx2.TransportError as error:
            fault = f"{client.base_url} does not answer: {error or type(error).__name__}"
        else:
            if reply.is_success:
                try:
                    choice = reply.json()["choices"][0]
                    return choice["message"]["content"] or "", choice["finish_reason"] == "length"
                except (ValueError, LookupError, TypeError):
                    pass
            fault = f"{client.base_url} answers {reply.status_code}: {' '.join(reply.text[:300].split())}"
            again = reply.status_code in AGAIN
            after = reply.headers.get("retry-after", "")
            wait_s = int(after) if after.isdecimal() and wait_s is not None else wait_s
        if not again or wait_s is None:
            break
        time.sleep(wait_s)
    raise AskError(fault)
