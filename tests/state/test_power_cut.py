"""What a power cut leaves on a disk: the bytes that were flushed, under the names that were."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from candu_sync.claimed_push import ClaimedPush
from tests.support.lab import Lab

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a file's name is looked up in /proc")


class Durable:
    """Watches what is flushed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._bytes: set[int] = set()
        self._names: dict[str, dict[str, int]] = {}
        self._fsync = os.fsync
        monkeypatch.setattr(os, "fsync", self.fsync)

    def fsync(self, file: int) -> None:
        self._fsync(file)
        about = os.fstat(file)
        if stat.S_ISDIR(about.st_mode):
            folder = os.readlink(f"/proc/self/fd/{file}")
            self._names[folder] = {entry.name: entry.inode() for entry in os.scandir(folder)}
        else:
            self._bytes.add(about.st_ino)

    def lost(self, *paths: Path) -> list[str]:
        """The files that a power cut would lose now, or leave without their bytes."""
        return [path.name for path in paths
                if self._names.get(str(path.parent), {}).get(path.name) != path.stat().st_ino
                or path.stat().st_ino not in self._bytes]


@pytest.fixture
def durable(monkeypatch: pytest.MonkeyPatch) -> Durable:
    return Durable(monkeypatch)


def first_run(lab: Lab, kind: str) -> Path:
    """The folder of a partition whose first run is over."""
    lab.query("create table people as select 'a' as user_id, 'pro' as plan, 'e1' as event_id, 'seen' as event, "
              "timestamptz '2026-11-01 06:00:00Z' as timestamp")
    columns = "user_id, plan" if kind == "users" else "user_id, event_id, event, timestamp"
    sync = lab.sync(f"{kind}/model", f"select {columns} from people")
    assert lab.run(sync).accepted == 1
    return Path(lab.overrides["state_url"]) / lab.state(sync).prefix


def watch(lab: Lab, monkeypatch: pytest.MonkeyPatch, durable: Durable, kind: str) -> dict[str, list[str]]:
    """What a power cut would lose when a run begins to send, when it makes its version, and after it."""
    lost: dict[str, list[str]] = {}
    deliver, link = ClaimedPush._deliver, os.link
    root = Path(lab.overrides["state_url"])

    def delivering(push: ClaimedPush, *rest: object) -> None:
        run = root / push.target.state.prefix / "runs" / push.changes.run_id
        claims = (root / push.target.state.prefix / "claims").iterdir()
        lost["sending"] = durable.lost(*(path for path in run.iterdir() if path.is_file()), *claims)
        deliver(push, *rest)  # type: ignore[arg-type]

    def linking(source: str, target: str) -> None:
        if "/versions/" in target:
            files = [root / file["name"] for file in json.loads(Path(source).read_bytes())["files"].values()]
            lost["committing"] = durable.lost(*files, *(Path(target).parents[1] / "history").glob("*.parquet"))
            assert files
        link(source, target)

    monkeypatch.setattr(ClaimedPush, "_deliver", delivering)
    monkeypatch.setattr(os, "link", linking)
    [version] = (first_run(lab, kind) / "versions").iterdir()
    lost["committed"] = durable.lost(version)
    return lost


@pytest.mark.parametrize("kind", ["users", "events"])
def test_nothing_is_sent_or_made_real_before_what_it_needs_is_on_the_disk(
        lab: Lab, monkeypatch: pytest.MonkeyPatch, durable: Durable, kind: str) -> None:
    assert watch(lab, monkeypatch, durable, kind) == {"sending": [], "committing": [], "committed": []}
