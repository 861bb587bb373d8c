"""Writing receipts: each is out before the next run can need it.

On a disk each line is handed to the kernel at once, so that killing the process loses none. A timer syncs it within
``SYNC_SECONDS``, the bound of what a power cut can lose. Room for the answers is reserved before a request goes: a disk
that fills up ends the sending before it could lose a receipt.

An object store takes whole objects only. So lines are put together, and a timer puts them within ``SYNC_SECONDS``. Two
kinds do not wait. ``sent`` must be out before its request goes. ``unsent`` may be followed by a long pause. A kill in
that pause would make an event that Candu did not take look like one that it may have.
"""

from __future__ import annotations

import json
import os
import threading
import zlib
from pathlib import Path
from typing import Any, Protocol

from candu_sync.errors import StateError
from candu_sync.state import system
from candu_sync.state.disk import DiskStore
from candu_sync.state.store import Store
from candu_sync.state.versions import PartitionState

SYNC_SECONDS = 0.5

# Bytes that are reserved at a time, and those that must be free for the answers to what is under way: a few hundred
# bytes for each of CANDU_CONCURRENCY workers.
_RESERVED = 1 << 18
_ANSWERS = 1 << 16

_AT_ONCE = ("sent", "unsent")


class ReceiptLog:
    """The log of one run, open for writing. Safe to use from several threads.

    Example:
        >>> from candu_sync.state import read_receipts
        >>> state = Target(project, sync).state
        >>> log = ReceiptLog(state, "20261101T060000-1a2b3c4d")
        >>> log.write({"sent": [0, 99]})
        >>> log.write({"accepted": [0, 99], "at": "2026-11-01T06:00:01+00:00"})
        >>> log.close()
        >>> read_receipts(state, "20261101T060000-1a2b3c4d").accepted
        [(0, 99)]
    """

    def __init__(self, state: PartitionState, run_id: str) -> None:
        folder = state.name("runs", run_id, "receipts")
        self._lines: _Lines = (_FileLines(state.store, folder) if isinstance(state.store, DiskStore)
                               else _ObjectLines(state.store, folder))
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._timer = threading.Thread(target=self._flush, name="candu-sync receipts", daemon=True)
        self._timer.start()

    def write(self, line: dict[str, Any]) -> None:
        """Append a line.

        Raises:
            StateError: it cannot be recorded, or the log was removed: nothing more may be sent.
        """
        kind = next(iter(line))
        with self._lock:
            self._lines.append(_encoded(line), before_request=kind == "sent")
            if kind in _AT_ONCE:
                self._lines.put()

    def _flush(self) -> None:
        while not self._closing.wait(SYNC_SECONDS):
            try:
                with self._lock:
                    self._lines.put()
                self._lines.sync()
            except StateError:
                continue  # the lines are kept: the next write, or the close, raises it

    def close(self) -> None:
        """Sync and close.

        Raises:
            StateError: the last lines cannot be recorded.
        """
        self._closing.set()
        self._timer.join()
        with self._lock:
            try:
                self._lines.put()
                self._lines.sync()
            finally:
                self._lines.close()


class _Lines(Protocol):
    """Where lines go."""

    def append(self, data: bytes, *, before_request: bool) -> None:
        """Take a line."""

    def put(self) -> None:
        """Get all lines out of this process."""

    def sync(self) -> None:
        """Get them to where a power cut cannot take them away."""

    def close(self) -> None:
        """No more lines come."""


class _FileLines:
    """Lines in a file, each handed to the kernel at once."""

    def __init__(self, store: Store, folder: str) -> None:
        part = _put_part(store, folder, len(store.list(folder + "/")), b"")
        self._place = store.place(_part_name(folder, part))
        self._path = Path(self._place)
        self._size = 0
        self._reserved = 0
        self._unsynced = False
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
        """An open file can be written to after it was removed, and nobody would ever read it."""
        try:
            there = os.path.samestat(os.stat(self._path), os.fstat(self._file))
        except OSError:
            there = False
        if not there:
            raise StateError(f"{self._place} was removed or replaced while the run was under way. Nothing more was "
                             "sent: put the state back in its place, or start anew with an empty one")

    def put(self) -> None:
        pass

    def sync(self) -> None:
        if not self._unsynced:
            return
        try:
            self._unsynced = False
            system.flush(self._file)
        except OSError as error:
            self._unsynced = True
            raise self._unwritable(error) from error

    def close(self) -> None:
        # What is reserved behind the lines reads as zeros.
        os.ftruncate(self._file, self._size)
        os.close(self._file)

    def _unwritable(self, error: OSError) -> StateError:
        return StateError(f"{self._place} cannot be written: {error.strerror or error}. Nothing more was sent; free "
                          "some space and run again")


class _ObjectLines:
    """Lines in objects, as many to an object as there are when it is put."""

    def __init__(self, store: Store, folder: str) -> None:
        self._store = store
        self._folder = folder
        self._part = len(store.list(folder + "/"))
        self._pending = b""

    def append(self, data: bytes, *, before_request: bool) -> None:
        self._pending += data

    def put(self) -> None:
        if self._pending:
            self._part = 1 + _put_part(self._store, self._folder, self._part, self._pending)
            self._pending = b""

    def sync(self) -> None:
        pass

    def close(self) -> None:
        pass


def _put_part(store: Store, folder: str, part: int, data: bytes) -> int:
    """Put a part of a log under the first free number from ``part`` on, and return that number.

    Another process may push the same run: no part of its log is written over.
    """
    while not store.put(_part_name(folder, part), data, create=True):
        part += 1
    return part


def _part_name(folder: str, part: int) -> str:
    return f"{folder}/{part:06d}.jsonl"


def _encoded(line: dict[str, Any]) -> bytes:
    """A line with a checksum of what stands before it, so that an altered one is noticed (``receipts``)."""
    body = json.dumps(line, separators=(",", ":"))
    return f'{body[:-1]},"crc":"{zlib.crc32(body.encode()):08x}"}}\n'.encode()
