"""Row-wise work on all cores: a function applied to frames by worker processes, the results in order.

`Workers().map` takes the place of the built-in `map`. It holds a bounded number of frames, whatever their number, and
gives what `map` gives, so that the rows of a stage do not depend on how many workers made them. What is small is done
in this process and starts none.

A worker is an interpreter of its own that is told what to do through a pipe: the parent runs Polars' threads, so it
must not be forked, and `multiprocessing`'s other ways import the caller's script once more, which a script without a
`__main__` guard does not survive. A worker ends when its pipe does, so none outlives a killed parent by more than the
frame it is at. Ctrl-C reaches the parent alone, which ends its workers.

Knows nothing of rows: what is applied must be found by its module and name (pickle), as must what is bound to it.
"""

import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import polars as pl

from plugdata.errors import InputError, PlugdataError

Apply = Callable[[pl.DataFrame], pl.DataFrame]

ALONE = 2
"""Frames that are not worth a worker: one takes 0.5 s to start, `measure` 0.7 s for a frame (corpus.BATCH rows)."""

AHEAD = 2
"""Frames at hand beyond one a worker, so that none waits while the parent writes."""

MOST = 16
"""Workers, at most, unless PLUGDATA_WORKERS says more. Reading, sending and writing a frame takes the parent an eighth
of what `measure` takes, much of it in threads; a worker holds 150 MB."""

_WORK = "from plugdata.corpus.parts import _work; _work()"


class Workers:
    """Processes that apply functions to frames. They start when a `map` first needs them and end with the block."""

    def __init__(self, n: int | None = None) -> None:
        self.n = n_workers() if n is None else n
        self._threads: ThreadPoolExecutor | None = None
        self._started: list[subprocess.Popen[bytes]] = []
        self._idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._started:
            worker.kill()
        if self._threads:
            self._threads.shutdown(cancel_futures=True)
        for worker in self._started:
            worker.communicate()

    def map(self, apply: Apply, frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """`apply` of each frame, in their order; at most `n` + AHEAD frames are held.

        Raises what `apply` raises if it is a PlugdataError; PlugdataError for a worker that ended otherwise.
        """
        rest = iter(frames)
        first = list(islice(rest, ALONE + 1))
        if self.n < 2 or len(first) <= ALONE:
            return map(apply, chain(first, rest))
        return self._shared_out(apply, chain(first, rest))

    def _shared_out(self, apply: Apply, frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        self._start()
        assert self._threads
        asked: deque[Future[pl.DataFrame]] = deque()
        for frame in frames:
            asked.append(self._threads.submit(self._ask, apply, frame))
            if len(asked) >= self.n + AHEAD:
                yield asked.popleft().result()
        while asked:
            yield asked.popleft().result()

    def _start(self) -> None:
        if self._started:
            return
        environment = {
            **os.environ,
            "POLARS_MAX_THREADS": "1",  # a worker is a core's worth
            "PYTHONPATH": os.pathsep.join(os.path.abspath(place) for place in sys.path),
        }
        command = [sys.executable, "-P", "-c", _WORK]
        for _ in range(self.n):
            # in a process group of its own, which a terminal's Ctrl-C does not reach
            worker = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, process_group=0
            )
            self._started.append(worker)
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(self.n)  # one waits for each worker

    def _ask(self, apply: Apply, frame: pl.DataFrame) -> pl.DataFrame:
        worker = self._idle.get()
        assert worker.stdin and worker.stdout
        try:
            pickle.dump((apply, frame), worker.stdin, pickle.HIGHEST_PROTOCOL)
            worker.stdin.flush()
            answer: pl.DataFrame | PlugdataError = pickle.load(worker.stdout)
        except (BrokenPipeError, EOFError, pickle.UnpicklingError):
            raise PlugdataError(
                f"a worker process ended with {worker.wait()}",
                "-9: was memory full? Else it said why above. PLUGDATA_WORKERS=1 does without workers",
            ) from None
        finally:
            self._idle.put(worker)
        if isinstance(answer, PlugdataError):
            raise answer
        return answer


def n_workers() -> int:
    """PLUGDATA_WORKERS, else the CPUs that this process may use, at most MOST. Raises InputError for no number."""
    if said := os.environ.get("PLUGDATA_WORKERS"):
        if not said.isascii() or not said.isdigit() or not int(said):
            raise InputError(f"PLUGDATA_WORKERS is {said!r}", "give the number of processes, from 1")
        return int(said)
    n = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(n, _quota(), MOST)


def _quota() -> int:
    """The CPUs that a container may use (cgroup v2, "200000 100000": two), rounded up; MOST if nothing says."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, -(-int(quota) // int(period)))
    except (OSError, ValueError):  # none, of another version, or "max"
        return MOST


def _work() -> None:
    """A worker: answers what it is asked on stdin until that ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    while True:
        try:
            apply, frame = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        answer: Any
        try:
            answer = apply(frame)
        except PlugdataError as error:
            answer = error
        try:
            pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
            answers.flush()
        except BrokenPipeError:  # the parent is gone
            os._exit(1)
