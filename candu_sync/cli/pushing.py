"""A command that sends what was looked at: push."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from candu_sync.cli.alerting import notices_after
from candu_sync.cli.common import (
    Allow,
    Force,
    Jobs,
    Json,
    NewKey,
    Partitions,
    complain,
    finish,
    may_pass,
    opened_project,
    print_lines,
    remark,
    with_state,
)
from candu_sync.cli.each import each
from candu_sync.cli.repeated_errors import complain_of
from candu_sync.cli.selection import All, Exclude, Failed, Names, Selection, Tags, select
from candu_sync.errors import StaleChanges
from candu_sync.naming import as_arguments, counted, named

if TYPE_CHECKING:
    from candu_sync.cli.crew import Shown
    from candu_sync.cli.selection import Selected
    from candu_sync.commit import RunResult
    from candu_sync.syncs import Sync
    from candu_sync.target import Target


def push(names: Names = None, partition: Partitions = None, everything: All = False, tag: Tags = None,
         exclude: Exclude = None, failed: Failed = False, force: Force = False, allow: Allow = None,
         new_key: NewKey = False, jobs: Jobs = 1, as_json: Json = False) -> None:
    """Send what `plan --save` staged: that and nothing else. It is refused where the snapshot has moved on since."""
    from candu_sync import pipeline
    from candu_sync.cli.progress_bar import progress
    from candu_sync.cli.signals import signals
    from candu_sync.cli.tables import show_results
    from candu_sync.commit import failed as failed_result

    passing = may_pass(allow, force=force)
    asked = Selection.of(names, partition, tags=tag, exclude=exclude, failed=failed, everything=everything)
    asked.require("push")
    results: list[RunResult] = []
    with opened_project(fills_state=True, jobs=jobs) as (project, catalog), signals(project, complain):
        selected = select(project, catalog, asked)
        project.destinations.require_keys(selected.syncs)
        project.destinations.new_key = new_key

        def emit(result: RunResult) -> None:
            results.append(result)
            if as_json:
                print_lines([result.to_json()])

        def act(target: Target) -> Shown:
            with progress(target.name, alone=jobs == 1) as show:
                _, result = pipeline.push_staged(target, force=force, allow=passing, progress=show)
            return partial(shown, target, result)

        def shown(target: Target, result: RunResult) -> int:
            emit(result)
            if result.error:
                complain_of(target.sync.name, target.partition, result.error)
            return result.exit_code

        syncs = _with_staged(selected)
        codes = each(project, syncs, lambda sync: _staged(selected, sync), act,
                     lambda *why: emit(failed_result(*why)))
        codes += [2 for _ in selected.errors]
        notices_after(project, catalog, syncs, selected.errors)
    if not as_json:
        show_results(results)
    finish(codes)


def _with_staged(selected: Selected) -> list[Sync]:
    """The syncs to push. Of those that only a pattern, a folder or an option stands for, the ones with nothing staged
    are left out; their number is said on stderr."""
    from candu_sync.changes import anything_staged

    staged = [sync for sync in selected.syncs if sync.name in selected.selection.names
              or any(anything_staged(target.state) for target in _targets(selected, sync))]
    others = len(selected.syncs) - len(staged)
    if others and not staged:
        remark(f"nothing is staged, and nothing is sent ({counted(others, 'sync')} without staged changes): "
               "`candu-sync plan SYNC --save` stages what it shows")
    elif others:
        remark(f"{counted(others, 'sync')} {'has' if others == 1 else 'have'} no staged changes, and nothing of "
               f"{'it' if others == 1 else 'them'} is sent: `candu-sync plan SYNC --save` stages what it shows")
    return staged


def _targets(selected: Selected, sync: Sync) -> list[Target]:
    return with_state(selected.project, sync, selected.keys(sync))


def _staged(selected: Selected, sync: Sync) -> list[str] | None:
    """The partitions with staged changes; None: the sync has no partitions, and is staged.

    Raises:
        StaleChanges: nothing is staged.
    """
    from candu_sync.changes import anything_staged

    staged = [target for target in _targets(selected, sync) if anything_staged(target.state)]
    if not staged:
        words = selected.selection.partitions
        raise StaleChanges(f"{named(sync.name, ', '.join(words) or None)}: no changes are staged; "
                           f"`candu-sync plan {as_arguments(sync.name, *words)} --save` stages what it shows")
    return [target.partition for target in staged if target.partition is not None] or None
