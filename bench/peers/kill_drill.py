"""The same drill for candu-sync and its peers: a run is killed at a random instant, again and again, and at the end
each event of the table should have arrived once.

    python -m venv drt && drt/bin/pip install drt-core==1.2.1 duckdb
    python -m venv dlt && dlt/bin/pip install dlt==1.31.0 duckdb
    python bench/peers/kill_drill.py --drt drt/bin/python --dlt dlt/bin/python --kills 30

Before each run the table gets new rows, in no order. Killed are runs that have begun to send or are about to. Lost:
rows that had not arrived when, after the last kill, runs end well and say that there is nothing left. Twice: rows that
Candu accepted more than once (extra: how many times too often); reported: those of them that the tool's own state
names. Stuck: how often no run got through any more, until a person gave the command that the tool names for that.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import duckdb

from candu_sync.simulator import Simulator

sys.path.insert(0, str(Path(__file__).parent))
from peers import Peer, Place, candu_sync, dlt, drt, environment_of

ROWS = 200
DELAY = 0.01


@dataclass
class Tally:
    """What became of one tool's events."""

    peer: str
    signal: str
    kills: int
    rows: int
    lost: int
    twice: int
    extra: int
    reported: int
    stuck: int


def add_rows(warehouse: Path, dice: random.Random, rows: int = ROWS) -> None:
    """New events with the next ids, which do not lie in the order of their ids."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS events (id BIGINT, user_id VARCHAR)")
        (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM events").fetchone() or (0,)
        ids = list(range(last + 1, last + 1 + rows))
        dice.shuffle(ids)
        connection.executemany("INSERT INTO events VALUES (?, ?)", [(n, f"u{n % 50}") for n in ids])


def start(peer: Peer, folder: Path) -> subprocess.Popen[bytes]:
    log = (folder / "log.txt").open("ab")
    return subprocess.Popen(peer.command, cwd=folder, env=environment_of(peer), stdout=log, stderr=log)


def run(peer: Peer, folder: Path) -> int:
    """Let a tool run to its end; how often it was stuck."""
    for _ in range(3):
        if start(peer, folder).wait() == 0:
            return 0
    if not peer.remedy:
        raise SystemExit(f"{peer.name} does not recover: see {folder / 'log.txt'}")
    subprocess.run(peer.remedy, cwd=folder, env=environment_of(peer), check=True, capture_output=True)
    return 1 + run(peer, folder)


def killed(peer: Peer, folder: Path, simulator: Simulator, number: int, after: float) -> bool:
    """Start a run and end it so many seconds after its first request, or as it ends; whether it still lived."""
    before = simulator.stats()["events"]
    process = start(peer, folder)
    while process.poll() is None and simulator.stats()["events"] == before:
        time.sleep(0.002)
    time.sleep(after)
    alive = process.poll() is None
    process.send_signal(number)
    process.wait()
    return alive


def drill(peer: Peer, place: Place, simulator: Simulator, number: signal.Signals, kills: int) -> Tally:
    """Kill so many runs of a tool, then let it finish, and count."""
    dice = random.Random(1)
    simulator.fault("delay", seconds=DELAY)
    add_rows(place.warehouse, dice)
    began = time.monotonic()
    if start(peer, place.folder).wait():
        raise SystemExit(f"{peer.name} does not run: see {place.folder / 'log.txt'}")
    sending = min(time.monotonic() - began, ROWS / 10 * (DELAY + 0.01))
    made = stuck = in_vain = 0
    while made < kills:
        add_rows(place.warehouse, dice)
        alive = killed(peer, place.folder, simulator, number, dice.uniform(0, sending * 1.3))
        made += alive
        in_vain = 0 if alive else in_vain + 1
        if in_vain >= 3:
            stuck += run(peer, place.folder)
            in_vain = 0
    stuck += sum(run(peer, place.folder) for _ in range(3))
    accepted = Counter(int(event["properties"]["id"]) for event in simulator.events())
    with duckdb.connect(str(place.warehouse)) as connection:
        rows = {id_ for (id_,) in connection.execute("SELECT id FROM events").fetchall()}
    twice = {id_ for id_, times in accepted.items() if times > 1}
    return Tally(peer.name, number.name, made, len(rows), len(rows - accepted.keys()), len(twice),
                 sum(accepted.values()) - len(accepted), len(twice & peer.reported()), stuck)


def peers(options: argparse.Namespace, folder: Path, simulator: Simulator) -> list[tuple[Peer, Place]]:
    """Each tool with a place of its own."""
    found: list[tuple[Peer, Place]] = []

    def place(name: str) -> Place:
        return Place(folder / name, folder / f"{name}.duckdb", simulator.url, simulator.key)

    at = place("candu-sync")
    found.append((candu_sync(at), at))
    if options.drt:
        python = options.drt.absolute()
        at = place("drt")
        found.append((drt(at, python, "ref('events')", "drt"), at))
        at = place("drt-ordered")
        found.append((drt(at, python, "select id, user_id from events order by id", "drt, model ordered"), at))
    if options.dlt:
        at = place("dlt")
        found.append((dlt(at, options.dlt.absolute()), at))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--drt", type=Path, metavar="PYTHON", help="the Python of an environment with drt-core")
    parser.add_argument("--dlt", type=Path, metavar="PYTHON", help="the Python of an environment with dlt")
    parser.add_argument("--signals", nargs="+", default=["SIGKILL", "SIGTERM"], choices=["SIGKILL", "SIGTERM"])
    parser.add_argument("--kills", type=int, default=30, help="of each tool, with each signal")
    options = parser.parse_args()
    print(f"{'':<22}{'signal':>9}{'kills':>7}{'rows':>8}{'lost':>7}{'twice':>7}{'extra':>7}{'reported':>10}{'stuck':>7}")  # noqa: T201
    for number in map(signal.Signals.__getitem__, options.signals):
        with tempfile.TemporaryDirectory(prefix="kill-drill-") as folder, Simulator() as simulator:
            for peer, place in peers(options, Path(folder), simulator):
                simulator.reset()
                t = drill(peer, place, simulator, number, options.kills)
                print(f"{t.peer:<22}{t.signal:>9}{t.kills:>7}{t.rows:>8,}{t.lost:>7,}{t.twice:>7,}{t.extra:>7,}"  # noqa: T201
                      f"{t.reported:>10,}{t.stuck:>7}", flush=True)


if __name__ == "__main__":
    main()
