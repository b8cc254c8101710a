"""The generate stage of kind x-instruction: the task that finds instructions for a passage, and the rows it makes.

Two forms of asking:

    x-instruction        a system message and the passage in tags; the answer stands in tags of its own, and only what
                         is between them is read
    x-instruction-base   one bare message that ends in "### Instruction:", for a model that was trained to go on there;
                         the answer runs to the next "###", whatever made it end

Every answer is judged, and a faulty one asked for again up to `repair` times. What several requests for a passage must
differ in, since the same request is never paid twice, is ours to choose:

- The chat form says behind the passage which instructions there are already, and the fault of the answer before. So a
  model at temperature 0 gives another instruction too, and no provider has to know a parameter; what all requests share
  (the system message, worked examples) stands before it, where providers cache it. Without examples a small model asked
  "What is the passage about?" of 12 in 20 passages.
- The bare form has no room for words that a trained model has not seen: its requests differ by `seed`. At temperature 0
  a seed changes nothing, so there nothing is asked again, and several candidates are refused.

Whether the passage really answers an instruction is for the rater to say. Must not know which model is asked.
"""

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from plugdata import prompts
from plugdata.asking import FINAL, Fault, Steps, cut_short, ended, follow, in_tags, read_tag, tag_suffix
from plugdata.checks import lid
from plugdata.errors import InputError
from plugdata.languages import Language
from plugdata.recipe import Generate
from plugdata.rows import GENERATE, Reason, Status
from plugdata.wire import Answer, Message, Request, Task
from plugdata.xinstruct.laying import beside, verdict
from plugdata.xinstruct.verify import Judge

STAGE = "generate"

VERSION = 2
"""Raised when the same answers would give other rows."""

PROMPTS = {"x-instruction": "x-instruction-v1", "x-instruction-base": "x-instruction-base-v1"}
"""The template id of each form."""
OTHERS, FAULT = "x-instruction-others-v1", "x-instruction-fault-v1"
"""What is added behind the passage: the instructions that there are, and the fault of the answer before."""


def templates(form: str) -> tuple[str, ...]:
    """The template ids of a form: what its answers depend on."""
    return (PROMPTS[form],) if form == "x-instruction-base" else (PROMPTS[form], OTHERS, FAULT)


_END = "###"


@dataclass(frozen=True)
class Candidate:
    """An instruction that was made, or what came in its place; `reason` None: it is of use.

    `answer`: which of the answers it was read from, from 0.
    """

    text: str | None
    reason: Reason | None
    detail: str | None
    answer: int


@dataclass(frozen=True)
class Generated:
    """What was made for a passage. `failed`: why answers are missing, in words, and with them all candidates."""

    candidates: tuple[Candidate, ...]
    failed: str | None = None

    @classmethod
    def missing(cls, failed: str) -> "Generated":
        return cls((), failed)


def generator(
    pivot: Language,
    language: Language,
    settings: Generate,
    params: Mapping[str, Any],
    *,
    model: Callable[[], lid.Model] | None = None,
) -> Task[Generated]:
    """The task that has instructions in the pivot made for a passage in `language`.

    `params` are the model's sampling parameters. `model` gives what identifies languages, when it is needed first;
    None: the language of an instruction is not judged. The row needs the column passage.
    Raises InputError for several candidates of the bare form at temperature 0.
    """
    judge = Judge(pivot, language, PROMPTS[settings.template], settings.max_chars, model)
    asking = _Asking(pivot, language, settings, params, judge)
    if asking.is_bare and settings.candidates > 1 and asking.is_greedy:
        raise InputError(
            "x-instruction-base makes the same instruction each time at temperature 0",
            "give the model a temperature (--set 'models.0.params={temperature: 0.7}'), or leave generate.candidates 1",
        )
    return lambda row, answers: follow(asking.steps(row["passage"]), answers)


@dataclass(frozen=True)
class _Asking:
    pivot: Language
    language: Language
    settings: Generate
    params: Mapping[str, Any]
    judge: Judge

    @property
    def prompt(self) -> str:
        return PROMPTS[self.settings.template]

    @property
    def is_bare(self) -> bool:
        return self.settings.template == "x-instruction-base"

    @property
    def is_greedy(self) -> bool:
        return self.params.get("temperature") == 0

    def steps(self, passage: str) -> Steps[Generated]:
        """The candidates of a passage, one after the other."""
        suffix = tag_suffix({"text": passage}, ("instruction",))
        repair = 0 if self.is_bare and self.is_greedy else self.settings.repair
        made: list[Candidate] = []
        n = 0
        while len(made) < self.settings.candidates and not (made and made[-1].reason in FINAL):
            fault = ""
            for _ in range(repair + 1):
                answer = yield self.ask(passage, suffix, made, fault, n)
                text, faults = self.read(answer, passage, suffix, made)
                n += 1
                if not faults or faults[0].reason in FINAL:
                    break
                fault = _told(faults)
            reason = faults[0].reason if faults else None
            made.append(Candidate(text, reason, _told(faults) if faults else None, n - 1))
        return Generated(tuple(made))

    def ask(self, passage: str, suffix: str, made: Sequence[Candidate], fault: str, n: int) -> Request:
        """The request for one more candidate, after `n` answers."""
        if self.is_bare:
            params = {**self.params, "seed": (self.params.get("seed") or 0) + n} if n else self.params
            message = bare_message(self.pivot, self.language, passage)
            return Request((message,), params, self.prompt, STAGE, self.language.code)
        system = prompts.template(self.prompt).substitute(
            language_name=self.language.name,
            pivot_name=self.pivot.name,
            max_chars=self.settings.max_chars,
            suffix=suffix,
        )
        turns = [
            turn
            for worked in prompts.passages(self.pivot.code)
            for turn in (
                Message("user", in_tags({"text": worked.text}, suffix)),
                Message("assistant", in_tags({"instruction": worked.instruction}, suffix)),
            )
        ]
        told = [in_tags({"text": passage}, suffix)]
        if made:
            others = "".join(f"\n- {candidate.text}" for candidate in made if candidate.reason is None)
            told.append(prompts.template(OTHERS).substitute(nth=len(made) + 1, others=others or "none"))
        if fault:
            told.append(prompts.template(FAULT).substitute(n=n, fault=fault))
        messages = (Message("system", system), *turns, Message("user", "\n\n".join(told)))
        return Request(messages, self.params, self.prompt, STAGE, self.language.code)

    def read(
        self, answer: Answer, passage: str, suffix: str, made: Sequence[Candidate]
    ) -> tuple[str | None, list[Fault]]:
        """The instruction in an answer, and all that is wrong with it, hardest first."""
        said = unicodedata.normalize("NFC", answer.text)
        cut = cut_short(answer)
        if self.is_bare:
            text, end, _ = said.partition(_END)
            text = text.strip()
            if cut and not (end and cut.reason is Reason.TRUNCATED):
                return None, [cut]
            if not end and answer.finish_reason is None:
                return None, [Fault(Reason.TRUNCATED, "nothing says that the answer is whole")]
        elif cut:
            return None, [cut]
        else:
            tagged = read_tag(ended(answer, said, f"</instruction{suffix}>"), "instruction", suffix)
            if isinstance(tagged, Fault):
                return None, [self.judge.declined(passage, said) or tagged]
            text = tagged
        if not text:
            return None, [Fault(Reason.EMPTY_ANSWER, "the instruction is empty")]
        return text, self.judge.faults(text, passage, [one.text for one in made if one.reason is None])


def _told(faults: Sequence[Fault]) -> str:
    return "; ".join(fault.told for fault in faults)


def bare_message(pivot: Language, language: Language, passage: str) -> Message:
    """The message of x-instruction-base, which a model trained in rounds.py has seen as it is."""
    template = prompts.template(PROMPTS["x-instruction-base"])
    text = template.substitute(language_name=language.name, pivot_name=pivot.name, passage=passage.strip())
    return Message("user", text)


def lay_candidates(batch: pl.DataFrame, outcomes: Iterable[tuple[Generated, Sequence[str]]]) -> pl.DataFrame:
    """rows.GENERATE: adds candidates, n_generate and the verdict of rows without a candidate of use.

    Needs: rows.PASSAGES. `outcomes`: of each kept row, in order, with the models (served_as) whose answers it used.
    Rows: all, same order. One whose calls failed is `failed`; one of whose candidates none is of use is quarantined by
    the fault of the first.
    """
    return beside(batch, (_made(came_to, by) for came_to, by in outcomes), GENERATE)


def _made(came_to: Generated, by: Sequence[str]) -> dict[str, Any]:
    laid: dict[str, Any] = {
        "n_generate": len(by),
        "candidates": [
            {"text": made.text, "model": by[made.answer], "reason": made.reason, "detail": made.detail}
            for made in came_to.candidates
        ],
    }
    if came_to.failed:
        return laid | verdict(STAGE, Status.FAILED, [Reason.CALL_FAILED], came_to.failed)
    reasons = [made.reason for made in came_to.candidates if made.reason]
    if len(reasons) < len(came_to.candidates):
        return laid
    return laid | verdict(STAGE, Status.QUARANTINED, reasons, came_to.candidates[0].detail)
