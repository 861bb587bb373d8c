"""Repeats that Segment drops: a messageId that came within the last 24 hours, from whichever source (its docs,
"Handling Duplicate Data"). It promises that for 99 % of messages; here it is all of them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime, timedelta

from candu_sync.simulator.contract import Batch

REMEMBERED = timedelta(hours=24)

SCHEMA = """
CREATE TABLE IF NOT EXISTS segment_ids (message_id TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS segment_ids_at ON segment_ids (at);
"""


def first_time(db: sqlite3.Connection, batches: Iterable[Batch], now: datetime) -> list[Batch]:
    """The batches without the repeats; the ids of the others are remembered. Each message has a messageId."""
    at = now.timestamp()
    db.execute("DELETE FROM segment_ids WHERE at <= ?", (at - REMEMBERED.total_seconds(),))
    kept = []
    for batch in batches:
        new = [n for n, message in enumerate(batch.messages) if _is_new(db, message["messageId"], at)]
        if new:
            kept.append(Batch(batch.type, [batch.messages[n] for n in new], [batch.payloads[n] for n in new]))
    return kept


def _is_new(db: sqlite3.Connection, message_id: str, at: float) -> bool:
    return db.execute("INSERT OR IGNORE INTO segment_ids VALUES (?, ?)", (message_id, at)).rowcount == 1
