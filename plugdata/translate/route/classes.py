"""The names of task classes and policies, and which policy a class has unless the recipe says otherwise."""

CLASSES: tuple[str, ...] = (
    "code",
    "translation",
    "wordplay",
    "letter-count",
    "correction",
    "pivot-language",
    "media",
    "fixed-labels",
)
"""The task classes in order of precedence: a row is of the first whose rule holds. Code stands first, for a program
that counts vowels translates well; translation next, for its text may be of any kind; then what breaks most."""

POLICIES: tuple[str, ...] = ("translate", "keep-span", "equivalent-error", "drop")
"""What may be done: as any row · the span stays, the frame around it is translated · a mistake of the same kind is made
in the target language · taken out."""

DEFAULTS: dict[str, str] = {
    "code": "translate",  # masks keep the code byte for byte
    "translation": "keep-span",  # the task stays whole, with its instruction in the target language
    "wordplay": "drop",  # rhymes and puns come out as nonsense that no check can see (METHODS §3, alpaca-lora #180)
    "letter-count": "drop",  # the count is of English letters: the answer would be false
    "correction": "equivalent-error",  # MT repairs the broken text, and the model learns to copy (METHODS §3)
    "pivot-language": "drop",  # teaches English grammar with words of another language
    "media": "drop",  # the response refuses, or holds a link that was made up
    "fixed-labels": "translate",  # the checks compare options and labels (METHODS §3, Alpaca-CoT #62)
}
