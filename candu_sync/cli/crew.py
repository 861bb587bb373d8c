"""Syncs and partitions that are worked on at a time (``--jobs``): each in a thread, their results in order.

Users come before groups, and those before events: the caller begins the syncs of one kind, and takes their results,
before it begins the next. The partitions of users and groups share people, and the last one that is sent decides: they
are worked on one after the other. Those of events, and shards, share nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from candu_sync.project import Project
    from candu_sync.target import Target

Shown = Callable[[], int]
"""Shows what became of a sync and partition, and gives the exit code."""

Act = Callable[["Target"], Shown]
"""Does something to a sync and partition, in any thread. What it shows waits until those before it are shown."""


class NotRunError(Exception):
    """The command was stopped before it came to this."""


class Crew:
    """Works on the targets of a command.

    Args:
        act: what is done to each.
        threads: None: the caller's thread works, on each target when its result is asked for.
    """

    def __init__(self, project: Project, act: Act, threads: ThreadPoolExecutor | None) -> None:
        self._project = project
        self._act = act
        self._threads = threads

    @property
    def alone(self) -> bool:
        """Whether the caller's thread works."""
        return self._threads is None

    def begin(self, targets: Sequence[Target]) -> list[Callable[[], Shown]]:
        """Begin with the targets of a sync, in order.

        Returns:
            For each a function that waits for its result. It raises what the work raised, or ``NotRunError``.
        """
        if self._threads is None:
            return [partial(self._work, target) for target in targets]
        waiting: list[Callable[[], Shown]] = []
        for unit in _units(targets):
            futures: list[Future[Shown]] = [Future() for _ in unit]
            self._threads.submit(self._work_on, unit, futures)
            waiting += [partial(self._waited, future) for future in futures]
        return waiting

    def _work(self, target: Target) -> Shown:
        if self._project.stopped:
            raise NotRunError
        return self._act(target)

    def _work_on(self, unit: Sequence[Target], futures: Sequence[Future[Shown]]) -> None:
        for target, future in zip(unit, futures, strict=True):
            try:
                future.set_result(self._work(target))
            except BaseException as error:  # of a thread: it must reach the caller
                future.set_exception(error)

    def _waited(self, future: Future[Shown]) -> Shown:
        while True:
            try:
                return future.result()
            except KeyboardInterrupt:
                # Of this thread, which only waits. The others end by themselves once the project is stopped.
                if not self._project.stopped:
                    raise


@contextmanager
def crew_of(project: Project, act: Act) -> Iterator[Crew]:
    """A crew of as many threads as the project has jobs. An exception of the block stops the project, and is raised
    when all of them have ended."""
    if project.jobs == 1:
        yield Crew(project, act, None)
        return
    with ThreadPoolExecutor(project.jobs, thread_name_prefix="candu-sync job") as threads:
        try:
            yield Crew(project, act, threads)
        except BaseException:
            project.stop()
            raise


def _units(targets: Sequence[Target]) -> list[Sequence[Target]]:
    """What one thread works on, one after the other."""
    if all(_shares_nothing(target) for target in targets):
        return [[target] for target in targets]
    return [targets]


def _shares_nothing(target: Target) -> bool:
    partitions = target.sync.partitions
    return target.sync.kind == "events" or (
        partitions is not None and partitions.shards is not None and partitions.every is None)
