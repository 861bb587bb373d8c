"""Progress on stderr: a bar on a terminal, a line every few seconds elsewhere. stdout holds the result alone."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from candu_sync.project import Progress

# A log that is read later wants to know that it goes on, not how each batch went.
_LINE_EVERY = 5.0


@contextmanager
def progress(title: str) -> Iterator[Progress]:
    """Show the progress of one sync and partition while the block runs."""
    with _bar(title) if sys.stderr.isatty() else _lines(title) as show:
        yield show


@contextmanager
def _bar(title: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks = {phase: bar.add_task(f"{title}: {phase}", total=None, visible=False) for phase in ("read", "push")}
        yield lambda phase, done, total: bar.update(tasks[phase], completed=done, total=total, visible=True)


@contextmanager
def _lines(title: str) -> Iterator[Progress]:
    yield lines(lambda line: print(f"{title}: {line}", file=sys.stderr, flush=True), _LINE_EVERY)  # noqa: T201


def lines(say: Callable[[str], None], every: float) -> Progress:
    """A progress that says a line every so many seconds: "read 50,000 rows", "push 300 of 4,999 messages"."""
    last = time.monotonic()

    def show(phase: str, done: int, total: int | None) -> None:
        nonlocal last
        if time.monotonic() - last >= every:
            last = time.monotonic()
            of = "" if total is None else f" of {total:,}"
            say(f"{phase} {done:,}{of} {'rows' if phase == 'read' else 'messages'}")

    return show
