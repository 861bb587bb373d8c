"""Progress on stderr: a bar on a terminal, a line every few seconds elsewhere, or JSON. stdout has only the result."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from candu_sync.cli.common import logs_json
from candu_sync.cli.json_log import json_events
from candu_sync.progress import Counted, Event, Progress, lines
from candu_sync.terminal import printable

# Seconds between lines: a log is read later, by a person who wants to know that the run went on.
_LINE_EVERY = 5.0


@contextmanager
def progress(title: str, *, alone: bool = True) -> Iterator[Progress]:
    """Show the progress of one sync and partition while the block runs.

    Args:
        alone: no other block does so at the same time. Otherwise there are lines, since a terminal has one bar.
    """
    title = printable(title)
    if logs_json():
        yield json_events(_LINE_EVERY)
        return
    with _bar(title) if alone and sys.stderr is not None and sys.stderr.isatty() else _lines(title) as show:
        yield show


@contextmanager
def _bar(title: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks = {phase: bar.add_task(f"{title}: {phase}", total=None, visible=False) for phase in ("read", "push")}

        def show(event: Event) -> None:
            if isinstance(event, Counted):
                bar.update(tasks[event.phase], completed=event.done, total=event.total, visible=True)

        yield show


@contextmanager
def _lines(title: str) -> Iterator[Progress]:
    def say(line: str) -> None:
        # The push goes on if nobody reads the log any more.
        with suppress(OSError, ValueError):
            print(f"{title}: {line}", file=sys.stderr, flush=True)  # noqa: T201

    yield lines(say, _LINE_EVERY)
