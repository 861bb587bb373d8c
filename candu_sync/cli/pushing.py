"""A command that sends what was looked at: push."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from candu_sync.cli.alerting import notices_after
from candu_sync.cli.common import (
    Allow,
    Force,
    Json,
    NewKey,
    Partitions,
    chosen,
    complain,
    finish,
    keys_of,
    may_pass,
    opened_project,
    print_lines,
    with_state,
)
from candu_sync.cli.each import each
from candu_sync.cli.repeated_errors import complain_of
from candu_sync.errors import StaleChanges

if TYPE_CHECKING:
    from candu_sync.commit import RunResult
    from candu_sync.project import Project, Target
    from candu_sync.syncs import Sync


def push(name: Annotated[str, typer.Argument(metavar="SYNC")], partition: Partitions = None,
         force: Force = False, allow: Allow = None,
         new_key: NewKey = False, as_json: Json = False) -> None:
    """Send what `plan --save` staged: that and nothing else. It is refused where the snapshot has moved on since."""
    from candu_sync import pipeline
    from candu_sync.cli.progress_bar import progress
    from candu_sync.cli.signals import signals
    from candu_sync.cli.tables import show_results
    from candu_sync.commit import failed

    passing = may_pass(allow, force=force)
    results: list[RunResult] = []
    with opened_project(fills_state=True) as (project, catalog), signals(project, complain):
        syncs, errors = chosen(catalog, [name])
        project.settings.require_api_key()
        project.new_key = new_key

        def emit(result: RunResult) -> None:
            results.append(result)
            if as_json:
                print_lines([result.to_json()])

        def act(target: Target) -> int:
            with progress(target.name) as show:
                _, result = pipeline.push_staged(target, force=force, allow=passing, progress=show)
            emit(result)
            if result.error:
                complain_of(target.sync.name, target.partition, result.error)
            return result.exit_code

        codes = [2 for _ in errors]
        for sync in syncs:
            codes += each(project, [sync], lambda sync: _staged(project, sync, partition), act,
                          lambda *why: emit(failed(*why)))
        notices_after(project, catalog, syncs, errors)
    if not as_json:
        show_results(results)
    finish(codes)


def _staged(project: Project, sync: Sync, partitions: list[str] | None) -> list[str] | None:
    """The partitions with staged changes; None: the sync has no partitions, and is staged.

    Raises:
        StaleChanges: nothing is staged.
    """
    from candu_sync.changes import anything_staged

    targets = with_state(project, sync, keys_of(project, sync, partitions))
    staged = [target for target in targets if anything_staged(target.state)]
    if not staged:
        raise StaleChanges(f"{sync.name}: no changes are staged; `candu-sync plan {sync.name} --save` stages what it "
                           "shows")
    return [target.partition for target in staged if target.partition is not None] or None
