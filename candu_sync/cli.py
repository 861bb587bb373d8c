"""The command line: arguments, progress, exit codes. What it does is in the other rooms.

Exit codes: 0 all well; 1 it failed, what was accepted is committed; 2 usage or settings; 3 a guard stopped it, nothing
was sent; 4 done, with rows set aside. Of several syncs the gravest counts: 1, 2, 3, 4.

The rooms are imported inside the commands: `--help` must not wait for databases.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from candu_sync.errors import CanduSyncError, SettingsError, Unauthorized, UsageError

if TYPE_CHECKING:
    from candu_sync.project import Project
    from candu_sync.report import RunResult
    from candu_sync.sync import Catalog, Sync

app = typer.Typer(name="candu-sync", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="Data warehouse to Candu: diffs SQL models against what Candu accepted, sends what changed.")

Names = Annotated[list[str] | None, typer.Argument(metavar="SYNC…", help="Names of syncs, like users/profile.")]
Partitions = Annotated[list[str] | None, typer.Option(
    "--partition", metavar="KEY", help="A partition; may be given several times. A window's key is its start.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a sync and partition, one a line.")]
All = Annotated[bool, typer.Option("--all", help="Every sync there is.")]
Full = Annotated[bool, typer.Option("--full", help="Every row, whole. Events that were sent are not sent again.")]

_GRAVEST = (1, 2, 3, 4)


def main() -> None:
    """Run the command line; every error of ours is one message on stderr, without a traceback."""
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        app()
    except CanduSyncError as error:
        complain(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        complain("interrupted before anything was sent")
        sys.exit(1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def complain(message: str) -> None:
    """Say something on stderr."""
    typer.echo(f"candu-sync: {message}", err=True)


@contextmanager
def _project() -> Iterator[tuple[Project, Catalog]]:
    """The project of the current folder, and its syncs; files that are no syncs are said on stderr."""
    from candu_sync.project import Project
    from candu_sync.settings import load_settings
    from candu_sync.sync import load_syncs

    settings = load_settings()
    for warning in settings.warnings:
        complain(warning)
    catalog = load_syncs(settings.sql_dir)
    for error in catalog.errors:
        complain(str(error))
    with Project(settings) as project:
        yield project, catalog


def _chosen(catalog: Catalog, names: list[str] | None, everything: bool) -> tuple[list[Sync], int]:
    """The syncs that were named, users before groups before events, and 2 when a wrong file is among them."""
    from candu_sync.nearest import nearest

    if everything or not names:
        return list(catalog.syncs.values()), 2 if catalog.errors else 0
    wrong = {error.sync for error in catalog.errors}
    for name in names:
        if name not in catalog.syncs and name not in wrong:
            near = nearest(name, catalog.syncs)
            raise UsageError(f"there is no sync {name}" + (f"; did you mean {near}?" if near else "")
                             + f" (there are: {', '.join(catalog.syncs) or 'none'})")
    return [sync for name, sync in catalog.syncs.items() if name in names], 2 if wrong.intersection(names) else 0


def _finish(codes: list[int]) -> None:
    """End with the gravest of the codes."""
    raise typer.Exit(next((code for code in _GRAVEST if code in codes), 0))


def _each(project: Project, syncs: list[Sync], partitions: list[str] | None,
          act: Callable[[Sync, str | None], int]) -> list[int]:
    """Do something to each sync and partition, until there is no more to do or a signal ended it."""
    codes: list[int] = []
    for sync in syncs:
        keys: list[str | None] = []
        if project.stopped:
            return [*codes, 1]
        with _told(project, sync, codes):
            keys = project.partitions(sync, partitions or [])
        for key in keys:
            if project.stopped:
                return [*codes, 1]
            with _told(project, sync, codes):
                codes.append(act(sync, key))
    return codes


@contextmanager
def _told(project: Project, sync: Sync, codes: list[int]) -> Iterator[None]:
    """What goes wrong with one sync is said, and leaves the others going; a wrong key or setting ends all."""
    try:
        yield
    except (Unauthorized, SettingsError):
        raise
    except CanduSyncError as error:
        complain(str(error) if sync.name in str(error) else f"{sync.name}: {error}")
        codes.append(error.exit_code)
    except (KeyboardInterrupt, RuntimeError):
        # DuckDB says RuntimeError when a signal ends its query.
        if not project.stopped:
            raise
        complain(f"{sync.name}: interrupted while nothing was being sent")
        codes.append(1)


@app.command("list")
def list_syncs(as_json: Json = False) -> None:
    """The syncs, their kinds, partitions, last run."""
    from candu_sync.overview import overview
    from candu_sync.tables import show_rows

    with _project() as (project, catalog):
        rows = overview(project, catalog)
    if as_json:
        _print_lines(rows)
    else:
        show_rows(("sync", "kind", "partitions", "last run", "status"),
                  [(r["sync"], r["kind"], r["partitions"], r["last_run"], r["status"]) for r in rows])
    _finish([2] if catalog.errors else [])


@app.command()
def check(names: Names = None, offline: Annotated[bool, typer.Option(
        "--offline", help="Leave out the request to Candu that proves the key.")] = False) -> None:
    """Every model against the warehouse without reading its rows; types, names, traits sent twice; the key."""
    from candu_sync.candu import Candu
    from candu_sync.check import check_models, check_project

    with _project() as (project, catalog):
        syncs, code = _chosen(catalog, names, False)
        settings = project.settings
        settings.require_warehouse_url()
        key = "" if offline else settings.require_api_key()
        findings = check_models(project, syncs)
        for finding in findings:
            for error in finding.errors:
                complain(error)
            for warning in finding.warnings:
                complain(f"warning: {warning}")
            typer.echo(f"{finding.sync}: {'not ok' if finding.errors else 'ok'}, {len(finding.traits)} "
                       f"{'properties' if finding.sync.startswith('events/') else 'traits'}")
        codes = [code, *(1 for finding in findings if finding.errors)]
        for sentence, wrong in check_project(catalog, findings):
            complain(sentence if wrong else f"warning: {sentence}")
            codes.append(1 if wrong else 0)
        if not offline:
            with Candu(settings.api_url, key, settings.timeout) as candu:
                candu.probe()
            typer.echo(f"Candu at {settings.api_url} accepts the key")
    _finish(codes)


@app.command()
def plan(names: Names = None, partition: Partitions = None, full: Full = False, everything: All = False,
         as_json: Json = False) -> None:
    """What a run would send, and why. Sends nothing, changes nothing that a run would see."""
    from candu_sync import pipeline
    from candu_sync.progress import progress
    from candu_sync.report import result_of
    from candu_sync.signals import signals
    from candu_sync.staging import discard
    from candu_sync.tables import show_plan

    _require_names(names, everything, "plan")
    with _project() as (project, catalog), signals(project, complain):
        syncs, code = _chosen(catalog, names, everything)

        def act(sync: Sync, key: str | None) -> int:
            with progress(_title(sync, key)) as show:
                changes = pipeline.plan(project, sync, key, full=full, keep=False, progress=show)
            discard(changes)
            if as_json:
                _print_lines([result_of(changes, "planned").to_json()])
            else:
                show_plan(sync, changes, rate=project.settings.rate, batch_size=project.settings.batch_size)
            return 0

        codes = _each(project, syncs, partition, act)
    _finish([code, *codes])


@app.command()
def run(names: Names = None, partition: Partitions = None, everything: All = False,
        force: Annotated[bool, typer.Option("--force", help="Go past the guards.")] = False, full: Full = False,
        sample: Annotated[int | None, typer.Option(
            "--sample", min=1, metavar="N", help="Send N rows and stop: a first try on a new workspace.")] = None,
        as_json: Json = False) -> None:
    """Plan, guard, push, commit."""
    from candu_sync import pipeline
    from candu_sync.progress import progress
    from candu_sync.report import failed
    from candu_sync.signals import signals
    from candu_sync.tables import show_results

    _require_names(names, everything, "run")
    results: list[RunResult] = []
    with _project() as (project, catalog), signals(project, complain):
        syncs, code = _chosen(catalog, names, everything)
        project.settings.require_api_key()
        project.settings.require_warehouse_url()

        def act(sync: Sync, key: str | None) -> int:
            try:
                with progress(_title(sync, key)) as show:
                    result = pipeline.run(project, sync, key, force=force, full=full, sample=sample, progress=show)
            except SettingsError:
                raise
            except CanduSyncError as error:
                result = failed(sync.name, key, str(error), error.exit_code)
            results.append(result)
            if as_json:
                _print_lines([result.to_json()])
            if result.error:
                complain(result.error if sync.name in result.error else f"{_title(sync, key)}: {result.error}")
            if result.unauthorized:
                project.stop()
            return result.exit_code

        codes = _each(project, syncs, partition, act)
    if not as_json:
        show_results(results)
    _finish([code, *codes])


@app.command()
def baseline(names: Names = None, partition: Partitions = None, everything: All = False) -> None:
    """Take today's result as already sent: nothing is pushed."""
    from candu_sync import upkeep
    from candu_sync.progress import progress
    from candu_sync.signals import signals

    _require_names(names, everything, "baseline")
    with _project() as (project, catalog), signals(project, complain):
        syncs, code = _chosen(catalog, names, everything)

        def act(sync: Sync, key: str | None) -> int:
            with progress(_title(sync, key)) as show:
                changes = upkeep.baseline(project, sync, key, progress=show)
            s = changes.summary
            typer.echo(f"{_title(sync, key)}: {s.rows - s.invalid:,} rows are taken as sent")
            return 4 if s.invalid else 0

        codes = _each(project, syncs, partition, act)
    _finish([code, *codes])


@app.command()
def reset(names: Names = None, partition: Partitions = None, everything: All = False) -> None:
    """Forget what was sent: the next run sends everything."""
    from candu_sync import upkeep

    _require_names(names, everything, "reset")
    with _project() as (project, catalog):
        syncs, code = _chosen(catalog, names, everything)
        for sync in syncs:
            keys = _with_state(project, sync, partition)
            for key in keys:
                upkeep.reset(project, sync, key)
                typer.echo(f"{_title(sync, key)}: what was sent is forgotten, the next run sends everything")
            if not keys:
                typer.echo(f"{sync.name}: nothing was sent yet")
    _finish([code])


@app.command()
def status(as_json: Json = False) -> None:
    """For each sync and partition: last run, rows, pending, rejected, claimed by whom."""
    from candu_sync.overview import statuses
    from candu_sync.tables import show_rows

    with _project() as (project, catalog):
        rows = statuses(project, catalog)
    if as_json:
        _print_lines(rows)
    else:
        headings = ("sync", "partition", "last_run", "status", "rows", "pending", "rejected", "uncertain", "claimed_by")
        show_rows([h.replace("_", " ") for h in headings], [[r[h] for h in headings] for r in rows])


@app.command()
def rejected(name: Annotated[str, typer.Argument(metavar="SYNC")], partition: Partitions = None,
             again: Annotated[bool, typer.Option("--retry", help="Let the next run send them again.")] = False,
             reason: Annotated[str | None, typer.Option(
                 "--reason", help="Only rows whose reason has this in it.")] = None,
             as_csv: Annotated[bool, typer.Option("--csv", help="As CSV.")] = False, as_json: Json = False) -> None:
    """The rows that were set aside, with the reason."""
    from candu_sync import upkeep
    from candu_sync.tables import show_set_aside

    with _project() as (project, catalog):
        syncs, code = _chosen(catalog, [name], False)
        for sync in syncs:
            keys = _with_state(project, sync, partition)
            if again:
                _retry(project, sync, keys)
                continue
            rows = [(key, row) for key in keys for row in upkeep.set_aside(project, sync, key)
                    if not reason or reason in row.reason]
            show_set_aside(sync.name, rows, "csv" if as_csv else "json" if as_json else "table")
    _finish([code])


def _retry(project: Project, sync: Sync, keys: list[str | None]) -> None:
    from candu_sync import upkeep

    counts = {key: upkeep.retry(project, sync, key) for key in keys}
    if not any(counts.values()):
        raise UsageError(f"{sync.name}: Candu refused no row that is still waiting")
    for key, count in counts.items():
        if count:
            typer.echo(f"{_title(sync, key)}: the next run sends {count:,} rows again")


def _with_state(project: Project, sync: Sync, partitions: list[str] | None) -> list[str | None]:
    """The partitions that have any state: all of them, or those of the named ones."""
    known = project.state.partitions(sync.name)
    if not partitions:
        return known
    strangers = [key for key in partitions if key not in known]
    if strangers:
        project.partitions(sync, strangers)
    return [key for key in known if key in partitions]


@app.command()
def simulate(port: Annotated[int, typer.Option(help="The port on 127.0.0.1.", min=0, max=65535)] = 8800,
             key: Annotated[str, typer.Option(help="The API key that it expects.")] = "simulator-key",
             database: Annotated[Path | None, typer.Option(help="A SQLite file that keeps what it was told.")] = None,
             ) -> None:
    """A stand-in for Candu on this machine, with a page that shows what it holds."""
    from candu_sync.simulator import Simulator, serve

    def ready(simulator: Simulator) -> None:
        typer.echo(f"page: {simulator.page}\nCANDU_API_URL={simulator.url}\nCtrl-C ends it")
        sys.stdout.flush()

    try:
        serve(port, key, database, ready=ready)
    except OSError as error:
        raise UsageError(str(error)) from None


@app.command()
def demo(folder: Annotated[Path, typer.Option(
        help="Where the demo's warehouse and state go.")] = Path(".demo")) -> None:
    """The whole story on made-up data, in a few seconds."""
    from candu_sync.demo.story import tell

    raise typer.Exit(tell(folder))


def _require_names(names: list[str] | None, everything: bool, command: str) -> None:
    if not names and not everything:
        raise UsageError(f"{command} what? Name a sync (candu-sync list shows them), or all of them with --all")
    if names and everything:
        raise UsageError(f"{command} {names[0]}, or --all? Leave one of the two out")


def _title(sync: Sync, key: str | None) -> str:
    from candu_sync.targets import named

    return named(sync.name, key)


def _print_lines(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        typer.echo(json.dumps(row, ensure_ascii=False))
    sys.stdout.flush()
