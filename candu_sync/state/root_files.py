"""The small files at the root of the state: which are there, and what is in them.

In an object store each of them would be a request in every run. There, one list says which are there, and has their
tags. What is in a file is known without a request where somebody kept a copy of it with the same tag: the record of a
partition's last run has copies (``last_run.py``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from candu_sync.state.store import Store

# Seconds for which a list counts.
FRESH = 10.0


class RootFiles:
    """The root of one state. Safe in any thread.

    Example:
        >>> root = project.state.root
        >>> root.get("format.json") is not None, root.get("destination.json")
        (True, None)
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._lock = threading.RLock()
        self._listed: tuple[list[str], dict[str, str | None]] | None = None
        self._listed_at = 0.0
        # File → its tag, and what is in it.
        self._copies: dict[str, tuple[str, str]] = {}

    def get(self, name: str) -> bytes | None:
        """What is in a file; None: there is none. Raises StateError: the state cannot be read."""
        if self.store.folder is not None:
            return self.store.get(name)
        with self._lock:
            _, files = self._list()
            if name not in files:
                return None
            tag, text = self._copies.get(name, (None, ""))
            if tag is not None and tag == files[name]:
                return text.encode()
            found = self.store.tagged(name)
            if found is not None:
                self._keep(name, *found)
            return None if found is None else found[0]

    def put(self, name: str, data: bytes, *, create: bool = False) -> bool:
        """As ``Store.put``."""
        with self._lock:
            made = self.store.put(name, data, create=create)
            tag = self.store.tag_of(name)
            if made:
                self._keep(name, data, tag)
            if made and tag is not None and self._listed is not None:
                self._listed[1][name] = tag
            else:
                self.forget_list()
            return made

    def delete(self, name: str) -> None:
        """As ``Store.delete``."""
        with self._lock:
            self.forget_list()
            self._copies.pop(name, None)
            self.store.delete(name)

    def folders(self) -> list[str]:
        """The folders at the root that hold anything, in order."""
        if self.store.folder is not None:
            return self.store.folders("")
        with self._lock:
            return self._list()[0]

    def is_empty(self) -> bool:
        """Whether there is nothing in the state at all."""
        if self.store.folder is not None:
            return not self.store.list("")
        with self._lock:
            return not any(self._list())

    def forget_list(self) -> None:
        """Ask the store again which files are there."""
        with self._lock:
            self._listed = None

    def offer(self, copies: Mapping[str, tuple[str, str]]) -> None:
        """Copies that were kept: file → its tag then, and what was in it."""
        with self._lock:
            self._copies = {**copies, **self._copies}

    def copies(self) -> dict[str, tuple[str, str]]:
        """What is known, to be kept."""
        with self._lock:
            return dict(self._copies)

    def _keep(self, name: str, data: bytes, tag: str | None) -> None:
        if tag is None:
            self._copies.pop(name, None)
        else:
            self._copies[name] = tag, data.decode(errors="replace")

    def _list(self) -> tuple[list[str], dict[str, str | None]]:
        """A list of the root that is not old."""
        if self._listed is None or time.monotonic() - self._listed_at > FRESH:
            self._listed_at = time.monotonic()
            self._listed = self.store.top()
        return self._listed
