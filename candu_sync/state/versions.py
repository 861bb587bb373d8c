"""A version of a snapshot, as its file has it: what it is, and its files by name, size and checksum."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass, replace
from typing import Any

import orjson

from candu_sync.routes import CANDU


@dataclass(frozen=True)
class File:
    """A file of a version: its name in the store, its bytes, and the SHA-256 of them."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class RowIdentity:
    """What makes two rows of a sync the same row, as its settings say it.

    Attributes:
        key: the columns of the key.
        zone: the time zone of timestamps without one, where the key or the partitions depend on it; else None.
        scheme: how the sync is partitioned, like ``daily`` or ``daily × static``; empty: it is not.
        expressions: of each column of the key, how the model makes it; empty: that is not known.
    """

    key: tuple[str, ...]
    zone: str | None
    scheme: str
    expressions: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> RowIdentity:
        """What ``asdict`` and JSON made of it. Raises KeyError, TypeError where it is something else."""
        return cls(tuple(body["key"]), body["zone"], body["scheme"], tuple(map(tuple, body["expressions"])))


@dataclass(frozen=True)
class EventTimes:
    """When events happened, ISO 8601 in UTC with six digits of the second; those of the future are left out.

    Attributes:
        oldest, newest: the times between which all of them lie.
        complete_until: as ``newest``, but not beyond an event that a run left unsent.
    """

    oldest: str
    newest: str
    complete_until: str


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of a snapshot.

    Attributes:
        number: from 1; 0 is the empty snapshot before the first.
        run_id: the run that committed it.
        at: when, ISO 8601 in UTC.
        kind, traits, rows, newest, nulled, dropped, arriving: what the room ``snapshot`` stores about the rows; not
            read here.
        files: role → file.
        identity: what identifies the rows; None: the version is older than this field.
        events: when the accepted events happened; None: there are none.
        refreshed: how far the refresh went, ISO 8601 in UTC; None: none began.
        route: by which route the accepted rows were sent.
        result: the version's number and run, and the digest of the result that has the same rows; None: there is none,
            or it is not known. A version that was made of this one without a result has the number of this one.
    """

    number: int
    run_id: str = ""
    at: str = ""
    kind: str = ""
    traits: tuple[tuple[str, str], ...] = ()
    rows: int = 0
    newest: str | None = None
    nulled: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    arriving: tuple[str, ...] = ()
    files: dict[str, File] = field(default_factory=dict)
    identity: RowIdentity | None = None
    events: EventTimes | None = None
    refreshed: str | None = None
    route: str = CANDU.name
    result: tuple[int, str, str] | None = None

    def is_of(self, digest: str) -> bool:
        """Whether its rows are those of the result with this digest.

        Example:
            >>> version = Version(number=3, run_id="r").made_of("d")
            >>> version.is_of("d"), replace(version, number=4).is_of("d")
            (True, False)
        """
        return self.result == (self.number, self.run_id, digest)

    def made_of(self, digest: str | None) -> Version:
        """The version with the digest of its result; None: the result has other rows, too."""
        return replace(self, result=None if digest is None else (self.number, self.run_id, digest))


def encode(version: Version) -> bytes:
    """The body of a version's file."""
    plain = {name: vars(value) if is_dataclass(value) else value for name, value in vars(version).items()}
    if version.route == CANDU.name:
        # As versions had it when there was no other route: whoever wrote those can read it.
        del plain["route"]
    if version.result is None:
        del plain["result"]
    return as_json(plain | {"files": {role: vars(file) for role, file in version.files.items()}})


def as_json(body: Mapping[str, Any]) -> bytes:
    """A small file of the state."""
    try:
        return orjson.dumps(body, option=orjson.OPT_INDENT_2)
    except TypeError:
        # Half a surrogate pair, or a number that is too large: orjson has no form for them.
        return json.dumps(body, indent=2).encode()


def decode(body: bytes) -> Version:
    """The version of a file. Raises ValueError, TypeError or KeyError where the body is something else."""
    fields = json.loads(body)
    files = {role: File(**file) for role, file in fields.pop("files").items()}
    traits = tuple((trait, kind) for trait, kind in fields.pop("traits"))
    nulled, dropped, arriving = (tuple(fields.pop(name, ())) for name in ("nulled", "dropped", "arriving"))
    identity, events = fields.pop("identity", None), fields.pop("events", None)
    result = fields.pop("result", None)
    return Version(**fields, files=files, traits=traits, nulled=nulled, dropped=dropped, arriving=arriving,
                   identity=None if identity is None else RowIdentity.from_json(identity),
                   result=None if result is None else (int(result[0]), str(result[1]), str(result[2])),
                   events=None if events is None else EventTimes(**events))
