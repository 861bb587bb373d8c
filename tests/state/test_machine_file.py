"""A file that all processes of a machine have in common, for one state."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from candu_sync.errors import StateError
from candu_sync.state import State
from candu_sync.state.machine_file import machine_file


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The machine's folder for temporary files."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_it_stands_beside_a_state_on_a_disk_and_is_no_part_of_it(tmp_path: Path) -> None:
    state = State(str(tmp_path / "state"))
    path = state.machine_file("rate")
    assert path.parent == tmp_path / "state"
    path.touch()
    assert state.store.list("") == ["format.json"]
    assert state.store.folders("") == []


def test_for_a_state_in_an_object_store_it_is_a_private_temporary_one(temporary: Path) -> None:
    path = machine_file(None, "rate", "7f3a")
    assert path.parent == temporary / f"candu-sync-{os.getuid()}"
    assert "7f3a" in path.name
    assert path.parent.stat().st_mode & 0o077 == 0
    assert machine_file(None, "rate", "7f3a") == path != machine_file(None, "rate", "8000")


@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_somebody_else_put_there_is_refused(temporary: Path, kind: str) -> None:
    """Anybody can write into /tmp."""
    place = temporary / f"candu-sync-{os.getuid()}"
    if kind == "link":
        (temporary / "elsewhere").mkdir()
        place.symlink_to(temporary / "elsewhere")
    else:
        place.touch()
    with pytest.raises(StateError, match="TMPDIR"):
        machine_file(None, "rate", "7f3a")


def test_files_of_earlier_boots_are_removed(tmp_path: Path) -> None:
    path = machine_file(tmp_path, "rate-candu", "7f3a")
    old, young, other = (tmp_path / f".rate-{name}" for name in ("candu-00", "candu-11", "segment-00"))
    for file in (path, old, young, other):
        file.touch()
        os.utime(file, (0, 0))
    young.touch()
    assert machine_file(tmp_path, "rate-candu", "7f3a") == path
    assert [file.exists() for file in (path, old, young, other)] == [True, False, True, True]
