"""The state in S3, GCS or Azure, by obstore."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import tempfile
import threading
import uuid
import weakref
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from candu_sync.errors import SettingsError, StateError, StateUnreachable
from candu_sync.state.scratch import make_folder, remove_folder
from candu_sync.state.state_url import CREDENTIALS

# Objects whose tags are kept: those that were put last. Who asks for a tag has just put the object.
_TAGS = 1_000

# Names that are taken over from a list at a time.
_LISTED = 1_000

# How S3, GCS and Azure answer where there is no bucket.
_NO_BUCKET = re.compile(r"<Code>(NoSuchBucket|ContainerNotFound)</Code>|specified bucket does not exist")

# Of an error that has no class of its own: the store answered, and the same request would be answered so again.
_REFUSED = re.compile(r"status code: 4(?!08|29)\d\d")


class ObjectStore:
    """State in S3, GCS or Azure. Objects that are read as files are kept in a temporary folder of this process."""

    def __init__(self, url: str) -> None:
        # obstore takes 0.1 s to load: it is loaded only for a remote state.
        import obstore
        from obstore.exceptions import BaseError
        from obstore.store import from_url

        self._obstore = obstore
        self._url = url.rstrip("/")
        try:
            self._store: Any = from_url(self._url)
        except (BaseError, ValueError, TypeError, OSError) as error:
            raise SettingsError(f"CANDU_STATE_URL {self._url} cannot be opened: {_sentence(error)}. Credentials are "
                                f"read from {CREDENTIALS.get(self._url.partition(':')[0], 'the environment')}"
                                ) from error
        self._tags: dict[str, str | None] = {}
        self._lock = threading.Lock()
        self._cache = make_folder(Path(tempfile.gettempdir()), "candu-sync-state-")
        # At the latest when the interpreter ends. The folder of a killed process is removed by another one.
        weakref.finalize(self, remove_folder, self._cache)

    def put(self, name: str, data: bytes, *, create: bool = False, sync: bool = True) -> bool:
        from obstore.exceptions import AlreadyExistsError

        try:
            with self._reported(name, written=True):
                put = self._obstore.put(self._store, name, data, mode="create" if create else "overwrite")
        except AlreadyExistsError:
            # obstore repeats a put whose answer was lost, and then finds its own object.
            return self.get(name) == data
        self._keep_tag(name, put["e_tag"])
        return True

    def _keep_tag(self, name: str, tag: str | None) -> None:
        with self._lock:
            self._tags.pop(name, None)
            self._tags[name] = tag
            if len(self._tags) > _TAGS:
                del self._tags[next(iter(self._tags))]

    def get(self, name: str) -> bytes | None:
        found = self.dated(name)
        return None if found is None else found[0]

    def dated(self, name: str) -> tuple[bytes, dt.datetime] | None:
        try:
            with self._reported(name):
                found = self._obstore.get(self._store, name)
                return bytes(found.bytes()), found.meta["last_modified"]
        except FileNotFoundError:
            return None

    def now(self) -> dt.datetime:
        # obstore does not show an answer's headers, and so not the Date of the store.
        name = f"probe/{uuid.uuid4().hex}"
        try:
            with self._reported(name, written=True):
                self._obstore.put(self._store, name, b"-")
                written: dt.datetime = self._obstore.head(self._store, name)["last_modified"]
                return written
        finally:
            self.delete(name)

    def add(self, name: str, path: Path, *, more: bool = False, same: str | None = None) -> int:
        with self._reported(name, written=True):
            if same is None or not self._copied(same, name):
                self._obstore.put(self._store, name, path)
        kept = self._cache / name
        kept.parent.mkdir(parents=True, exist_ok=True)
        return path.replace(kept).stat().st_size

    def _copied(self, source: str, target: str) -> bool:
        """Copy an object in the store; False: it is not there, or the store does not copy so large a one (S3: 5 GB)."""
        from obstore.exceptions import BaseError

        try:
            self._obstore.copy(self._store, source, target)
        except (BaseError, FileNotFoundError):
            return False
        return True

    def copy(self, source: str, target: str) -> None:
        with self._reported(target, written=True):
            self._obstore.copy(self._store, source, target)

    def local(self, name: str) -> Path | None:
        path = self._cache / name
        if not path.exists():
            data = self.get(name)
            if data is None:
                return None
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return path

    def folders(self, prefix: str, known: Collection[str] = ()) -> list[str]:
        try:
            with self._reported(prefix):
                found = self._obstore.list_with_delimiter(self._store, prefix.rstrip("/"))
        except FileNotFoundError:
            return []
        return sorted(path.rstrip("/").rpartition("/")[2] for path in found["common_prefixes"])

    def tags(self, prefix: str) -> dict[str, str | None]:
        with self._reported(prefix):
            chunks = self._obstore.list(self._store, prefix.rstrip("/"), chunk_size=_LISTED)
            return dict(sorted((item["path"], item["e_tag"]) for chunk in chunks for item in chunk))

    def tagged(self, name: str) -> tuple[bytes, str | None] | None:
        try:
            with self._reported(name):
                found = self._obstore.get(self._store, name)
                return bytes(found.bytes()), found.meta["e_tag"]
        except FileNotFoundError:
            return None

    def tag_of(self, name: str) -> str | None:
        return self._tags.get(name)

    def top(self) -> tuple[list[str], dict[str, str | None]]:
        with self._reported(""):
            found = self._obstore.list_with_delimiter(self._store)
        return sorted(found["common_prefixes"]), {item["path"]: item["e_tag"] for item in found["objects"]}

    def list(self, prefix: str) -> list[str]:
        return list(self.sizes(prefix))

    def sizes(self, prefix: str) -> dict[str, int]:
        with self._reported(prefix):
            chunks = self._obstore.list(self._store, prefix.rstrip("/"))
            return dict(sorted((item["path"], item["size"]) for chunk in chunks for item in chunk))

    def delete(self, name: str) -> None:
        self._uncache([name])
        with contextlib.suppress(FileNotFoundError), self._reported(name):
            self._obstore.delete(self._store, name)

    def delete_all(self, names: Iterable[str]) -> None:
        found = list(names)
        if not found:
            return
        self._uncache(found)
        try:
            with self._reported(found[0]):
                self._obstore.delete(self._store, found)
        except FileNotFoundError:
            # Where the store has no request for several, one that is gone ends it.
            for name in found:
                self.delete(name)

    def _uncache(self, names: Iterable[str]) -> None:
        """Remove the local files of objects that are removed."""
        for name in names:
            (self._cache / name).unlink(missing_ok=True)

    def scratch(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self._cache))

    def place(self, name: str) -> str:
        return f"{self._url}/{name}"

    @property
    def folder(self) -> None:
        return None

    @contextlib.contextmanager
    def _reported(self, name: str, *, written: bool = False) -> Iterator[None]:
        """The store's errors as one sentence. For a read, "not found" is an answer; for a write, it means that there is
        no bucket."""
        from obstore.exceptions import AlreadyExistsError, BaseError, GenericError

        try:
            yield
        except AlreadyExistsError:
            raise
        except (BaseError, OSError) as error:
            if _NO_BUCKET.search(str(error)):
                raise StateError(f"the state {self.place(name)} cannot be reached: there is no bucket or container "
                                 f"{self._url.split('/')[2]}. Make it, or correct CANDU_STATE_URL (and the region or "
                                 "the address of the store, if it is in another one)") from error
            if isinstance(error, FileNotFoundError) and not written:
                raise
            answered = not isinstance(error, GenericError) or _REFUSED.search(str(error))
            kind = StateError if answered else StateUnreachable
            raise kind(f"the state {self.place(name)} cannot be reached: {_sentence(error)}. "
                       "Check CANDU_STATE_URL and its credentials") from error


def _sentence(error: Exception) -> str:
    """The first line of an error of the store. What follows a ? in an address may be a signature that lets anybody in.
    """
    return re.sub(r"\?[^\s)]+", "?…", (str(error).splitlines() or [type(error).__name__])[0])
