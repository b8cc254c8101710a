"""The requests of a translation: what stands in each message, first and after a fault.

    system     the protocol's template, and what the recipe or the row adds: how the reader is addressed, the terms of
               the glossary that stand in the row, what its task class asks for
    turns      worked examples, one more where the row holds marks; of a row in parts, the part before
    last       the texts and nothing else (plug-paper, as the script it reproduces, has all in this message)

After a fault (but want of room, see attempt.py):

    tags, json_schema,   the answer as the assistant's turn, then a last user message that names the fault and carries
      plug-paper         each text once more (the wire contract). Where the answer has no text, loops or copies, that
                         message stands in place of the first one instead: an empty turn is refused by some providers,
                         two user turns in a row by some templates, and what is shown goes on
    plain                the fault is named in the system message, for the last one holds nothing but the text. The
                         answer is not shown: models that need this protocol would copy it

A request is a pure function of settings, texts and answers. Must not know how an answer is judged.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from plugdata import prompts
from plugdata.errors import InputError
from plugdata.languages import Language
from plugdata.prompts import Example
from plugdata.recipe import Translate
from plugdata.rows import Reason
from plugdata.translate.glossary import Glossary, Term
from plugdata.translate.protocols import PROTOCOLS, SEGMENTS, Protocol, Texts, tag_suffix
from plugdata.translate.record import Record, Unit
from plugdata.wire import LENGTH, Answer, Message, Request

STAGE = "translate"

_ROOM = ("max_tokens", "max_completion_tokens")
"""The parameters that bound an answer. A request without either gets the first, which all servers that have a small
default of their own know."""

_NOT_SHOWN = frozenset({Reason.LOOP, Reason.COPIED})

NOTES = {"equivalent-error": "equivalent-error-v1", "keep-span": "keep-span-v1"}
"""The template that a policy adds to the system message."""


class Turn(NamedTuple):
    """Texts that were translated before, and what was said."""

    texts: Texts
    said: Texts

    @classmethod
    def of(cls, units: Sequence[Unit], said: Sequence[str]) -> "Turn":
        names = [unit.name for unit in units]
        texts = [unit.text for unit in units]
        return cls(dict(zip(names, texts, strict=True)), dict(zip(names, said, strict=True)))


@dataclass(frozen=True)
class Asking:
    """What is the same in all requests of a translation: languages, settings, parameters of the model, terms."""

    source: Language
    target: Language
    settings: Translate
    params: Mapping[str, Any]
    glossary: Glossary

    @cached_property
    def protocol(self) -> Protocol:
        return PROTOCOLS[self.settings.protocol]

    @cached_property
    def _examples(self) -> list[Turn]:
        """The worked examples, those with marks last; none where a language lacks them."""
        pairs = zip(prompts.examples(*self.source.texts), prompts.examples(*self.target.texts), strict=False)
        return [Turn(_texts(asked), _texts(answered)) for asked, answered in pairs]

    @cached_property
    def example_texts(self) -> frozenset[str]:
        """The texts of the worked examples, in both languages."""
        return frozenset(text for turn in self._examples for side in turn for text in side.values())

    @cached_property
    def names(self) -> dict[str, str]:
        """What templates are filled with."""
        return {
            "source_name": self.source.name,
            "target_name": self.target.name,
            "target_code": self.target.code,
        }

    @cached_property
    def _formality(self) -> str | None:
        match self.settings.formality_of(self.target.code):
            case "formal":
                return f"Address the reader formally{_of(self.target.formal)}."
            case "informal":
                return f"Address the reader informally{_of(self.target.informal)}."
        return None

    @cached_property
    def _head(self) -> str:
        """The protocol's instructions."""
        if self.settings.protocol != "plug-paper":
            return self.protocol.system
        sentence = prompts.sentence(self.protocol.system, self.target.texts)
        if sentence is None:
            raise InputError(
                f"protocol plug-paper has no words in {self.target.name}", "take another protocol, e.g. tags"
            )
        return sentence.substitute(self.names)

    def prompt(self, record: Record, policy: str | None) -> "Prompt":
        """What is the same in all requests of a row."""
        terms = tuple(self.glossary.found(unit.text for unit in record.units or ()))
        note = NOTES.get(policy or "") if policy != "keep-span" or record.spans else None
        return self._prompt(terms, note, bool(record.spans))

    @cached_property
    def _prompt(self) -> Callable[[tuple[Term, ...], str | None, bool], "Prompt"]:
        """The prompt by the terms of a row, the template of its policy, and whether it holds marks."""

        @lru_cache(maxsize=256)
        def made(terms: tuple[Term, ...], note: str | None, has_marks: bool) -> "Prompt":
            more = [self._formality, _of_terms(terms), note and prompts.template(note).substitute(self.names)]
            told = "".join(f"\n\n{text}" for text in more if text)
            if self.settings.protocol == "plug-paper":
                return Prompt(self, None, f"{self._head}{told}\n\n", ())
            n = self.settings.examples if self.protocol.examples else 0
            worked = self._examples[:n] + (self._examples[prompts.N_PLAIN :] if n and has_marks else [])
            system = prompts.template(self._head).substitute(self.names, more=told)
            return Prompt(self, system, "", tuple(worked))

        return made

    def as_messages(self, turns: Iterable[Turn], suffix: str) -> Iterator[Message]:
        """Turns as earlier messages: a record each, or a text each where texts travel alone."""
        for turn in turns:
            parts = [turn]
            if not self.protocol.together:
                parts = [Turn({name: turn.texts[name]}, {name: turn.said[name]}) for name in turn.texts]
            for part in parts:
                yield Message("user", self.protocol.render(part.texts, suffix))
                yield Message("assistant", self.protocol.render(part.said, suffix))


@dataclass(frozen=True)
class Prompt:
    """What is the same in all requests of a row: the system message, what opens the last message, earlier turns."""

    asking: Asking
    system: str | None
    opening: str
    worked: tuple[Turn, ...]

    @cached_property
    def _system(self) -> tuple[Message, ...]:
        return (Message("system", self.system),) if self.system else ()

    @cached_property
    def _worked(self) -> tuple[Message, ...]:
        return tuple(self.asking.as_messages(self.worked, ""))

    def suffix(self, texts: Texts) -> str:
        """What makes the tags of some texts unmistakable (protocols.tag_suffix)."""
        return tag_suffix(texts) if self.asking.settings.protocol == "tags" else ""

    def first(self, texts: Texts, before: Turn | None, tier: int) -> Request:
        """The request to translate some texts; `before` is the part of the row that comes before them."""
        asking = self.asking
        suffix = self.suffix(texts)
        goes_on = before is not None and (asking.protocol.together or before.texts.keys() == texts.keys())
        earlier = tuple(asking.as_messages([before], suffix)) if before and goes_on else ()
        worked = tuple(asking.as_messages(self.worked, suffix)) if suffix else self._worked
        said = Message("user", self.opening + asking.protocol.render(texts, suffix))
        messages = (*self._system, *worked, *earlier, said)
        params = {**asking.params, **asking.protocol.params(tuple(texts))}
        return Request(messages, params, asking.protocol.system, STAGE, asking.target.code, tier)

    def again(
        self, first: Request, latest: Request, answer: Answer, reason: Reason, told: str, nth: int
    ) -> Request | None:
        """The request to make in place of `latest`, whose answer is not believed; None where nothing could help.

        `told`: what is wrong, in words. `nth`: how many answers to `first` were faulty.
        """
        protocol = self.asking.protocol
        if answer.finish_reason == LENGTH and reason is not Reason.LOOP:
            return _with_more_room(latest, answer)
        *before, last = first.messages
        # no brackets: the last message holds each tag once
        words = {"nth": nth, "fault": told.translate({ord("<"): '"', ord(">"): '"'})}
        named = prompts.template(protocol.repair).substitute(self.asking.names, **words, record=last.content)
        if not protocol.together:
            messages = (Message("system", f"{before[0].content}\n\n{named}"), *first.messages[1:])
        elif reason in _NOT_SHOWN or not answer.text.strip():
            messages = (*before, Message("user", named))
        else:
            messages = (*first.messages, Message("assistant", answer.text), Message("user", named))
        return replace(latest, messages=messages, prompt=protocol.repair)


def _texts(example: Example) -> dict[str, str]:
    return {name: text for name in SEGMENTS if (text := getattr(example, name))}


def _of_terms(terms: Iterable[Term]) -> str | None:
    lines = [f"- {term.source} → {' / '.join(term.targets)}" for term in terms]
    return "\n".join(["Use these terms:", *lines]) if lines else None


def _of(word: str) -> str:
    return f" ({word})" if word else ""


def _with_more_room(request: Request, answer: Answer) -> Request | None:
    """The request with twice the room its answer had, if that is known."""
    room = {name: n for name in _ROOM if isinstance(n := request.params.get(name), int) and n > 0}
    if not room and answer.completion_tokens:
        room = {next((name for name in _ROOM if name in request.params), _ROOM[0]): answer.completion_tokens}
    return replace(request, params={**request.params, **{name: 2 * n for name, n in room.items()}}) if room else None
