"""A project that stays open from one step of a run to the next.

To open a DuckDB file takes 14 ms of processor time, and settings and state a few more: together half of what an
unchanged sync costs beside Dagster's own part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from candu_sync import Project


class KeptProject:
    """At most one project, which nobody uses. A DuckDB file is given back half a second after its last use, as during a
    push: the next step may wait for a pool."""

    def __init__(self) -> None:
        self._project: Project | None = None
        self._open = ExitStack()
        self._cancel: Callable[[], None] = lambda: None

    @contextmanager
    def lent(self, made: Callable[[], Project]) -> Iterator[Project]:
        """The project that is kept, or else a new one, for the block. It is kept afterwards; when the block raises, or
        the project has something to report at its end, it is closed.

        Args:
            made: makes a project that is not entered yet.
        """
        project, self._project = self._project, None
        with self._open.pop_all() as stack:
            self._cancel()
            project = project or stack.enter_context(made())
            yield project
            # What goes wrong with report tables and telemetry at its end belongs in the log of this step.
            if project.ends_quietly:
                self._open, self._project, self._cancel = stack.pop_all(), project, project.release_soon()

    def close(self) -> None:
        """Close the project that is kept, if there is one."""
        self._project = None
        self._cancel()
        self._open.close()
