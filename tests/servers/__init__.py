"""Loopback servers for tests and benchmarks: an LLM endpoint (llm.py) and a Hub (hub.py), standard library only."""
