"""Commands that read models, and send: plan, run, baseline, reset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from candu_sync.cli.common import (
    All,
    Full,
    Json,
    Names,
    Partitions,
    chosen,
    complain,
    each,
    finish,
    opened_project,
    print_lines,
    require_names,
    say,
    with_state,
)
from candu_sync.errors import CanduSyncError, SettingsError
from candu_sync.naming import counted

if TYPE_CHECKING:
    from candu_sync.commit import RunResult
    from candu_sync.project import Target


def plan(names: Names = None, partition: Partitions = None, full: Full = False, everything: All = False,
         as_json: Json = False) -> None:
    """What a run would send, and why. Sends nothing, changes nothing that a run would see."""
    from candu_sync import pipeline
    from candu_sync.changes import discard
    from candu_sync.cli.progress_bar import progress
    from candu_sync.cli.signals import signals
    from candu_sync.cli.tables import show_plan
    from candu_sync.commit import result_of

    require_names(names, everything, "plan")
    with opened_project() as (project, catalog), signals(project, complain):
        syncs, code = chosen(catalog, names, everything)

        def act(target: Target) -> int:
            with progress(target.name) as show:
                changes = pipeline.plan(target, full=full, keep=False, progress=show)
            discard(changes)
            if as_json:
                print_lines([result_of(changes, "planned").to_json()])
            else:
                show_plan(target.sync, changes, rate=project.settings.rate, batch_size=project.settings.batch_size)
            return 0

        codes = each(project, syncs, partition, act)
    finish([code, *codes])


def run(names: Names = None, partition: Partitions = None, everything: All = False,
        force: Annotated[bool, typer.Option("--force", help="Go past the guards.")] = False, full: Full = False,
        sample: Annotated[int | None, typer.Option(
            "--sample", min=1, metavar="N", help="Send N rows and stop: a first try on a new workspace.")] = None,
        as_json: Json = False) -> None:
    """Plan, guard, push, commit."""
    from candu_sync import pipeline
    from candu_sync.cli.progress_bar import progress
    from candu_sync.cli.signals import signals
    from candu_sync.cli.tables import show_results
    from candu_sync.commit import failed

    require_names(names, everything, "run")
    results: list[RunResult] = []
    with opened_project() as (project, catalog), signals(project, complain):
        syncs, code = chosen(catalog, names, everything)
        project.settings.require_api_key()
        project.settings.require_warehouse_url()

        def act(target: Target) -> int:
            try:
                with progress(target.name) as show:
                    result = pipeline.run(target, force=force, full=full, sample=sample, progress=show)
            except SettingsError:
                raise
            except CanduSyncError as error:
                result = failed(target.sync.name, target.partition, str(error), error.exit_code)
            results.append(result)
            if as_json:
                print_lines([result.to_json()])
            if result.error:
                complain(result.error if target.sync.name in result.error else f"{target.name}: {result.error}")
            if result.unauthorized:
                project.stop()
            return result.exit_code

        codes = each(project, syncs, partition, act)
    if not as_json:
        show_results(results)
    finish([code, *codes])


def baseline(names: Names = None, partition: Partitions = None, everything: All = False,
             as_json: Json = False) -> None:
    """Take today's result as already sent: nothing is pushed."""
    from candu_sync.cli.progress_bar import progress
    from candu_sync.cli.signals import signals
    from candu_sync.commit import result_of
    from candu_sync.operate import maintenance

    require_names(names, everything, "baseline")
    with opened_project() as (project, catalog), signals(project, complain):
        syncs, code = chosen(catalog, names, everything)

        def act(target: Target) -> int:
            with progress(target.name) as show:
                changes = maintenance.baseline(target, progress=show)
            s = changes.summary
            if as_json:
                print_lines([result_of(changes, "succeeded").to_json()])
            else:
                taken = s.rows - s.invalid
                say(f"{target.name}: {counted(taken, 'row')} {'is' if taken == 1 else 'are'} taken as sent")
            return 4 if s.invalid else 0

        codes = each(project, syncs, partition, act)
    finish([code, *codes])


def reset(names: Names = None, partition: Partitions = None, everything: All = False, as_json: Json = False) -> None:
    """Forget what was sent: the next run sends everything."""
    from candu_sync.operate import maintenance

    require_names(names, everything, "reset")
    with opened_project() as (project, catalog):
        syncs, code = chosen(catalog, names, everything)
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
    finish([code])
