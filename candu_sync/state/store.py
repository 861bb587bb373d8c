"""Bytes under names, on a disk or in an object store. Both must do put-if-absent.

On a disk: written whole to a temporary file, synced, then linked (put-if-absent) or renamed; only their owner can read
folders and files, since rows are personal data. In S3, GCS and Azure: by obstore, whose ``mode="create"`` is
put-if-absent on each of them (obstore docs, "put").
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Protocol

from candu_sync.errors import SettingsError
from candu_sync.state.disk import DiskStore
from candu_sync.state.object_store import ObjectStore
from candu_sync.state.state_url import take_apart


class Store(Protocol):
    """Where the state is. Names are relative, with `/`."""

    def put(self, name: str, data: bytes, *, create: bool = False, sync: bool = True) -> bool:
        """Write a whole object. With ``create`` only where there is none; False: there was one. Without ``sync`` a
        power cut may lose it, or leave an empty one; the end of the process never does."""

    def get(self, name: str) -> bytes | None:
        """An object's bytes; None: there is none."""

    def dated(self, name: str) -> tuple[bytes, dt.datetime] | None:
        """As ``get``, with the time at which the object was written, by the store's clock (UTC)."""

    def now(self) -> dt.datetime:
        """What the store's own clock says (UTC): the time of an object that is written for this, and removed."""

    def add(self, name: str, path: Path, *, more: bool = False, same: str | None = None) -> int:
        """Move a local file in; returns its bytes. With ``more`` another one is moved into the same folder right after
        it: a power cut may lose this one until that one is there. ``same``: an object that has the same bytes, if it is
        there; it stays."""

    def copy(self, source: str, target: str) -> None:
        """Copy an object, over one of that name."""

    def local(self, name: str) -> Path | None:
        """A local file with the object's bytes, to be read and not written; None: there is none."""

    def folders(self, prefix: str, known: Collection[str] = ()) -> list[str]:
        """The names of the folders right below a folder (ending in `/`) that hold anything, in order. ``known``: names
        of some that need not be looked into."""

    def top(self) -> tuple[list[str], dict[str, str | None]]:
        """What is right in the state's folder: the names of folders, in order, and of files with their tags."""

    def list(self, prefix: str) -> list[str]:
        """The names that begin with the prefix (a folder, ending in `/`), in order."""

    def sizes(self, prefix: str) -> dict[str, int]:
        """As ``list``, each name with the object's bytes."""

    def tags(self, prefix: str) -> dict[str, str | None]:
        """As ``list``, each name with a tag, which changes when the object is written again; None: there are no
        tags."""

    def tagged(self, name: str) -> tuple[bytes, str | None] | None:
        """As ``get``, with the object's tag."""

    def tag_of(self, name: str) -> str | None:
        """The tag of an object as this process last put it; None: it is not known, as where it has put many
        others since."""

    def delete(self, name: str) -> None:
        """Remove an object, if it is there."""

    def delete_all(self, names: Iterable[str]) -> None:
        """Remove several objects, in order on a disk, with a request for a thousand in an object store."""

    def scratch(self) -> Path:
        """A new private local folder for files that will be moved in; the caller removes what is left."""

    def place(self, name: str) -> str:
        """Where an object is, for people."""

    @property
    def folder(self) -> Path | None:
        """The folder of the whole state; None: it is in an object store."""


def open_store(url: str) -> Store:
    """The store of a ``CANDU_STATE_URL``: a folder, or ``s3://``, ``gs://``, ``az://``.

    Raises:
        SettingsError: the URL is wrong.
        StateError: the folder cannot be made or written.
    """
    try:
        scheme, rest = take_apart(url)
    except ValueError as error:
        raise SettingsError(f"CANDU_STATE_URL {error}") from None
    return ObjectStore(f"{scheme}://{rest}") if scheme else DiskStore(_at_home(rest))


def _at_home(folder: str) -> Path:
    """``~/x`` as shells read it."""
    path = Path(folder)
    try:
        expanded = path.expanduser()
    except RuntimeError:
        raise SettingsError("CANDU_STATE_URL begins with ~, and there is no home folder of that user") from None
    if expanded != path and (path / "format.json").exists() and not (expanded / "format.json").exists():
        raise SettingsError(f"CANDU_STATE_URL {folder} means {expanded}, and the state is in a folder that is named ~, "
                            f"made by an earlier version: move {path.absolute()} to {expanded}")
    return expanded
