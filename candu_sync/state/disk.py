"""The state on a disk: files that are written whole, synced, then linked or renamed. Only their owner can read them."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from candu_sync.errors import StateError
from candu_sync.state import system
from candu_sync.state.scratch import make_folder

_T = TypeVar("_T")

# How often a write is tried when its folder is removed each time.
_ATTEMPTS = 100

# Where files are made before they are moved into their place.
_SCRATCH = "tmp"


class DiskStore:
    """State in a folder that only its owner can read."""

    def __init__(self, root: Path) -> None:
        self._root = root
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            if root.stat().st_uid == os.getuid():
                root.chmod(0o700)
        except OSError as error:
            raise _unwritable(root, error) from error

    def put(self, name: str, data: bytes, *, create: bool = False) -> bool:
        path = self._root / name
        return self._written(path, lambda: self._put(path, data, create=create))

    def _written(self, path: Path, write: Callable[[], _T]) -> _T:
        """What a write returns. It is tried again if a delete removed its empty folder at the same time."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                folder = self._root
                # One by one: with parents=True all but the last would be readable by others.
                for part in path.relative_to(self._root).parts[:-1]:
                    folder /= part
                    folder.mkdir(exist_ok=True, mode=0o700)
                return write()
            except OSError as error:
                # mkdir says "exists" of a folder that is gone when it looks again.
                if not isinstance(error, (FileNotFoundError, FileExistsError)) or attempt == _ATTEMPTS:
                    raise _unwritable(path, error) from error
        raise AssertionError

    def _put(self, path: Path, data: bytes, *, create: bool) -> bool:
        # A killed process leaves the file that it was writing. It is removed later.
        folder = self._root / _SCRATCH
        folder.mkdir(exist_ok=True, mode=0o700)
        temporary = folder / f".{uuid.uuid4().hex}"
        try:
            _write_synced(temporary, data)
            if not create:
                temporary.replace(path)
            else:
                try:
                    os.link(temporary, path)
                except FileExistsError:
                    return False
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)
        return True

    def get(self, name: str) -> bytes | None:
        try:
            return (self._root / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"{self._root / name} cannot be read: {error.strerror}") from error

    def add(self, name: str, path: Path) -> int:
        # Its size is read before the move: another process may delete the file as soon as it is there.
        target = self._root / name
        try:
            size = _synced(path)
        except OSError as error:
            raise _unwritable(target, error) from error
        self._written(target, lambda: path.replace(target))
        _sync_folder(target.parent)
        return size

    def copy(self, source: str, target: str) -> None:
        path = self._root / target
        self._written(path, lambda: self._copy(self._root / source, path))
        _sync_folder(path.parent)

    def _copy(self, source: Path, target: Path) -> None:
        # Files of the state are never changed. So two names of one file are as good as two files.
        folder = self._root / _SCRATCH
        folder.mkdir(exist_ok=True, mode=0o700)
        temporary = folder / f".{uuid.uuid4().hex}"
        try:
            os.link(source, temporary)
            temporary.replace(target)
        finally:
            # Of two names of one file the replace removes neither.
            temporary.unlink(missing_ok=True)

    def local(self, name: str) -> Path | None:
        path = self._root / name
        return path if path.exists() else None

    def folders(self, prefix: str) -> list[str]:
        try:
            found = [entry for entry in os.scandir(self._root / prefix) if entry.is_dir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(entry.name for entry in found if any(files for _, _, files in os.walk(entry.path)))

    def list(self, prefix: str) -> list[str]:
        # os.walk leaves out a folder that is removed at the same time.
        found = (Path(folder, file) for folder, _, files in os.walk(self._root / prefix) for file in files
                 if not file.startswith("."))
        return sorted(p.relative_to(self._root).as_posix() for p in found)

    def sizes(self, prefix: str) -> dict[str, int]:
        found = {}
        for name in self.list(prefix):
            # It may be removed at the same time.
            with contextlib.suppress(FileNotFoundError):
                found[name] = (self._root / name).stat().st_size
        return found

    def delete(self, name: str) -> None:
        path = self._root / name
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        with contextlib.suppress(OSError):
            path.parent.rmdir()

    def scratch(self) -> Path:
        try:
            folder = self._root / _SCRATCH
            folder.mkdir(exist_ok=True, mode=0o700)
            return make_folder(folder)
        except OSError as error:
            raise _unwritable(self._root, error) from error

    def place(self, name: str) -> str:
        return str(self._root / name)


def _synced(path: Path) -> int:
    """A file's bytes, once they are on the disk, readable only by their owner."""
    path.chmod(0o600)
    with path.open("rb") as file:
        system.flush(file.fileno())
        return os.fstat(file.fileno()).st_size


def _write_synced(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        system.flush(file.fileno())


def _sync_folder(folder: Path) -> None:
    """A rename is on disk only when its folder is. One that is gone again was emptied by a delete."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> StateError:
    return StateError(f"the state {path} cannot be written: {error.strerror or error}. Check CANDU_STATE_URL, "
                      "the folder's owner and the space on its disk")
