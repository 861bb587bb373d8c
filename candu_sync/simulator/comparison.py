"""What the browser sent beside what the warehouse sent, for the same user: traits side by side."""

from __future__ import annotations

from typing import Any

import orjson

from candu_sync.simulator.reading import Row
from candu_sync.simulator.store import WAYS, Store

# The users that the script identified, newest first; and who of the warehouse's has an id that looks alike.
_USERS = "SELECT user_id FROM user_ways WHERE way = 'browser' ORDER BY last_seen DESC, user_id LIMIT ? OFFSET ?"
_SENT = "SELECT way, traits FROM user_ways WHERE user_id = ?"
_ALIKE = """SELECT DISTINCT user_id FROM user_ways
WHERE way != 'browser' AND lower(trim(user_id)) = lower(trim(?)) AND user_id != ? ORDER BY user_id LIMIT 3"""


def browser_users(store: Store, limit: int = 50, offset: int = 0) -> tuple[int, list[Row]]:
    """How many users the script identified, and one page of them: user_id, ``ways``, ``traits`` as a list of ``name``,
    ``sent`` (values by way) and ``verdict`` (see ``verdict``), and ``alike``: ids of the warehouse that differ from
    this one by case or spaces, where the warehouse sent nothing for it."""
    with store.lock:
        total = int(store.db.execute("SELECT count(*) FROM user_ways WHERE way = 'browser'").fetchone()[0])
        ids = [row["user_id"] for row in store.db.execute(_USERS, (limit, offset))]
        return total, [_user(store, user_id) for user_id in ids]


def _user(store: Store, user_id: str) -> Row:
    found = {row["way"]: orjson.loads(row["traits"]) for row in store.db.execute(_SENT, (user_id,))}
    by_way: dict[str, Row] = {way: found[way] for way in WAYS if way in found}
    alike = store.db.execute(_ALIKE, (user_id, user_id)) if len(by_way) == 1 else ()
    traits = []
    for name in sorted({name for sent in by_way.values() for name in sent}):
        sent = {way: values[name] for way, values in by_way.items() if name in values}
        traits.append({"name": name, "sent": sent, "verdict": verdict(sent, len(by_way))})
    return {"user_id": user_id, "ways": list(by_way), "traits": traits, "alike": [row["user_id"] for row in alike]}


def verdict(sent: dict[str, Any], ways: int) -> str:
    """``same``, ``differs`` or ``type`` (not even of one JSON type); ``only``: not every way sent it.

    Example:
        >>> verdict({"api": 5, "browser": 5.0}, 2), verdict({"api": 1, "browser": True}, 2)
        ('same', 'type')
    """
    values = list(sent.values())
    if len({_json_type(value) for value in values}) > 1:
        return "type"
    if any(value != values[0] for value in values):
        return "differs"
    return "same" if len(values) == ways else "only"


def _json_type(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return type(value).__name__
    return "number" if isinstance(value, int | float) else "string"
