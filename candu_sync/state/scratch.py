"""Scratch folders: files that will be moved into the state, and copies of objects. They may hold rows, so none is left.

A folder has a file ``.owner`` that its process keeps locked for as long as it lives: the kernel releases the lock when
the process ends in any way. Whenever a folder is made, old ones next to it are removed: one of the same kernel at once
when its lock is free, also if its process was in another container. The locks of other machines may not be visible:
their folders are removed when nothing in them was written for a day.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path

from candu_sync.state import processes

OLD_SECONDS = 24 * 3600.0
_OWNER = ".owner"

# Folder → the open file whose lock says that this process lives.
_locked: dict[Path, int] = {}

# Folder → the folder of this process in it, and how many folders that one has.
_shared: dict[Path, tuple[Path, int]] = {}
_lock_of_shared = threading.Lock()


def make_folder(beside: Path, prefix: str = "", *, shared: bool = False) -> Path:
    """A new private folder of this process, after old ones with the same prefix in ``beside`` were removed.

    Args:
        shared: it is in a folder that all such folders of this process share while there is one.

    Raises:
        OSError: it cannot be made.
    """
    if not shared:
        return _made(beside, prefix)
    with _lock_of_shared:
        mine, others = _shared.get(beside, (None, 0))
        if mine is None or not mine.exists():
            mine, others = _made(beside, prefix), 0
        folder = mine / uuid.uuid4().hex
        folder.mkdir(mode=0o700)
        _shared[beside] = mine, others + 1
    return folder


def _made(beside: Path, prefix: str) -> Path:
    with os.scandir(beside) as entries:
        others = [beside / entry.name for entry in entries if entry.name.startswith(prefix)]
    for left in others:
        if left not in _locked and _abandoned(left):
            _remove(left)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=beside))
    _locked[folder] = _own(folder)
    return folder


def remove_folder(folder: Path) -> None:
    """Remove a scratch folder and what is left in it."""
    if (file := _locked.pop(folder, None)) is not None:
        os.close(file)
    _remove(folder)
    beside = folder.parent.parent
    with _lock_of_shared:
        mine, count = _shared.get(beside, (None, 0))
        if mine != folder.parent:
            return
        if count > 1:
            _shared[beside] = mine, count - 1
            return
        del _shared[beside]
    remove_folder(mine)


def _own(folder: Path) -> int:
    """Write the owner's file; it is locked before it can be seen under its name."""
    new = folder / f"{_OWNER}.new"
    file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    _lock(file)
    os.write(file, processes.boot_id().encode())
    new.replace(folder / _OWNER)
    return file


def _abandoned(path: Path) -> bool:
    """Whether a scratch folder, or a file that was being written, belongs to nobody any more."""
    try:
        if path.lstat().st_uid != os.getuid():
            return False
        boot = (path / _OWNER).read_text() if path.is_dir() else ""
        if boot and boot == processes.boot_id():
            return _is_free(path / _OWNER)
        newest = max(found.lstat().st_mtime for found in (path, *path.rglob("*")))
    except OSError:
        return _is_old(path)
    return time.time() - newest > OLD_SECONDS


def _is_old(path: Path) -> bool:
    """For a folder without an owner's file: it is just being made, or of an earlier version, or being removed."""
    try:
        return time.time() - path.lstat().st_mtime > OLD_SECONDS
    except OSError:
        return False


def _is_free(owner: Path) -> bool:
    file = os.open(owner, os.O_RDWR)
    try:
        return _lock(file)
    finally:
        os.close(file)


def _lock(file: int) -> bool:
    """Lock an open file if nobody else has; False: somebody has, or this system cannot say."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True


def _remove(path: Path) -> None:
    with suppress(OSError):
        # Most have a few files and no folder.
        for name in os.listdir(path):
            os.unlink(path / name)
        os.rmdir(path)
        return
    shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):
        path.unlink()
