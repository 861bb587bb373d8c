"""Commands that read models, and send: run, baseline, reset."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from candu_sync.cli.alerting import notices_after
from candu_sync.cli.common import (
    Allow,
    Force,
    Full,
    Jobs,
    Json,
    NewKey,
    Partitions,
    complain,
    finish,
    may_pass,
    opened_project,
    point_out_rename,
    print_lines,
    say,
    with_state,
)
from candu_sync.cli.each import each_of, no_report, print_failed
from candu_sync.cli.keys import Keys, NamedKeys
from candu_sync.cli.repeated_errors import complain_of
from candu_sync.cli.selection import All, Exclude, Failed, Names, Selected, Selection, Tags, select
from candu_sync.errors import UsageError
from candu_sync.naming import counted, named

if TYPE_CHECKING:
    from candu_sync.changes import ChangeSet
    from candu_sync.cli.crew import Shown
    from candu_sync.commit import RunResult
    from candu_sync.target import Target


def run(names: Names = None, partition: Partitions = None, everything: All = False, tag: Tags = None,
        exclude: Exclude = None, failed_only: Failed = False, force: Force = False, allow: Allow = None,
        full: Full = False, sample: Annotated[int | None, typer.Option(
            "--sample", min=1, metavar="N", help="Send N rows and stop: a first try on a new workspace.")] = None,
        key: Keys = None, new_key: NewKey = False, jobs: Jobs = 1, as_json: Json = False) -> None:
    """Plan, guard, push, commit."""
    from candu_sync import pipeline
    from candu_sync.cli.progress_bar import progress
    from candu_sync.cli.signals import signals
    from candu_sync.cli.tables import show_results
    from candu_sync.commit import failed

    asked = Selection.of(names, partition, tags=tag, exclude=exclude, failed=failed_only, everything=everything)
    asked.require("run")
    keys, passing = NamedKeys(key), may_pass(allow, force=force)
    if keys.all and sample is not None:
        raise UsageError(f"--key {keys.all[0]}, or --sample? Leave one of the two out")
    results: list[RunResult] = []
    with opened_project(fills_state=True, jobs=jobs) as (project, catalog), signals(project, complain):
        selected = select(project, catalog, asked)
        project.destinations.require_keys(selected.syncs)
        project.settings.require_warehouse_url()
        project.destinations.new_key = new_key

        def emit(result: RunResult) -> None:
            results.append(result)
            if as_json:
                print_lines([result.to_json()])

        # Events are stopped by a guard, which says it.
        pointed_out = set() if force else {sync.name for sync in selected.syncs if sync.kind == "events"}

        def act(target: Target) -> Shown:
            project.expect(target.sync.name, target.partition)
            point_out_rename(project, target.sync, pointed_out)
            with progress(target.name, alone=jobs == 1) as show:
                result = pipeline.run(target, force=force, allow=passing, full=full, sample=sample, keys=keys.all,
                                      progress=show)
            if result.unauthorized and len(project.destinations.routes_of(selected.syncs)) == 1:
                project.stop()
            return partial(shown, target, result)

        def shown(target: Target, result: RunResult) -> int:
            keys.note(result.missing_keys)
            emit(result)
            if result.error:
                complain_of(target.sync.name, target.partition, result.error)
            return result.exit_code

        codes = each_of(selected, act, lambda *why: emit(failed(*why)))
        codes += keys.codes(project)
        notices_after(project, catalog, selected.syncs, selected.errors)
    if not as_json and not keys.none_found:
        show_results(results)
    finish(codes)


def baseline(names: Names = None, partition: Partitions = None, everything: All = False, tag: Tags = None,
             exclude: Exclude = None, failed: Failed = False,
             not_newer: Annotated[bool, typer.Option(
                 "--not-newer", help="Of events: take only those that are not newer than what was sent; the next run "
                 "sends the others.")] = False,
             as_json: Json = False) -> None:
    """Take today's result as already sent: nothing is pushed."""
    from candu_sync.cli.progress_bar import progress
    from candu_sync.cli.signals import signals
    from candu_sync.commit import result_of
    from candu_sync.operate import maintenance

    asked = Selection.of(names, partition, tags=tag, exclude=exclude, failed=failed, everything=everything)
    asked.require("baseline")
    with opened_project(fills_state=True) as (project, catalog), signals(project, complain):
        selected = select(project, catalog, asked)

        def act(target: Target) -> Shown:
            with progress(target.name) as show:
                return partial(shown, target, maintenance.baseline(target, not_newer=not_newer, progress=show))

        def shown(target: Target, changes: ChangeSet) -> int:
            s = changes.summary
            if as_json:
                print_lines([result_of(changes, "succeeded").to_json()])
            else:
                taken = s.unchanged + s.late if not_newer else s.rows - s.invalid
                say(f"{target.name}: {counted(taken, 'row')} {'is' if taken == 1 else 'are'} taken as sent")
            return 4 if s.invalid else 0

        codes = each_of(selected, act, print_failed if as_json else no_report)
    finish(codes)


def reset(names: Names = None, partition: Partitions = None, everything: All = False, tag: Tags = None,
          exclude: Exclude = None, failed: Failed = False, yes: Annotated[bool, typer.Option(
              "--yes", help="Do not ask. It asks where syncs are not named one by one.")] = False,
          as_json: Json = False) -> None:
    """Forget what was sent: the next run sends everything."""
    from candu_sync.operate import orphaned

    asked = Selection.of(names, partition, tags=tag, exclude=exclude, failed=failed, everything=everything)
    asked.require("reset")
    with opened_project() as (project, catalog):
        project.destinations.check_environment()
        selected = select(project, catalog, asked, gone=() if everything else orphaned(project, catalog))
        chosen = [*(sync.name for sync in selected.syncs), *selected.gone]
        if chosen and not yes and not asked.is_exact(chosen):
            _ask(f"forget what was sent of {_which(chosen, everything)}? The next run sends everything again, events "
                 "among it")
        for sync in selected.syncs:
            _forget(sync.name, with_state(project, sync, selected.keys(sync)), as_json=as_json)
        for name in selected.gone:
            _forget_orphan(selected, name, as_json=as_json)
        left = project.state.release()
        if left and everything:
            complain(f"the state still holds what was sent for {', '.join(left)}, which no file under "
                     f"{project.settings.sql_dir} declares: it belongs to the same workspace as before")
    finish([2 for _ in selected.errors])


def _which(names: list[str], everything: bool) -> str:
    return f"all {counted(len(names), 'sync')}" if everything else f"{counted(len(names), 'sync')} ({', '.join(names)})"


def _forget(sync: str, targets: list[Target], *, as_json: bool) -> None:
    from candu_sync.operate import maintenance

    for target in targets:
        maintenance.reset(target)
        if as_json:
            print_lines([{"sync": sync, "partition": target.partition}])
        else:
            say(f"{target.name}: what was sent is forgotten, the next run sends everything")
    if not targets and not as_json:
        say(f"{sync}: nothing was sent yet")


def _forget_orphan(selected: Selected, name: str, *, as_json: bool) -> None:
    """Forget what was sent for a sync that is no longer there."""
    from candu_sync.operate import maintenance

    state, wanted = selected.project.state, selected.selection.partitions
    for key in state.partitions(name):
        if not wanted or key in wanted:
            maintenance.reset_state(state.of(name, key))
            if as_json:
                print_lines([{"sync": name, "partition": key}])
            else:
                say(f"{named(name, key)}: what was sent is forgotten; it is no longer a sync")


def _ask(question: str) -> None:
    """Ask on the terminal; a script has none, and must say --yes.

    Raises:
        UsageError: the answer is no, or nobody can be asked.
    """
    if not sys.stdin.isatty():
        raise UsageError(f"{question}. Say so with --yes")
    if not typer.confirm(question, err=True):
        raise UsageError("nothing was forgotten")
