"""A chain of immutable versions: made once, verified when read, and never silently taken as empty."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from candu_sync import pipeline
from candu_sync.errors import DamagedState, ForeignState, StaleChanges, StateError
from candu_sync.operate import maintenance
from candu_sync.project import Target
from candu_sync.simulator import Simulator
from candu_sync.state.versions import PartitionState, State, Version
from candu_sync.syncs.sync import Sync
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

    def test_syncs_and_partitions_have_their_own(self, tmp_path: Path) -> None:
        state = State(str(tmp_path / "state"))
        keys = ["eu", "-", "-eu", "a/b", "..", ".", "é", "2026-11-01-13:00", "%2E", "EU", "Eu", "a" * 300, "a" * 301,
                "語" * 29, "語" * 300, "é" * 100 + "A", "é" * 100 + "a"]
        for number, key in enumerate(keys):
            state.of("users/model", key).commit(Version(number=1, run_id=str(number),
                                                        at="2026-11-01T00:00:00+00:00"), {})
        state.of("users/model", None).commit(Version(number=1, run_id="none", at="2026-11-01T00:00:00+00:00"), {})
        state.of("users/model/sub", None).commit(Version(number=1, run_id="sub", at="2026-11-01T00:00:00+00:00"), {})
        assert [state.of("users/model", key).current().run_id for key in keys] == [str(n) for n in range(len(keys))]
        assert set(state.partitions("users/model")) == {*keys, None}
        assert State(str(tmp_path / "state")).partitions("users/model/sub") == [None]
        folders = [path.name for path in (tmp_path / "state" / "users.model").iterdir()]
        assert len({name.lower() for name in folders}) == len(keys) + 1, "on a case-insensitive disk some would be one"
        assert max(len(name) for name in folders) <= 150

    def test_a_partition_whose_folder_is_named_as_before_is_found(self, tmp_path: Path) -> None:
        """In an object store long names were possible, and upper case everywhere."""
        State(str(tmp_path))
        for key in ("EU", "a" * 200):
            folder = tmp_path / "users.model" / key / "versions"
            folder.mkdir(parents=True)
            (folder / "00000001.json").write_text(json.dumps(asdict(Version(number=1, run_id=f"run of {key}"))))
        state = State(str(tmp_path))
        assert state.partitions("users/model") == ["EU", "a" * 200]
        assert state.of("users/model", "EU").current().run_id == "run of EU"
        assert state.of("users/model", "a" * 200).current().run_id == "run of " + "a" * 200
        assert state.of("users/model", "Eu").current().number == 0

    def test_a_reset_partition_is_still_known_by_its_key(self, tmp_path: Path) -> None:
        state = State(str(tmp_path)).of("users/model", "EMEA")
        state.commit(Version(number=1, run_id="1", at="2026-11-01T00:00:00+00:00"), {})
        state.forget(2, "2", keep="history")
        assert State(str(tmp_path)).partitions("users/model") == ["EMEA"]

    def test_a_key_that_cannot_be_read_is_named(self, tmp_path: Path) -> None:
        state = State(str(tmp_path)).of("users/model", "EMEA")
        state.write_json("last.json", {})
        Path(state.store.place(state.name("key.json"))).unlink()
        with pytest.raises(DamagedState, match=r"key\.json is missing"):
            State(str(tmp_path)).partitions("users/model")

    def test_a_sync_with_a_very_long_name(self, tmp_path: Path) -> None:
        names = ["users/" + "deep/" * 60 + end for end in ("a", "b")]
        for name in names:
            State(str(tmp_path)).of(name, None).write_json("last.json", {"sync": name})
        assert [State(str(tmp_path)).of(name, None).read_json("last.json") for name in names] == [
            {"sync": name} for name in names]


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
        assert str(path) in str(caught.value)
        assert "candu-sync reset users/model" in str(caught.value)
        return str(caught.value)

    def base(self, lab: Lab, sync: Sync) -> Path:
        state = lab.state(sync)
        return Path(state.store.place(state.current().files["base"].name))

    def version(self, lab: Lab, sync: Sync) -> Path:
        state = lab.state(sync)
        return Path(state.store.place(state.store.list(state.name("versions/"))[-1]))

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


class TestFormat:
    def write(self, folder: Path, body: Any) -> str:
        folder.mkdir()
        (folder / "format.json").write_text(body if isinstance(body, str) else json.dumps(body))
        return str(folder)

    def test_another_format_is_named(self, tmp_path: Path) -> None:
        url = self.write(tmp_path / "state", {"format": 99, "workspace": "5b0e6f0a-7a5c-4c3e-9f0a-0c5b8f6f2b11"})
        with pytest.raises(ForeignState, match="format 99"):
            State(url)

    @pytest.mark.parametrize("body", ["", "{", "[]", {"format": 1}, {"format": 1, "workspace": "x"}])
    def test_a_format_file_that_cannot_be_read(self, tmp_path: Path, body: Any) -> None:
        with pytest.raises(DamagedState, match=r"format\.json"):
            State(self.write(tmp_path / "state", body))

    def test_a_folder_of_something_else(self, tmp_path: Path) -> None:
        (tmp_path / "holiday.jpg").write_text("")
        with pytest.raises(ForeignState, match="not a state folder"):
            State(str(tmp_path))
        assert sorted(path.name for path in tmp_path.iterdir()) == ["holiday.jpg"]

    def test_a_workspace_keeps_its_id(self, tmp_path: Path) -> None:
        assert State(str(tmp_path)).workspace == State(str(tmp_path)).workspace

    def test_a_state_that_cannot_be_written_stops_a_run_before_anything_is_sent(
            self, lab: Lab, simulator: Simulator) -> None:
        (lab.folder / "file").write_text("")
        lab.overrides["state_url"] = str(lab.folder / "file" / "state")
        lab.table("people", user_id=["a"], plan=["pro"])
        with pytest.raises(StateError, match="cannot be written"):
            lab.run(lab.sync("users/model", "select * from people"))
        assert simulator.requests() == []


def test_after_a_run_every_file_is_for_its_owner_alone(lab: Lab) -> None:
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
