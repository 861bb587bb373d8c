"""The state in S3, GCS or Azure, by obstore."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from candu_sync.errors import StateError


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
