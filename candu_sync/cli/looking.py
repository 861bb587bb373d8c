"""Commands that look: list, check, rejected."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from candu_sync.cli.by_manifest import FailOn, check_manifest
from candu_sync.cli.common import (
    Json,
    Partitions,
    chosen,
    complain,
    finish,
    opened_project,
    print_lines,
    say,
    with_state,
)
from candu_sync.cli.selection import All, Exclude, Failed, Names, Selection, Tags, select
from candu_sync.errors import CanduSyncError, UsageError
from candu_sync.naming import counted
from candu_sync.routes import CANDU

if TYPE_CHECKING:
    from candu_sync.operate import ModelCheck
    from candu_sync.project import Project
    from candu_sync.routes import Route
    from candu_sync.syncs import Catalog, Sync
    from candu_sync.target import Target


def list_syncs(as_json: Json = False) -> None:
    """The syncs, their kinds, partitions, schedules, tags, last run."""
    from candu_sync.cli.tables import show_rows
    from candu_sync.operate import overview

    with opened_project() as (project, catalog):
        _, errors = chosen(catalog, None)
        rows = overview(project, catalog)
    if as_json:
        print_lines(rows)
    else:
        by = any(r["route"] != CANDU.name for r in rows)
        show_rows(("sync", "kind", *(["route"] if by else []), "partitions", "schedule", "tags", "last run", "status"),
                  [(r["sync"], r["kind"], *([r["route"]] if by else []), r["partitions"], r["schedule"],
                    _tags(r["tags"]), r["last_run"], r["status"]) for r in rows])
    finish([2 for _ in errors])


def _tags(tags: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in tags.items())


def check(names: Names = None, everything: All = False, tag: Tags = None, exclude: Exclude = None,
          failed: Failed = False, as_json: Json = False, offline: Annotated[bool, typer.Option(
        "--offline", help="Leave out the request that proves the key.")] = False, twice: Annotated[
        bool, typer.Option("--twice", help="Read each model two times, and name the columns that differ.")] = False,
          ids: Annotated[Path | None, typer.Option(
              "--ids", metavar="FILE", help="Read the models of users, and compare their ids with those that Candu "
                                            "sees in browsers, a CSV.")] = None,
          manifest: Annotated[Path | None, typer.Option(
              "--manifest", metavar="FILE", help="Check by dbt's manifest alone, without a warehouse.")] = None,
          against: Annotated[Path | None, typer.Option(
              "--against", metavar="FILE", help="With --manifest: say what changes for whom, compared with this "
                                                "manifest.")] = None,
          github: Annotated[bool, typer.Option("--github", help="With --manifest: a comment in Markdown.")] = False,
          fail_on: Annotated[FailOn | None, typer.Option(
              "--fail-on", help="With --manifest: what ends with 1; breaks, if not given.")] = None) -> None:
    """Every model against the warehouse without reading its rows; types, names, traits sent twice; the key.

    With --manifest no warehouse is asked: the columns are those that dbt's manifest shows."""
    from candu_sync.operate import check_models

    if manifest is not None:
        if twice or ids:
            raise UsageError(f"check {'--twice' if twice else '--ids'} reads the warehouse, check --manifest does not: "
                             "leave one of the two out")
        check_manifest(names, manifest, against, as_json=as_json, github=github, fail_on=fail_on or FailOn.breaks)
    elif against or github or fail_on:
        option = "--against" if against else "--github" if github else "--fail-on"
        raise UsageError(f"check {option} goes with --manifest FILE")
    with opened_project() as (project, catalog):
        selected = select(project, catalog, Selection.of(names, tags=tag, exclude=exclude, failed=failed,
                                                         everything=everything))
        if ids is not None and not any(sync.kind == "users" for sync in selected.syncs):
            raise UsageError("check --ids compares the ids of users, and no sync of users is chosen")
        project.settings.require_warehouse_url()
        routes = [] if offline else project.destinations.routes_of(selected.syncs)
        for route in routes:
            project.settings.require_key(route)
        checked = check_models(project, catalog, selected.syncs, twice=twice, ids=ids)
        for found in checked:
            _show_check(found, as_json=as_json)
        codes = [*(2 for _ in selected.errors), *(1 for found in checked if found.errors)]
        for route in routes:
            _probe(project, route, as_json=as_json)
        _check_report(project, catalog, as_json=as_json)
    finish(codes)


def _probe(project: Project, route: Route, *, as_json: bool) -> None:
    """Ask the service of a route without sending anything, and compare it with what the state knows.

    Raises:
        CanduError: it does not answer, or refuses the key.
        OtherWorkspace: the state belongs to another workspace of Candu, or source of Segment.
    """
    from candu_sync.delivery import connection_of

    settings = project.settings
    url, key = settings.url_of(route), settings.require_key(route)
    with connection_of(route)(url, key, settings.timeout) as connection:
        connection.probe()
    if route is not CANDU:
        (complain if as_json else say)(
            f"{route.service} at {url} answers. The {route.key} is not verified: {route.service} has no request for "
            f"that, and also accepts messages with a wrong {route.key}. After the first run, look for its messages in "
            f"the debugger of the {route.owner}")
    elif not as_json:
        say(f"Candu at {url} accepts the key")
    project.destinations.check(route)
    if route is CANDU and not as_json:
        _show_known(project)


def _show_known(project: Project) -> None:
    """What the doctor found out about Candu, and settings that do not fit it."""
    from candu_sync.doctor import differences, read_notes, sentence

    notes = read_notes(project)
    if notes is not None and (known := sentence(notes)):
        say(known)
        for difference in differences(notes, project):
            complain(f"warning: {difference}")


def _check_report(project: Project, catalog: Catalog, *, as_json: bool) -> None:
    """Whether the report tables can be written. They are made, as the next run would. A trouble stops no run."""
    schemas = project.report_schemas(catalog.syncs.values())
    if not schemas:
        return
    try:
        place = project.reports.check(schemas)
    except CanduSyncError as error:
        complain(f"warning: the report tables cannot be written: {error}. Runs go on without them")
        return
    if not as_json:
        say(f"the report tables can be written: {', '.join(schemas)} in {place}")


def _show_check(found: ModelCheck, *, as_json: bool) -> None:
    for error in found.errors:
        complain(error)
    for warning in found.warnings:
        complain(f"warning: {warning}")
    one, more = ("property", "properties") if found.sync.startswith("events/") else ("trait", "traits")
    if as_json:
        print_lines([found.to_json()])
    else:
        say(f"{found.sync}: {'not ok' if found.errors else 'ok'}, {counted(len(found.traits), one, more)}")
        if found.ids is not None and found.ids.seen:
            from candu_sync.operate import ids_sentence

            say(f"{found.sync}: {ids_sentence(found.ids)}")


def rejected(names: Names = None, partition: Partitions = None, everything: All = False, tag: Tags = None,
             exclude: Exclude = None, failed: Failed = False,
             again: Annotated[bool, typer.Option("--retry", help="Let the next run send them again.")] = False,
             reason: Annotated[str | None, typer.Option(
                 "--reason", help="Only rows whose reason has this in it.")] = None,
             as_csv: Annotated[bool, typer.Option("--csv", help="As CSV.")] = False, as_json: Json = False) -> None:
    """The rows that were not accepted: invalid and refused, with the reason."""
    from candu_sync.cli.tables import show_set_aside
    from candu_sync.operate import maintenance

    asked = Selection.of(names, partition, tags=tag, exclude=exclude, failed=failed, everything=everything)
    asked.require("rejected")
    with opened_project() as (project, catalog):
        selected = select(project, catalog, asked)
        targets = [target for sync in selected.syncs for target in with_state(project, sync, selected.keys(sync))]
        if again:
            project.destinations.check_environment()
            _retry(selected.syncs, targets, as_json=as_json)
        else:
            show_set_aside([(target, row) for target in targets for row in maintenance.set_aside(target)
                            if not reason or reason in row.reason],
                           "csv" if as_csv else "json" if as_json else "table")
    finish([2 for _ in selected.errors])


def _retry(syncs: list[Sync], targets: list[Target], *, as_json: bool) -> None:
    from candu_sync.operate import maintenance

    counts = [(target, maintenance.retry(target)) for target in targets]
    if not any(count for _, count in counts):
        raise UsageError(f"{', '.join(sync.name for sync in syncs)}: Candu refused no row that is still waiting")
    for target, count in counts:
        if count and as_json:
            print_lines([{"sync": target.sync.name, "partition": target.partition, "retried": count}])
        elif count:
            say(f"{target.name}: the next run sends {counted(count, 'row')} again")
