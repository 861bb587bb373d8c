"""What operating systems do in different ways: reserving space on a disk, and writes that survive a power cut."""

from __future__ import annotations

import errno
import os

# The error of posix_fallocate where the file system cannot reserve space: some C libraries then write zeros, others do
# not.
_CANNOT_RESERVE = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})


def reserve(file: int, offset: int, size: int) -> None:
    """Make sure that ``size`` bytes from ``offset`` on, the end of what was written, can be written later.

    They read as zeros until then. macOS has no call for that: zeros are written there.

    Raises:
        OSError: the disk is full.
    """
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file, offset, size)
            return
        except OSError as error:
            if error.errno not in _CANNOT_RESERVE:
                raise
    if os.pwrite(file, bytes(size), offset) != size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def flush(file: int) -> None:
    """Wait until a file's bytes are on the disk itself. On macOS fsync ends at the drive's cache (fsync(2) there)."""
    try:
        import fcntl

        full = getattr(fcntl, "F_FULLFSYNC", None)
        if full is not None:
            fcntl.fcntl(file, full)
            return
    except (ImportError, OSError):
        pass  # a file system that does not know it
    os.fsync(file)


def flush_folder(folder: str | os.PathLike[str]) -> None:
    """Wait until the names of a folder's files are on the disk: only then a file that was made or renamed is. A folder
    that is gone again was emptied by a delete."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
