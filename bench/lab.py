"""What is measured against: the sink in a process of its own, and a project of candu-sync with one sync."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.builds import CURRENT, Build
from bench.process import ROOT, Ended, Failed, run

SYNC = "users/u"

_BY_PHASE = ROOT / "bench/peers/by_phase.py"


class Sink:
    """A running sink (bench/sink.py)."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}/api"

    def reset(self) -> None:
        self._get("reset")

    def stats(self) -> dict[str, Any]:
        """What has come in since the last reset."""
        found: dict[str, Any] = json.loads(self._get("stats"))
        return found

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=30) as answer:
            return bytes(answer.read())


@contextmanager
def open_sink(delay: float = 0.0) -> Iterator[Sink]:
    """Start a sink; ``delay``: seconds until it answers."""
    command = [sys.executable, str(ROOT / "bench" / "sink.py"), "--delay", str(delay)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Sink(int(process.stdout.readline()))
        finally:
            process.kill()


class Lab:
    """A project in a folder: one sync of users over one table, at the defaults but for the rate, which has no limit.

    Args:
        folder: is emptied first.
        warehouse: its SQLAlchemy URL.
        table: what the model selects from; may end in a LIMIT.
        sink: None: nothing is sent.
        build: whose command is run.

    Attributes:
        more: variables of the environment, in addition.
    """

    def __init__(self, folder: Path, warehouse: str, table: str, sink: Sink | None = None,
                 build: Build = CURRENT) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "sql/users").mkdir(parents=True)
        (folder / "sql/users/u.sql").write_text(f"select * from {table}\n")
        self.folder = folder
        self.sink = sink
        self.warehouse = warehouse
        self.build = build
        self.more: dict[str, str] = {}

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def model(self, sql: str) -> None:
        (self.folder / "sql/users/u.sql").write_text(sql)

    def forget(self) -> None:
        """Remove the state: the next run is a first one."""
        shutil.rmtree(self.folder / "state", ignore_errors=True)

    def state_bytes(self) -> int:
        """Everything that the state has on disk."""
        return sum(path.stat().st_size for path in (self.folder / "state").rglob("*") if path.is_file())

    def environment(self, **settings: str) -> dict[str, str]:
        return {"CANDU_ROUTE": "candu", "CANDU_API_URL": self.sink.url if self.sink else "http://127.0.0.1:9/api",
                "CANDU_API_KEY": "bench", "CANDU_RATE": "0", "CANDU_WAREHOUSE_URL": self.warehouse,
                "CANDU_STATE_URL": str(self.folder / "state"), "CANDU_SQL_DIR": str(self.folder / "sql"),
                **self.build.environment, **{f"CANDU_{name.upper()}": value for name, value in settings.items()},
                **self.more}

    def command(self, *words: str, **settings: str) -> Ended:
        """Run ``candu-sync``. Raises Failed."""
        return run([*self.build.command, *words], environment=self.environment(**settings), cwd=self.folder)

    def baseline(self) -> None:
        """Take what the model gives now as already sent. Raises Failed."""
        self.command("baseline", SYNC)

    def sync(self, verb: str, *words: str, **settings: str) -> dict[str, Any]:
        """``candu-sync run`` or ``plan`` of the sync: its ``--json`` in short.

        ``seconds`` is the job's own sum of its phases, process start not included; ``wall`` that of the process;
        ``read_cpu`` and the like are the seconds of processor of a phase.
        Raises Failed, also when a message was not accepted.
        """
        ended, cpu = self._by_phase(verb, SYNC, *words, "--json", **settings)
        printed = json.loads(ended.out)
        if verb == "run" and printed["accepted"] != printed["messages"]:
            raise Failed(f"{printed['messages'] - printed['accepted']} messages were not accepted")
        counts = {name: printed[name] for name in ("rows", "added", "changed", "removed", "messages", "requests")}
        phases = printed["seconds"]
        return {"seconds": phases["total"], **ended.costs, "phases": phases, **counts,
                "read_and_diff_cpu": cpu.get("read", 0.0) + cpu.get("diff", 0.0),
                **{f"{phase}_cpu": seconds for phase, seconds in cpu.items()}}

    def _by_phase(self, *words: str, **settings: str) -> tuple[Ended, dict[str, float]]:
        """Run ``candu-sync``: the process, and the seconds of processor of its phases."""
        written = self.folder / "cpu.json"
        ended = run([self.build.python, "-P", _BY_PHASE, written, *words], environment=self.environment(**settings),
                    cwd=self.folder)
        return ended, json.loads(written.read_text())
