"""One command, many syncs and partitions: an error of one is reported, and the others go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from candu_sync.cli.common import NOT_RUN, print_lines, remark
from candu_sync.cli.crew import Act, NotRunError, crew_of
from candu_sync.cli.repeated_errors import complain_of, once_each
from candu_sync.errors import CanduSyncError, SettingsError, Unauthorized

if TYPE_CHECKING:
    from candu_sync.cli.crew import Crew, Shown
    from candu_sync.cli.selection import Selected
    from candu_sync.errors import SpecError
    from candu_sync.project import Project
    from candu_sync.syncs import Sync
    from candu_sync.target import Target

    Begun = list[tuple[Target, Callable[[], Shown]]]

Keys = Callable[["Sync"], list[str] | None]
"""The partitions of a sync that were asked for; None: none was named."""

Fail = Callable[[str, str | None, str, int], None]
"""Reports what could not be done: the sync, its partition (None: it has none, or they are not known), the sentence, the
exit code."""

def no_report(sync: str, partition: str | None, error: str, code: int) -> None:
    """For commands whose result does not list what failed."""


def each(project: Project, syncs: list[Sync], keys: Keys, act: Act, fail: Fail = no_report) -> list[int]:
    """Do something to each sync and partition, until there is no more to do or the project is stopped. As many are
    worked on at a time as the project has jobs; what is shown, and the exit codes, are in order.

    Args:
        keys: the partitions of a sync that were asked for; None: those that are due.
        act: see ``Act``.
        fail: is called for all that was asked for and not done.

    Returns:
        The exit codes.

    Raises:
        Unauthorized, SettingsError: no other sync can do better, since all go by one route.
    """
    codes: list[int] = []
    reported = partial(_reported, project, codes=codes, fail=fail,
                       alone=len(project.destinations.routes_of(syncs)) == 1)
    with crew_of(project, act) as crew, _at_once(project):
        for _, kind in groupby(syncs, lambda sync: sync.kind):
            for sync, begin in _begun(project, crew, list(kind), keys):
                with once_each(sync.name):
                    begun: Begun = []
                    with reported(sync, None):
                        begun = begin()
                    for target, result in begun:
                        with reported(sync, target.partition):
                            codes.append(result()())
    return codes


def _begun(project: Project, crew: Crew, syncs: list[Sync], keys: Keys) -> list[tuple[Sync, Callable[[], Begun]]]:
    """Each sync with a function that begins it. Where threads work, all have begun, and the function raises what kept
    one from it."""
    def begin(sync: Sync) -> Begun:
        if project.stopped:
            raise NotRunError
        targets = _targets(project, sync, keys(sync))
        project.at_once |= {target.name for target in targets if target.shard is not None}
        return list(zip(targets, crew.begin(targets), strict=True))

    if crew.alone:
        return [(sync, partial(begin, sync)) for sync in syncs]
    begun: list[tuple[Sync, Callable[[], Begun]]] = []
    for sync in syncs:
        future: Future[Begun] = Future()
        begun.append((sync, future.result))
        try:
            future.set_result(begin(sync))
        except (CanduSyncError, NotRunError) as error:
            future.set_exception(error)
    return begun


@contextmanager
def _at_once(project: Project) -> Iterator[None]:
    """What shards have in common is forgotten at the end."""
    try:
        yield
    finally:
        project.at_once = frozenset()
        project.shard_totals.clear()


def _targets(project: Project, sync: Sync, keys: list[str] | None) -> list[Target]:
    from candu_sync.due import targets_of

    # For no key at all, ``targets_of`` takes all that are due.
    found = targets_of(project, sync, keys or []) if keys is None or keys else []
    if not found and keys is None:
        remark(f"{sync.name} has no partition now: the SQL of `values` finds no key, or no window has ended")
    return found


@contextmanager
def _reported(project: Project, sync: Sync, partition: str | None, *, codes: list[int], fail: Fail,
              alone: bool) -> Iterator[None]:
    """An error of one sync goes to stderr and to ``fail``. A wrong key or setting ends all, where all go by one route.

    Args:
        alone: they do.
    """
    try:
        yield
    except NotRunError:
        codes.append(1)
        fail(sync.name, partition, NOT_RUN, 1)
    except CanduSyncError as error:
        if alone and isinstance(error, Unauthorized | SettingsError):
            raise
        _report(sync, partition, str(error), error.exit_code, codes, fail)
    except (KeyboardInterrupt, RuntimeError):
        # DuckDB raises RuntimeError when a signal ends its query.
        if not project.stopped:
            raise
        _report(sync, partition, "interrupted while nothing was being sent", 1, codes, fail)


def _report(sync: Sync, partition: str | None, error: str, code: int, codes: list[int], fail: Fail) -> None:
    complain_of(sync.name, partition, error)
    codes.append(code)
    fail(sync.name, partition, error, code)


def fail_broken(errors: list[SpecError], fail: Fail) -> None:
    """Report the syncs whose files are wrong, each once."""
    sentences: dict[str, list[str]] = {}
    for error in errors:
        if error.sync is not None:
            sentences.setdefault(error.sync, []).append(str(error))
    for sync, found in sentences.items():
        fail(sync, None, "\n".join(found), 2)


def each_of(selected: Selected, act: Act, fail: Fail) -> list[int]:
    """As ``each``, for what was selected, the syncs whose files are wrong among them."""
    codes = each(selected.project, selected.syncs, selected.keys, act, fail)
    fail_broken(selected.errors, fail)
    return [*codes, *(2 for _ in selected.errors)]


def print_failed(sync: str, partition: str | None, error: str, code: int) -> None:
    from candu_sync.commit import failed

    print_lines([failed(sync, partition, error, code).to_json()])
