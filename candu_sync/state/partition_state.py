"""The state of a sync and partition: a chain of immutable versions. docs/architecture.md has its layout.

A version becomes real by one put-if-absent of its file. The files that it names are put before that. This module does
not know what the rows mean.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from candu_sync.errors import DamagedState, StaleChanges, StateError
from candu_sync.naming import as_arguments, named
from candu_sync.state import folder_names
from candu_sync.state.glance import Copied, Record
from candu_sync.state.records_copy import WrittenRecords
from candu_sync.state.root_files import RootFiles
from candu_sync.state.store import Store
from candu_sync.state.versions import File, Version, as_json, decode, encode

KEPT_VERSIONS = 3

# Seconds for which a version is kept, so that a reader of it can finish.
KEPT_SECONDS = 3600

# Versions of that time, where runs follow one another quickly: if there are more, half as many stay.
MOST_VERSIONS = 32


class PartitionState:
    """The versions of one sync and partition, and the files around them."""

    def __init__(self, store: Store, prefix: str, sync: str, partition: str | None = None,
                 root: RootFiles | None = None, written: WrittenRecords | None = None) -> None:
        self.store = store
        self.prefix = prefix
        self.sync = sync
        self.partition = partition
        self._introduced = False
        self._record = Record(store, prefix, root, written)
        # What one list of the folder showed, name → tag, and the record that was read with it.
        self._seen: dict[str, str | None] | None = None
        self._last: dict[str, Any] | None = None
        # The version whose file this process has read or written.
        self._known: str | None = None

    @contextmanager
    def seen_at_once(self, *, record: bool = True) -> Iterator[None]:
        """In an object store, what is read in the block is known from one list of the partition's folder, until this
        process writes to it. On a disk each file is looked for. ``record``: with the record of the last run."""
        if self.store.folder is None:
            if record and self._last is None:
                self._last = self._record.read()
            self._seen = self.store.tags(self.name(""))
        try:
            yield
        finally:
            self.look_anew()

    def look_anew(self) -> None:
        """Ask the store for what is read from now on."""
        self._seen = self._last = None

    def begin_with(self, record: bytes | None) -> None:
        """The record of the last run was read a moment ago; None: there is none."""
        self._last = None if record is None else self._record.taken(record)

    def names(self, folder: str) -> list[str]:
        """The names of the files in a folder of the partition (ending in `/`), in order."""
        prefix = self.name(folder)
        if self._seen is None:
            return self.store.list(prefix)
        return [name for name in self._seen if name.startswith(prefix)]

    def lacks(self, name: str) -> bool:
        """Whether it is known that the partition has no file of this name."""
        return self._seen is not None and self.name(name) not in self._seen

    def local(self, name: str) -> Path | None:
        """A file of the partition on this machine, to be read and not written; None: there is none."""
        return None if self.lacks(name) else self.store.local(self.name(name))

    def read_record(self) -> dict[str, Any]:
        """The record of the last run; empty: there is none, or it cannot be read."""
        return dict(self._record.read() if self._last is None else self._last)

    def write_record(self, body: dict[str, Any]) -> None:
        """Write the record of the last run. A power cut may lose it. Raises StateError: it cannot be written."""
        self.introduce()
        self._record.write(body)

    def rewrite_record(self, body: dict[str, Any]) -> None:
        """As ``write_record``, where nothing of the record as it was may stay anywhere."""
        self.write_record(body)
        self._record.drop_copy()

    def introduce(self) -> None:
        """Before anything else is written: a folder whose name does not say the partition's key has it in a file."""
        known = self._seen is not None and not self.lacks(folder_names.KEY_FILE)
        self.look_anew()
        if not (self._introduced or known) and folder_names.is_digest(self.prefix.rpartition("/")[2]):
            self.store.put(self.name(folder_names.KEY_FILE), as_json({"partition": self.partition}), create=True)
        self._introduced = True

    @property
    def title(self) -> str:
        """The sync and partition, as people write them."""
        return named(self.sync, self.partition)

    def name(self, *parts: str) -> str:
        """A name in the store, under this partition's folder."""
        return "/".join((self.prefix, *parts))

    def current(self) -> Version:
        """The newest version; number 0 when there is none.

        Raises:
            DamagedState: its file cannot be read, or is missing.
            StateError: the state of another sync is being moved here, and this partition has not arrived yet.
        """
        found = self.newest()
        if found is None or not found.files:
            self._check_moved()
        if found is not None:
            return found
        # A first run that died in its commit leaves files too, but then its claim is there.
        if self.names("data/") and not self.names("claims/"):
            place = self.store.place(self.name("versions"))
            raise DamagedState(place, f"{place} has no version, but there are files of one: {self._what_to_do()}")
        return Version(number=0)

    def newest(self) -> Version | None:
        """The newest version; None: there is none. Raises DamagedState as ``current``."""
        names = self.names("versions/")
        return self._decoded(names[-1], self._body(names[-1])) if names else None

    def newest_number(self) -> int:
        """The number of the newest version; 0: there is none. Its file is not read."""
        return _number_of(self.names("versions/"))

    def _check_moved(self) -> None:
        body = self.store.get(folder_names.renaming_file(self.sync))
        if body is not None:
            old = json.loads(body)["from"]
            raise StateError(f"{self.title}: its state is not complete yet, since a rename of {old} is under way or "
                             f"was interrupted: run `candu-sync rename {old} {self.sync}`, which finishes it")

    def _what_to_do(self) -> str:
        return (f"restore it from a backup, or run `candu-sync reset {as_arguments(self.sync, self.partition)}`: the "
                "next run then sends everything again")

    def _read(self, name: str) -> Version:
        return self._decoded(name, self.store.get(name))

    def _decoded(self, name: str, body: bytes | None) -> Version:
        try:
            return decode(body or b"")
        except (ValueError, TypeError, KeyError) as error:
            raise DamagedState(name, f"{self.store.place(name)} is damaged ({type(error).__name__}): "
                               f"{self._what_to_do()}") from error

    def _body(self, name: str) -> bytes | None:
        """What is in the newest version's file. It never changes: in an object store a process reads it once, or not at
        all, where the record of the last run has a copy of it."""
        if self.store.folder is not None:
            return self.store.get(name)
        copy = self._record.version
        if copy is not None and copy.name == name and (name == self._known or copy.tag == (self._seen or {}).get(name)):
            self._known = name
            return copy.text.encode()
        found = self.store.tagged(name)
        self._copy(name, *(found or (b"", None)))
        return None if found is None else found[0]

    def _copy(self, name: str, body: bytes, tag: str | None) -> None:
        """Keep what is in the newest version's file, also for the record."""
        self._known = None if tag is None else name
        self._record.version = None if tag is None else Copied(name, tag, body.decode(errors="replace"))

    def open(self, file: File | None) -> Path | None:
        """A version's file on this machine, with size and checksum verified; None stays None.

        Raises:
            DamagedState: it is missing, truncated or altered.
        """
        if file is None:
            return None
        path = self.store.local(file.name)
        what = None
        if path is None:
            what = "is missing"
        elif path.stat().st_size != file.bytes:
            what = f"has {path.stat().st_size:,} bytes instead of {file.bytes:,}"
        elif _sha256(path) != file.sha256:
            what = "was altered: its checksum differs"
        if what:
            raise DamagedState(file.name, f"{self.store.place(file.name)} {what}: {self._what_to_do()}")
        return path

    def commit(self, version: Version, added: dict[str, Path], same: Mapping[str, str] | None = None) -> Version:
        """Make a version real.

        Args:
            version: with the files that it keeps.
            added: role → local file, moved into the store under the version's run.
            same: role → the name of an object that may have the same bytes.

        Raises:
            StaleChanges: this number is there already: another run committed first.
        """
        self.introduce()
        files = dict(version.files)
        for left, (role, path) in zip(range(len(added) - 1, -1, -1), added.items(), strict=True):
            digest = _sha256(path)
            # Another process may commit for this run, too. It never overwrites a file that a version names.
            name = self.name("data", version.run_id, f"{path.stem}-{digest[:16]}{path.suffix}")
            files[role] = File(name, self.store.add(name, path, more=left > 0, same=(same or {}).get(role)), digest)
        version = replace(version, files=files)
        name, body = self._version_name(version.number), encode(version)
        if not self.store.put(name, body, create=True):
            raise self._overtaken(version.number)
        self._copy(name, body, self.store.tag_of(name))
        self._drop_old(version.number)
        return version

    def check_newest(self, number: int) -> None:
        """Raises StaleChanges when there is a newer version than this one in the store."""
        if (newest := _number_of(self.store.list(self.name("versions/")))) > number:
            raise self._overtaken(newest)

    def _overtaken(self, number: int) -> StaleChanges:
        return StaleChanges(f"{self.sync}: version {number} was committed by another run, which took this one for dead "
                            "and went on from its receipts: run again")

    def _version_name(self, number: int) -> str:
        return self.name("versions", f"{number:08d}.json")

    def _drop_old(self, newest: int) -> None:
        """Drop versions by count and age, then the data files that no version names any more.

        The files are listed before the claims, and those before the versions: a run claims before it adds a file, and
        releases its claim after its version. So no file of a version that is not complete yet is removed.
        """
        if newest <= KEPT_VERSIONS:
            return
        names = self.store.list(self.name("versions/"))
        if len(names) <= KEPT_VERSIONS or (len(names) <= MOST_VERSIONS and not self._is_old(names[0])):
            return
        data = self.store.list(self.name("data/"))
        if any(int(Path(name).stem) > newest for name in self.store.list(self.name("claims/"))):
            return
        names = self.store.list(self.name("versions/"))
        try:
            versions = {name: self._read(name) for name in names}
        except DamagedState:
            return  # a read of that version raises; what it names is not known, so nothing is dropped
        too_many = set(names[:-MOST_VERSIONS // 2]) if len(names) > MOST_VERSIONS else set()
        old = [name for name in names[:-KEPT_VERSIONS]
               if name in too_many or _age(versions[name].at) > KEPT_SECONDS]
        if not old:
            return
        self.store.delete_all(old)
        for name in old:
            del versions[name]
        kept = {file.name for version in versions.values() for file in version.files.values()}
        self.store.delete_all([name for name in data if name not in kept])

    def _is_old(self, name: str) -> bool:
        """Whether a version may be dropped for its age. One that cannot be read is kept."""
        try:
            return _age(self._read(name).at) > KEPT_SECONDS
        except DamagedState:
            return False

    def read_json(self, name: str) -> dict[str, Any] | None:
        """A small file of the partition; None: there is none, or a write of it was cut off."""
        data = None if self.lacks(name) else self.store.get(self.name(name))
        try:
            return None if data is None else dict(json.loads(data))
        except ValueError:
            return None

    def write_json(self, name: str, body: dict[str, Any], *, sync: bool = True) -> None:
        """Write a small file of the partition. It replaces the old one. ``sync`` as for ``Store.put``."""
        self.introduce()
        self.store.put(self.name(name), as_json(body), sync=sync)

    def forget(self, number: int, run_id: str, *, keep: str | None = None) -> None:
        """Make an empty version of this number, and remove all else that is known of this partition, except the
        claims and the folder ``keep``, if any. The numbers go on, so that an owner from before still finds its number
        taken.

        Raises:
            StaleChanges: this number is there already.
        """
        self.introduce()
        empty = Version(number=number, run_id=run_id, at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"))
        if not self.store.put(self._version_name(number), encode(empty), create=True):
            raise self._overtaken(number)
        stays = (self._version_name(number), self.name("claims/"), self.name(folder_names.KEY_FILE),
                 *([] if keep is None else [self.name(keep, "")]))
        self.store.delete_all([name for name in self.store.list(self.name("")) if not name.startswith(stays)])
        self._record.delete()


def _number_of(names: list[str]) -> int:
    """The number of the last of these versions; 0: there is none."""
    return int(Path(names[-1]).stem) if names else 0


def _age(at: str) -> float:
    return (dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(at)).total_seconds()


def _sha256(path: Path) -> str:
    about = path.stat()
    return _digest(path, about.st_ino, about.st_size, about.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _digest(path: Path, inode: int, size: int, changed: int) -> str:
    """A process reads it once: a plan and its commit look at the same file. A file that was written again has another
    inode, size or time."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
