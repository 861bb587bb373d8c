"""Bytes under names, the same on a disk and in an object store; on a disk for their owner alone."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from candu_sync.errors import SettingsError, StateError
from candu_sync.state.disk import DiskStore
from candu_sync.state.object_store import ObjectStore
from candu_sync.state.store import Store, open_store


@pytest.fixture(params=["disk", "objects"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store on the disk, and obstore's (its local store stands for S3, GCS and Azure: one interface)."""
    folder = tmp_path / "state"
    folder.mkdir()
    return DiskStore(folder) if request.param == "disk" else ObjectStore(f"file://{folder}")


def file(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "incoming"
    path.write_bytes(data)
    return path


def test_put_and_get(store: Store) -> None:
    assert store.get("a/b.json") is None
    assert store.put("a/b.json", b"1")
    assert store.put("a/b.json", b"2")
    assert store.get("a/b.json") == b"2"


def test_put_if_absent_is_for_the_first_alone(store: Store) -> None:
    assert store.put("claims/1.json", b"first", create=True)
    assert not store.put("claims/1.json", b"second", create=True)
    assert store.get("claims/1.json") == b"first"


def test_of_many_at_once_one_wins(store: Store) -> None:
    won: list[int] = []
    barrier = threading.Barrier(8)

    def claim(number: int) -> None:
        barrier.wait()
        if store.put("claims/1.json", str(number).encode(), create=True):
            won.append(number)

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert store.get("claims/1.json") == str(won[0]).encode()


def test_a_file_is_moved_in_and_read_locally(store: Store, tmp_path: Path) -> None:
    assert store.add("data/base.arrow", file(tmp_path, b"rows")) == 4
    assert not (tmp_path / "incoming").exists()
    path = store.local("data/base.arrow")
    assert path is not None
    assert path.read_bytes() == b"rows"
    assert store.local("data/none.arrow") is None


def test_names_are_listed_in_order_by_folder(store: Store) -> None:
    for name in ("s/versions/00000002.json", "s/versions/00000001.json", "s/data/x", "t/versions/1"):
        store.put(name, b"")
    assert store.list("s/versions/") == ["s/versions/00000001.json", "s/versions/00000002.json"]
    assert len(store.list("s/")) == 3
    assert store.list("none/") == []


def test_delete_twice(store: Store) -> None:
    store.put("a/b", b"1")
    store.delete("a/b")
    store.delete("a/b")
    assert store.get("a/b") is None


def test_scratch_folders_are_apart_and_not_listed(store: Store) -> None:
    first, second = store.scratch(), store.scratch()
    assert first != second
    assert store.list("") == []


class TestDisk:
    def test_all_is_for_its_owner_alone(self, tmp_path: Path) -> None:
        store = DiskStore(tmp_path / "deep" / "state")
        store.put("users.profile/-/versions/00000001.json", b"1")
        store.add("users.profile/-/data/run/base.arrow", file(tmp_path, b"rows"))
        paths = [tmp_path / "deep" / "state", *(tmp_path / "deep" / "state").rglob("*"), store.scratch()]
        assert {path.stat().st_mode & 0o777 for path in paths if path.is_dir()} == {0o700}
        assert {path.stat().st_mode & 0o777 for path in paths if path.is_file()} == {0o600}

    def test_a_folder_that_others_could_read_is_closed(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o755)
        DiskStore(tmp_path)
        assert tmp_path.stat().st_mode & 0o777 == 0o700

    def test_writes_leave_no_temporary_files(self, tmp_path: Path) -> None:
        store = DiskStore(tmp_path)
        store.put("a", b"1", create=True)
        store.put("a", b"2", create=True)
        assert [path.name for path in tmp_path.iterdir()] == ["a"]

    def test_those_who_write_and_those_who_remove_do_not_disturb_each_other(self, tmp_path: Path) -> None:
        store = DiskStore(tmp_path)
        failures: list[BaseException] = []

        def work(number: int) -> None:
            try:
                for _ in range(300):
                    assert store.put(f"p/claims/{number}", b"x", create=True)
                    store.list("p/")
                    store.delete(f"p/claims/{number}")
            except BaseException as error:
                failures.append(error)
                raise

        threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []

    def test_a_file_that_is_removed_as_soon_as_it_is_there_was_moved_in_all_the_same(self, tmp_path: Path) -> None:
        """The owner of a claim removes the change set that another run is just staging."""
        store = DiskStore(tmp_path / "state")
        done = threading.Event()

        def remove() -> None:
            while not done.wait(0.0003):
                store.delete("runs/other/changes.arrow")

        remover = threading.Thread(target=remove)
        remover.start()
        try:
            for _ in range(300):
                assert store.add("runs/other/changes.arrow", file(tmp_path, b"rows")) == 4
        finally:
            done.set()
            remover.join()

    def test_a_folder_that_cannot_be_made_is_one_sentence(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(StateError, match=r"file/state cannot be written: .*Check CANDU_STATE_URL"):
            DiskStore(tmp_path / "file" / "state")

    def test_a_folder_that_cannot_be_written_is_one_sentence(self) -> None:
        with pytest.raises(StateError, match="cannot be written"):
            DiskStore(Path("/proc/candu-sync"))

    def test_a_file_in_the_place_of_a_folder_is_one_sentence(self, tmp_path: Path) -> None:
        store = DiskStore(tmp_path)
        store.put("users.profile", b"")
        with pytest.raises(StateError, match=r"users\.profile"):
            store.put("users.profile/-/versions/1", b"")
        with pytest.raises(StateError, match=r"users\.profile"):
            store.get("users.profile/-/versions/1")


def test_urls(tmp_path: Path) -> None:
    assert isinstance(open_store(str(tmp_path)), DiskStore)
    assert isinstance(open_store(f"file://{tmp_path}"), DiskStore)
    with pytest.raises(SettingsError, match="ftp:// is not known"):
        open_store("ftp://host/folder")
