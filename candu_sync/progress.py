"""What happens in an operation, as it happens. The pipeline reports it once, to all who listen.

An operation is one verb of the pipeline at work on one sync and partition. Its events come in this order::

    Began
        PhaseBegan, Counted …, PhaseEnded       for each of PHASES that it comes to
    Ended

Lines of progress, the bar on a terminal, the JSON log and OpenTelemetry are listeners. No event has a value of a row,
or the text of an error, which may quote the warehouse.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from candu_sync.naming import counted

PHASES = ("read", "diff", "guard", "push", "commit")
"""The phases of a run, in their order."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One verb of the pipeline at work on one sync and partition.

    Attributes:
        verb: plan, push, or run.
        run_id: empty where it failed before there was one.
        kind: users, groups or events.
        partition: its key, which may be personal data where ``dynamic``.
        window, segment: the parts of the key that the sync's files declare: a window of time, a static key.
        dynamic: the warehouse gave the key, or a part of it.
    """

    verb: str
    run_id: str
    sync: str
    kind: str
    partition: str | None
    window: str | None = None
    segment: str | None = None
    dynamic: bool = False


@dataclass(frozen=True)
class Began:
    """An operation begins."""

    operation: Operation


@dataclass(frozen=True)
class PhaseBegan:
    """A phase begins."""

    operation: Operation
    phase: str


@dataclass(frozen=True)
class Counted:
    """So many rows (read) or messages (push) of a phase are done, of ``total``; None: it is not known."""

    operation: Operation
    phase: str
    done: int
    total: int | None


@dataclass(frozen=True)
class PhaseEnded:
    """A phase ended.

    Attributes:
        seconds: that it took.
        counts: what it did. read: rows. diff: added, changed, removed, unchanged, invalid,
            refreshed, messages. guard: reasons. push: accepted, refused, requests, retries, too_large, bytes; only
            those of this push.
        error: the class of what ended it early; None: it came to its end.
    """

    operation: Operation
    phase: str
    seconds: float
    counts: Mapping[str, int]
    error: str | None


@dataclass(frozen=True, kw_only=True)
class Ended:
    """An operation ended.

    Attributes:
        status: as in the result: planned, succeeded, guarded, failed.
        seconds: that it took.
        counts: as in the result; empty where there is none.
        error: the class of what ended it early; None: there was no exception.
        lag: seconds from the first tick of the sync's cron line that no good run had answered before, to now; 0: no
            tick was waiting; None: it has no cron line, or nothing is known of the runs before.
        age: seconds since a run of this sync and partition last ended well; 0: this one did; None: none did, or it is
            not known. Of windows only the newest that has ended has a lag and an age.
    """

    operation: Operation
    status: str
    seconds: float
    counts: Mapping[str, int] = field(default_factory=dict)
    error: str | None = None
    lag: float | None = None
    age: float | None = None


Event = Began | PhaseBegan | Counted | PhaseEnded | Ended

Progress = Callable[[Event], None]
"""A listener: is called with each event, in the thread that it happens in. It must return soon, and not raise."""


def silent(event: Event) -> None:
    """A listener to which nobody looks."""


def lines(say: Callable[[str], None], every: float) -> Progress:
    """Progress as a line every ``every`` seconds: "read 50,000 rows", "push 300 of 4,999 messages"."""
    last = time.monotonic()

    def show(event: Event) -> None:
        nonlocal last
        if isinstance(event, Counted) and time.monotonic() - last >= every:
            last = time.monotonic()
            thing = "row" if event.phase == "read" else "message"
            of = counted(event.done, thing) if event.total is None else (
                f"{event.done:,} of {counted(event.total, thing)}")
            say(f"{event.phase} {of}")

    return show


class Reporter:
    """Reports one operation to its listeners, and keeps the seconds of its phases.

    Args:
        operation: its ``run_id`` is given to ``begin``.

    Attributes:
        seconds: phase → seconds.

    Example:
        >>> heard = []
        >>> reporter = Reporter(Operation(verb="run", run_id="", sync="users/profile", kind="users", partition=None),
        ...                     [heard.append])
        >>> with reporter.whole():
        ...     reporter.begin("0a1b")
        ...     with reporter.phase("read") as counts:
        ...         reporter.count("read", 5)
        ...         counts["rows"] = 5
        ...     reporter.end("succeeded", {"rows": 5})
        >>> [type(event).__name__ for event in heard]
        ['Began', 'PhaseBegan', 'Counted', 'PhaseEnded', 'Ended']
        >>> heard[-1].operation.run_id, heard[-1].counts
        ('0a1b', {'rows': 5})
    """

    def __init__(self, operation: Operation, listeners: Sequence[Progress] = ()) -> None:
        self._operation = operation
        self._listeners = listeners
        self._begun = False
        self._began = time.monotonic()
        self._ending = Ended(operation=operation, status="failed", seconds=0.0)
        self.seconds: dict[str, float] = {}

    @contextmanager
    def whole(self) -> Iterator[None]:
        """The operation: at the end of the block its end is reported, as ``end`` said it, or as failed."""
        error: str | None = None
        try:
            yield
        except BaseException as raised:
            error = type(raised).__name__
            raise
        finally:
            if not self._begun:
                self.begin("")
            ended = self._ending if error is None else replace(self._ending, status="failed", error=error)
            self._send(replace(ended, operation=self._operation, seconds=time.monotonic() - self._began))

    @property
    def run_id(self) -> str:
        """As given to ``begin``."""
        return self._operation.run_id

    def begin(self, run_id: str) -> None:
        """Report that the operation begins."""
        self._operation = replace(self._operation, run_id=run_id)
        self._begun = True
        self._send(Began(self._operation))

    @contextmanager
    def phase(self, name: str) -> Iterator[dict[str, int]]:
        """A phase: its time is the block's. The block puts what it did into the dictionary."""
        counts: dict[str, int] = {}
        error: str | None = None
        self._send(PhaseBegan(self._operation, name))
        began = time.monotonic()
        try:
            yield counts
        except BaseException as raised:
            error = type(raised).__name__
            raise
        finally:
            seconds = time.monotonic() - began
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds
            self._send(PhaseEnded(self._operation, name, seconds, counts, error))

    def count(self, phase: str, done: int, total: int | None = None) -> None:
        """Report how much of a phase is done."""
        self._send(Counted(self._operation, phase, done, total))

    def end(self, status: str, counts: Mapping[str, int] | None = None, *, error: str | None = None,
            lag: float | None = None, age: float | None = None) -> None:
        """Note how the operation ended, for ``whole`` to report. Arguments as the fields of ``Ended``."""
        self._ending = Ended(operation=self._operation, status=status, seconds=0.0, counts=counts or {}, error=error,
                             lag=lag, age=age)

    def _send(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)
