"""How all partitions of a sync stand, read at once.

On a disk each partition's few files are looked at. In an object store, where each file is a request, two lists say
which files there are; and what is in the records of last runs is read side by side, or is known from a copy of all of
them (``records_copy.py``). A record counts from there only where its tag is the one that the list has. Whoever had to
read many records writes the copy.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from candu_sync.state.glance import COPIES
from candu_sync.state.record_json import RECORDS, parsed
from candu_sync.state.records_copy import read_copy, write_copy
from candu_sync.state.store import Store

# Requests at a time.
_AT_ONCE = 16

# Records that had to be read, from which on the copy of all is written anew.
_MANY = 100

Records = dict[str, dict[str, Any]]


class PartitionStanding(NamedTuple):
    """A partition: the record of its last run (empty: there is none); whether a claim may be there, and whether events
    may be noted as uncertain."""

    record: dict[str, Any]
    claimed: bool
    uncertain: bool


def standings(store: Store, sync_folder: str) -> dict[str, PartitionStanding]:
    """Folder of a partition → how it stands, of each one that has any file.

    Raises:
        StateError: the state cannot be read.
    """
    return dict(_on_disk(store, sync_folder) if store.folder is not None else _in_object_store(store, sync_folder))


def _on_disk(store: Store, sync_folder: str) -> Iterator[tuple[str, PartitionStanding]]:
    root = f"{store.folder}/{sync_folder}"
    recorded = [name.rpartition("/")[2].removesuffix(".json") for name in store.list(f"{RECORDS}/{sync_folder}/")]
    for folder in {*store.folders(f"{sync_folder}/", set(recorded)), *recorded}:
        data = store.get(f"{RECORDS}/{sync_folder}/{folder}.json")
        record = parsed(store.get(f"{sync_folder}/{folder}/last.json") if data is None else data)
        yield folder, PartitionStanding(record, os.path.isdir(f"{root}/{folder}/claims"),
                                        os.path.isdir(f"{root}/{folder}/uncertain"))


def _in_object_store(store: Store, sync_folder: str) -> Iterator[tuple[str, PartitionStanding]]:
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="candu-sync state") as pool:
        recorded = pool.submit(store.tags, f"{RECORDS}/{sync_folder}/")
        files = store.tags(f"{sync_folder}/")
        tags = recorded.result()
        parts = {tuple(name.split("/")[1:3]) for name in files if name.count("/") > 1}
        names = {name.rpartition("/")[2].removesuffix(".json"): name for name in tags}
        former = {folder: f"{sync_folder}/{folder}/last.json" for folder, file in parts if file == "last.json"}
        records = _records(store, sync_folder, {**former, **names}, tags, pool)
    for folder in {*(folder for folder, _ in parts), *names}:
        yield folder, PartitionStanding(records.get(folder, {}), (folder, "claims") in parts,
                                        (folder, "uncertain") in parts)


def _records(store: Store, sync_folder: str, names: dict[str, str], tags: dict[str, str | None],
             pool: ThreadPoolExecutor) -> Records:
    """Folder → record, of the records of these names."""
    copy = read_copy(store, sync_folder) if len(names) >= _MANY else {}
    known = {folder: copy[folder] for folder, name in names.items()
             if folder in copy and (tag := tags.get(name)) is not None and copy[folder][0] == tag}
    left = [folder for folder in names if folder not in known]
    found = dict(zip(left, pool.map(lambda folder: store.tagged(names[folder]), left), strict=True))
    read = {folder: (body[1], _plain(parsed(body[0]))) for folder, body in found.items() if body is not None}
    if len(left) >= _MANY:
        write_copy(store, sync_folder, {**known, **read})
    return {folder: record for folder, (_, record) in {**known, **read}.items()}


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != COPIES}
