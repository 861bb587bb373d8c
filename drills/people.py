"""The warehouse of the drill: users, teams and visits in PostgreSQL, which change between rounds; their three syncs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, text

USERS, TEAMS, VISITS = "users/people", "groups/teams", "events/visits"
FIRST_DAY = dt.date(2026, 11, 1)
DAYS = 3

_NO_GUARD = "guard: {{max_changed: null, max_removed: null}}\n"
_FILES = {
    f"{USERS}.sql": "select user_id, score, plan from drill_people where not gone",
    f"{USERS}.yaml": "partitions: {{shards: {shards}}}\nremoved: {{gone: true}}\n" + _NO_GUARD,
    f"{TEAMS}.sql": "select team_id as group_id, user_id, label, seats from drill_teams",
    f"{TEAMS}.yaml": "partitions: {{shards: {shards}}}\n" + _NO_GUARD,
    f"{VISITS}.sql": "select event_id, event_id as visit, user_id, 'Visited' as event, at as timestamp, pages "
                     "from drill_visits where at >= :window_start and at < :window_end",
    f"{VISITS}.yaml": "partitions: {{daily: {day}, shards: {shards}}}\n",
}
_TABLES = """
create table drill_people (n integer primary key, user_id text, score integer, plan text, gone boolean);
create table drill_teams (team_id text, user_id text, label text, seats integer);
create table drill_visits (event_id text primary key, user_id text, at timestamptz, pages integer)
"""
# What a round brings, by its number: most users and teams change, some come, some leave; new visits on one of the days.
_ROUND = """
update drill_people set score = score + 1 + n % 3 where n % 10 < 7;
update drill_people set gone = true where n % 60 = :round;
insert into drill_people select n, 'user-' || n, n % 50, (array['free', 'team', 'pro'])[1 + n % 3], false
    from generate_series(cast(:first as integer), cast(:last as integer)) t(n);
update drill_teams set seats = seats + 1, label = label || '+' where length(team_id) % 2 = 0 or right(team_id, 1) < '7';
insert into drill_teams select 'team-' || (n - 1) / 4, 'user-' || n, 'Team ' || (n - 1) / 4, (n - 1) / 4 % 90
    from generate_series(cast(:first as integer), cast(:last as integer)) t(n);
insert into drill_visits select 'visit-' || cast(:round as integer) || '-' || n, 'user-' || n, :noon, n % 9
    from generate_series(1, cast(:visits as integer)) t(n)
"""


def day_of(number: int) -> dt.date:
    """The day whose visits come with a round."""
    return FIRST_DAY + dt.timedelta(days=number % DAYS)


class Warehouse:
    """The tables, and what Candu must have for them."""

    def __init__(self, address: str, users: int) -> None:
        self._engine: Engine = create_engine(f"postgresql+psycopg://postgres@{address}/postgres")
        self._users = users
        self._last = 0
        self._run(_TABLES, {})

    def close(self) -> None:
        self._engine.dispose()

    def change(self, number: int) -> None:
        """Make the changes of a round."""
        first, self._last = self._last + 1, self._last + (self._users if number == 0 else self._users // 16 * 4)
        noon = dt.datetime.combine(day_of(number), dt.time(12), dt.UTC)
        self._run(_ROUND, {"round": number, "first": first, "last": self._last, "noon": noon, "visits": self._users})

    def users(self, before: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Traits by user id. Of those who left: what they had ``before``, with the constant of ``removed``."""
        there = {row.user_id: {"score": row.score, "plan": row.plan}
                 for row in self._rows("select user_id, score, plan from drill_people where not gone")}
        return {user: {**traits, "gone": True} for user, traits in before.items() if user not in there} | there

    def teams(self) -> dict[str, dict[str, Any]]:
        """Traits by group id."""
        return {row.team_id: {"label": row.label, "seats": row.seats}
                for row in self._rows("select distinct team_id, label, seats from drill_teams")}

    def members(self) -> set[tuple[str, str]]:
        """Memberships as (group_id, user_id)."""
        return {(row.team_id, row.user_id) for row in self._rows("select team_id, user_id from drill_teams")}

    def visits(self) -> dict[str, tuple[str, int]]:
        """(user_id, pages) by event id."""
        return {row.event_id: (row.user_id, row.pages)
                for row in self._rows("select event_id, user_id, pages from drill_visits")}

    def _rows(self, sql: str) -> list[Any]:
        with self._engine.connect() as connection:
            return list(connection.execute(text(sql)))

    def _run(self, script: str, values: dict[str, Any]) -> None:
        with self._engine.begin() as connection:
            for statement in script.split(";"):
                names = {name: value for name, value in values.items() if f":{name}" in statement}
                connection.execute(text(statement), names)


def write_syncs(folder: Path, shards: int) -> None:
    """The models and settings of the three syncs."""
    for name, body in _FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body.format(shards=shards, day=FIRST_DAY) if path.suffix == ".yaml" else body)
