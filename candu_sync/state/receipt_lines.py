"""Where the lines of a log of receipts go: into a file on a disk, or into objects.

On a disk each line is passed to the kernel at once, so that killing the process loses none. Room for the answers is
reserved before a request goes: a disk that fills up ends the sending before it could lose a receipt.

An object store takes whole objects only. So lines are collected, and become an object when they are put.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from candu_sync.errors import StateError
from candu_sync.state import system
from candu_sync.state.store import Store

# Bytes that are reserved at a time, and those that must be free for the answers to what is under way: a few hundred
# bytes for each of CANDU_CONCURRENCY workers.
_RESERVED = 1 << 18
_ANSWERS = 1 << 16


class Lines(Protocol):
    """Where lines go."""

    def append(self, data: bytes, *, before_request: bool) -> None:
        """Take a line."""

    def put(self) -> None:
        """Get all lines out of this process."""

    def sync(self) -> None:
        """Write them to where a power cut cannot lose them."""

    def end(self) -> None:
        """No more lines come."""

    def close(self) -> None:
        """After ``end``: they are not synced any more."""


class FileLines:
    """Lines in a file, each passed to the kernel at once. ``parts``: of the log that there are already."""

    def __init__(self, store: Store, folder: str, parts: int) -> None:
        part = _put_part(store, folder, parts, b"")
        self._place = store.place(_part_name(folder, part))
        self._path = Path(self._place)
        self._size = 0
        self._reserved = 0
        self._unsynced = False
        # Whether a power cut may lose the file itself.
        self._is_new = True
        try:
            self._file = os.open(self._path, os.O_WRONLY)
        except OSError as error:
            raise self._unwritable(error) from error

    def append(self, data: bytes, *, before_request: bool) -> None:
        if before_request:
            self._check_there()
        try:
            if before_request and self._size + len(data) + _ANSWERS > self._reserved:
                system.reserve(self._file, self._size, _RESERVED)
                self._reserved = self._size + _RESERVED
            if os.pwrite(self._file, data, self._size) != len(data):
                raise OSError("the disk is full")
            self._size += len(data)
            self._unsynced = True
        except OSError as error:
            raise self._unwritable(error) from error

    def _check_there(self) -> None:
        """An open file can be written to after it was removed, but nobody could read it."""
        try:
            there = os.path.samestat(os.stat(self._path), os.fstat(self._file))
        except OSError:
            there = False
        if not there:
            raise StateError(f"{self._place} was removed or replaced while the run was under way. Nothing more was "
                             "sent: put the state back in its place, or start again with an empty one")

    def put(self) -> None:
        pass

    def sync(self) -> None:
        if not self._unsynced:
            return
        try:
            self._unsynced = False
            system.flush(self._file)
            if self._is_new:
                system.flush_folder(self._path.parent)
                self._is_new = False
        except OSError as error:
            self._unsynced = True
            raise self._unwritable(error) from error

    def end(self) -> None:
        # What is reserved reads as zeros, and the commit may need the room.
        try:
            os.ftruncate(self._file, self._size)
        except OSError as error:
            raise self._unwritable(error) from error

    def close(self) -> None:
        os.close(self._file)

    def _unwritable(self, error: OSError) -> StateError:
        return StateError(f"{self._place} cannot be written: {error.strerror or error}. Nothing more was sent; free "
                          "some space and run again")


class ObjectLines:
    """Lines in objects, as many to an object as there are when it is put. ``parts``: of the log that there are already.
    """

    def __init__(self, store: Store, folder: str, parts: int) -> None:
        self._store = store
        self._folder = folder
        self._part = parts
        self._pending = b""

    def append(self, data: bytes, *, before_request: bool) -> None:
        self._pending += data

    def put(self) -> None:
        if self._pending:
            self._part = 1 + _put_part(self._store, self._folder, self._part, self._pending)
            self._pending = b""

    def sync(self) -> None:
        pass

    def end(self) -> None:
        self.put()

    def close(self) -> None:
        pass


def _put_part(store: Store, folder: str, part: int, data: bytes) -> int:
    """Put a part of a log under the first free number from ``part`` on, and return that number.

    Another process may push the same run: no part of its log is written over.
    """
    # An empty one is a file on a disk, which is synced with its first lines.
    while not store.put(_part_name(folder, part), data, create=True, sync=bool(data)):
        part += 1
    return part


def _part_name(folder: str, part: int) -> str:
    return f"{folder}/{part:06d}.jsonl"
