"""The whole state under one URL: which syncs and partitions have something in it, and to which workspace it belongs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from candu_sync.errors import DamagedState
from candu_sync.routes import CANDU, ROUTES, SEGMENT, Route
from candu_sync.state import folder_names
from candu_sync.state.destination import Destination
from candu_sync.state.format_file import open_format
from candu_sync.state.glance import Record
from candu_sync.state.machine_file import machine_file
from candu_sync.state.partition_state import PartitionState
from candu_sync.state.record_json import RECORDS
from candu_sync.state.records_copy import WrittenRecords, drop_copy_that_says
from candu_sync.state.root_files import RootFiles
from candu_sync.state.standings import PartitionStanding, standings
from candu_sync.state.store import Store, open_store
from candu_sync.state.sync_file import SyncFile

# Route → the file of what was learnt of the size of its requests.
_BATCH_SIZES = {CANDU.name: "batch-size.json", SEGMENT.name: "batch-size-segment.json"}


class State:
    """All syncs' state under one URL.

    Raises:
        ForeignState: the folder holds something else, or the state of another format.
        StateError: it cannot be reached, or not be written.
    """

    def __init__(self, url: str, *, first: tuple[str, str | None] | None = None) -> None:
        self.store: Store = open_store(url)
        self.root = RootFiles(self.store)
        self._written = WrittenRecords(self.store)
        # A record that was read, until its partition is opened: the partition's folder, and the record.
        self._read: tuple[str, bytes] | None = None
        if first is not None and self.store.folder is None:
            self._read_first(*first)
        self.workspace: uuid.UUID = open_format(self.root, url)
        self._folders: dict[str, frozenset[str]] = {}
        self._destinations = {name: Destination(self.root, route) for name, route in ROUTES.items()}

    def _read_first(self, sync: str, partition: str | None) -> None:
        """Read the record of a partition's last run, which has copies of the files at the root."""
        prefix = f"{folder_names.sync_folder(sync)}/{folder_names.partition_folder(partition)}"
        record = Record(self.store, prefix, self.root, self._written)
        if (data := self.store.get(record.name)) is not None:
            record.taken(data)
            self._read = prefix, data

    def close(self) -> None:
        """Write what makes the next look at all partitions of a sync quick, in an object store."""
        self._written.keep()

    def destination(self, route: Route) -> Destination:
        """To what the state belongs, by a route."""
        return self._destinations[route.name]

    def batch_size(self, route: Route) -> dict[str, Any]:
        """What was learnt of the size of requests by a route (``delivery/sizes.py``). Empty: nothing, or it cannot be
        read: it is learnt again."""
        try:
            found = json.loads(self.store.get(_BATCH_SIZES[route.name]) or b"{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def keep_batch_size(self, route: Route, learned: dict[str, Any]) -> None:
        """Write that down; of several processes the last one counts. A power cut may lose it.

        Raises:
            StateError: it cannot be written.
        """
        self.store.put(_BATCH_SIZES[route.name], json.dumps(learned).encode(), sync=False)

    def release(self) -> list[str]:
        """Belong to no workspace of Candu, and to no source of Segment, if nothing is left that one accepted.

        Returns:
            The syncs that still hold something; the state then belongs to the same workspace as before.
        """
        newest = {name.split("/versions/")[0]: name for name in self.store.list("") if "/versions/" in name}
        left = sorted({prefix.split("/")[0].replace(".", "/") for prefix, name in newest.items() if self._holds(name)})
        if not left:
            for name, destination in self._destinations.items():
                destination.forget()
                self.store.delete(_BATCH_SIZES[name])
        return left

    def _holds(self, version: str) -> bool:
        try:
            return bool(json.loads(self.store.get(version) or b"{}").get("files"))
        except (ValueError, AttributeError):
            return True  # nobody knows what is in a damaged version

    def machine_file(self, name: str) -> Path:
        """A file that all processes of this machine with the same state have in common. See ``machine_file``."""
        return machine_file(self.store.folder, name, self.workspace)

    def file_of(self, sync: str, name: str) -> SyncFile:
        """A small file about a whole sync. See ``SyncFile``."""
        return SyncFile(self.store, sync, name)

    def of(self, sync: str, partition: str | None) -> PartitionState:
        """The state of one sync and partition."""
        folder = folder_names.partition_folder(partition)
        if partition is not None and folder_names.is_digest(folder):
            # Where it has one from before digests, that is it.
            first = folder_names.first_folder(partition)
            folder = first if first in self._folders_of(sync) else folder
        return PartitionState(self.store, f"{folder_names.sync_folder(sync)}/{folder}", sync, partition, self.root,
                              self._written)

    def begin(self, sync: str, partition: str | None) -> PartitionState:
        """As ``of``, for a run that begins now: what was read of the partition when the state was opened is not read
        again."""
        state = self.of(sync, partition)
        if self._read is not None and self._read[0] == state.prefix:
            state.begin_with(self._read[1])
            self._read = None
        return state

    def _folders_of(self, sync: str) -> frozenset[str]:
        if sync not in self._folders:
            self._folders[sync] = frozenset(self.store.folders(folder_names.sync_folder(sync) + "/"))
        return self._folders[sync]

    def drop_copy_that_says(self, sync: str, text: str) -> None:
        """Remove the copy of a sync's records if a text is in it. Raises StateError: the state cannot be written."""
        drop_copy_that_says(self.store, folder_names.sync_folder(sync), text)

    def standings(self, sync: str) -> dict[str | None, PartitionStanding]:
        """Each partition of a sync that has any state, in order, with how it stands. None: the sync without partitions.

        Raises:
            DamagedState: the key of a folder cannot be read.
            StateError: the state cannot be read.
        """
        prefix = folder_names.sync_folder(sync) + "/"
        found = {self._key_of(prefix, folder, standing): standing
                 for folder, standing in standings(self.store, prefix.rstrip("/")).items()}
        return dict(sorted(found.items(), key=lambda pair: (pair[0] is not None, pair[0] or "")))

    def _key_of(self, prefix: str, folder: str, standing: PartitionStanding) -> str | None:
        """The key of a folder. The record of its last run has it, too."""
        key = standing.record.get("partition")
        return key if isinstance(key, str) and folder_names.is_digest(folder) else self._key(prefix, folder)

    def partitions(self, sync: str) -> list[str | None]:
        """The partitions of a sync that have any state, in order; None: the sync without partitions.

        Raises:
            DamagedState: the key of a folder cannot be read.
        """
        prefix = folder_names.sync_folder(sync) + "/"
        recorded = set(self._recorded(prefix))
        folders = {*self.store.folders(prefix, recorded), *recorded}
        keys = {self._key(prefix, folder) for folder in folders}
        return sorted(keys, key=lambda key: (key is not None, key or ""))

    def _recorded(self, prefix: str) -> Iterator[str]:
        """The folders of the partitions that have a record: one whose first run failed has nothing else."""
        for name in self.store.list(f"{RECORDS}/{prefix}"):
            yield name.rpartition("/")[2].removesuffix(".json")

    def _key(self, prefix: str, folder: str) -> str | None:
        if not folder_names.is_digest(folder):
            return folder_names.key_of(folder)
        name = f"{prefix}{folder}/{folder_names.KEY_FILE}"
        try:
            return str(json.loads(self.store.get(name) or b"")["partition"])
        except (ValueError, KeyError, TypeError) as error:
            place = self.store.place(name)
            raise DamagedState(name, f"{place} is missing or cannot be read: it says which partition this folder is. "
                               "Restore it from a backup") from error
