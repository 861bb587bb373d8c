"""Sakila's video shops in a real PostgreSQL, by the command line: a first run, a day's changes, what is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest

from candu_sync.simulator import Simulator
from tests.realdata.inbox import Inbox, changed, traits_sent, types
from tests.realdata.rentals import Opinion, Row, create_database, load_sakila

MODELS = Path(__file__).parent / "sakila" / "sql"
COMMAND = Path(sys.executable).with_name("candu-sync")

# What a day at the shops does to the database.
NEXT_DAY = """
-- Three rentals, one of them found on a slip a day after the newest that was sent, and one weeks after.
insert into rental (rental_id, rental_date, inventory_id, customer_id, staff_id) values
  (20001, '2006-02-20 23:59:59', 1, 148, 1), (20002, '2006-02-21 00:00:00', 2, 148, 1),
  (20003, '2006-02-13 09:30:00', 3, 526, 2), (20004, '2006-01-15 12:00:00', 4, 236, 2);
insert into payment (customer_id, staff_id, rental_id, amount, payment_date) values
  (148, 1, 20001, 4.99, '2006-02-20 23:59:59'), (526, 2, 20003, 0.99, '2006-02-15 10:00:00');
-- A film comes back, and what nobody reads changes on the way.
update rental set return_date = '2006-02-20 18:00:00' where rental_id = 13209;
update customer set last_update = now(), activebool = false where customer_id in (30, 31, 32);
-- New e-mail addresses, one that is gone, one who stops, one who comes back, one who changes shop.
update customer set email = lower(email) where customer_id in (5, 6);
update customer set email = null where customer_id = 7;
update customer set active = 0 where customer_id = 8;
update customer set active = 1 where customer_id = 64;
update customer set store_id = 1 where customer_id = 9;
-- Two are deleted with all that they did; customer 16 had been inactive before.
delete from payment where customer_id in (10, 16);
delete from rental where customer_id in (10, 16);
delete from customer where customer_id in (10, 16);
-- A new one, who has not rented yet.
insert into customer (customer_id, store_id, first_name, last_name, email, address_id, create_date, active)
  values (600, 2, 'ADA', 'LOVELACE', 'ada@example.org', 5, '2006-02-20', 1);
"""


class Shops:
    """A copy of the database, and the command line over it."""

    def __init__(self, url: str, folder: Path, simulator: Simulator) -> None:
        self.url = url
        self.folder = folder
        self.models = folder / "sql"
        shutil.copytree(MODELS, self.models)
        self._settings = {
            "CANDU_API_URL": simulator.url, "CANDU_API_KEY": simulator.key, "CANDU_WAREHOUSE_URL": url,
            "CANDU_STATE_URL": str(folder / "state"), "CANDU_SQL_DIR": str(self.models), "CANDU_RATE": "0",
            "CANDU_BATCH_GROWTH": "off"}

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        others = {name: value for name, value in os.environ.items() if not name.startswith("CANDU_")}
        return subprocess.run([COMMAND, *words], env=others | self._settings, cwd=self.folder, capture_output=True,
                              text=True, timeout=300, check=False)

    def run(self) -> dict[str, dict[str, Any]]:
        """Run all syncs; what each reported, by its name."""
        done = self.command("run", "--all", "--json")
        assert done.returncode == 0, done.stderr
        return {report["sync"]: report for report in map(json.loads, done.stdout.splitlines())}

    def change(self, sql: str) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(sql)


@pytest.fixture(scope="module")
def template(data: Path, postgres_url: str) -> str:
    """The name of a database that holds Sakila."""
    load_sakila(create_database(postgres_url, "sakila"), data / "sakila")
    return "sakila"


@pytest.fixture
def shops(template: str, postgres_url: str, tmp_path: Path, simulator: Simulator) -> Shops:
    name = f"sakila_{uuid.uuid4().hex}"
    return Shops(create_database(postgres_url, name, template), tmp_path, simulator)


def without_nulls(rows: dict[str, Row]) -> dict[str, Row]:
    return {key: {name: value for name, value in row.items() if value is not None} for key, row in rows.items()}


def rentals_of(messages: list[dict[str, Any]]) -> dict[int, Row]:
    """Messages by the number of their rental, without what every message has."""
    received = {message["properties"]["rental_id"]: {name: value for name, value in message.items()
                                                 if name not in ("type", "messageId")} for message in messages}
    assert len(received) == len(messages)
    return received


def times_sent(messages: list[dict[str, Any]]) -> dict[str, int]:
    """Trait → messages that carry it."""
    return dict(Counter(name for message in messages for name in message["traits"]))


def test_the_first_run_sends_all_and_the_second_makes_no_request(shops: Shops, simulator: Simulator) -> None:
    inbox, opinion = Inbox(simulator), Opinion(shops.url)
    reports = shops.run()
    received = inbox.look()
    assert simulator.users() == opinion.users()
    assert simulator.groups() == opinion.groups()
    assert simulator.members() == opinion.members()
    assert rentals_of(received["track"]) == opinion.events()
    assert {kind: len(messages) for kind, messages in received.items()} == {
        "identify": 599, "group": 599, "track": 16_044}
    assert {sync: (report["rows"], report["accepted"], report["requests"]) for sync, report in reports.items()} == {
        "users/customers": (599, 599, 6), "groups/stores": (599, 599, 6), "events/rentals": (16_044, 16_044, 161)}
    assert types(simulator.users()) == {
        "email": "string", "first_name": "string", "last_name": "string", "active_customer": "boolean",
        "store_id": "number", "country": "string", "member_since": "string", "rentals": "number",
        "not_returned": "number", "total billed": "number", "last_rental": "string", "favourite_rating": "string"}

    again = shops.run()
    # The cursor looks back two days: those rentals are read again.
    assert {sync: (report["unchanged"], report["messages"], report["requests"]) for sync, report in again.items()} == {
        "users/customers": (599, 0, 0), "groups/stores": (599, 0, 0), "events/rentals": (182, 0, 0)}
    assert len(simulator.requests()) == 6 + 6 + 161
    assert simulator.stats()["repeated_message_ids"] == 0


def test_after_a_day_only_what_changed_is_sent(shops: Shops, simulator: Simulator) -> None:
    opinion = Opinion(shops.url)
    shops.run()
    users, groups, members, events = opinion.users(), opinion.groups(), opinion.members(), opinion.events()
    shops.change(NEXT_DAY)
    inbox = Inbox(simulator)
    reports = shops.run()
    received = inbox.look()

    # Candu removes nobody: a user who left the table is sent as no customer any more, and stays a member.
    left = {key: users[key] | {"active_customer": False} for key in ("10", "16")}
    now = opinion.users() | left
    assert without_nulls(simulator.users()) == without_nulls(now)
    identified = traits_sent(received["identify"])
    assert identified == changed(users, now)
    assert identified["6"] == {"email": users["6"]["email"].lower()}
    assert identified["7"] == {"email": None}
    assert identified["10"] == {"active_customer": False}
    assert "16" not in identified
    assert not {"30", "31", "32"} & identified.keys()
    report = reports["users/customers"]
    assert (report["added"], report["removed"], report["messages"]) == (1, 2, len(identified))
    assert report["traits"] == times_sent(received["identify"])

    assert simulator.groups() == opinion.groups()
    assert simulator.members() == members | opinion.members()
    check_groups(received["group"], changed(groups, opinion.groups()), opinion)
    assert reports["groups/stores"]["traits"] == times_sent(received["group"])

    new = {number: event for number, event in opinion.events().items() if number not in events}
    # 20004 was entered weeks late, beyond the two days that the cursor looks back.
    assert new.keys() == {20001, 20002, 20003, 20004}
    assert rentals_of(received["track"]) == {number: new[number] for number in (20001, 20002, 20003)}
    assert {report["messages"] for report in shops.run().values()} == {0}


def check_groups(messages: list[dict[str, Any]], expected: dict[str, Row], opinion: Opinion) -> None:
    """A store's changes are sent once, for one of its customers; a new member is sent with all its traits."""
    groups, members = opinion.groups(), opinion.members()
    joined = {("1", "9"), ("2", "600")}
    by_new = [m for m in messages if (m["groupId"], m["userId"]) in joined]
    assert {(m["groupId"], m["userId"]) for m in by_new} == joined
    assert all(m["traits"] == groups[m["groupId"]] for m in by_new)
    others = [m for m in messages if m not in by_new]
    assert traits_sent(others, "groupId") == expected
    assert {(m["groupId"], m["userId"]) for m in others} <= members
    assert len(messages) == len(joined) + len(expected)


def test_arrays_and_pictures_are_refused_by_name_and_the_other_syncs_are_well(
        shops: Shops, simulator: Simulator) -> None:
    for name, sql in (("film", "select film_id as user_id, title, special_features from film"),
                      ("clerk", "select staff_id as user_id, username, picture from staff")):
        (shops.models / "users" / f"{name}.sql").write_text(sql)
    checked = shops.command("check", "--offline")
    assert checked.returncode == 1
    clerk, film = checked.stderr.splitlines()
    assert "users/clerk: column picture: binary cannot be a value" in clerk
    assert "users/film: column special_features: an array cannot be a value" in film
    assert checked.stdout.splitlines() == [
        "users/clerk: not ok, 1 trait", "users/customers: ok, 12 traits", "users/film: not ok, 1 trait",
        "groups/stores: ok, 7 traits", "events/rentals: ok, 8 properties"]
    assert simulator.requests() == []
