"""calls/local.py with the real llama.cpp; weights are never downloaded here."""

import sys
from importlib.util import find_spec
from pathlib import Path

import openai
import pytest

from plugdata.assets import QWEN_MEDIUM, QWEN_SMALL, cached
from plugdata.calls.local import serve, served_as
from plugdata.errors import AssetError, CallError

needs_xllamacpp = pytest.mark.skipif(not find_spec("xllamacpp"), reason="xllamacpp is not installed")


@pytest.fixture(scope="module")
def weights() -> Path:
    path = cached(QWEN_SMALL) or cached(QWEN_MEDIUM)
    if path is None:
        pytest.skip("no weights in the cache: `make demo` fetches some")
    return path


@needs_xllamacpp
def test_the_openai_client_talks_to_it_and_it_stops(weights: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with (
        serve(weights, slots=2, context_tokens=512, threads=1) as url,
        openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client,
    ):
        reply = client.chat.completions.create(
            model="local",
            temperature=0,
            max_tokens=30,
            messages=[
                {"role": "system", "content": "Translate the user's message into Spanish."},
                {"role": "user", "content": "Good morning, my friends."},
            ],
        )
    assert reply.choices[0].finish_reason == "stop"
    assert "amigos" in (reply.choices[0].message.content or "")
    assert capfd.readouterr() == ("", "")
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client, pytest.raises(openai.APIConnectionError):
        client.models.list()


@needs_xllamacpp
@pytest.mark.parametrize(
    ("content", "message"),
    [(b"<html>not found</html>", "not a GGUF file"), (b"GGUF" + bytes(100), "llama.cpp cannot load it")],
)
def test_a_file_that_is_no_model_is_an_error(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "model.gguf").write_bytes(content)
    with pytest.raises(AssetError, match=message), serve(tmp_path / "model.gguf", slots=1, context_tokens=512):
        pass


@needs_xllamacpp
def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="No such file"), serve(tmp_path / "none.gguf", slots=1, context_tokens=512):
        pass


def test_without_xllamacpp_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(CallError) as caught, serve(tmp_path / "model.gguf", slots=1, context_tokens=512):
        pass
    assert "plugdata[local]" in caught.value.hint


def test_served_as_is_the_hash_of_the_weights(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUFabc")
    expected = "sha256:23087cd7c7b269c4552f0bd250e0f42c736ae0387c17ce3c3a49c47bfdc763b8"
    assert served_as(tmp_path / "model.gguf") == expected
