"""A chain of immutable versions: made once, verified when read, and never silently taken as empty."""

from __future__ import annotations

from pathlib import Path

import pytest

from candu_sync import pipeline
from candu_sync.errors import DamagedState, StaleChanges
from candu_sync.operate import maintenance
from candu_sync.simulator import Simulator
from candu_sync.state.last_run import read_last_run
from candu_sync.state.partition_state import PartitionState
from candu_sync.state.root import State
from candu_sync.state.versions import Version
from candu_sync.syncs.sync import Sync
from candu_sync.target import Target
from tests.support.lab import Lab, error_of

LONG_AGO = "2020-01-01T00:00:00+00:00"


@pytest.fixture
def state(tmp_path: Path) -> PartitionState:
    return State(str(tmp_path / "state")).of("users/model", None)


def file(folder: Path, text: str = "rows") -> Path:
    path = folder / "base.arrow"
    path.write_text(text)
    return path


class TestChain:
    def test_it_begins_with_nothing(self, state: PartitionState) -> None:
        assert state.current() == Version(number=0)

    def test_a_version_is_read_back_as_it_was_made(self, state: PartitionState, tmp_path: Path) -> None:
        made = state.commit(Version(number=1, run_id="run-1", at="2026-11-01T00:00:00+00:00", kind="users",
                                    traits=(("plan", "text"),), rows=5, newest=None),
                            {"base": file(tmp_path)})
        assert state.current() == made
        path = state.open(made.files["base"])
        assert path is not None
        assert path.read_text() == "rows"

    def test_a_number_is_committed_once(self, state: PartitionState) -> None:
        state.commit(Version(number=1, run_id="run-1", at="2026-11-01T00:00:00+00:00"), {})
        with pytest.raises(StaleChanges, match="version 1 was committed by another run"):
            state.commit(Version(number=1, run_id="run-2", at="2026-11-01T00:00:00+00:00"), {})
        assert state.current().run_id == "run-1"

    def test_old_versions_are_dropped_with_their_files_and_the_last_ones_are_kept(
            self, state: PartitionState, tmp_path: Path) -> None:
        for number in range(1, 7):
            state.commit(Version(number=number, run_id=f"run-{number}",
                                 at=LONG_AGO), {"base": file(tmp_path, str(number))})
        assert [Path(name).stem for name in state.store.list(state.name("versions/"))] == [
            "00000004", "00000005", "00000006"]
        assert len(state.store.list(state.name("data/"))) == 3

    def test_a_file_that_a_later_version_keeps_outlives_its_own(self, state: PartitionState, tmp_path: Path) -> None:
        version = state.commit(Version(number=1, run_id="run-1", at=LONG_AGO), {"base": file(tmp_path)})
        for number in range(2, 7):
            version = state.commit(Version(number=number, run_id=f"run-{number}", at=LONG_AGO, files=version.files), {})
        assert state.open(version.files["base"]) is not None


class TestDamage:
    """One clear sentence that names the file and what to do; nothing is sent."""

    @pytest.fixture
    def sync(self, lab: Lab) -> Sync:
        lab.table("people", user_id=["a", "b"], plan=["pro", "free"])
        sync = lab.sync("users/model", "select * from people")
        lab.run(sync)
        lab.table("people", user_id=["a", "b"], plan=["pro", "max"])
        return sync

    def damaged(self, lab: Lab, simulator: Simulator, sync: Sync, path: Path) -> str:
        requests = len(simulator.requests())
        with pytest.raises(DamagedState) as caught:
            lab.run(sync)
        assert len(simulator.requests()) == requests
        last = read_last_run(lab.state(sync))
        assert (last["status"], last["error"]) == ("failed", str(caught.value))
        assert str(path) in str(caught.value)
        assert "candu-sync reset users/model" in str(caught.value)
        return str(caught.value)

    def base(self, lab: Lab, sync: Sync) -> Path:
        state = lab.state(sync)
        return Path(state.store.place(state.current().files["base"].name))

    def version(self, lab: Lab, sync: Sync) -> Path:
        state = lab.state(sync)
        return Path(state.store.place(state.store.list(state.name("versions/"))[-1]))

    def test_the_files_of_one_partition_are_no_reason_to_reset_the_others(self, lab: Lab) -> None:
        lab.table("people", user_id=["a", "b"], segment=["at risk", "safe"])
        sync = lab.sync("users/model", "select user_id, segment from people where segment = :partition",
                        "partitions: {static: [at risk, safe]}")
        for key in "at risk", "safe":
            lab.run(sync, key)
        state = lab.state(sync, "at risk")
        Path(state.store.place(state.current().files["base"].name)).write_bytes(b"")
        with pytest.raises(DamagedState, match="`candu-sync reset users/model --partition 'at risk'`"):
            lab.run(sync, "at risk", full=True)
        assert read_last_run(state)["status"] == "failed"
        assert lab.run(sync, "safe").messages == 0

    def test_a_truncated_file(self, lab: Lab, simulator: Simulator, sync: Sync) -> None:
        path = self.base(lab, sync)
        path.write_bytes(path.read_bytes()[:-10])
        assert "bytes instead of" in self.damaged(lab, simulator, sync, path)

    def test_an_altered_file(self, lab: Lab, simulator: Simulator, sync: Sync) -> None:
        path = self.base(lab, sync)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        assert "was altered" in self.damaged(lab, simulator, sync, path)

    def test_a_missing_file(self, lab: Lab, simulator: Simulator, sync: Sync) -> None:
        path = self.base(lab, sync)
        path.unlink()
        assert "is missing" in self.damaged(lab, simulator, sync, path)

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"number": 1}', b"\xff\xfe"])
    def test_a_version_that_cannot_be_read(self, lab: Lab, simulator: Simulator, sync: Sync, content: bytes) -> None:
        path = self.version(lab, sync)
        path.write_bytes(content)
        assert "is damaged" in self.damaged(lab, simulator, sync, path)

    def test_a_reset_helps(self, lab: Lab, simulator: Simulator, sync: Sync) -> None:
        self.version(lab, sync).write_bytes(b"")
        with lab.project() as project:
            maintenance.reset(Target(project, sync))
        assert lab.run(sync).accepted == 2

    def test_a_damaged_change_set_is_no_empty_one(self, lab: Lab, simulator: Simulator, sync: Sync) -> None:
        changes = lab.plan(sync)
        (changes.folder / "plan.json").write_text("{")
        state = lab.state(sync)
        assert (state.read_json("staged.json") or {})["run_id"] == changes.run_id
        with lab.project() as project:
            assert "make the plan again" in error_of(pipeline.push_staged, Target(project, sync))


def test_after_a_run_only_the_owner_reads_the_files(lab: Lab) -> None:
    lab.table("people", user_id=["a"], plan=["pro"])
    sync = lab.sync("users/model", "select * from people")
    lab.run(sync)
    lab.table("people", user_id=["a", None], plan=["max", "x"])
    lab.plan(sync)
    paths = list((lab.folder / "state").rglob("*"))
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_file()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_dir()} == {0o700}


def test_a_run_leaves_no_rows_in_scratch_folders(lab: Lab) -> None:
    lab.table("people", user_id=["a"], plan=["pro"])
    lab.run(lab.sync("users/model", "select * from people"))
    assert list((lab.folder / "state" / "tmp").rglob("*")) == []
