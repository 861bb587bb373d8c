"""What the state costs: `python bench/state_costs.py [MESSAGES [ROWS]]`.

Receipts: a first run of 100,000 messages to a local server that does nothing but answer (bench/sink.py); the seconds
that its workers spend in writing receipts, and the same run without any. A commit: 1,000,000 rows of 20 traits of which
1 % changed, as it is made, against rewriting all rows.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from bench import build
from candu_sync import pipeline, snapshot, upkeep
from candu_sync.commit import commit
from candu_sync.project import Project
from candu_sync.settings import load_settings
from candu_sync.state.receipts import Outcome, ReceiptLog
from candu_sync.sync import Sync, load_syncs

HERE = Path(__file__).parent
RUNS = 3


class Lab:
    """A folder with one sync of users over a made-up table."""

    def __init__(self, folder: Path, rows: int, port: int = 9) -> None:
        self.folder = folder
        self.port = port
        (folder / "sql" / "users").mkdir(parents=True)
        (folder / "sql" / "users" / "profile.sql").write_text("select * from u")
        build(folder / "w.duckdb", rows)

    def project(self, state: str) -> Project:
        return Project(load_settings(
            api_url=f"http://127.0.0.1:{self.port}/api", api_key="key", state_url=str(self.folder / state), rate=0,
            warehouse_url=f"duckdb:///{self.folder / 'w.duckdb'}", sql_dir=self.folder / "sql"))

    @property
    def sync(self) -> Sync:
        return load_syncs(self.folder / "sql").syncs["users/profile"]


@contextmanager
def sink() -> Iterator[int]:
    """A sink in a process of its own; its port."""
    with subprocess.Popen([sys.executable, HERE / "sink.py"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def timed(method: Callable[..., Any]) -> tuple[Callable[..., Any], list[float]]:
    """The method, and a list of the seconds that each call of it takes."""
    seconds: list[float] = []
    lock = threading.Lock()

    def call(*arguments: Any, **options: Any) -> Any:
        began = time.perf_counter()
        try:
            return method(*arguments, **options)
        finally:
            with lock:
                seconds.append(time.perf_counter() - began)

    return call, seconds


def say(what: str, value: str) -> None:
    print(f"{what:<58}{value:>14}", flush=True)  # noqa: T201


def receipts(messages: int) -> None:
    """Seconds of runs with and without receipts, and those spent in writing them."""
    with tempfile.TemporaryDirectory(prefix="state-costs-") as folder, sink() as port:
        lab = Lab(Path(folder), messages, port)
        totals, spent, without = [], [], []
        for n in range(RUNS):
            write, seconds = timed(ReceiptLog.write)
            with replaced(ReceiptLog, "write", write), lab.project(f"with-{n}") as project:
                result = pipeline.run(project, lab.sync)
            assert result.accepted == messages, result.error
            totals.append(sum(result.seconds.values()))
            spent.append(sum(seconds))
            with replaced(ReceiptLog, "write", lambda *_, **__: None), lab.project(f"without-{n}") as project:
                without.append(sum(pipeline.run(project, lab.sync).seconds.values()))
    say(f"a run of {messages:,} messages", f"{statistics.median(totals):.2f} s")
    say("  the same without receipts", f"{statistics.median(without):.2f} s")
    say("  receipts' share of the run", f"{100 * (1 - statistics.median(without) / statistics.median(totals)):.1f} %")
    say(f"  writing {len(seconds):,} receipts, waiting included, 4 workers", f"{statistics.median(spent):.3f} s")


def commits(rows: int) -> None:
    """Seconds and bytes of a commit of 1 % of the rows, as a delta and as a rewrite of all."""
    with tempfile.TemporaryDirectory(prefix="state-costs-") as folder:
        lab = Lab(Path(folder), rows)
        with lab.project("state") as project:
            upkeep.baseline(project, lab.sync, None)
        with duckdb.connect(str(lab.folder / "w.duckdb")) as warehouse:
            warehouse.execute("UPDATE u SET count_0 = count_0 + 1 WHERE hash(user_id) % 100 = 0")
        with lab.project("state") as project:
            state = project.state.of("users/profile", None)
            changes = pipeline.plan(project, lab.sync)
            outcome = Outcome(accepted=[(0, changes.summary.messages - 1)])
            for what, share in (("changes alone", 0.2), ("all rows", 0.0)):
                old = state.current()
                with replaced(snapshot, "_FOLD_SHARE", share):
                    began = time.perf_counter()
                    new = commit(state, old, lab.sync, changes, outcome, memory=project.settings.memory)
                    seconds = time.perf_counter() - began
                written = sum(f.bytes for role, f in new.files.items() if f != old.files.get(role))
                say(f"a commit of {changes.summary.messages:,} of {rows:,} rows, writing {what}",
                    f"{seconds:.2f} s")
                say("  written", f"{written / 1e6:.1f} MB")


if __name__ == "__main__":
    sizes = [int(word) for word in sys.argv[1:]] + [100_000, 1_000_000][len(sys.argv) - 1:]
    receipts(sizes[0])
    commits(sizes[1])
