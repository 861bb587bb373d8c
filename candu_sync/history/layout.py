"""Where the ledger is in the state: in ``history/`` of the partition, a Parquet file for each run that sent something.

A file's rows are sorted by the user's id, or by the key where there is none. Parquet keeps the least and the greatest
id of each row group. So the rows of one user are found in the footers and one row group of each file.

| column       | Arrow type             |                                                                        |
|--------------|------------------------|------------------------------------------------------------------------|
| `run_id`     | string                 | the run that sent the row                                              |
| `version`    | int32                  | of the snapshot that the run began from: orders runs of one second     |
| `key`        | string                 | the row's key; null: it is the user's id                               |
| `user_id`    | string                 |                                                                        |
| `group_id`   | string                 | groups                                                                 |
| `event`      | string                 | events                                                                 |
| `outcome`    | string                 | accepted, refused, invalid, uncertain                                  |
| `status`     | int16                  | of the answer that refused the row                                     |
| `reason`     | string                 | why it was refused, or cannot be sent                                  |
| `refresh`    | bool                   | Candu had the row as it is: it was sent because it was its turn         |
| `attempts`   | int16                  | how many requests carried the row                                      |
| `at`         | timestamp[ms], UTC     | when it was answered; of uncertain and invalid rows: of the commit     |
| `digest`     | fixed_size_binary[16]  | the messageId's bytes, before the marks of RFC 9562; null: none        |
| `carried0` … | uint64                 | the traits that the message carried, 64 in each: the n-th trait is bit n |
| `h0` …       | uint32                 | ``names``: salted hash of the new value, of rows that changed          |
| `o0`, `n0` … | string                 | ``values``: the old and the new value as JSON                          |

The file's metadata names the sync, partition, type of message, the traits, the mode, and the route where it is not
Candu directly.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from candu_sync.routes import CANDU

Mode = Literal["values", "names", "none"]
Outcome = Literal["accepted", "refused", "invalid", "uncertain"]

FOLDER = "history"

# The end of the name of a file that was made of several.
MERGED = "-merged"

TYPES = {"users": "identify", "groups": "group", "events": "track"}

# Traits in one column of ``carried``.
BITS = 64

# Rows of a row group: what a look-up reads of each file.
ROW_GROUP = 50_000


def hash_sql(text: str) -> str:
    """SQL of 32 bits of the MD5 of a text: equal in every version of every library."""
    return f"('0x' || substr(md5({text}), 1, 8))::UINTEGER"


def message_id(digest: bytes | None) -> str | None:
    """The messageId of a digest: a UUID of version 5.

    Example:
        >>> message_id(bytes(16))
        '00000000-0000-5000-8000-000000000000'
    """
    return None if digest is None else str(uuid.UUID(bytes=digest, version=5))


@dataclass(frozen=True, kw_only=True)
class HistoryPolicy:
    """What the ledger keeps.

    Attributes:
        mode: ``values``, ``names`` or ``none``.
        days: how long; 0: no ledger is written.
        salt: of the hashes of values: the workspace's id.
        message_ids: whether messages carry a messageId.
        report: the schema of the tables that take the runs; None: none do.
        most_bytes: of all ledgers of the state; 0: no limit.
    """

    mode: Mode
    days: float
    salt: UUID
    message_ids: bool = True
    report: str | None = None
    most_bytes: int = 0

    @property
    def written(self) -> bool:
        """Whether there is a ledger."""
        return self.mode != "none" and self.days > 0


@dataclass(frozen=True, kw_only=True)
class LedgerFile:
    """What a ledger file says of itself.

    Attributes:
        traits: the names of the traits; the n-th has the columns ``h<n>`` or ``o<n>`` and ``n<n>``.
        parts: names of the smaller files that this one replaces.
        route: by which route the rows were sent.
    """

    sync: str
    partition: str | None
    kind: str
    traits: tuple[str, ...]
    mode: Mode
    parts: tuple[str, ...] = ()
    route: str = CANDU.name

    def metadata(self) -> dict[str, str]:
        """As the key and value of a Parquet file."""
        body = {name: value for name, value in vars(self).items() if name != "route" or value != CANDU.name}
        return {"candu_sync": json.dumps(body)}

    @classmethod
    def of(cls, metadata: dict[bytes, bytes] | None) -> LedgerFile:
        """From the metadata of a Parquet file."""
        body = json.loads((metadata or {})[b"candu_sync"])
        return cls(**body | {"traits": tuple(body["traits"]), "parts": tuple(body["parts"])})



def carried_columns(traits: int) -> int:
    """How many columns ``carried`` a file of so many traits has."""
    return -(-traits // BITS)


def parquet_options(names: Sequence[str], *, few: bool = False) -> dict[str, Any]:
    """How the columns of a ledger file are written: texts that repeat as a dictionary, the sorted ids as what differs
    from the one before. The digests cannot be compressed, and are written as they are.

    Args:
        few: the file has so few rows that to make a compressor takes longer than to write them.
    """
    repeating = {"run_id", "event", "outcome", "reason"}
    return {"compression": {name: "none" if few or name == "digest" else "zstd" for name in names},
            "write_statistics": ["user_id", "at"], "use_dictionary": [name for name in names if name in repeating],
            "column_encoding": {"user_id": "DELTA_BYTE_ARRAY"}}


def run_of(name: str) -> str:
    """The run of a file's name: ``…/history/20261101T060000-1a2b3c4d.parquet``."""
    return Path(name).stem
