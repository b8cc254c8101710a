"""llama.cpp in this process, behind the same HTTP interface as a paid endpoint.

It owns starting and stopping xllamacpp's server. It must not know what is asked: the client that talks to OpenAI
talks to this too, so limits, ledger and retries are the same. Needs `plugdata[local]`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plugdata.assets import sha256_of
from plugdata.errors import AssetError, CallError

MAGIC = b"GGUF"
"""The first four bytes of a GGUF file (ggml, docs/gguf.md)."""


@contextmanager
def serve(weights: Path, *, slots: int, context_tokens: int, threads: int | None = None) -> Iterator[str]:
    """The base URL of a server of these weights on a free port of 127.0.0.1; it stops when the block is left.

    `slots` requests run side by side, each with `context_tokens` for prompt and answer together. `threads` are those
    of the computation (default: the processors this process may use). Any model name and any key will do.
    Its threads sleep while they wait for each other, so that other programs may run beside it: with one other busy
    program on two cores it makes 6.3 tokens a second of the 10.1 it makes alone; threads that spin, OpenMP's default,
    make 11.0 alone and next to nothing beside others. A value of OMP_WAIT_POLICY in the environment is respected.
    Raises AssetError for a file that is not a GGUF or cannot be loaded, CallError where xllamacpp is missing.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when the library is loaded
    try:
        import xllamacpp
    except ImportError as error:
        raise CallError("the model `local` needs xllamacpp", "pip install 'plugdata[local]'") from error
    _check(weights)
    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.n_parallel = slots
    params.n_ctx = context_tokens * slots  # llama.cpp divides it among the slots
    params.cpuparams.n_threads = threads or len(os.sched_getaffinity(0))
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.ui = False
    params.cache_ram_mib = 0  # its default keeps up to 8 GiB of old prompts; a slot's own prefix is reused all the same
    params.verbosity = 0
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        raise AssetError(f"{weights}: llama.cpp cannot load it ({error})", "is it a whole chat model?") from error
    try:
        yield f"{server.listening_address}/v1"
    finally:
        del server  # stops it: xllamacpp has no call for that


def served_as(weights: Path) -> str:
    """What answers, for the call key: "sha256:" and the hash of the weights. Raises AssetError as `serve` does."""
    _check(weights)
    return f"sha256:{sha256_of(weights)}"


def _check(weights: Path) -> None:
    try:
        with weights.open("rb") as file:
            magic = file.read(len(MAGIC))
    except OSError as error:
        raise AssetError(f"{weights}: {error.strerror}", "name a GGUF file") from error
    if magic != MAGIC:
        raise AssetError(f"{weights}: not a GGUF file (it begins with {magic!r})", "name a GGUF file")
