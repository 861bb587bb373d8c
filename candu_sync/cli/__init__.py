"""The command line: arguments, progress, exit codes. What it does is in the other rooms.

Exit codes: 0 all well; 1 it failed, what was accepted is committed; 2 usage or settings; 3 a guard stopped it, nothing
was sent; 4 done, with rows invalid or refused. With several syncs the gravest code is used: 1, 2, 3, 4.

The rooms are imported inside the commands: `--help` must not wait for databases.
"""

from __future__ import annotations

import gc
import io
import logging
import os
import sys
from typing import Annotated

import typer

from candu_sync.cli.commands import Commands
from candu_sync.cli.common import complain, log_as
from candu_sync.errors import CanduSyncError, UsageError
from candu_sync.workspaces import CHOICE, chosen_workspace

app = typer.Typer(name="candu-sync", cls=Commands, no_args_is_help=True, add_completion=False,
                  pretty_exceptions_enable=False)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"candu-sync {version('candu-sync')}")
        raise typer.Exit


@app.callback()
def _common(
        workspace: Annotated[str | None, typer.Option(
            "--workspace", metavar="NAME", envvar=CHOICE, show_envvar=False,
            help="Which workspace of Candu, where there are several: for eu, settings begin with CANDU_EU_.")] = None,
        _: Annotated[bool, typer.Option(
            "--version", help="The version of candu-sync.", callback=_print_version, is_eager=True)] = False) -> None:
    """Data warehouse to Candu: compares SQL models with what Candu accepted, and sends what changed."""
    if workspace is not None:
        # For this process, and those that it starts.
        os.environ[CHOICE] = workspace
        chosen_workspace()


def _check_arguments() -> None:
    """Refuse words that are not UTF-8: no id, key or name can be one, and no database takes one.

    Raises:
        UsageError: there is one.
    """
    for word in sys.argv[1:]:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise UsageError(f"the argument {word!a} is not UTF-8. Write it in a terminal whose encoding is "
                             "UTF-8") from None


def main() -> None:
    """Run the command line; every error of ours is one message on stderr, without a traceback."""
    # Little here is in cycles, and to look for some takes longer with each module that is loaded.
    gc.set_threshold(20_000, 20)
    # Otherwise pydantic reads what all installed packages say of themselves, to look for plugins of its own.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # numpy's threads for linear algebra, which is not used here, run idle for a while before they sleep.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # A command says itself, as its last line, what this logger warns of.
    logging.getLogger("candu_sync.report").setLevel(logging.ERROR)
    for stream in sys.stdout, sys.stderr:
        # A letter that the terminal's encoding lacks must not lose the result.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # Until the settings are read.
    log_as()
    try:
        _check_arguments()
        app()
    except CanduSyncError as error:
        complain(str(error), level="error")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        complain("interrupted before anything was sent", level="error")
        sys.exit(1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
