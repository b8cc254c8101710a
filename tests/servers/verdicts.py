"""A judge of answers, for the LLM server's `answer`: which of two is better, a mark, yes or no.

    with LlmServer(answer=comparing(lambda question, first, second: "A")) as server: ...

It reads the tags of the request and says why before it gives its mark, as judges do. It must not know plugdata.
"""

import re
from collections.abc import Callable

from tests.servers.llm.replies import Request, contents

_TAG = re.compile(r"<(\w+)((?:-[0-9a-f]{4})?)>\n(.*?)\n</\1\2>", re.DOTALL)

Choose = Callable[[str, str, str], str]
"""(question, first answer, second answer) → A, B or C."""


def shown(request: Request) -> dict[str, str]:
    """The texts that a judge is shown, by the names of their tags."""
    return {name: text for name, _, text in _TAG.findall(request.text)}


def comparing(choose: Choose) -> Callable[[Request], str]:
    """A judge of pairs."""

    def said(request: Request) -> str:
        texts = shown(request)
        chosen = choose(texts["question"], texts["answer_a"], texts["answer_b"])
        return f"I would not call it [[A]], [[B]] or [[C]] lightly: both were read twice.\n\n[[{chosen}]]"

    return said


def prefers_the_first(choose: Choose, is_careless: Callable[[str], bool]) -> Choose:
    """The same judge, who takes the answer that stands first for some questions."""
    return lambda question, first, second: "A" if is_careless(question) else choose(question, first, second)


def marking(mark: Callable[[str, str], str]) -> Callable[[Request], str]:
    """A judge of single answers: (system message, answer) → what stands in its brackets."""

    def said(request: Request) -> str:
        (system,) = contents(request.json, "system")
        return f"The answer was read with care.\n[[{mark(system, shown(request)['answer'])}]]"

    return said
