"""Bytes under names, on a disk or in an object store; the one thing both must do is put-if-absent.

On a disk: written whole to a temporary file, synced, then linked (put-if-absent) or renamed; folders and files are for
their owner alone, since rows are personal data. In S3, GCS and Azure: by obstore, whose ``mode="create"`` is
put-if-absent on each of them (obstore docs, "put").
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from candu_sync.errors import SettingsError, StateError

_T = TypeVar("_T")

# Times that a write is tried whose folder is taken away again and again.
_ATTEMPTS = 20


class Store(Protocol):
    """Where the state lies. Names are relative, with `/`."""

    def put(self, name: str, data: bytes, *, create: bool = False) -> bool:
        """Write a whole object. With ``create`` only where there is none; False: there was one."""

    def get(self, name: str) -> bytes | None:
        """An object's bytes; None: there is none."""

    def add(self, name: str, path: Path) -> int:
        """Move a local file in; returns its bytes."""

    def local(self, name: str) -> Path | None:
        """A local file with the object's bytes, to be read and not written; None: there is none."""

    def list(self, prefix: str) -> list[str]:
        """The names that begin with the prefix (a folder, ending in `/`), in order."""

    def delete(self, name: str) -> None:
        """Remove an object, if it is there."""

    def scratch(self) -> Path:
        """A new private local folder for files that are on their way in; the caller removes what it leaves."""

    def place(self, name: str) -> str:
        """Where an object is, for people."""


def open_store(url: str) -> Store:
    """The store of a ``CANDU_STATE_URL``: a folder, or ``s3://``, ``gs://``, ``az://``.

    Raises:
        SettingsError: the URL's scheme is not known.
        StateError: the folder cannot be made or written.
    """
    scheme = urlsplit(url).scheme
    if len(scheme) < 2:
        return DiskStore(Path(url))
    if scheme == "file":
        return DiskStore(Path(urlsplit(url).path))
    if scheme in ("s3", "gs", "az"):
        return ObjectStore(url)
    raise SettingsError(f"CANDU_STATE_URL: the scheme {scheme}:// is not known; use a folder, s3://, gs:// or az://")


class DiskStore:
    """State in a folder, readable by its owner alone."""

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
        return self._written(path, lambda: _put_file(path, data, create=create))

    def _written(self, path: Path, write: Callable[[], _T]) -> _T:
        """What a write returns. It is tried again where a delete beside it took the folder away, empty by then."""
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

    def get(self, name: str) -> bytes | None:
        try:
            return (self._root / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"{self._root / name} cannot be read: {error.strerror}") from error

    def add(self, name: str, path: Path) -> int:
        # Its bytes are looked at before the move: a delete beside it may take the file away as soon as it is there.
        target = self._root / name
        try:
            size = _synced(path)
        except OSError as error:
            raise _unwritable(target, error) from error
        self._written(target, lambda: path.replace(target))
        _sync_folder(target.parent)
        return size

    def local(self, name: str) -> Path | None:
        path = self._root / name
        return path if path.exists() else None

    def list(self, prefix: str) -> list[str]:
        # os.walk passes over a folder that is removed meanwhile.
        found = (Path(folder, file) for folder, _, files in os.walk(self._root / prefix) for file in files
                 if not file.startswith("."))
        return sorted(p.relative_to(self._root).as_posix() for p in found)

    def delete(self, name: str) -> None:
        path = self._root / name
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        with contextlib.suppress(OSError):
            path.parent.rmdir()

    def scratch(self) -> Path:
        try:
            folder = self._root / "tmp"
            folder.mkdir(exist_ok=True, mode=0o700)
            _sweep(folder)
            return Path(tempfile.mkdtemp(prefix=f"{socket.gethostname()}.{os.getpid()}.", dir=folder))
        except OSError as error:
            raise _unwritable(self._root, error) from error

    def place(self, name: str) -> str:
        return str(self._root / name)


class ObjectStore:
    """State in S3, GCS or Azure. Objects that are read as files are kept in a temporary folder of this process."""

    def __init__(self, url: str) -> None:
        # obstore takes 0.1 s to load: only those whose state is remote pay for it.
        import obstore
        from obstore.store import from_url

        self._obstore = obstore
        self._url = url.rstrip("/")
        self._store: Any = from_url(self._url)
        self._cache = tempfile.TemporaryDirectory(prefix="candu-sync-state-")

    def put(self, name: str, data: bytes, *, create: bool = False) -> bool:
        from obstore.exceptions import AlreadyExistsError

        try:
            with self._reported(name):
                self._obstore.put(self._store, name, data, mode="create" if create else "overwrite")
        except AlreadyExistsError:
            # A put whose answer was lost is repeated by obstore, and then finds itself.
            return self.get(name) == data
        return True

    def get(self, name: str) -> bytes | None:
        try:
            with self._reported(name):
                return bytes(self._obstore.get(self._store, name).bytes())
        except FileNotFoundError:
            return None

    def add(self, name: str, path: Path) -> int:
        with self._reported(name):
            self._obstore.put(self._store, name, path)
        kept = Path(self._cache.name) / name
        kept.parent.mkdir(parents=True, exist_ok=True)
        return path.replace(kept).stat().st_size

    def local(self, name: str) -> Path | None:
        path = Path(self._cache.name) / name
        if not path.exists():
            data = self.get(name)
            if data is None:
                return None
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return path

    def list(self, prefix: str) -> list[str]:
        with self._reported(prefix):
            chunks = self._obstore.list(self._store, prefix.rstrip("/"))
            return sorted(item["path"] for chunk in chunks for item in chunk)

    def delete(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError), self._reported(name):
            self._obstore.delete(self._store, name)

    def scratch(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self._cache.name))

    def place(self, name: str) -> str:
        return f"{self._url}/{name}"

    @contextlib.contextmanager
    def _reported(self, name: str) -> Iterator[None]:
        from obstore.exceptions import AlreadyExistsError, BaseError

        try:
            yield
        except (AlreadyExistsError, FileNotFoundError):
            raise
        except (BaseError, OSError) as error:
            raise StateError(f"the state {self.place(name)} cannot be reached: "
                             f"{str(error).splitlines()[0]}. Check CANDU_STATE_URL and its credentials") from error


def _sweep(folder: Path) -> None:
    """Remove the scratch folders of this host's processes that are gone: they may hold rows."""
    for left in folder.glob(f"{socket.gethostname()}.*.*"):
        try:
            os.kill(int(left.name.split(".")[-2]), 0)
        except ProcessLookupError:
            remove_folder(left)
        except (PermissionError, ValueError):
            continue


def remove_folder(folder: Path) -> None:
    """Remove a scratch folder and what is left in it."""
    shutil.rmtree(folder, ignore_errors=True)


def _put_file(path: Path, data: bytes, *, create: bool) -> bool:
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
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


def _synced(path: Path) -> int:
    """A file's bytes, once they are on the disk and for their owner alone."""
    path.chmod(0o600)
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_size


def _write_synced(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


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
