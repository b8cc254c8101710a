"""What is wrong with an instruction that was made for a passage.

Whether the passage answers it is for the rater to say: here is what can be told for nothing. What leaks of the passage
are, leaks.py knows. Must not know how it was asked for.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from plugdata import prompts
from plugdata.asking import Fault
from plugdata.checks import lid, refusal, script, spoken
from plugdata.checks.copying import echo, to_translate
from plugdata.checks.prose import prose_of
from plugdata.checks.templates import leaked
from plugdata.checks.words import n_words
from plugdata.languages import Language
from plugdata.rows import Reason
from plugdata.xinstruct import leaks

MIN_WORDS = 3
"""Of an instruction: "Explain mangroves" is less than one asks for with a passage in mind."""

ECHOED = 0.4
"""Share of an instruction's runs of three words that stand in the prompt, from which it is the prompt come back: as
copying.ECHO_MIN. Sentences of the prompts have 1.0; 91 good instructions (tests/labelled/instructions.toml) and 500
real ones have 0.0 at most."""
_RUNS = 3
"""Runs of three words below which an instruction is too short to tell."""

_LETTERS = re.compile(r"[^\W\d_]+")
_LABEL = re.compile(r"\W{0,3}(?:instruction|question|prompt|task)(?: no\. ?\d)?\W{0,3}:", re.IGNORECASE)


@dataclass(frozen=True)
class Judge:
    """What an instruction in the pivot for a passage in `language` is judged by.

    `prompt`: the template it is asked for with; `model` gives what identifies languages, when it is needed first. None:
    the language of an instruction is not judged.
    """

    pivot: Language
    language: Language
    prompt: str
    max_chars: int
    model: Callable[[], lid.Model] | None

    @cached_property
    def identifier(self) -> spoken.Ahead | None:
        return spoken.Ahead(self.model()) if self.model else None

    def faults(self, text: str, passage: str, earlier: Sequence[str | None]) -> list[Fault]:
        """All that is wrong with an instruction, hardest first. `earlier`: the passage's instructions so far."""
        if len(text) > self.max_chars:
            told = f"{len(text)} characters are more than {self.max_chars}"
            return [Fault(Reason.LENGTH, told)]  # no other check reads it
        found = [self.declined(passage, text), self.echo(text, passage, earlier), self.foreign(text)]
        found += leaks.faults(text, passage, self.pivot, self.language)
        # runs of letters are counted first, in no time: only of few of them may each letter be a word
        if len(_LETTERS.findall(text)) < MIN_WORDS and n_words(pl.Series([text]))[0] < MIN_WORDS:
            found.append(Fault(Reason.LENGTH, f"fewer than {MIN_WORDS} words"))
        return [fault for fault in found if fault]

    def declined(self, passage: str, said: str) -> Fault | None:
        phrase = refusal.new_refusal(passage, said, self.language.code, self.pivot.code)
        return Fault(Reason.REFUSAL, f"it declines or speaks of itself: {phrase!r}") if phrase else None

    def echo(self, text: str, passage: str, earlier: Sequence[str | None]) -> Fault | None:
        """Whether a part of the prompt came back, or an earlier candidate."""
        if mark := _LABEL.match(text) or leaked(passage, text):
            told = mark if isinstance(mark, str) else mark[0]
            return Fault(Reason.ECHO, f"something of a prompt stands in it: {told.strip()!r}")
        if text in earlier:
            return Fault(Reason.ECHO, "it is an earlier instruction again")
        if text in {worked.instruction for worked in prompts.passages(self.pivot.code)}:
            return Fault(Reason.COPIED, "it is an example's, not this text's")
        asked = prompts.template(self.prompt).template
        if len(to_translate(text)) >= _RUNS + 2 and echo(asked, text) >= ECHOED:
            return Fault(Reason.ECHO, "it is the prompt again")
        return None

    def foreign(self, text: str) -> Fault | None:
        """Whether an instruction is not in the pivot; doubt keeps it."""
        if self.identifier is None:
            return None
        told = spoken.wrong_language(self.identifier, text, self.pivot, self.language) or _script(text, self.pivot)
        return Fault(Reason.LID, f"it is not in {self.pivot.name}: {told}") if told else None


def _script(text: str, pivot: Language) -> str | None:
    """The same by letters alone, of a text that is too short for `spoken`: most instructions have one sentence."""
    if text.isascii():
        return None
    share = script.share(pl.Series([prose_of(text)]), pivot)[0]
    told = share is not None and share < spoken.MIN_SHARE
    return f"{share:.0%} of its letters are {' or '.join(pivot.scripts)}" if told else None
