"""The whole state: which syncs and partitions have something in it, in folders that no two share; its format."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from candu_sync.errors import DamagedState, ForeignState, StateError
from candu_sync.simulator import Simulator
from candu_sync.state.root import State
from candu_sync.state.versions import Version
from tests.support.lab import Lab


def test_syncs_and_partitions_have_their_own(tmp_path: Path) -> None:
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


def test_a_partition_whose_folder_is_named_as_before_is_found(tmp_path: Path) -> None:
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


def test_a_reset_partition_is_still_known_by_its_key(tmp_path: Path) -> None:
    state = State(str(tmp_path)).of("users/model", "EMEA")
    state.commit(Version(number=1, run_id="1", at="2026-11-01T00:00:00+00:00"), {})
    state.forget(2, "2", keep="history")
    assert State(str(tmp_path)).partitions("users/model") == ["EMEA"]


def test_a_key_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    state = State(str(tmp_path)).of("users/model", "EMEA")
    state.write_json("last.json", {})
    Path(state.store.place(state.name("key.json"))).unlink()
    with pytest.raises(DamagedState, match=r"key\.json is missing"):
        State(str(tmp_path)).partitions("users/model")


def test_a_sync_with_a_very_long_name(tmp_path: Path) -> None:
    names = ["users/" + "deep/" * 60 + end for end in ("a", "b")]
    for name in names:
        State(str(tmp_path)).of(name, None).write_json("last.json", {"sync": name})
    assert [State(str(tmp_path)).of(name, None).read_json("last.json") for name in names] == [
        {"sync": name} for name in names]


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
