"""Bounds against columns with a zone and without one: every event is found by the window of its instant."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import psycopg
import pymysql
import pytest
from sqlalchemy import Engine, make_url

from candu_sync.errors import ModelError
from candu_sync.rows import as_instants
from candu_sync.warehouse import Warehouse, open_warehouse
from candu_sync.warehouse import warehouse as paths
from candu_sync.warehouse.adbc import read_adbc
from candu_sync.warehouse.bounds import bigquery_advice, comparison
from candu_sync.warehouse.postgres_copy import read_copy

HOUR = timedelta(hours=1)

CHANGES = {
    "autumn": ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    "spring": ("America/New_York", datetime(2026, 3, 8, 7, tzinfo=UTC)),
    "east": ("Europe/Paris", datetime(2026, 10, 25, 1, tzinfo=UTC)),
    "east, spring": ("Europe/Paris", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    "no change": ("Asia/Tokyo", datetime(2026, 11, 1, 0, tzinfo=UTC)),
    "year 2040": ("America/New_York", datetime(2040, 7, 1, 4, tzinfo=UTC)),
}
"""A zone, and the instant around which there are events and hourly windows."""


@dataclass(frozen=True)
class Event:
    name: str
    local: str
    at: datetime


def events(change: str) -> list[Event]:
    """Events at each border and near it. ``local`` is without a zone, ``at`` an instant; they are not of one event:
    there are local times that come twice, and some that are skipped."""
    zone, middle = CHANGES[change]
    beside = [step * timedelta(minutes=30) + aside for step in range(-9, 10)
              for aside in (-timedelta(microseconds=1), timedelta(0), timedelta(minutes=20))]
    center = middle.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    return [Event(f"e{index}", str(center + step), middle + step) for index, step in enumerate(beside)]


def windows(change: str) -> list[tuple[datetime, datetime]]:
    middle = CHANGES[change][1]
    return [(middle + step * HOUR, middle + (step + 1) * HOUR) for step in range(-8, 8)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zones")
    with duckdb.connect(str(folder / "wh.duckdb")) as duck:
        duck.execute("set TimeZone = 'UTC'")
        lite = sqlite3.connect(folder / "wh.sqlite")
        for table, change in enumerate(CHANGES):
            rows = [(event.name, event.local, str(event.at)) for event in events(change)]
            duck.execute(f"create table e{table}(name varchar, local timestamp, moment timestamptz)")
            duck.executemany(f"insert into e{table} values (?, ?, ?)", rows)
            lite.execute(f"create table e{table}(name text, local text, moment datetime)")
            lite.executemany(f"insert into e{table} values (?, ?, ?)", rows)
        lite.commit()
        lite.close()
    return folder


@pytest.fixture(scope="module")
def postgresql(postgres_url: str) -> str:
    with psycopg.connect(postgres_url) as admin:
        admin.execute("create schema wh_zones; set time zone 'UTC'; set search_path = wh_zones")
        for table, change in enumerate(CHANGES):
            admin.execute(f"create table e{table}(name text, local timestamp, moment timestamptz)".encode())
            admin.cursor().executemany(f"insert into e{table} values (%s, %s, %s)".encode(),
                                       [(event.name, event.local, event.at) for event in events(change)])
    return f"{postgres_url}&options=-csearch_path%3Dwh_zones"


@pytest.fixture(scope="module")
def mariadb(mariadb_url: str) -> str:
    address = str(make_url(mariadb_url).query["unix_socket"])
    with pymysql.connect(unix_socket=address, user="root", database="wh", autocommit=True) as connection:
        cursor = connection.cursor()
        cursor.execute("set time_zone = '+00:00'")
        for table, change in enumerate(CHANGES):
            cursor.execute(f"create table e{table}(name text, local datetime(6), moment timestamp(6) null)")
            cursor.executemany(f"insert into e{table} values (%s, %s, %s)",
                               # A timestamp of MariaDB's ends in 2038.
                               [(event.name, event.local, event.at.replace(tzinfo=None, year=min(event.at.year, 2037)))
                                for event in events(change)])
    return mariadb_url


@pytest.fixture
def warehouse(request: pytest.FixtureRequest, which: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    dialect, _, path = which.partition(" ")
    if path:
        chosen: dict[str, Callable[..., object]] = {"adbc": read_adbc, "copy": read_copy}
        native = {**paths._NATIVE, "postgresql": (chosen[path],) if path in chosen else ()}
        monkeypatch.setattr(paths, "_NATIVE", native)
    if dialect in ("duckdb", "sqlite"):
        url = f"{dialect}:///{request.getfixturevalue('files')}/wh.{dialect}"
    else:
        url = request.getfixturevalue(dialect)
    with open_warehouse(url) as opened:
        yield opened


WHICH = ["duckdb", "postgresql adbc", "postgresql copy", "postgresql rows", "sqlite", "mariadb"]


def found(warehouse: Warehouse, table: int, column: str, change: str, window: tuple[datetime, datetime]) -> set[str]:
    sql = (f"select name, {column} as happened from e{table} "
           f"where {column} >= :window_start and {column} < :window_end")
    with warehouse.read(sql, dict(zip(("window_start", "window_end"), window, strict=True)),
                        timezone=CHANGES[change][0], clock="happened") as reading:
        names: set[str] = set()
        for batch in reading:
            names.update(batch.column(0).to_pylist())
            instants = as_instants(batch.column(1), CHANGES[change][0]).values.to_pylist()
            # What is read as the column's value lies in the window by which it was found.
            assert all(window[0] <= instant.replace(tzinfo=UTC) < window[1] for instant in instants)
    return names


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("column", ["local", "moment"])
@pytest.mark.parametrize("which", WHICH)
def test_each_event_is_found_once_by_the_window_of_its_instant(warehouse: Warehouse, which: str, column: str,
                                                               change: str) -> None:
    if (which, column, change) == ("mariadb", "moment", "year 2040"):
        pytest.skip("a timestamp of MariaDB 10 ends in 2038")
    table = list(CHANGES).index(change)
    names = [name for window in windows(change) for name in found(warehouse, table, column, change, window)]
    assert sorted(names) == sorted(event.name for event in events(change))


@pytest.mark.parametrize("which", ["duckdb", "postgresql adbc", "postgresql copy", "postgresql rows", "sqlite"])
def test_columns_of_both_kinds_are_right_in_one_query(warehouse: Warehouse, which: str) -> None:
    zone, middle = CHANGES["no change"]
    sql = ("select name from e4 where local >= :window_start and moment >= :window_start "
           "and local between :window_start and :window_end and moment < :window_end")
    with warehouse.read(sql, {"window_start": middle, "window_end": middle + HOUR}, timezone=zone) as reading:
        names = {name for batch in reading for name in batch.column(0).to_pylist()}
    assert names == {event.name for event in events("no change") if middle <= event.at < middle + HOUR}


@pytest.mark.parametrize("which", ["duckdb", "postgresql adbc", "postgresql copy", "postgresql rows", "mariadb"])
def test_instants_are_read_the_same_whatever_the_zone_of_the_session(warehouse: Warehouse, which: str) -> None:
    read: dict[str, list[object]] = {}
    for zone in ("UTC", "America/New_York", "Asia/Kolkata"):
        with warehouse.read("select moment from e0 order by name", {}, timezone=zone) as reading:
            read[zone] = [value for batch in reading for value in as_instants(batch.column(0), zone).values.to_pylist()]
    assert read["UTC"] == read["America/New_York"] == read["Asia/Kolkata"]
    assert len(read["UTC"]) == len(events("autumn"))


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize("text", ["0001-01-01 00:00:00", "0001-01-01 00:03:58.5", "9999-12-31 23:59:59.999999",
                                  "9999-12-31 01:00:00", "2026-01-01 00:00:00"])
@pytest.mark.parametrize("which", ["duckdb", "postgresql adbc", "postgresql copy", "postgresql rows"])
def test_the_ends_of_the_calendar_are_read_in_any_zone(warehouse: Warehouse, which: str, text: str, zone: str) -> None:
    with warehouse.read(f"select '{text}+00'::timestamptz as moment", {}, timezone=zone) as reading:
        [batch] = list(reading)
    assert as_instants(batch.column(0), zone).values.to_pylist() == [datetime.fromisoformat(text)]


DAY = {"window_start": datetime(2026, 11, 1, tzinfo=UTC), "window_end": datetime(2026, 11, 2, tzinfo=UTC)}


@pytest.mark.parametrize("which", ["mariadb"])
class TestMariaDB:
    @pytest.mark.parametrize("selected", ["name", "local, moment", "moment as happened, name as timestamp"])
    def test_what_cannot_be_known_is_refused_with_the_sql_that_is_right(self, warehouse: Warehouse,
                                                                        selected: str) -> None:
        sql = f"select {selected} from e0 where local >= :window_start"
        clock = "timestamp" if "timestamp" in selected else None
        for ask in (warehouse.read, warehouse.columns):
            with pytest.raises(ModelError, match=r"convert_tz\(seen, 'America/New_York', '\+00:00'\)"):
                ask(sql, DAY, timezone="America/New_York", clock=clock)
        assert warehouse.columns(sql, DAY).names

    def test_since_misses_nothing(self, warehouse: Warehouse) -> None:
        zone, middle = CHANGES["spring"]
        for minutes in range(-120, 120, 10):
            since = middle + timedelta(minutes=minutes)
            with warehouse.read("select name, local from e1 where local >= :since", {"since": since}, timezone=zone,
                                clock="local") as reading:
                names = {name for batch in reading for name in batch.column(0).to_pylist()}
            with warehouse.read("select name, local from e1", {}) as reading:
                later = {name for batch in reading for name, at in zip(
                    batch.column(0).to_pylist(), as_instants(batch.column(1), zone).values.to_pylist(), strict=True)
                    if at.replace(tzinfo=UTC) >= since}
            assert later <= names


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_text_of_sqlite_is_compared_as_the_instant_that_it_is_read_as(tmp_path: Path, zone: str) -> None:
    texts = ["2026-11-05", "2026-11-05 13:30", "2026-11-05T13:30", "2026-11-05T13:30:00Z", "2026-11-05 13:30:00.25",
             "2026-11-05T13:30:00+05:30", "2026-11-04 19:00:00", "2026-11-05T00:00:00", "2026-11-06"]
    connection = sqlite3.connect(tmp_path / "wh.sqlite")
    connection.execute("create table e(written text, odd datetime)")
    connection.executemany("insert into e values (?, ?)", [(text, text) for text in texts])
    connection.commit()
    connection.close()
    start = datetime(2026, 11, 3, tzinfo=UTC)
    seen = []
    with open_warehouse(f"sqlite:///{tmp_path}/wh.sqlite") as warehouse:
        for column in ("written", "odd"):
            for step in range(96):
                window = {"window_start": start + step * HOUR, "window_end": start + (step + 1) * HOUR}
                sql = f"select {column} from e where {column} >= :window_start and {column} < :window_end"
                with warehouse.read(sql, window, timezone=zone) as reading:
                    for batch in reading:
                        seen += batch.column(0).to_pylist()
                        for at in as_instants(batch.column(0), zone).values.to_pylist():
                            assert window["window_start"] <= at.replace(tzinfo=UTC) < window["window_end"]
    assert sorted(seen) == sorted(2 * texts)


def test_numbers_that_sqlite_would_never_find_are_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "wh.sqlite")
    connection.execute("create table e(seconds, written text)")
    connection.execute("insert into e values (1793880000, '2026-11-05 12:00')")
    connection.commit()
    connection.close()
    window = "{0} >= :window_start and {0} < :window_end and :partition = 'eu'"
    values = {**DAY, "partition": "eu"}
    with open_warehouse(f"sqlite:///{tmp_path}/wh.sqlite") as warehouse:
        with pytest.raises(ModelError, match=r"datetime\(seen, 'unixepoch'\)"):
            warehouse.columns(f"select seconds from e where {window.format('seconds')}", values)
        for right in ("written", "datetime(seconds, 'unixepoch')"):
            sql = f"select {right} as at from e where {window.format(right)}"
            assert warehouse.columns(sql, values).names == ["at"]
            bounds = {**values, "window_start": datetime(2026, 11, 5, tzinfo=UTC),
                      "window_end": datetime(2026, 11, 6, tzinfo=UTC)}
            assert sum(batch.num_rows for batch in warehouse.read(sql, bounds)) == 1
        assert warehouse.columns("select seconds from e where seconds > 5 and :partition = 'eu'", values).names


def test_bigquery_is_asked_for_an_instant() -> None:
    refused = "400 No matching signature for operator >= for argument types: DATETIME, TIMESTAMP"
    assert "`timestamp(seen, 'Europe/Paris')`" in bigquery_advice(refused, "Europe/Paris")
    assert bigquery_advice("404 no such table", "Europe/Paris") == ""


def test_what_is_no_time_is_compared_as_text() -> None:
    compare = comparison("Europe/Paris")
    assert compare("soon", "2026-11-05 00:00:00+00:00") == 1
    assert compare("0001-01-01", "9999-12-31T23:59:59-23:00") == -1
    assert compare("2026-11-05T01:00", "2026-11-05 00:00:00+00:00") == 0


def test_other_dialects_refuse_what_they_cannot_compare() -> None:
    from candu_sync.warehouse.bounds import refuse_bounds

    with pytest.raises(ModelError, match=r"mssql cannot compare :since .*at time zone 'Eastern Standard Time'"):
        refuse_bounds("mssql", "America/New_York", {"since"})
    refuse_bounds("mssql", "UTC", {"since"})
    refuse_bounds("mssql", "America/New_York", {"partition"})


def test_snowflake_binds_an_instant_and_sets_the_zone(snowflake_engine: Engine,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    """fakesnow has no zone of a session: the statement that sets it is looked at, and not sent."""
    from snowflake.connector.cursor import SnowflakeCursor

    said: list[str] = []
    execute = SnowflakeCursor.execute

    def heard(self: SnowflakeCursor, command: str, *given: object, **more: object) -> object:
        if command.startswith("alter session"):
            said.append(command)
            return None
        return execute(self, command, *given, **more)

    monkeypatch.setattr(SnowflakeCursor, "execute", heard)
    zone, middle = CHANGES["no change"]
    sql = ("select n from (values ('before', '2026-10-31 23:59:59 +0000'::timestamp_tz),"
           " ('start', '2026-11-01 00:00:00 +0000'::timestamp_tz), ('end', '2026-11-01 01:00:00 +0000'::timestamp_tz))"
           " x(n, t) where t >= :window_start and t < :window_end")
    bound = {"window_start": middle, "window_end": middle + HOUR}
    [batch] = Warehouse(snowflake_engine).read(sql, bound, timezone=zone)
    assert batch.column(0).to_pylist() == ["start"]
    assert said == ["alter session set timezone = 'Asia/Tokyo'"]
