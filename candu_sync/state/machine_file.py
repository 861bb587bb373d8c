"""A small file that all processes of this machine have in common: beside the state on a disk, else in the machine's
folder for temporary files."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from candu_sync.errors import StateError
from candu_sync.state import processes

# Seconds after which a file that nobody wrote to belongs to an earlier boot, or to a machine that is gone.
OLD_SECONDS = 7 * 24 * 3600.0


def machine_file(folder: Path | None, name: str, workspace: object) -> Path:
    """Where the file is; nothing is made but its folder. Files of earlier boots are removed.

    Args:
        folder: of the state; None: it is in an object store.
        name: what the file is for.
        workspace: the state's id.

    Raises:
        StateError: the folder for temporary files has one of that name which belongs to another user.
    """
    if folder is None:
        folder, name = _temporary_folder(), f"{name}-{workspace}"
    # Several machines may have the state on one disk. Each has a clock of its own.
    boot = hashlib.sha256(processes.boot_id().encode()).hexdigest()[:12]
    path = folder / f".{name}-{boot}"
    for other in folder.glob(f".{name}-*"):
        with suppress(OSError):
            if other != path and time.time() - other.lstat().st_mtime > OLD_SECONDS:
                other.unlink()
    return path


def _temporary_folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"candu-sync-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise StateError(f"{folder} cannot be made: {error.strerror}. Set TMPDIR to a folder that can be written"
                         ) from error
    if found.st_uid != os.getuid() or not folder.is_dir() or folder.is_symlink():
        raise StateError(f"{folder} belongs to another user: remove it, or set TMPDIR to a folder of your own")
    return folder
