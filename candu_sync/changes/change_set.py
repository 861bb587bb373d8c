"""A change set: what a plan found, staged as files. So what a person looked at is what is sent.

| file             | columns                                                                           |
|------------------|-----------------------------------------------------------------------------------|
| `changes.arrow`  | the table ``changes`` (``relations.py``), without rows that are held              |
| `outgoing.arrow` | of groups: the view ``outgoing``, a row a message                                 |
| `base_index.arrow` | of a first run of users: the row index of `changes.arrow`, which may become the  |
|                  | snapshot's base as it is (``first_run.py``)                                       |
| `held.arrow`     | rows that Candu refused before and that have not changed since; missing: none     |
| `plan.json`      | the rest: whose it is, the snapshot's version, the traits, the summary            |

Messages are built from these rows while they are sent. They are the same at any time.

`invalid.arrow` (key, reason, run) has the rows that cannot be sent, and the run that found them so. It is kept next to
the versions until the next plan. Where there is none, no row is invalid.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb

from candu_sync.changes.messages import Encoding, identity_of
from candu_sync.changes.summary import Summary
from candu_sync.diff import Refresh
from candu_sync.embedded import literal, write_arrow
from candu_sync.errors import DamagedState, StateError
from candu_sync.routes import CANDU
from candu_sync.rows import Trait, ValueKind
from candu_sync.snapshot import FORGOTTEN
from candu_sync.state import RowIdentity
from candu_sync.syncs import Sync

CHANGES = "changes.arrow"

FILES = (CHANGES, "plan.json")

HELD = "held.arrow"

BASE_INDEX = "base_index.arrow"

# Those that a change set has only where there is something to say.
MORE_FILES = ("outgoing.arrow", HELD, BASE_INDEX)

INVALID = "invalid.arrow"


@dataclass(frozen=True, kw_only=True)
class ChangeSet:
    """A staged change set.

    Attributes:
        run_id: the run that made it, its name.
        sync, kind, partition: whose it is; partition None: the sync has none.
        base: the version of the snapshot that it was computed from; 0: there was none.
        traits: the columns ``t0`` … of ``changes.arrow``, which the next snapshot will have.
        given: the names of those that the model gives.
        constants_for: the names of those of which a null that Candu holds becomes a constant.
        new_traits: the names of those that are new, see ``Snapshot.new_traits``.
        path: how the warehouse was read ("duckdb arrow", "rows", …).
        rows_read, bytes_read: what came from the warehouse: whole rows, and the bytes of all batches as Arrow has them.
        full: every row, whole.
        forgotten: the tombstones of those who were left out.
        keys: those of the rows that a person named; empty: all rows.
        seconds: phase → seconds, of the plan.
        folder: where the files are, on this machine; None: there is nothing to do, and there are no files.
        identity: what made two rows the same row when the plan was made; None: it is older than this field.
        refresh: whose turn it was to be sent again; None: no row's.
        route: by which route it is to be sent.
        result: the digest of the result that was compared; None: it is not known.
    """

    run_id: str
    sync: str
    kind: str
    partition: str | None
    base: int
    traits: tuple[Trait, ...]
    given: tuple[str, ...]
    summary: Summary
    path: str
    full: bool
    seconds: dict[str, float]
    folder: Path | None
    identity: RowIdentity | None = None
    keys: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()
    constants_for: tuple[str, ...] = ()
    new_traits: tuple[str, ...] = ()
    refresh: Refresh | None = None
    route: str = CANDU.name
    rows_read: int = 0
    bytes_read: int = 0
    result: str | None = None

    @property
    def outgoing(self) -> Path:
        """The file with a row a message, in the order of their numbers; rows without a number are none."""
        return self.file("outgoing.arrow" if self.kind == "groups" else "changes.arrow")

    def encoding(self, namespace: UUID | None) -> Encoding:
        """How its rows become messages.

        Args:
            namespace: of the messages' ids; None: they carry none.
        """
        identity = None if namespace is None else identity_of(
            namespace, self.sync, self.kind, self.partition, self.base)
        return Encoding(self.kind, self.traits, identity)

    def file(self, name: str) -> Path:
        """Where one of the files is."""
        if self.folder is None:
            raise ValueError(f"a change set that has nothing to do has no {name}")
        return self.folder / name

    @property
    def sent_traits(self) -> tuple[Trait, ...]:
        """The traits that the model gives, or that ``removed`` sets."""
        gone = {FORGOTTEN, *self.summary.gone_traits}
        return tuple(trait for trait in self.traits if trait.name not in gone)

    def save(self) -> None:
        """Write ``plan.json`` next to the files. Raises StateError when the disk does not take it."""
        path = self.file("plan.json")
        try:
            path.write_text(json.dumps(self.body()))
        except OSError as error:
            raise StateError(f"{path} cannot be written: {error.strerror}. Free some space and run again") from error

    def body(self) -> dict[str, Any]:
        """What ``plan.json`` holds."""
        # asdict would copy every value of the summary.
        plain = {name: dict(vars(value)) if is_dataclass(value) else value for name, value in vars(self).items()}
        if self.route == CANDU.name:
            # As plans had it when there was no other route.
            del plain["route"]
        return plain | {"folder": None, "traits": [[t.name, str(t.kind)] for t in self.traits]}

    @classmethod
    def load(cls, folder: Path) -> ChangeSet:
        """Read a staged change set back.

        Raises:
            DamagedState: ``plan.json`` is missing or cannot be read.
        """
        try:
            return cls.of(json.loads((folder / "plan.json").read_text()), folder)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DamagedState(str(folder / "plan.json"), f"{folder / 'plan.json'} cannot be read ({error}): "
                               "make the plan again") from error

    @classmethod
    def of(cls, body: dict[str, Any], folder: Path | None) -> ChangeSet:
        """A change set from its ``body``, whose files are in ``folder``."""
        traits = tuple(Trait(name, ValueKind(kind)) for name, kind in body["traits"])
        identity, refresh = body.get("identity"), body.get("refresh")
        return cls(**body | {"folder": folder, "traits": traits, "given": tuple(body["given"]),
                             "keys": tuple(body.get("keys", ())), "forgotten": tuple(body.get("forgotten", ())),
                             "constants_for": tuple(body.get("constants_for", ())),
                             "new_traits": tuple(body.get("new_traits", ())),
                             "summary": Summary(**body["summary"]),
                             "refresh": None if refresh is None else Refresh(**refresh),
                             "identity": None if identity is None else RowIdentity.from_json(identity)})


def write_files(connection: duckdb.DuckDBPyConnection, sync: Sync, folder: Path, run_id: str, *,
                refresh: Refresh | None = None) -> None:
    """Write the files of a change set of this run from the tables in the connection."""
    # The rows of users are in the order of their messages already, unless some are refreshed; sorting all their columns
    # would be the slowest step.
    order = "" if sync.kind == "users" and refresh is None else "ORDER BY message"
    write_arrow(connection, f"""
        FROM changes
        WHERE op <> 'held'
        {order}""", folder / "changes.arrow")
    if sync.kind == "groups":
        write_arrow(connection, """
            FROM outgoing
            ANTI JOIN held USING (message)
            ORDER BY message""", folder / "outgoing.arrow")
    _write_any(connection, "SELECT key, reason, status, refused_at, run, hash FROM held", folder / HELD)
    write_invalid(connection, folder, run_id)


def write_invalid(connection: duckdb.DuckDBPyConnection, folder: Path, run_id: str) -> None:
    """Write the rows of ``result`` that are set aside, if there are any."""
    _write_any(connection, f"""
        SELECT key, reason, {literal(run_id)} AS run
        FROM result
        WHERE reason IS NOT NULL""", folder / INVALID)


def _write_any(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """Write a query's rows to a file, if there are any."""
    if not write_arrow(connection, query, path):
        path.unlink()
