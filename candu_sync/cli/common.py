"""What the commands share: the project, the syncs that were named, exit codes, output.

The rooms are imported inside the functions: `--help` must not wait for databases.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from candu_sync.errors import CanduSyncError, SettingsError, Unauthorized, UsageError
from candu_sync.terminal import json_line, printable, printable_lines

if TYPE_CHECKING:
    from candu_sync.project import Project, Target
    from candu_sync.syncs import Catalog, Sync

Names = Annotated[list[str] | None, typer.Argument(metavar="SYNC…", help="Names of syncs, like users/profile.")]
Partitions = Annotated[list[str] | None, typer.Option(
    "--partition", metavar="KEY", help="A partition; may be given several times. A window's key is its start.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a sync and partition, one a line.")]
All = Annotated[bool, typer.Option("--all", help="Every sync there is.")]
Full = Annotated[bool, typer.Option("--full", help="Every row, whole. Events that were sent are not sent again.")]

_GRAVEST = (1, 2, 3, 4)


def complain(message: str) -> None:
    """Say something on stderr. A stderr that is closed is no reason to stop."""
    with suppress(OSError, ValueError):
        typer.echo(f"candu-sync: {printable_lines(message)}", err=True)


def say(message: str) -> None:
    """A line of a command's result, on stdout."""
    typer.echo(printable(message))


@contextmanager
def opened_project() -> Iterator[tuple[Project, Catalog]]:
    """The project of the current folder, and its syncs; files that are no syncs are said on stderr."""
    from candu_sync.project import Project
    from candu_sync.settings import load_settings
    from candu_sync.syncs import load_syncs

    settings = load_settings()
    for warning in settings.warnings:
        complain(warning)
    catalog = load_syncs(settings.sql_dir)
    for error in catalog.errors:
        complain(str(error))
    with Project(settings) as project:
        yield project, catalog


def chosen(catalog: Catalog, names: list[str] | None, everything: bool) -> tuple[list[Sync], int]:
    """The syncs that were named, users before groups before events, and 2 when a wrong file is among them."""
    from candu_sync.suggestions import nearest

    if everything or not names:
        return list(catalog.syncs.values()), 2 if catalog.errors else 0
    wrong = {error.sync for error in catalog.errors}
    for name in names:
        if name not in catalog.syncs and name not in wrong:
            near = nearest(name, catalog.syncs)
            raise UsageError(f"there is no sync {name}" + (f"; did you mean {near}?" if near else "")
                             + f" (there are: {', '.join(catalog.syncs) or 'none'})")
    return [sync for name, sync in catalog.syncs.items() if name in names], 2 if wrong.intersection(names) else 0


def finish(codes: list[int]) -> None:
    """End with the gravest of the codes."""
    raise typer.Exit(next((code for code in _GRAVEST if code in codes), 0))


def each(project: Project, syncs: list[Sync], partitions: list[str] | None,
          act: Callable[[Target], int]) -> list[int]:
    """Do something to each sync and partition, until there is no more to do or a signal ended it."""
    codes: list[int] = []
    for sync in syncs:
        targets: list[Target] = []
        if project.stopped:
            return [*codes, 1]
        with _complaining(project, sync, codes):
            targets = project.targets(sync, partitions or [])
        for target in targets:
            if project.stopped:
                return [*codes, 1]
            with _complaining(project, sync, codes):
                codes.append(act(target))
    return codes


@contextmanager
def _complaining(project: Project, sync: Sync, codes: list[int]) -> Iterator[None]:
    """An error of one sync goes to stderr, and the others go on. A wrong key or setting ends all."""
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


def with_state(project: Project, sync: Sync, partitions: list[str] | None) -> list[Target]:
    """The sync with each partition that has any state: all of them, or those that were named."""
    from candu_sync.project import Target

    known = project.state.partitions(sync.name)
    strangers = [key for key in partitions or () if key not in known]
    if strangers:
        project.targets(sync, strangers)  # raises for those that cannot be
    return [Target(project, sync, key) for key in known if not partitions or key in partitions]


def require_names(names: list[str] | None, everything: bool, command: str) -> None:
    """Refuse a command that names no sync, or names some together with --all."""
    if not names and not everything:
        raise UsageError(f"{command} what? Name a sync (candu-sync list shows them), or all of them with --all")
    if names and everything:
        raise UsageError(f"{command} {names[0]}, or --all? Leave one of the two out")


def print_lines(rows: list[dict[str, Any]]) -> None:
    """One JSON object a line."""
    for row in rows:
        typer.echo(json_line(row))
    sys.stdout.flush()
