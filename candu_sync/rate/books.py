"""Books of turns: in memory, for one process; in a file, for all processes of a machine.

The file is locked by ``flock`` for some microseconds. The kernel releases the lock when a process ends in any way.
A process that was stopped while it held the lock blocks nobody for longer than ``PATIENCE``.
"""

from __future__ import annotations

import fcntl
import math
import os
import secrets
import struct
import threading
import time
from pathlib import Path

from candu_sync.rate.turns import SLOTS, Page, TurnsTrouble

# Seconds to wait for the file's lock, and between two attempts.
PATIENCE = 1.0
_ATTEMPT = 0.0005

# Seconds in which a process that sent something counts as one that shares the rate.
RECENT = 60.0

_MAGIC = b"CSRATE1\n"
# Magic, id; last, next, held, factor, slowed_at; known, count.
_HEAD = struct.Struct("<8sQ5dQQ")
# When, and by which process.
_ENTRY = struct.Struct("<dQ")


class MemoryBook:
    """A page of this process alone."""

    def __init__(self) -> None:
        self._page = Page()
        self._lock = threading.Lock()

    def __enter__(self) -> Page:
        self._lock.acquire()
        return self._page

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class FileBook:
    """A page in a file, for all processes of a machine.

    Args:
        path: of the file. It is made with the first use; its folder must be there.

    Example:
        >>> book = FileBook(tmp_path / "rate")
        >>> with book as page:
        ...     page.next = 5.0
        >>> with FileBook(tmp_path / "rate") as page:
        ...     page.next
        5.0
        >>> book.close()
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._file: int | None = None
        self._process = 0
        self._writer = 0
        self._id = 0
        self._page: _FilePage | None = None

    def __enter__(self) -> Page:
        self._lock.acquire()
        try:
            self._page = self._locked()
        except OSError as error:
            self._lock.release()
            raise TurnsTrouble(f"{self._path} cannot be used ({error.strerror or type(error).__name__})") from error
        except BaseException:
            self._lock.release()
            raise
        return self._page

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        page, file = self._page, self._file
        assert page is not None
        assert file is not None
        try:
            if kind is None:
                os.pwrite(file, _HEAD.pack(_MAGIC, self._id, page.last, page.next, page.held, page.factor,
                                           page.slowed_at, page.known, page.count), 0)
        except OSError as error:
            raise TurnsTrouble(f"{self._path} cannot be written ({error.strerror})") from error
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
            self._lock.release()

    def _locked(self) -> _FilePage:
        file = self._opened()
        until = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise TurnsTrouble(f"{self._path} is locked by a process that does not go on") from None
                time.sleep(_ATTEMPT)
        return self._read(file)

    def _opened(self) -> int:
        """The open file. A process that was forked shares the lock of its parent's: it opens its own."""
        if self._file is None or self._process != os.getpid():
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._file = os.open(self._path, flags, 0o600)
            self._process = os.getpid()
            self._writer = secrets.randbits(63)
        return self._file

    def _read(self, file: int) -> _FilePage:
        now, data = time.monotonic(), os.pread(file, _HEAD.size, 0)
        if len(data) == _HEAD.size:
            magic, self._id, last, next_, held, factor, slowed_at, known, count = _HEAD.unpack(data)
            # The clock begins anew with each boot.
            if magic == _MAGIC and last <= now and math.isfinite(next_ + held + factor):
                return _FilePage(file, self._writer, last=now, next=next_, held=held, factor=factor,
                                 slowed_at=slowed_at, known=known, count=count)
        self._id = secrets.randbits(63)
        return _FilePage(file, self._writer, last=now)

    @property
    def id(self) -> int:
        """Of the file: all that share it have the same. Raises TurnsTrouble."""
        with self:
            return self._id

    def processes(self) -> int:
        """How many processes sent something in the last minute, without the lock; 1 or more."""
        if self._file is None:
            return 1
        data, since = os.pread(self._file, SLOTS * _ENTRY.size, _HEAD.size), time.monotonic() - RECENT
        whole = len(data) // _ENTRY.size * _ENTRY.size
        return max(1, len({writer for at, writer in _ENTRY.iter_unpack(data[:whole]) if at > since}))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file is not None and self._process == os.getpid():
                os.close(self._file)
            self._file = None


class _FilePage(Page):
    """A page whose entries stay in the file."""

    def __init__(self, file: int, writer: int, *, last: float, next: float = 0.0, held: float = 0.0,
                 factor: float = 1.0, slowed_at: float = -math.inf, known: int = 0, count: int = 0) -> None:
        super().__init__(last=last, next=next, held=held, factor=factor, slowed_at=slowed_at, known=known, count=count)
        self._file = file
        self._writer = writer

    def entered_at(self, number: int) -> float:
        data = os.pread(self._file, _ENTRY.size, _HEAD.size + number % SLOTS * _ENTRY.size)
        return float(_ENTRY.unpack(data)[0]) if len(data) == _ENTRY.size else -math.inf

    def note(self, now: float) -> None:
        os.pwrite(self._file, _ENTRY.pack(now, self._writer), _HEAD.size + self.count % SLOTS * _ENTRY.size)
        self.count += 1
