"""What the commands share: the project, the syncs that were named, exit codes, output.

The rooms are imported inside the functions: `--help` must not wait for databases.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from candu_sync.errors import UsageError
from candu_sync.suggestions import did_you_mean
from candu_sync.terminal import json_line, printable, printable_lines
from candu_sync.workspaces import CHOICE

if TYPE_CHECKING:
    from candu_sync.errors import SpecError
    from candu_sync.project import Project
    from candu_sync.syncs import Catalog, Sync
    from candu_sync.target import Target

Partitions = Annotated[list[str] | None, typer.Option(
    "--partition", metavar="KEY",
    help="A partition, or a range A..B; may be given several times. A window's key is its start.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a sync and partition, one a line.")]
NewKey = Annotated[bool, typer.Option(
    "--new-key", help="The key was replaced by another one of the same workspace of Candu, or source of Segment.")]
Force = Annotated[bool, typer.Option("--force", help="Go past all guards.")]
Allow = Annotated[list[str] | None, typer.Option(
    "--allow", metavar="GUARD", help="Pass this guard and no other, like changed; several with commas.")]
Full = Annotated[bool, typer.Option("--full", help="Every row, whole. Events that were sent are not sent again.")]

Jobs = Annotated[int, typer.Option("--jobs", min=1, metavar="N", help="Work on N syncs or partitions at a time.")]

_GRAVEST = (1, 2, 3, 4)

NOT_RUN = "not run: the command was stopped before it came to this"
"""The error of a sync and partition that a command did not come to."""


class _Log:
    """In which form messages go to stderr: text, or json."""

    form = "text"


def log_as(form: str | None = None) -> None:
    """Write messages in this form from now on; None: as the environment says."""
    _Log.form = os.environ.get("CANDU_LOG", "").strip().lower() if form is None else form


def complain(message: str, *, level: str = "warning", sync: str | None = None, partition: str | None = None) -> None:
    """Print a message on stderr. The command goes on if stderr is closed.

    Args:
        level: warning or error, for ``CANDU_LOG=json``, as the others.
        sync, partition: what it is about.
    """
    message = in_words(message)
    if logs_json():
        from candu_sync.cli import json_log

        about = {} if sync is None else {"sync": sync, "partition": partition}
        json_log.write("message", level=level, **about, message=message)
        return
    with suppress(OSError, ValueError):
        typer.echo(f"candu-sync: {printable_lines(message)}", err=True)


def remark(message: str) -> None:
    """A line on stderr that is no complaint."""
    message = in_words(message)
    if logs_json():
        from candu_sync.cli import json_log

        json_log.write("message", message=message)
    else:
        typer.echo(printable(message), err=True)


def logs_json() -> bool:
    """Whether stderr has JSON objects, one a line."""
    return _Log.form == "json"


def say(message: str) -> None:
    """A line of a command's result, on stdout."""
    typer.echo(printable(in_words(message)))


def in_words(message: str) -> str:
    """A message with the settings and commands of the workspace that this process works for."""
    workspace = os.environ.get(CHOICE)
    if not workspace:
        return message
    from candu_sync import settings

    return settings.in_words(workspace, message)


@contextmanager
def opened_project(*, fills_state: bool = False, jobs: int = 1) -> Iterator[tuple[Project, Catalog]]:
    """The project of the current folder, and its syncs. Reported on stderr: unknown settings, and at the end that the
    report tables were not written.

    Args:
        fills_state: the command writes what Candu has; reported then: a state that may go with its container.
        jobs: how many syncs and partitions are worked on at a time.
    """
    from candu_sync.dbt import load_catalog

    with project_without_syncs(fills_state=fills_state) as project:
        catalog = load_catalog(project.settings.sql_dir, project.settings.dbt_manifest)
        project.declared = catalog.names if catalog.complete else None
        project.jobs = jobs
        yield project, catalog


@contextmanager
def project_without_syncs(*, fills_state: bool = False) -> Iterator[Project]:
    """As ``opened_project``; the files of the syncs are not read."""
    from candu_sync.project import Project
    from candu_sync.settings import load_settings

    settings = load_settings()
    log_as(settings.log)
    with _messages_logged():
        for warning in settings.warnings:
            complain(warning)
        if fills_state and settings.state_warning is not None:
            complain(settings.state_warning)
        project = Project(settings)
        try:
            with project:
                yield project
        finally:
            if project.report_trouble is not None:
                complain(project.report_trouble)


def _messages_logged() -> AbstractContextManager[None]:
    if not logs_json():
        return nullcontext()
    from candu_sync.cli import json_log

    return json_log.log_messages()


def chosen(catalog: Catalog, names: list[str] | None) -> tuple[list[Sync], list[SpecError]]:
    """The syncs that were named, users before groups before events, and the errors of those whose files are wrong.

    The errors are reported on stderr; those of other syncs' files are not. Without a name all syncs are meant.

    Raises:
        UsageError: there is no sync of a name.
    """
    wrong = {error.sync for error in catalog.errors}
    for name in names or ():
        if name not in catalog.syncs and name not in wrong:
            raise UsageError(f"there is no sync {name}{did_you_mean(name, catalog.syncs)} "
                             f"(there are: {', '.join(catalog.syncs) or 'none'})")
    errors = [error for error in catalog.errors if not names or error.sync in names]
    for error in errors:
        complain(str(error))
    return [sync for name, sync in catalog.syncs.items() if not names or name in names], errors


def may_pass(allow: list[str] | None, *, force: bool) -> frozenset[str]:
    """The guards of ``--allow``.

    Raises:
        UsageError: there is no guard of a name, or ``--force`` is there too.
    """
    from candu_sync.changes import guard_names

    if allow and force:
        raise UsageError(f"--allow {allow[0]}, or --force? --force passes all guards: leave one of the two out")
    return guard_names(allow or ())


def point_out_rename(project: Project, sync: Sync, done: set[str]) -> None:
    """Say on stderr, once for a sync, that it was probably renamed and where its state is."""
    from candu_sync.changes import renamed_perhaps

    if sync.name in done:
        return
    done.add(sync.name)
    if (old := project.predecessor(sync)) is not None:
        complain(renamed_perhaps(old, sync.name, events=sync.kind == "events"))


def finish(codes: list[int]) -> None:
    """End with the gravest of the codes."""
    raise typer.Exit(next((code for code in _GRAVEST if code in codes), 0))


def keys_of(project: Project, sync: Sync, words: Collection[str] | None) -> list[str] | None:
    """The partitions that ``--partition`` names for a sync, each a key or a range; None: it names none.

    Raises:
        UsageError: a range is none.
    """
    from candu_sync.due import partition_keys

    return partition_keys(project, sync, words) if words else None


def with_state(project: Project, sync: Sync, keys: Collection[str] | None) -> list[Target]:
    """The sync with each partition that has any state: all of them, or those that were named.

    Args:
        keys: the partitions that were named; None: none was.
    """
    from candu_sync.due import targets_of
    from candu_sync.target import Target

    known = project.state.partitions(sync.name)
    strangers = [key for key in keys or () if key not in known]
    if strangers:
        targets_of(project, sync, strangers)  # raises for those that cannot be
    return [Target(project, sync, key) for key in known if keys is None or key in keys]


def print_lines(rows: list[dict[str, Any]]) -> None:
    """One JSON object a line."""
    for row in rows:
        typer.echo(json_line(row))
    sys.stdout.flush()
