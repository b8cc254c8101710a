"""Progress on stderr while a run is going on: a bar on a terminal, else a line every 30 seconds."""

import sys
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live as Drawn
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from plugdata.corpus import Progress as Done
from plugdata.review import screen

EVERY_S = 30.0
"""Between two lines where no terminal is looking: a night in a log of a thousand lines."""


class Live:
    """Use as a context manager; `say` and `show` are what a run tells its progress to."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._console = Console(file=sys.stderr)
        self._bar = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._calls: list[Text] = []
        self._drawn = Drawn(
            get_renderable=lambda: Group(self._bar, *self._calls), console=self._console, transient=True
        )
        self._draws = self._console.is_terminal and not quiet
        self._task: TaskID | None = None
        self._last_line_at = 0.0

    def __enter__(self) -> Self:
        if self._draws:
            self._drawn.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._draws:
            self._drawn.stop()

    def say(self, line: str) -> None:
        """A line of news."""
        if not self._quiet:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def show(self, done: Done) -> None:
        """How far the stage at work is."""
        if self._quiet:
            return
        if self._draws:
            if self._task is None:
                self._task = self._bar.add_task(done.stage)
            self._calls = screen.calls(done)
            self._bar.update(self._task, completed=done.done, total=done.total, description=done.stage)
            if done.done >= done.total:
                self._bar.remove_task(self._task)
                self._task, self._calls = None, []
        elif done.updated_at - max(self._last_line_at, done.started_at) >= EVERY_S:
            self._last_line_at = done.updated_at
            self._console.print(Text(" · ").join(screen.progress(done, running=True)), soft_wrap=True)
