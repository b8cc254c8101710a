"""What a judge says: answers for the LLM server's `answer`, well-formed and otherwise.

    with LlmServer(answer=judging(in_turn(RAMBLING, verdict(accuracy=3)))) as server: ...

A request that names no target language is one to judge; all others are translated as ever. It must not know plugdata.
"""

import json
from collections.abc import Callable, Sequence

from tests.servers.llm.replies import Request, pseudo_translation, target_language

RAMBLING = """The translation is quite good overall. It keeps the meaning, though one phrase sounds stiff to me.

{"errors": ["unnatural"], "accuracy": 4, "fluency": 3}

Let me know if you would like a more detailed analysis!"""
"""A verdict that is right, with talk around it."""


def verdict(accuracy: object = 5, fluency: object = 5, errors: Sequence[object] = (), **more: object) -> str:
    """A verdict as a model writes it; values that no verdict has, and keys it does not know, are taken as they are."""
    return json.dumps({"errors": list(errors), "accuracy": accuracy, "fluency": fluency, **more}, ensure_ascii=False)


def fenced(text: str) -> str:
    return f"```json\n{text}\n```"


def in_turn(*said: str) -> Callable[[Request], str]:
    """The answers by order of arrival; the last one goes on."""
    return lambda request: said[min(request.index, len(said) - 1)]


def judging(said: Callable[[Request], str]) -> Callable[[Request], str]:
    """What a server that judges and translates answers."""
    return lambda request: said(request) if target_language(request) is None else pseudo_translation(request)
