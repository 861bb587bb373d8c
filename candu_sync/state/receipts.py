"""What became of each message, on disk before the next run can need it.

A receipt log is JSON lines, one for each request that went out and one for each answer:

    {"sent": [0, 99]}                                 about to go: messages 0 to 99
    {"accepted": [0, 99], "at": "…"}                  Candu said 2xx
    {"unsent": [0, 99]}                               Candu answered that it did not take them, or was not reached
    {"rejected": 7, "status": 422, "reason": "…", "at": "…"}    7 stood alone in its request, and is set aside

A ``sent`` without ``accepted`` or ``unsent`` after it got no answer: Candu may have taken it.

On a disk each line is written to the kernel at once, so that killing the process loses none, and synced at least every
``SYNC_SECONDS``, the bound of what a power cut can lose. Room for the answers is reserved before a request goes, so
that a disk that fills up ends the sending before it could lose a receipt. In an object store lines are put together, at
most ``SYNC_SECONDS`` apart, and before a request goes its ``sent`` line is out.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from candu_sync.errors import StateError
from candu_sync.state.disk import DiskStore
from candu_sync.state.versions import PartitionState

SYNC_SECONDS = 0.5

# Bytes that are reserved at a time, and those that must be free for the answers to what is under way: a few hundred
# bytes for each of CANDU_CONCURRENCY workers.
_RESERVED = 1 << 18
_ANSWERS = 1 << 16


@dataclass
class Outcome:
    """What the receipts of a run say.

    Attributes:
        accepted: ranges of message numbers, both ends included.
        rejected: message number → (HTTP status, reason, time).
        accepted_at: when each range of ``accepted`` was answered, ISO 8601 in UTC.
        sent: the range of each request that went out.
        unanswered: range → how many requests with it went out without an answer: Candu may have taken each or not,
            whatever it answered to others of the same messages.
    """

    accepted: list[tuple[int, int]] = field(default_factory=list)
    rejected: dict[int, tuple[int, str, str]] = field(default_factory=dict)
    unanswered: Counter[tuple[int, int]] = field(default_factory=Counter)
    accepted_at: list[str] = field(default_factory=list)
    sent: list[tuple[int, int]] = field(default_factory=list)

    @property
    def settled(self) -> tuple[int, int]:
        """Messages accepted, and messages rejected."""
        return _count(self.accepted), len(self.rejected)

    @property
    def uncertain(self) -> list[tuple[int, int]]:
        """The ranges, in order, that went out at least once without an answer; none beside or over another."""
        return _merged(pair for pair, times in self.unanswered.items() if times > 0)

    @property
    def accepted_ranges(self) -> list[tuple[int, int]]:
        """``accepted`` in order, none beside or over another."""
        return _merged(self.accepted)

    def note(self, line: dict[str, Any]) -> None:
        """Take in one line of a log."""
        if "sent" in line:
            self.sent.append(_range(line["sent"]))
            self.unanswered[_range(line["sent"])] += 1
        elif "accepted" in line:
            self.accepted.append(_range(line["accepted"]))
            self.accepted_at.append(line["at"])
            self.unanswered[_range(line["accepted"])] -= 1
        elif "rejected" in line:
            self.rejected[line["rejected"]] = (line["status"], line["reason"], line["at"])
        elif "unsent" in line:
            self.unanswered[_range(line["unsent"])] -= 1


def _merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(high, merged[-1][1])
        else:
            merged.append((low, high))
    return merged


def _count(ranges: Iterable[tuple[int, int]]) -> int:
    return sum(high - low + 1 for low, high in ranges)


def _range(pair: list[int]) -> tuple[int, int]:
    return pair[0], pair[1]


class ReceiptLog:
    """The log of one run, open for writing; safe to use from several threads."""

    def __init__(self, state: PartitionState, run_id: str) -> None:
        self._store = state.store
        self._name = state.name("runs", run_id, "receipts")
        self._lock = threading.Lock()
        self._pending: list[bytes] = []
        self._part = len(self._store.list(self._name + "/"))
        self._synced_at = time.monotonic()
        self._size = 0
        self._reserved = 0
        self._file = self._open() if isinstance(self._store, DiskStore) else None

    def _open(self) -> int:
        name = f"{self._name}/{self._part:06d}.jsonl"
        self._store.put(name, b"")
        path = self._store.local(name)
        if path is None:
            raise StateError(f"{self._store.place(name)} cannot be written")
        return os.open(path, os.O_WRONLY)

    def write(self, line: dict[str, Any], *, now: bool = False) -> None:
        """Append a line.

        Args:
            now: it must be out before this returns, in an object store too.

        Raises:
            StateError: it cannot be recorded; nothing may be sent on.
        """
        data = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            if self._file is not None:
                self._append(self._file, data, reserve="sent" in line)
            else:
                self._pending.append(data)
            if (now and self._file is None) or time.monotonic() - self._synced_at >= SYNC_SECONDS:
                self._sync()

    def _append(self, file: int, data: bytes, *, reserve: bool) -> None:
        """Write a line at the end of what was written; what is reserved behind it reads as zeros."""
        try:
            if reserve and self._size + len(data) + _ANSWERS > self._reserved:
                os.posix_fallocate(file, self._size, _RESERVED)
                self._reserved = self._size + _RESERVED
            if os.pwrite(file, data, self._size) != len(data):
                raise OSError("the disk is full")
            self._size += len(data)
        except OSError as error:
            raise StateError(f"{self._store.place(self._name)} cannot be written: {error.strerror or error}. Nothing "
                             "more was sent; free some space and run again") from error

    def _sync(self) -> None:
        if self._file is not None:
            os.fsync(self._file)
        elif self._pending:
            self._store.put(f"{self._name}/{self._part:06d}.jsonl", b"".join(self._pending))
            self._pending = []
            self._part += 1
        self._synced_at = time.monotonic()

    def close(self) -> None:
        """Sync and close."""
        with self._lock:
            self._sync()
            if self._file is not None:
                os.ftruncate(self._file, self._size)
                os.close(self._file)
                self._file = None


def read_receipts(state: PartitionState, run_id: str) -> Outcome:
    """All that a run's log says; a last line that was cut off by a power cut is left out."""
    outcome = Outcome()
    for name in state.store.list(state.name("runs", run_id, "receipts") + "/"):
        for line in _lines(state.store.get(name) or b""):
            outcome.note(line)
    return outcome


def _lines(data: bytes) -> Iterator[dict[str, Any]]:
    for line in data.rstrip(b"\0").split(b"\n"):
        try:
            yield json.loads(line)
        except ValueError:
            return


def local_folder(state: PartitionState, run_id: str, files: tuple[str, ...]) -> Path | None:
    """A run's staged files as one folder on this machine; None: they are not all there."""
    paths = [state.store.local(state.name("runs", run_id, file)) for file in files]
    return None if any(path is None for path in paths) or paths[0] is None else paths[0].parent


def ranges_table(ranges: Iterable[tuple[int, int]]) -> pa.Table:
    """Ranges of message numbers as a table (low int64, high int64), both ends included."""
    pairs = list(ranges)
    return pa.table({"low": pa.array([low for low, _ in pairs], pa.int64()),
                     "high": pa.array([high for _, high in pairs], pa.int64())})
