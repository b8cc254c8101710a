"""The translation of one row as a state machine: `next(row, answers so far)` → the next request, or the outcome.

Settings and languages are bound once (`translator`), so that what is asked depends on the row and its answers
alone. Knows no endpoint and no ledger.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plugdata import prompts
from plugdata.languages import Language
from plugdata.recipe import Translate
from plugdata.rows import Reason, Status
from plugdata.translate import verify
from plugdata.translate.protocols import SEGMENTS, edges, parse_tags, render_tags, tag_suffix
from plugdata.wire import Answer, Message, Request, Result, Task

STAGE = "translate"
PROMPTS = {"tags": "translate-tags-v1", "plain": "translate-plain-v1"}
"""The template of each protocol."""


@dataclass(frozen=True)
class Outcome:
    """What the translation of a row came to: texts by segment name, or the reason why there are none."""

    texts: Mapping[str, str]
    reason: Reason | None = None
    detail: str | None = None

    @property
    def status(self) -> Status:
        if self.reason is None:
            return Status.KEPT
        return Status.FAILED if self.reason is Reason.CALL_FAILED else Status.QUARANTINED


def translator(source: Language, target: Language, settings: Translate, params: Mapping[str, Any]) -> Task[Outcome]:
    """The task that translates a row's instruction, input and response from one language into another.

    `params` are the model's sampling parameters. The row needs the columns instruction, input, response.
    """
    prompt = PROMPTS[settings.protocol]
    system = prompts.template(prompt).substitute(
        source_name=source.name, target_name=target.name, target_code=target.code
    )
    shots = list(zip(prompts.examples(source.code), prompts.examples(target.code), strict=False))[: settings.examples]
    worked = [(_sent(asked._asdict()), _sent(answered._asdict())) for asked, answered in shots]

    def ask(turns: Sequence[tuple[str, str]], text: str) -> Request:
        earlier = [
            Message(role, said) for turn in turns for role, said in zip(("user", "assistant"), turn, strict=True)
        ]
        messages = (Message("system", system), *earlier, Message("user", text))
        return Request(messages, params, prompt, STAGE, target.code)

    def together(row: Mapping[str, Any], answers: Sequence[Answer]) -> Request | Result[Outcome]:
        texts = _sent(row)
        suffix = tag_suffix(texts)
        if not answers:
            return ask([(render_tags(a, ""), render_tags(b, "")) for a, b in worked], render_tags(texts, suffix))
        if fault := verify.whole(answers[0]):
            return Result(Outcome({}, *fault))
        said = parse_tags(answers[0].text, tuple(texts), suffix)
        if isinstance(said, str):
            return Result(Outcome({}, Reason.BAD_TAGS, said))
        return Result(_outcome(row, texts, said))

    def one_by_one(row: Mapping[str, Any], answers: Sequence[Answer]) -> Request | Result[Outcome]:
        texts = _sent(row)
        for answer in answers:
            if fault := verify.whole(answer):
                return Result(Outcome({}, *fault))
        said = {name: answer.text.strip() for name, answer in zip(texts, answers, strict=False)}
        if len(said) < len(texts) and not verify.segments(texts, said):
            return ask([(a[name], b[name]) for a, b in worked for name in a], list(texts.values())[len(said)])
        return Result(_outcome(row, texts, said))

    return together if settings.protocol == "tags" else one_by_one


def _sent(texts: Mapping[str, Any]) -> dict[str, str]:
    """The texts of a row that have something to translate, edge white space off, in order."""
    return {name: core for name in SEGMENTS if (core := edges(texts[name] or "")[1])}


def _outcome(row: Mapping[str, Any], texts: Mapping[str, str], said: Mapping[str, str]) -> Outcome:
    """The checked translation, with the source's edge white space put back."""
    if fault := verify.segments(texts, said):
        return Outcome(said, *fault)
    whole = {}
    for name in SEGMENTS:
        before, _, after = edges(row[name] or "")
        whole[name] = before + said.get(name, "") + after
    return Outcome(whole)
