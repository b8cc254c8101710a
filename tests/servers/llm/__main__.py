"""Serves the pseudo-translator on its own until it is killed, for benchmarks; prints its base URL."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

from tests.servers.llm.limits import capacity, rate_limits
from tests.servers.llm.server import LlmServer
from tests.servers.llm.strikes import storm


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve the pseudo-translator on 127.0.0.1.")
    parser.add_argument("port", nargs="?", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, metavar="S", help="seconds to each answer")
    parser.add_argument("--capacity", type=int, metavar="N", help="beyond N in flight the latency grows steeply")
    parser.add_argument("--rpm", type=int, help="requests admitted in a window")
    parser.add_argument("--tpm", type=int, help="tokens admitted in a window")
    parser.add_argument("--window", type=float, default=60.0, metavar="S", help="seconds of the window")
    parser.add_argument("--style", choices=("openai", "anthropic", "azure", "none"), default="openai")
    parser.add_argument("--faults", choices=("storm",))
    parser.add_argument("--api-key")
    parser.add_argument("--log", type=Path, help="append one JSON line a request")
    parser.add_argument("--tls", action="store_true", help="serve https with a self-signed certificate")
    options = parser.parse_args()
    limits = rate_limits(options.rpm, options.tpm, options.window, options.style)
    is_limited = options.rpm is not None or options.tpm is not None
    with LlmServer(
        [*([limits] if is_limited else []), *(storm() if options.faults else [])],
        headers=limits.headers if is_limited else None,
        latency_s=capacity(options.capacity, options.latency) if options.capacity else options.latency,
        api_key=options.api_key,
        log_path=options.log,
        port=options.port,
        tls=options.tls,
    ) as server:
        print(server.base_url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
