"""The names of task classes. Which policy each has is the recipe's word (recipe/translation.py)."""

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
