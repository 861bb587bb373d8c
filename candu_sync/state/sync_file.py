"""A small file about a whole sync, beside the folders of its partitions. What is in it can be made again."""

from __future__ import annotations

import json
from typing import Any

from candu_sync.state.folder_names import sync_folder
from candu_sync.state.store import Store
from candu_sync.state.versions import as_json


class SyncFile:
    """One such file, of JSON. A power cut may lose it, or what was written last.

    Args:
        name: like ``lineage.json``; not the name of a marker (``folder_names``).
    """

    def __init__(self, store: Store, sync: str, name: str) -> None:
        self._store = store
        self._name = f"{sync_folder(sync)}/{name}"

    def read(self) -> dict[str, Any]:
        """What is in it; empty: there is none, or it cannot be read."""
        data = self._store.get(self._name)
        try:
            return {} if data is None else dict(json.loads(data))
        except (ValueError, TypeError):
            return {}

    def write(self, body: dict[str, Any]) -> None:
        """Write it in place of the one before. Raises StateError: it cannot be written."""
        self._store.put(self._name, as_json(body), sync=False)
