"""Loopback servers for tests and benchmarks: an LLM endpoint (llm/, with a batch API in
batches.py) and a Hub (hub.py), standard library only."""
