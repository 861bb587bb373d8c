"""A copy of the records of all partitions of a sync, in an object store: ``standings/<sync>.json``.

There each record is a file of its own, and so a request. The copy has each one with the tag that its file had. It may
be old, or lost, and of two processes that write it the last one counts: a record counts from it only where its file
still has that tag (``standings.py``).

A sentence of a record may name a person, who may be forgotten while another process is about to write the copy. Then
the record is written anew, so that its tag changes, before the copy is removed. So whoever has written sentences looks
at the tags afterwards, and removes the copy where one of them has changed: whichever comes last leaves no old sentence.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from candu_sync.errors import StateError
from candu_sync.state.record_json import RECORDS, SENTENCES, encoded, parsed
from candu_sync.state.store import Store

STANDINGS = "standings"

# Records of a sync that a process must have written, for it to write the copy: that is a read and a write of all.
_WORTH_IT = 20

# Folder of a partition → the tag of its record's file, and the record.
Tagged = dict[str, tuple[str | None, dict[str, Any]]]


def read_copy(store: Store, sync_folder: str) -> Tagged:
    """What is in the copy; empty: there is none, or it cannot be read. Raises StateError: the store cannot be read."""
    entries = parsed(store.get(_name(sync_folder))).items()
    return {folder: (entry[0], entry[1]) for folder, entry in entries if isinstance(entry, list) and len(entry) == 2}


def write_copy(store: Store, sync_folder: str, records: Tagged) -> None:
    """Write it, if the store can be written: who reads the state may have no right to. Sentences of records that have
    changed since are left out."""
    with suppress(StateError):
        old = _old_sentences(store, sync_folder, records)
        records = {folder: tagged for folder, tagged in records.items() if folder not in old}
        store.put(_name(sync_folder), encoded(records), sync=False)
        try:
            stale = bool(_old_sentences(store, sync_folder, records))
        except StateError:
            stale = True
        if stale:
            drop_copy(store, sync_folder)


def _old_sentences(store: Store, sync_folder: str, records: Tagged) -> set[str]:
    """The folders of records with sentences whose files are no longer these."""
    saying = {folder: tag for folder, (tag, record) in records.items() if any(map(record.get, SENTENCES))}
    tags = store.tags(f"{RECORDS}/{sync_folder}/") if saying else {}
    return {folder for folder, tag in saying.items()
            if tag is None or tags.get(f"{RECORDS}/{sync_folder}/{folder}.json") != tag}


def drop_copy_that_says(store: Store, sync_folder: str, text: str) -> None:
    """Remove it if a text is in it, as it is or as JSON writes it. Raises StateError: the store cannot be written."""
    if store.folder is None and (data := store.get(_name(sync_folder))) is not None:
        forms = (text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
        if any(form.encode("utf-8", "surrogatepass") in data for form in forms):
            drop_copy(store, sync_folder)


def drop_copy(store: Store, sync_folder: str) -> None:
    """Remove it. Raises StateError: the store cannot be written."""
    if store.folder is None:
        store.delete(_name(sync_folder))


def _name(sync_folder: str) -> str:
    return f"{STANDINGS}/{sync_folder}.json"


class WrittenRecords:
    """The records that a process wrote, until they are in the copies. Safe in any thread.

    Example:
        >>> from candu_sync.state.store import open_store
        >>> written = WrittenRecords(open_store(str(tmp_path)))
        >>> written.add("users.people/eu", '"a7"', {"status": "succeeded"})
        >>> written.keep()  # one is too few, and on a disk there are no copies
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._records: dict[str, Tagged] = {}

    def add(self, prefix: str, tag: str | None, record: dict[str, Any]) -> None:
        """A record was written.

        Args:
            prefix: the folders of its sync and partition.
            tag: the tag of its file; None: it is not known, as on a disk.
        """
        if tag is not None:
            sync_folder, _, folder = prefix.partition("/")
            with self._lock:
                self._records.setdefault(sync_folder, {})[folder] = tag, record

    def drop(self, prefix: str) -> None:
        """Nothing of a partition's record as it was may stay anywhere: remove its sync's copy.

        Raises:
            StateError: the store cannot be written.
        """
        sync_folder, _, folder = prefix.partition("/")
        with self._lock:
            self._records.get(sync_folder, {}).pop(folder, None)
        drop_copy(self._store, sync_folder)

    def keep(self) -> None:
        """Add the records of each sync that has many of them to its copy, as far as the store can be reached."""
        for sync_folder, records in self._taken():
            with suppress(StateError):
                write_copy(self._store, sync_folder, {**read_copy(self._store, sync_folder), **records})

    def _taken(self) -> Iterator[tuple[str, Tagged]]:
        with self._lock:
            many = {name: records for name, records in self._records.items() if len(records) >= _WORTH_IT}
            self._records.clear()
        return iter(many.items())
