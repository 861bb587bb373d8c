"""Scratch may hold rows: that of a process that was killed is removed by the next one, that of a living one never."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from candu_sync.state import processes, scratch
from candu_sync.state.store import open_store
from tests.support.waiting import until

# Another process with rows in a scratch folder.
HOLD = """
import sys
from candu_sync.state.store import open_store
store = open_store(sys.argv[1])
folder = store.scratch()
(folder / "rows.arrow").write_text("personal")
print(folder, flush=True)
input()
"""
CONTAINER = ["unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]


@pytest.fixture(params=["disk", "objects"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A state; the temporary folder of the system is one of the test's own."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return str(tmp_path / "state") if request.param == "disk" else request.getfixturevalue("s3_url")


@contextmanager
def holding(url: str, *before: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    process = subprocess.Popen([*before, sys.executable, "-c", HOLD, url], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
    finally:
        process.kill()
        process.wait()


def contained() -> list[str]:
    try:
        if subprocess.run([*CONTAINER, "true"], capture_output=True, check=False).returncode == 0:
            return CONTAINER
    except FileNotFoundError:
        pass
    pytest.skip("this user may not make namespaces")


def sweep(url: str) -> None:
    scratch.remove_folder(open_store(url).scratch())


def test_what_a_killed_process_left_is_removed(url: str) -> None:
    with holding(url) as (process, folder):
        sweep(url)
        assert (folder / "rows.arrow").exists(), "a living process lost its rows"
        process.kill()
        process.wait()
        sweep(url)
        assert not folder.exists()


def test_a_killed_container_too_and_a_living_one_is_left_alone(url: str) -> None:
    """With a process table of its own: by its number alone each would pass for dead, or for living."""
    with holding(url, *contained()) as (process, folder):
        sweep(url)
        assert (folder / "rows.arrow").exists()
        process.kill()
        process.wait()
        until(lambda: (sweep(url), not folder.exists())[1])


class TestOtherMachines:
    @pytest.fixture
    def left(self, tmp_path: Path) -> Path:
        folder = scratch.make_folder(tmp_path)
        (folder / ".owner").write_text("another boot")
        (folder / "rows.arrow").write_text("personal")
        os.close(scratch._locked.pop(folder))
        return folder

    def aged(self, folder: Path) -> None:
        long_ago = time.time() - scratch.OLD_SECONDS - 1
        for path in (*folder.rglob("*"), folder):
            os.utime(path, (long_ago, long_ago))

    def test_an_old_one_is_removed(self, left: Path, tmp_path: Path) -> None:
        self.aged(left)
        scratch.make_folder(tmp_path)
        assert not left.exists()

    def test_one_that_is_written_to_is_not(self, left: Path, tmp_path: Path) -> None:
        self.aged(left)
        (left / "rows.arrow").write_text("more")
        scratch.make_folder(tmp_path)
        assert left.exists()

    def test_a_folder_of_an_earlier_version_is_removed_by_its_age(self, tmp_path: Path) -> None:
        left = tmp_path / "host.12345.abcdefg"
        left.mkdir()
        (left / "rows.arrow").write_text("personal")
        scratch.make_folder(tmp_path)
        assert left.exists()
        self.aged(left)
        scratch.make_folder(tmp_path)
        assert not left.exists()

    def test_a_half_written_file_is_removed_by_its_age(self, tmp_path: Path) -> None:
        left = tmp_path / ".0123456789abcdef"
        left.write_text("personal")
        scratch.make_folder(tmp_path)
        assert left.exists()
        self.aged(left)
        scratch.make_folder(tmp_path)
        assert not left.exists()


def test_only_what_is_named_as_ours_is_removed(tmp_path: Path) -> None:
    """The temporary folder of the system is everybody's."""
    other = tmp_path / "something-else"
    other.mkdir()
    os.utime(other, (0, 0))
    scratch.make_folder(tmp_path, "candu-sync-state-")
    assert other.exists()


def test_a_store_leaves_nothing_when_it_is_done_with(url: str) -> None:
    done = subprocess.run([sys.executable, "-c", HOLD, url], input="\n", capture_output=True, text=True, check=True)
    if url.startswith("s3"):
        assert not Path(done.stdout.strip()).parent.exists()


def test_where_there_is_no_boot_id_age_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "boot_id", lambda: "")
    left = scratch.make_folder(tmp_path)
    os.close(scratch._locked.pop(left))
    scratch.make_folder(tmp_path)
    assert left.exists()
