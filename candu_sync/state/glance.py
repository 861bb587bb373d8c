"""What one look at a partition shows, in an object store: there, each small file is a request.

One list of its folder says which files there are. The record of its last run (``last_run.py``) is read with it: that
has copies of the newest version's file, and of the files at the root of the state, each with the tag of its file. A
copy counts only where the list has the same tag.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from candu_sync.state.record_json import RECORDS, encoded, parsed
from candu_sync.state.records_copy import WrittenRecords
from candu_sync.state.root_files import RootFiles
from candu_sync.state.store import Store

# Where a record has its copies.
COPIES = "copies"


class Copied(NamedTuple):
    """What is in a file, and the tag that the file had."""

    name: str
    tag: str
    text: str


class Record:
    """The record of a partition's last run: ``last/<sync>/<partition>.json``, at the root of the state.

    Args:
        prefix: the partition's folder.
        root: the files that copies are kept of; None: of none.
        written: is told of each record that is written; None: nobody is.

    Attributes:
        version: a copy of the newest version's file, as far as it is known.
    """

    def __init__(self, store: Store, prefix: str, root: RootFiles | None, written: WrittenRecords | None) -> None:
        self._store = store
        self._root = root
        self._written = written or WrittenRecords(store)
        self._prefix = prefix
        self.version: Copied | None = None
        # Whether it is still where it was in earlier versions; None: nobody has looked.
        self._moves: bool | None = None

    @property
    def name(self) -> str:
        """Where it is."""
        return f"{RECORDS}/{self._prefix}.json"

    @property
    def _former(self) -> str:
        """Where it was in earlier versions: among the partition's files."""
        return f"{self._prefix}/last.json"

    def read(self) -> dict[str, Any]:
        """What is in it; empty: there is none, or a write of it was cut off."""
        data = self._store.get(self.name)
        if data is None and self._moves is not False:
            data = self._store.get(self._former)
            self._moves = data is not None
        return self.taken(data)

    def taken(self, data: bytes | None) -> dict[str, Any]:
        """As ``read``, of what was read."""
        body = parsed(data)
        copies = body.pop(COPIES, None)
        if isinstance(copies, dict):
            if self.version is None and copies.get("version"):
                self.version = Copied(*copies["version"])
            if self._root is not None:
                self._root.offer({name: (tag, text) for name, tag, text in copies.get("root", ())})
        return body

    def write(self, body: dict[str, Any]) -> None:
        """Write it. A power cut may lose it. Raises StateError: it cannot be written."""
        self._store.put(self.name, encoded(body | self._copies()), sync=False)
        self._written.add(self._prefix, self._store.tag_of(self.name), body)
        if self._moves:
            self._store.delete(self._former)
            self._moves = False

    def delete(self) -> None:
        """Remove it, also from the copy of all records."""
        self._store.delete(self.name)
        self.drop_copy()

    def drop_copy(self) -> None:
        """Remove the copy of all records of the sync (``records_copy.py``)."""
        self._written.drop(self._prefix)

    def _copies(self) -> dict[str, Any]:
        if self._store.folder is not None:
            return {}
        root = {} if self._root is None else self._root.copies()
        return {COPIES: {"version": self.version, "root": [(name, *copy) for name, copy in sorted(root.items())]}}
