"""Bytes under names, on a disk or in an object store; the one thing both must do is put-if-absent.

On a disk: written whole to a temporary file, synced, then linked (put-if-absent) or renamed; folders and files are for
their owner alone, since rows are personal data. In S3, GCS and Azure: by obstore, whose ``mode="create"`` is
put-if-absent on each of them (obstore docs, "put").
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from candu_sync.errors import SettingsError
from candu_sync.state.disk import DiskStore
from candu_sync.state.object_store import ObjectStore


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
