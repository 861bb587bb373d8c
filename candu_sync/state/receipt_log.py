"""Writing receipts: each is written before the next run can need it.

A timer gets the lines out of this process and onto the disk every ``SYNC_SECONDS``: that is the bound of what a power
cut can lose. Two kinds of lines do not wait. ``sent`` must be out before its request goes. ``unsent`` may be followed
by a long pause. A kill in that pause would make an event that Candu did not take look like one that it may have.
``receipt_lines`` has where the lines go.

The log stays open until the commit is done. A commit that takes less than ``SYNC_SECONDS`` says itself all that the
lines say, and they need not reach the disk any more.
"""

from __future__ import annotations

import threading
import zlib
from contextlib import suppress
from typing import Any

import orjson

from candu_sync.errors import StateError
from candu_sync.later import Later
from candu_sync.state.disk import DiskStore
from candu_sync.state.partition_state import PartitionState
from candu_sync.state.receipt_lines import FileLines, Lines, ObjectLines

SYNC_SECONDS = 0.5

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
        parts = len(state.names(f"runs/{run_id}/receipts/"))
        self._lines: Lines = (FileLines(state.store, folder, parts) if isinstance(state.store, DiskStore)
                               else ObjectLines(state.store, folder, parts))
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._timer = Later(SYNC_SECONDS, self._flush, "candu-sync receipts")

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
        while not self._closing.is_set():
            # The lines are kept where it fails: the next write, or the end, raises it.
            with suppress(StateError):
                self.put()
                self._lines.sync()
            self._closing.wait(SYNC_SECONDS)

    def put(self) -> None:
        """Get all lines out of this process.

        Raises:
            StateError: they cannot be recorded.
        """
        with self._lock:
            self._lines.put()

    def end(self) -> None:
        """No more lines come: get all of them out of this process, and give back the room for more.

        Raises:
            StateError: they cannot be recorded.
        """
        with self._lock:
            self._lines.end()

    def close(self, *, needed: bool = True) -> None:
        """Close it.

        Args:
            needed: the lines are read again by a later run, so they are synced.

        Raises:
            StateError: the last lines cannot be recorded.
        """
        self._closing.set()
        self._timer.end()
        try:
            self.end()
            if needed:
                self._lines.sync()
        finally:
            self._lines.close()


def _encoded(line: dict[str, Any]) -> bytes:
    """A line with a checksum of the text before it, so that a change is noticed (``receipts``)."""
    # Braces are only at the ends of a line, so that a whole line is found next to a damaged one.
    inside = orjson.dumps(line)[1:-1].replace(b"{", rb"\u007b").replace(b"}", rb"\u007d")
    return b'{%b,"crc":"%08x"}\n' % (inside, zlib.crc32(b"{%b}" % inside))
