"""The first command of all: init."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from candu_sync.cli.common import say


def init(folder: Annotated[Path, typer.Argument(help="The project's folder; made where it is missing.")] = Path(),
         dagster: Annotated[bool, typer.Option("--dagster", help="To be run by Dagster too.")] = False,
         dbt: Annotated[bool, typer.Option("--dbt", help="With models of dbt upstream.")] = False) -> None:
    """A project to begin with: settings, an example of a sync, a check for pull requests. No file is overwritten."""
    from candu_sync.starting import write_project

    done = write_project(folder, dagster=dagster, dbt=dbt)
    for path in done.written:
        say(f"wrote  {folder / path}")
    for path in done.kept:
        say(f"kept   {folder / path} (it was there)")
    where = "" if folder.resolve() == Path.cwd() else f"cd {folder}; "
    for line in "", "Next, in two terminals:", "  candu-sync simulate", f"  {where}candu-sync plan users/example":
        say(line)
