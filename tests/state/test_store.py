"""Bytes under names, the same on a disk and in an object store; on a disk for their owner alone."""

from __future__ import annotations

import datetime as dt
import json
import os
import threading
import uuid
from pathlib import Path

import pytest

from candu_sync.errors import SettingsError, StateError
from candu_sync.settings import load_settings
from candu_sync.state import State, object_store
from candu_sync.state.disk import DiskStore
from candu_sync.state.object_store import ObjectStore
from candu_sync.state.store import Store, open_store


@pytest.fixture(params=["disk", "objects"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store on the disk, and obstore's (its local store represents S3, GCS and Azure: one interface)."""
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


def test_a_store_has_a_clock(store: Store) -> None:
    before = store.now()
    store.put("a/b.json", b"1")
    found = store.dated("a/b.json")
    assert found is not None
    assert found[0] == b"1"
    # Some file systems have whole seconds.
    assert before - dt.timedelta(seconds=1) <= found[1] <= store.now() + dt.timedelta(seconds=1)
    assert store.dated("a/c.json") is None
    assert store.list("") == ["a/b.json"]


def test_sizes(store: Store) -> None:
    assert store.sizes("") == {}
    for name, data in ("a/b/c", b"123"), ("a/d", b""), ("e", b"12345"):
        store.put(name, data)
    assert store.sizes("") == {"a/b/c": 3, "a/d": 0, "e": 5}
    assert list(store.sizes("")) == store.list("")
    assert store.sizes("a/") == {"a/b/c": 3, "a/d": 0}


def test_put_if_absent_succeeds_only_for_the_first(store: Store) -> None:
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


def test_the_tags_of_the_last_objects_that_were_put_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "_TAGS", 3)
    objects = ObjectStore(f"file://{tmp_path}")
    for name in ("a", "b", "c", "a", "d"):
        objects.put(name, b"1")
    tags = {name: objects.tag_of(name) for name in "abcd"}
    assert tags == {**objects.tags(""), "b": None}
    assert len(objects._tags) == 3


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
    def test_only_the_owner_reads_the_files(self, tmp_path: Path) -> None:
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
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "tmp"]
        assert list((tmp_path / "tmp").iterdir()) == []

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

    def test_a_file_that_is_removed_as_soon_as_it_is_there_counts_as_moved_in(self, tmp_path: Path) -> None:
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


WRONG = {
    "ftp://host/folder": "scheme that is not known",
    "s3:bucket/prefix": "no folder and no URL that is known",
    "s3://": "names no bucket",
    "s3:///prefix": "names no bucket",
    "file://folder/state": "three slashes",
    "s3://bucket/prefix?access_key_id=HUSH": "AWS_ACCESS_KEY_ID",
    "s3://AKIAKEY:HUSH@bucket/prefix": "Credentials do not belong there.*AWS_ACCESS_KEY_ID",
    "s3://AKIAKEY:HUSH/HUSH@bucket/prefix": "Credentials do not belong there.*AWS_ACCESS_KEY_ID",
    "gs://HUSH@bucket": "GOOGLE_SERVICE_ACCOUNT",
    "az://account:HUSH@container": "AZURE_STORAGE_ACCOUNT_KEY",
    "AKIAKEY:HUSH@bucket": "no folder and no URL that is known",
    "HUSH://KEY@bucket": "scheme that is not known",
}


def test_urls(tmp_path: Path) -> None:
    assert isinstance(open_store(str(tmp_path)), DiskStore)
    assert isinstance(open_store(f"file://{tmp_path}"), DiskStore)


@pytest.mark.parametrize("url", WRONG)
def test_a_wrong_url_is_one_sentence_without_what_may_be_a_secret(url: str) -> None:
    for opening in (open_store, lambda url: load_settings(state_url=url)):
        with pytest.raises(SettingsError, match="CANDU_STATE_URL.*" + WRONG[url]) as caught:
            opening(url)
        assert not any(secret in str(caught.value).upper() for secret in ("HUSH", "AKIA"))


@pytest.mark.parametrize("url", ["az://container/prefix", "s3://bad bucket/prefix"])
def test_what_the_store_says_against_a_url_is_one_sentence(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AZURE_", "AWS_"))]:
        monkeypatch.delenv(name)
    with pytest.raises((SettingsError, StateError), match="CANDU_STATE_URL") as caught:
        State(url)
    assert "\n" not in str(caught.value)


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    State("~/state")
    assert (tmp_path / "home" / "state" / "format.json").exists()
    assert not (tmp_path / "~").exists()


def test_a_state_in_a_folder_that_is_named_as_a_tilde_is_not_lost(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    State(str(tmp_path / "~" / "state"))
    with pytest.raises(SettingsError, match=r"made by an earlier version: move .*/~/state to .*/home/state"):
        State("~/state")


def test_an_address_in_an_error_is_without_its_signature() -> None:
    error = OSError("error sending request for url (https://a.blob.core.windows.net/c?sv=1&sig=SECRET)\nmore")
    assert object_store._sentence(error) == "error sending request for url (https://a.blob.core.windows.net/c?…)"


class TestProbe:
    """All depends on put-if-absent: a store that accepts the condition and ignores it is refused at first use."""

    def test_a_store_that_ignores_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        put = DiskStore.put
        monkeypatch.setattr(DiskStore, "put", lambda self, name, data, *, create=False: put(self, name, data))
        for _ in range(2):
            with pytest.raises(StateError, match="does not do put-if-absent"):
                State(str(tmp_path))
        monkeypatch.undo()
        State(str(tmp_path))
        assert sorted(path.name for path in tmp_path.iterdir()) == ["format.json", "tmp"]

    def test_it_is_asked_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        State(str(tmp_path))
        puts: list[str] = []
        put = DiskStore.put
        monkeypatch.setattr(DiskStore, "put", lambda self, name, *rest, **more: (
            puts.append(name), put(self, name, *rest, **more))[1])
        State(str(tmp_path))
        assert puts == []

    def test_a_state_from_before_is_tried_out_and_keeps_its_id(self, tmp_path: Path) -> None:
        workspace = str(uuid.uuid4())
        (tmp_path / "format.json").write_text(json.dumps({"format": 1, "workspace": workspace}))
        assert str(State(str(tmp_path)).workspace) == workspace
        assert json.loads((tmp_path / "format.json").read_text())["put_if_absent"] is True


def test_folders(store: Store) -> None:
    for name in ("s/a/x", "s/b/c/y", "t/z", "s/w"):
        store.put(name, b"")
    assert store.folders("s/") == ["a", "b"]
    assert store.folders("none/") == []


@pytest.mark.parametrize("there", [True, False])
def test_a_file_that_is_there_under_another_name_is_added(store: Store, tmp_path: Path, there: bool) -> None:
    if there:
        store.put("runs/1/changes.arrow", b"rows")
    assert store.add("data/base.arrow", file(tmp_path, b"rows"), same="runs/1/changes.arrow") == 4
    store.delete("runs/1/changes.arrow")
    assert store.get("data/base.arrow") == b"rows"
    assert not (tmp_path / "incoming").exists()


def test_an_object_that_is_in_the_store_is_not_sent_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ObjectStore(f"file://{tmp_path}")
    store.put("runs/1/changes.arrow", b"rows")
    monkeypatch.setattr(store._obstore, "put", lambda *_: pytest.fail("the file was sent"))
    store.add("data/base.arrow", file(tmp_path, b"rows"), same="runs/1/changes.arrow")
    assert store.get("data/base.arrow") == b"rows"
