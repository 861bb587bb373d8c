"""``format.json``: the state's format, its id, and whether its store was tested.

Format 1 is that of 0.1.0, which takes what later versions write for damaged, and sends again to people who were
forgotten. So a state of format 1 becomes one of format 2 when it is opened: then 0.1.0 refuses it. Nothing else needs
to be converted: what format 1 lacks is optional, and the next commit of each sync adds it.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from candu_sync.errors import DamagedState, ForeignState, StateError
from candu_sync.state.root_files import RootFiles
from candu_sync.state.store import Store

FORMAT = 2
_CONVERTED = (1,)
NAME = "format.json"

# Set once a put-if-absent was seen to refuse a second put.
_PROBED = "put_if_absent"


def open_format(root: RootFiles, url: str) -> uuid.UUID:
    """The state's id. A new state gets one, and its store is tested first. One of an earlier format is converted.

    Raises:
        ForeignState: the folder holds something else, or the state of another format.
        DamagedState: ``format.json`` cannot be read.
        StateError: the store cannot be reached, or lets two runs make one claim.
    """
    store = root.store
    found = root.get(NAME)
    if found is None and not root.is_empty():
        root.forget_list()
        found = root.get(NAME)  # another process may have begun at the same moment
        if found is None:
            raise ForeignState(f"{url} holds files but no format.json: it is not a state folder of candu-sync. "
                               "Point CANDU_STATE_URL at an empty folder")
    if found is None:
        # Its id first: a probe of another process must not make this folder look like somebody else's.
        _put(root, {"format": FORMAT, "workspace": str(uuid.uuid4())}, create=True)
        found = root.get(NAME) or b""
    body, workspace = _read(store, url, found)
    if not body.get(_PROBED):
        _probe(store, url)
    converted = body | {"format": FORMAT, _PROBED: True}
    if converted != body:
        _put(root, converted)
    return workspace


def _read(store: Store, url: str, data: bytes) -> tuple[dict[str, Any], uuid.UUID]:
    try:
        body = json.loads(data)
        format_, workspace = body["format"], uuid.UUID(body["workspace"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedState(NAME, f"{store.place(NAME)} cannot be read: restore it from a backup, or point "
                           "CANDU_STATE_URL at an empty folder") from error
    if format_ not in (*_CONVERTED, FORMAT):
        raise ForeignState(f"{url} has the state's format {format_}, this candu-sync reads {FORMAT}. "
                           "Use the version that wrote it, or point CANDU_STATE_URL at an empty folder")
    return body, workspace


def _probe(store: Store, url: str) -> None:
    """All guarantees depend on put-if-absent. Some stores with an S3 API accept the condition and ignore it."""
    name = f"probe/{uuid.uuid4().hex}"
    try:
        if store.put(name, b"first", create=True) and not store.put(name, b"second", create=True) \
                and store.get(name) == b"first":
            return
    finally:
        store.delete(name)
    raise StateError(f"the store of {url} does not do put-if-absent (the header If-None-Match: *): two runs of one "
                     "sync could not keep out of each other's way. Use another store, or a newer version of it; or a "
                     "folder on a local disk")


def _put(root: RootFiles, body: dict[str, Any], *, create: bool = False) -> None:
    root.put(NAME, json.dumps(body, indent=1).encode(), create=create)
