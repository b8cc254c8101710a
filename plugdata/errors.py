"""The whole exception tree: every way in which plugdata can refuse or fail.

A message says where and what (quoting the value); `hint` says what to do next. `exit_code` is what the command
line answers with (0 done, 130 interrupted):

    PlugdataError              1   failed
    ├── InputError             2   something the user gave cannot be read or used
    │   ├── RecipeError            a recipe; holds every problem found, one a line
    │   ├── SourceError            a data file, Hub data set or column
    │   └── LanguageError          a language that languages.toml does not hold
    ├── AssetError             1   a model file cannot be had, or is not the file it should be
    ├── CorpusError            1   the corpus directory: read-only, locked, not a corpus
    │   ├── ContractError          a frame lacks a column a stage needs (a bug, or a corpus of another release)
    │   └── FunnelError            rows in ≠ rows out
    ├── CallError              1   an LLM endpoint; the run stops, committed answers stay
    │   ├── AuthError              401, 403
    │   ├── ModelNotFound          404 for the model
    │   ├── EndpointError          unreachable before it ever answered, or it rejects what we send
    │   └── QuotaExhausted     3   the account is empty: rerun resumes
    ├── BudgetReached          3   no money left for the next call; rerun with a larger budget resumes
    ├── PartialError           3   stopped with rows still to do; rerun resumes
    ├── GateError              4   refused before anything was sent (licence, budget, `max_failed`)
    └── HubError               1   the Hub refused or could not be reached

Imports nothing, so that every room can raise these.
"""


class PlugdataError(Exception):
    """A known failure: `str(error)` is one line for the user, `hint` the next step."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class InputError(PlugdataError):
    exit_code = 2


class RecipeError(InputError):
    """A recipe that cannot be used. `problems` holds all of them: "where: what" lines, in recipe order."""

    def __init__(self, path: str, problems: list[str], hint: str = "") -> None:
        lines = "\n".join(f"{path}: {problem}" for problem in problems)
        super().__init__(lines, hint)
        self.problems = problems


class SourceError(InputError):
    pass


class LanguageError(InputError):
    pass


class AssetError(PlugdataError):
    pass


class CorpusError(PlugdataError):
    pass


class ContractError(CorpusError):
    pass


class FunnelError(CorpusError):
    pass


class CallError(PlugdataError):
    pass


class AuthError(CallError):
    pass


class ModelNotFound(CallError):
    pass


class EndpointError(CallError):
    pass


class QuotaExhausted(CallError):
    exit_code = 3


class BudgetReached(PlugdataError):
    exit_code = 3


class PartialError(PlugdataError):
    exit_code = 3


class GateError(PlugdataError):
    exit_code = 4


class HubError(PlugdataError):
    pass
