"""The state on a disk: files that are written whole, synced, then linked or renamed. Only their owner can read them."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
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

    def put(self, name: str, data: bytes, *, create: bool = False, sync: bool = True) -> bool:
        path = self._path(name)
        made = self._written(name, lambda: self._put(path, data, create=create, sync=sync))
        if made and sync:
            system.flush_folder(os.path.dirname(path))
        return made

    def _path(self, name: str) -> str:
        # Not a Path: a small run makes hundreds of these.
        return f"{self._root}/{name}"

    def _written(self, name: str, write: Callable[[], _T]) -> _T:
        """What a write returns. It is tried again if a delete removed its empty folder at the same time."""
        for attempt in range(_ATTEMPTS):
            try:
                self._make_folders(name, again=attempt > 0)
                return write()
            except OSError as error:
                # mkdir says "exists" of a folder that is gone when it looks again.
                if not isinstance(error, (FileNotFoundError, FileExistsError)) or attempt == _ATTEMPTS - 1:
                    raise _unwritable(self._path(name), error) from error
        raise AssertionError

    def _make_folders(self, name: str, *, again: bool = True) -> None:
        """The folders of a name, and the one of files that are being made. That one is nearly always there.

        Args:
            again: something was missing.
        """
        for path in (self._path(name), *([f"{self._path(_SCRATCH)}/"] if again else [])):
            if not os.path.isdir(folder := os.path.dirname(path)):
                self._make_folder(folder)

    def _make_folder(self, folder: str) -> None:
        # The root itself is not made again: who removed it must know.
        if len(folder) <= len(str(self._root)):
            return
        # One by one: with os.makedirs all but the last would be readable by others.
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            pass
        except FileNotFoundError:
            self._make_folder(os.path.dirname(folder))
            os.mkdir(folder, 0o700)

    def _put(self, path: str, data: bytes, *, create: bool, sync: bool) -> bool:
        if create and not data:
            # An empty file is whole as soon as it is there.
            return _made(path)
        # A killed process leaves the file that it was writing. It is removed later.
        temporary = self._temporary()
        try:
            _write(temporary, data, sync=sync)
            if not create:
                os.replace(temporary, path)
            else:
                try:
                    os.link(temporary, path)
                except FileExistsError:
                    return False
        finally:
            _unlink(temporary)
        return True

    def _temporary(self) -> str:
        return f"{self._root}/{_SCRATCH}/.{uuid.uuid4().hex}"

    def get(self, name: str) -> bytes | None:
        found = self.dated(name)
        return None if found is None else found[0]

    def dated(self, name: str) -> tuple[bytes, dt.datetime] | None:
        try:
            with open(self._path(name), "rb") as file:
                return file.read(), _written_at(file.fileno())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"{self._path(name)} cannot be read: {error.strerror}") from error

    def now(self) -> dt.datetime:
        # A disk that several machines share gives files the time of its server.
        temporary = self._temporary()
        try:
            self._make_folders("")
            _write(temporary, b"-", sync=True)
            return _written_at(temporary)
        except OSError as error:
            raise _unwritable(temporary, error) from error
        finally:
            _unlink(temporary)

    def add(self, name: str, path: Path, *, more: bool = False, same: str | None = None) -> int:
        # Its size is read before the move: another process may delete the file as soon as it is there.
        target = self._path(name)
        try:
            size = _synced(path)
        except OSError as error:
            raise _unwritable(target, error) from error
        self._written(name, lambda: os.replace(path, target))
        if not more:
            system.flush_folder(os.path.dirname(target))
        return size

    def copy(self, source: str, target: str) -> None:
        self._written(target, lambda: self._copy(self._path(source), self._path(target)))
        system.flush_folder(os.path.dirname(self._path(target)))

    def _copy(self, source: str, target: str) -> None:
        # Files of the state are never changed. So two names of one file are as good as two files.
        temporary = self._temporary()
        try:
            os.link(source, temporary)
            os.replace(temporary, target)
        finally:
            # Of two names of one file the replace removes neither.
            _unlink(temporary)

    def local(self, name: str) -> Path | None:
        path = self._root / name
        return path if path.exists() else None

    def folders(self, prefix: str, known: Collection[str] = ()) -> list[str]:
        try:
            found = [entry for entry in os.scandir(self._root / prefix) if entry.is_dir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(entry.name for entry in found if entry.name in known or _holds_a_file(entry.path))

    def top(self) -> tuple[list[str], dict[str, str | None]]:
        with os.scandir(self._root) as entries:
            found = sorted((entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith("."))
        return [name for name, is_folder in found if is_folder], {name: None for name, folder in found if not folder}

    def list(self, prefix: str) -> list[str]:
        return sorted(_files(self._path(prefix.rstrip("/")), prefix))

    def sizes(self, prefix: str) -> dict[str, int]:
        found = {}
        for name in self.list(prefix):
            # It may be removed at the same time.
            with contextlib.suppress(FileNotFoundError):
                found[name] = (self._root / name).stat().st_size
        return found

    def tags(self, prefix: str) -> dict[str, str | None]:
        return dict.fromkeys(self.list(prefix))

    def tagged(self, name: str) -> tuple[bytes, str | None] | None:
        data = self.get(name)
        return None if data is None else (data, None)

    def tag_of(self, name: str) -> str | None:
        return None

    def delete_all(self, names: Iterable[str]) -> None:
        for name in names:
            self.delete(name)

    def delete(self, name: str) -> None:
        path = self._path(name)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(path))

    def scratch(self) -> Path:
        try:
            self._make_folders("")
            return make_folder(self._root / _SCRATCH, shared=True)
        except OSError as error:
            raise _unwritable(self._root, error) from error

    def place(self, name: str) -> str:
        return str(self._root / name)

    @property
    def folder(self) -> Path:
        return self._root


def _files(folder: str, prefix: str) -> Iterator[str]:
    """The names of the files below a folder; ``prefix``: its own name with a slash. A folder that is removed at the
    same time has none."""
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
    except OSError:
        return
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path, f"{prefix}{entry.name}/")
        elif not entry.name.startswith("."):
            yield prefix + entry.name


def _holds_a_file(folder: str) -> bool:
    """Whether there is any file below a folder; one that is removed at the same time has none."""
    try:
        with os.scandir(folder) as entries:
            return any(not entry.is_dir() or _holds_a_file(entry.path) for entry in entries)
    except OSError:
        return False


def _synced(path: Path) -> int:
    """A file's bytes, once they are on the disk, readable only by their owner."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fchmod(file, 0o600)
        system.flush(file)
        return os.fstat(file).st_size
    finally:
        os.close(file)


def _written_at(file: int | str) -> dt.datetime:
    """When a file was last written, by the clock of its disk's machine."""
    return dt.datetime.fromtimestamp(os.stat(file).st_mtime, dt.UTC)


def _made(path: str) -> bool:
    """Make an empty file; False: there is one of that name."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    return True


def _write(path: str, data: bytes, *, sync: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        if sync:
            system.flush(file.fileno())


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _unwritable(path: str | Path, error: OSError) -> StateError:
    return StateError(f"the state {path} cannot be written: {error.strerror or error}. Check CANDU_STATE_URL, "
                      "the folder's owner and the space on its disk")
