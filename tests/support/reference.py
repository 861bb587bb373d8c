"""What Candu must know after each run, worked out in plain Python: one row after the other, no SQL, no Arrow.

It shares the words of the documentation with the engine and none of its code.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]
Key = tuple[str, ...]


@dataclass
class Policies:
    """A sync's settings; ``rename`` and ``omit`` are of columns."""

    payload: str = "changed"
    nulls: str | dict[str, Any] = "send"
    removed: str | dict[str, Any] = "keep"
    rename: dict[str, str] = field(default_factory=dict)
    omit: tuple[str, ...] = ()


@dataclass
class Known:
    """What Candu was sent of a row; ``gone``: the row left the model since."""

    traits: Row
    gone: bool = False


class Reference:
    """The state of one sync of users or groups. ``messages`` counts those of the last run."""

    def __init__(self, policies: Policies, ids: tuple[str, ...]) -> None:
        self.policies = policies
        self.ids = ids
        self.of_groups = ids[0] == "group_id"
        self.known: dict[Key, Known] = {}
        self.received: dict[str, Row] = {}
        self.members: set[Key] = set()
        self.messages = 0

    def run(self, rows: list[Row], names: set[str]) -> None:
        """A run with these rows, of columns with these names, and a Candu that accepts all of it."""
        self.messages = 0
        rows = [self._renamed(row) for row in rows]
        self._forget(names)
        good = self._good(rows)
        shared: dict[str, tuple[Row, list[Key]]] = {}
        for key, row in good.items():
            traits = {name: value for name, value in row.items() if name not in self.ids}
            after, message, op = self._compared(traits, self.known.get(key))
            self.known[key] = Known(after)
            if op == "added" or (op == "changed" and not self.of_groups):
                self._tell([key], message)
            elif op == "changed":
                change = shared.setdefault(key[0], ({}, []))
                change[0].update(message)
                change[1].append(key)
        for change in shared.values():
            self._tell(change[1], change[0])
        self._remove({self._key(row) for row in rows}, {row[self.ids[0]] for row in rows})

    def _forget(self, names: set[str]) -> None:
        """A trait that is no longer in the model, and that ``removed`` does not set, is sent again when it is back."""
        kept = names | set(self.policies.removed if isinstance(self.policies.removed, dict) else ())
        for known in self.known.values():
            known.traits = {name: value for name, value in known.traits.items() if name in kept}

    def _renamed(self, row: Row) -> Row:
        rename, omit = self.policies.rename, self.policies.omit
        return {rename.get(column, column): value for column, value in row.items() if column not in omit}

    def _key(self, row: Row) -> Key | None:
        key = tuple(row[name] for name in self.ids)
        return None if None in key else key

    def _good(self, rows: list[Row]) -> dict[Key, Row]:
        """The rows that may go, by key: equal ones once, those with a null key or in disagreement not at all."""
        distinct = {_identity(row): row for row in rows if self._key(row) is not None}
        counts = Counter(tuple(row[name] for name in self.ids) for row in distinct.values())
        if len(self.ids) == 1:
            return {(row[self.ids[0]],): row for row in distinct.values() if counts[(row[self.ids[0]],)] == 1}
        views: dict[str, set[object]] = {}
        for row in distinct.values():
            views.setdefault(row[self.ids[0]], set()).add(
                _identity({name: value for name, value in row.items() if name not in self.ids}))
        return {tuple(row[name] for name in self.ids): row for row in distinct.values()
                if len(views[row[self.ids[0]]]) == 1}

    def _compared(self, traits: Row, old: Known | None) -> tuple[Row, Row, str]:
        """What is known afterwards, what the message carries, and added, changed or unchanged."""
        before = {} if old is None else old.traits
        after = dict(before)
        for name, value in traits.items():
            after[name] = self._settled(name, value, before.get(name))
        changed = {name for name in traits if _typed(after[name]) != _typed(before.get(name))}
        new = old is None or old.gone
        whole = new or (self.policies.payload == "full" and bool(changed))
        carried = {name for name, value in traits.items() if after[name] is not None
                   and not (value is None and self.policies.nulls == "omit")}
        message = {name: after[name] for name in traits if name in changed or (whole and name in carried)}
        return after, message, "added" if new else "changed" if changed else "unchanged"

    def _settled(self, name: str, value: Any, before: Any) -> Any:
        nulls = self.policies.nulls
        if value is None:
            if nulls == "omit":
                return before
            return nulls[name] if isinstance(nulls, dict) and name in nulls and before is not None else None
        return before if before is not None and _typed(value) == _typed(before) else value

    def _remove(self, here: set[Key | None], groups_here: set[str]) -> None:
        constants = self.policies.removed if isinstance(self.policies.removed, dict) else {}
        leaving: dict[str | Key, tuple[Row, list[Key]]] = {}
        for key, known in self.known.items():
            if key in here or known.gone:
                continue
            known.gone = True
            if len(self.ids) == 2 and key[0] in groups_here:
                continue
            news = {name: value for name, value in constants.items() if _typed(known.traits.get(name)) != _typed(value)}
            known.traits = {**known.traits, **constants}
            if news:
                received = leaving.setdefault(key[0] if self.of_groups else key, ({}, []))
                received[0].update(news)
                received[1].append(key)
        for message, keys in leaving.values():
            self._tell(keys, message)

    def _tell(self, keys: list[Key], message: Row) -> None:
        if not message and not self.of_groups:
            return
        self.messages += 1
        first = min(keys)
        self.received.setdefault(first[0], {}).update(message)
        if self.of_groups:
            self.members.add(first)

    def candu(self) -> dict[str, Row]:
        """Traits by id, as Candu has them in JSON."""
        return {key: {name: _as_sent(value) for name, value in traits.items()} for key, traits in self.received.items()}


def _as_sent(value: Any) -> Any:
    """A value in JSON, with its type: 1 and True are two values, 1 and 1.0 are one."""
    if isinstance(value, dt.datetime):
        return value.replace(microsecond=0).isoformat() + "Z"
    return value


def _typed(value: Any) -> tuple[str, Any]:
    sent = _as_sent(value)
    kind = "number" if isinstance(sent, (int, float)) and not isinstance(sent, bool) else type(sent).__name__
    return kind, sent


def _identity(row: Row) -> tuple[object, ...]:
    return tuple((name, *_typed(value)) for name, value in sorted(row.items()))


def typed(traits: dict[str, Row]) -> dict[str, dict[str, tuple[str, Any]]]:
    """Traits by id in a form that distinguishes True from 1, for comparing."""
    return {key: {name: _typed(value) for name, value in values.items()} for key, values in traits.items()}
