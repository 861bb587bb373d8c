"""Progress on stderr: a bar on a terminal, a line every few seconds elsewhere. stdout holds the result alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from candu_sync.progress import Progress, lines

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
