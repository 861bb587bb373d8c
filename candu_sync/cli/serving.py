"""Commands that need no warehouse: simulate, demo."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from candu_sync.errors import UsageError


def simulate(port: Annotated[int, typer.Option(help="The port on 127.0.0.1.", min=0, max=65535)] = 8800,
             key: Annotated[str, typer.Option(help="The API key that it expects.")] = "simulator-key",
             database: Annotated[Path | None, typer.Option(help="A SQLite file that keeps what it accepted.")] = None,
             write_key: Annotated[str, typer.Option(help="The write key of its Segment source.")] = "simulator",
             client_token: Annotated[str, typer.Option(help="What a page gives Candu.init.")] = "simulator-token",
             identity_secret: Annotated[str | None, typer.Option(
                 help="Switches Signed Identities on: identify calls of a browser need an HMAC made with it.")] = None,
             ) -> None:
    """A stand-in for Candu on this machine, with a page that shows what it holds."""
    from candu_sync.simulator import Simulator, serve

    def ready(simulator: Simulator) -> None:
        typer.echo(f"page: {simulator.page}\nCANDU_API_URL={simulator.url}\n"
                   f"SEGMENT_API_URL={simulator.segment_url}\nCtrl-C ends it")
        sys.stdout.flush()

    try:
        serve(Simulator(port, key, database, write_key=write_key, client_token=client_token,
                        identity_secret=identity_secret), ready)
    except OSError as error:
        raise UsageError(str(error)) from None


def demo(folder: Annotated[Path, typer.Option(
        help="Where the demo's warehouse and state go.")] = Path(".demo")) -> None:
    """The whole story on made-up data, in a few seconds."""
    from candu_sync.demo.story import tell

    raise typer.Exit(tell(folder))
