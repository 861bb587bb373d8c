"""Commands that read models, and send: run, baseline, reset."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from candu_sync.cli.alerting import notices_after
from candu_sync.cli.common import (
    All,
    Allow,
    Force,
    Full,
    Json,
    Names,
    NewKey,
    Partitions,
    chosen,
    complain,
    finish,
    may_pass,
    opened_project,
    point_out_rename,
    print_lines,
    require_names,
    say,
    with_state,
)
from candu_sync.cli.each import each_of, no_report, print_failed
from candu_sync.cli.keys import Keys, NamedKeys
from candu_sync.errors import UsageError
from candu_sync.naming import counted

if TYPE_CHECKING:
    from candu_sync.commit import RunResult
    from candu_sync.project import Target


def run(names: Names = None, partition: Partitions = None, everything: All = False,
        force: Force = False, allow: Allow = None, full: Full = False,
        sample: Annotated[int | None, typer.Option(
            "--sample", min=1, metavar="N", help="Send N rows and stop: a first try on a new workspace.")] = None,
        key: Keys = None, new_key: NewKey = False, as_json: Json = False) -> None:
    """Plan, guard, push, commit."""
    from candu_sync import pipeline
    from candu_sync.cli.progress_bar import progress
    from candu_sync.cli.signals import signals
    from candu_sync.cli.tables import show_results
    from candu_sync.commit import failed

    require_names(names, everything, "run")
    keys, passing = NamedKeys(key), may_pass(allow, force=force)
    if keys.all and sample is not None:
        raise UsageError(f"--key {keys.all[0]}, or --sample? Leave one of the two out")
    results: list[RunResult] = []
    with opened_project() as (project, catalog), signals(project, complain):
        syncs, errors = chosen(catalog, names)
        project.settings.require_api_key()
        project.settings.require_warehouse_url()
        project.new_key = new_key

        def emit(result: RunResult) -> None:
            results.append(result)
            if as_json:
                print_lines([result.to_json()])

        # Events are stopped by a guard, which says it.
        pointed_out = set() if force else {sync.name for sync in syncs if sync.kind == "events"}

        def act(target: Target) -> int:
            point_out_rename(project, target.sync, pointed_out)
            with progress(target.name) as show:
                result = pipeline.run(target, force=force, allow=passing, full=full, sample=sample, keys=keys.all,
                                      progress=show)
            keys.note(result.missing_keys)
            emit(result)
            if result.error:
                complain(result.error if target.sync.name in result.error else f"{target.name}: {result.error}",
                         level="error", sync=target.sync.name, partition=target.partition)
            if result.unauthorized:
                project.stop()
            return result.exit_code

        codes = each_of(project, syncs, errors, partition, act, lambda *why: emit(failed(*why)))
        notices_after(project, catalog, syncs, errors)
    if not as_json:
        show_results(results)
    finish([*codes, *keys.codes()])


def baseline(names: Names = None, partition: Partitions = None, everything: All = False,
             not_newer: Annotated[bool, typer.Option(
                 "--not-newer", help="Of events: take only those that are not newer than what was sent; the next run "
                 "sends the others.")] = False,
             as_json: Json = False) -> None:
    """Take today's result as already sent: nothing is pushed."""
    from candu_sync.cli.progress_bar import progress
    from candu_sync.cli.signals import signals
    from candu_sync.commit import result_of
    from candu_sync.operate import maintenance

    require_names(names, everything, "baseline")
    with opened_project() as (project, catalog), signals(project, complain):
        syncs, errors = chosen(catalog, names)

        def act(target: Target) -> int:
            with progress(target.name) as show:
                changes = maintenance.baseline(target, not_newer=not_newer, progress=show)
            s = changes.summary
            if as_json:
                print_lines([result_of(changes, "succeeded").to_json()])
            else:
                taken = s.unchanged + s.late if not_newer else s.rows - s.invalid
                say(f"{target.name}: {counted(taken, 'row')} {'is' if taken == 1 else 'are'} taken as sent")
            return 4 if s.invalid else 0

        codes = each_of(project, syncs, errors, partition, act, print_failed if as_json else no_report)
    finish(codes)


def reset(names: Names = None, partition: Partitions = None, everything: All = False,
          yes: Annotated[bool, typer.Option("--yes", help="With --all: do not ask.")] = False,
          as_json: Json = False) -> None:
    """Forget what was sent: the next run sends everything."""
    from candu_sync.operate import maintenance

    require_names(names, everything, "reset")
    with opened_project() as (project, catalog):
        syncs, errors = chosen(catalog, names)
        if everything and not yes:
            _ask(f"forget what was sent of all {counted(len(syncs), 'sync')}? The next run sends everything again, "
                 "events among it")
        for sync in syncs:
            targets = with_state(project, sync, partition)
            for target in targets:
                maintenance.reset(target)
                if as_json:
                    print_lines([{"sync": sync.name, "partition": target.partition}])
                else:
                    say(f"{target.name}: what was sent is forgotten, the next run sends everything")
            if not targets and not as_json:
                say(f"{sync.name}: nothing was sent yet")
        left = project.state.release()
        if left and everything:
            complain(f"the state still holds what was sent for {', '.join(left)}, which no file under "
                     f"{project.settings.sql_dir} declares: it belongs to the same workspace as before")
    finish([2 for _ in errors])


def _ask(question: str) -> None:
    """Ask on the terminal; a script has none, and must say --yes.

    Raises:
        UsageError: the answer is no, or nobody can be asked.
    """
    if not sys.stdin.isatty():
        raise UsageError(f"{question}. Say so with --yes")
    if not typer.confirm(question, err=True):
        raise UsageError("nothing was forgotten")
