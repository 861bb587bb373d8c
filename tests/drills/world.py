"""A small world to drill in: tables that change, four syncs, and what Candu must hold in the end.

Everything that was ever true of a user, a group or an event is remembered here, independently of the product, and
compared with what the simulator received.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from candu_sync.arrow_rows import read_table
from candu_sync.commit.uncertain_events import list_uncertain
from candu_sync.simulator import Simulator
from candu_sync.snapshot.versions import snapshot_of
from candu_sync.syncs.sync import Sync
from tests.support.lab import Lab

# An integer that cannot be sent: the row that holds it is set aside.
TOO_LARGE = 2**60

_NO_GUARD = "guard: {min_rows: 0, max_changed: null, max_removed: null}\n"
_MODELS = {
    "users/people": ("select user_id, number, word, tick, true as here from people", "removed: {here: false}\n"),
    "groups/teams": ("select group_id, user_id, size, true as here from teams", "removed: {here: false}\n"),
    "events/once": ("select event_id, user_id, 'once' as event, timestamp, event_id as id from happened", ""),
    "events/skipped": ("select event_id, user_id, 'skipped' as event, timestamp, event_id as id from happened",
                       "uncertain: skip\n"),
}
SYNCS = tuple(_MODELS)

_SCHEMAS = {
    "people": pa.schema([("user_id", pa.string()), ("number", pa.int64()), ("word", pa.string()),
                         ("tick", pa.int64())]),
    "teams": pa.schema([("group_id", pa.string()), ("user_id", pa.string()), ("size", pa.int64())]),
    "happened": pa.schema([("event_id", pa.string()), ("user_id", pa.string()), ("timestamp", pa.timestamp("s"))]),
}
_TIME = dt.datetime(2026, 11, 1, 12)

Row = dict[str, Any]


@dataclass
class World:
    """The tables as they are, and as they were.

    Attributes:
        people: user id → its rows (two of them: a duplicate key).
        teams: (group id, user id) → size.
        happened: event id → whether it has a time (without one it cannot be sent).
        past: (kind, id, trait) → every value that it ever had, in order.
        written, before: people as the warehouse has them, and as it had them for the run before the last.
    """

    lab: Lab
    simulator: Simulator
    nulls: str = "send"
    payload: str = "changed"
    people: dict[str, list[Row]] = field(default_factory=dict)
    teams: dict[tuple[str, str], int] = field(default_factory=dict)
    happened: dict[str, bool] = field(default_factory=dict)
    past: dict[tuple[str, str, str], list[Any]] = field(default_factory=lambda: defaultdict(list))
    syncs: dict[str, Sync] = field(default_factory=dict)
    tick: int = 0
    written: dict[str, list[Row]] = field(default_factory=dict)
    before: dict[str, list[Row]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        policies = f"nulls: {self.nulls}\npayload: {self.payload}\n"
        for name, (sql, yaml) in _MODELS.items():
            own = "" if name.startswith("events") else policies
            self.syncs[name] = self.lab.sync(name, sql, _NO_GUARD + yaml + own)
        self.write()

    def person(self, user: str, number: int, word: str | None, copies: int = 1) -> None:
        """A user as it is from now on; of several copies none is like the other, so that none can be sent."""
        self.tick += 1
        self.people[user] = [{"user_id": user, "number": number, "word": word, "tick": self.tick + 1000 * copy}
                             for copy in range(copies)]
        self.remember("users", user, number=number, word=word, tick=self.tick, here=True)

    def people_go_back(self) -> None:
        """Every user is again what it was when the tables were read before the last time."""
        for user in {*self.people, *self.before}:
            if user not in self.before:
                self.no_person(user)
            elif self.people.get(user) != self.before[user]:
                row = self.before[user][0]
                self.person(user, row["number"], row["word"], len(self.before[user]))

    def no_person(self, user: str) -> None:
        """A user leaves."""
        if self.people.pop(user, None):
            self.remember("users", user, here=False)

    def team(self, group: str, members: Iterable[str], size: int) -> None:
        """A group as it is from now on; without members it is gone."""
        mine = [pair for pair in self.teams if pair[0] == group]
        for pair in mine:
            del self.teams[pair]
        self.teams |= {(group, user): size for user in members}
        if any(pair[0] == group for pair in self.teams):
            self.remember("groups", group, size=size, here=True)
        elif mine:
            self.remember("groups", group, here=False)

    def remember(self, kind: str, key: str, **traits: Any) -> None:
        """What is true from now on."""
        for name, value in traits.items():
            self.past[kind, key, name].append(value)

    def write(self) -> None:
        """Bring the warehouse up to date."""
        self.written = dict(self.people)
        rows = {"people": [row for rows in self.people.values() for row in rows],
                "teams": [{"group_id": g, "user_id": u, "size": n} for (g, u), n in self.teams.items()],
                "happened": [{"event_id": e, "user_id": "u1", "timestamp": _TIME if good else None}
                             for e, good in self.happened.items()]}
        tables = {f"new_{name}": pa.Table.from_pylist(rows[name], schema=schema) for name, schema in _SCHEMAS.items()}
        self.lab.query(";".join(f"create or replace table {name} as from new_{name}" for name in rows), **tables)

    # What must hold, always.

    def check(self) -> None:
        """The invariants that hold after every step, whatever happened."""
        received = self._sent()
        for (kind, key, trait), values in received.items():
            embedded(values, self.past[kind, key, trait], f"{kind} {key} {trait}")
        for name in ("users/people", "groups/teams"):
            self._snapshot_was_accepted(name, received)
        self._events_in_the_ledger_were_accepted()
        self._repeated_events_were_reported()

    def _sent(self) -> dict[tuple[str, str, str], list[Any]]:
        """(kind, id, trait) → the values that Candu accepted, in the order in which it did."""
        received: dict[tuple[str, str, str], list[Any]] = defaultdict(list)
        for message in self.simulator.messages():
            kind, key = {"identify": ("users", message["user_id"]), "group": ("groups", message["group_id"]),
                         "track": ("events", "")}[message["type"]]
            for trait, value in message["payload"].get("traits", {}).items():
                received[kind, key, trait].append(value)
        return received

    def _snapshot_was_accepted(self, name: str, received: dict[tuple[str, str, str], list[Any]]) -> None:
        sync = self.syncs[name]
        members = self.simulator.members()
        for row, traits in self.snapshot(sync):
            if row["doubt"]:
                continue
            key = row["user_id"] if sync.kind == "users" else row["group_id"]
            for trait, value in traits.items():
                known = received[sync.kind, key, trait]
                assert value in known, f"{name}: the snapshot says {trait}={value} of {key}; Candu accepted {known}"
            if sync.kind == "groups" and not row["gone"]:
                assert (key, row["user_id"]) in members, f"{name}: {key} has no member {row['user_id']} at Candu"

    def snapshot(self, sync: Sync) -> list[tuple[Row, Row]]:
        """The rows of the current version: the fixed columns, and the traits that are not null."""
        state = self.lab.state(sync)
        snapshot = snapshot_of(state, state.current(), sync.kind)
        rows: dict[str, Row] = {}
        for path in (snapshot.base, snapshot.delta):
            if path is not None:
                rows |= {row["key"]: row for row in read_table(path).to_pylist()}
        return [({"doubt": False} | row, {t.name: row[f"t{i}"] for i, t in enumerate(snapshot.traits)
                                          if row.get(f"t{i}") is not None}) for row in rows.values()]

    def _accepted_events(self, event: str) -> Counter[str]:
        return Counter(e["properties"]["id"] for e in self.simulator.events() if e["event"] == event)

    def _events_in_the_ledger_were_accepted(self) -> None:
        for name in ("events/once", "events/skipped"):
            sync = self.syncs[name]
            accepted = self._accepted_events(name.split("/")[1])
            missing = {row["key"] for row, _ in self.snapshot(sync)} - accepted.keys()
            skipped = self.reported(sync) if name == "events/skipped" else set()
            assert missing <= skipped, f"{name}: {missing - skipped} count as sent and never arrived"

    def reported(self, sync: Sync) -> set[str]:
        """The events that are listed as perhaps sent twice, or perhaps never under ``uncertain: skip``."""
        return {key for run in list_uncertain(self.lab.state(sync)) for key in run.keys}

    def _repeated_events_were_reported(self) -> None:
        for name in ("events/once", "events/skipped"):
            state = self.lab.state(self.syncs[name])
            if state.store.list(state.name("claims/")):
                continue  # a run that died; the next one looks into its receipts and reports
            twice = {key for key, times in self._accepted_events(name.split("/")[1]).items() if times > 1}
            assert twice <= self.reported(self.syncs[name]), f"{name}: {twice} arrived twice and are not reported"

    # What must hold once all is quiet.

    def check_quiet(self, name: str) -> None:
        """Candu holds what a model says, under its sync's policies."""
        {"users/people": self._check_users, "groups/teams": self._check_groups, "events/once": self._check_once,
         "events/skipped": self._check_skipped}[name]()

    def _check_users(self) -> None:
        users = self.simulator.users()
        for user, rows in self.people.items():
            if len(rows) == 1 and rows[0]["number"] != TOO_LARGE:
                row = {name: rows[0][name] for name in ("number", "word", "tick")} | {"here": True}
                self._holds(f"user {user}", users.get(user), row, ("users", user))
        for user in users.keys() - self.people.keys():
            assert users[user]["here"] is False, f"{user} left, and Candu was not sent that"

    def _check_once(self) -> None:
        missing = {event for event, good in self.happened.items() if good} - self._accepted_events("once").keys()
        assert not missing, f"{missing} never arrived"

    def _check_skipped(self) -> None:
        missing = {event for event, good in self.happened.items() if good} - self._accepted_events("skipped").keys()
        reported = self.reported(self.syncs["events/skipped"])
        assert missing <= reported, f"{missing - reported} were skipped, and not reported"

    def _check_groups(self) -> None:
        groups, members = self.simulator.groups(), self.simulator.members()
        present = {group for group, _ in self.teams}
        for (group, user), size in self.teams.items():
            if len({n for (g, _), n in self.teams.items() if g == group}) == 1 and size != TOO_LARGE:
                self._holds(f"group {group}", groups.get(group), {"size": size, "here": True}, ("groups", group))
                assert (group, user) in members, f"{user} is not known as a member of {group}"
        for group in groups.keys() - present:
            assert groups[group]["here"] is False, f"{group} is gone, and Candu was not sent that"

    def _holds(self, who: str, held: Row | None, row: Row, past: tuple[str, str]) -> None:
        assert held is not None, f"{who} never arrived"
        for name, value in row.items():
            got = held.get(name)
            if value is None and self.nulls == "omit":
                assert got is None or got in self.past[*past, name], f"{who}: {name} is {got}, which it never was"
            else:
                assert got == value, f"{who}: Candu holds {name}={got}, the model says {value}"


def embedded(received: list[Any], past: list[Any], who: str) -> None:
    """Fail unless the values that were sent are in the order of the past: nothing older after something newer."""
    at = 0
    for value in received:
        while at < len(past) and (past[at] != value or type(past[at]) is not type(value)):
            at += 1
        assert at < len(past), f"{who}: Candu received {received}, in the tables it was {past}"


def make_world(folder: Path, simulator: Simulator, nulls: str = "send", payload: str = "changed") -> World:
    """A world of its own, with Candu as if nothing had ever arrived."""
    simulator.reset()
    lab = Lab(folder, simulator, batch_size=3, concurrency=2, max_attempts=3)
    return World(lab, simulator, nulls, payload)
