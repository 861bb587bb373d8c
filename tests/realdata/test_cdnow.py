"""CDNOW's customers month by month: what Candu holds is what the file has, and nothing was sent twice."""

from __future__ import annotations

import os
import sys
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from candu_sync.commit.run_result import RunResult
from candu_sync.simulator import Simulator
from candu_sync.syncs.sync import load_syncs
from tests.realdata.inbox import Inbox, changed, traits_sent, types
from tests.realdata.ledger import Ledger
from tests.support.lab import Lab

pytestmark = pytest.mark.slow

SYNCS = load_syncs(Path(__file__).parent / "cdnow" / "sql").syncs
TOTALS, PURCHASES = SYNCS["users/totals"], SYNCS["events/purchases"]

# Every fourth customer of the file, with all purchases; a long drill takes all.
SHARE = 1 if "DRILL_EXAMPLES" in os.environ else 4

# Any number of blanks separates the fields, and there is a heading.
LANDING = """
create table landing as
select no - 1 as order_no, field[1] as customer_id, strptime(field[2], '%Y%m%d')::date as bought_on,
       field[3]::integer as cds, field[4]::decimal(9, 2) as dollars
from (
  select no, string_split_regex(trim(line), ' +') as field
  from (select string_split(content, chr(10)) as lines from read_text('{file}')),
       unnest(lines) with ordinality as split(line, no)
  where no > 1 and trim(line) <> ''
)
where field[1]::integer % {share} = 0;
create table purchases as from landing limit 0
"""




class Shop(Lab):
    """A warehouse whose table of purchases is empty at first, with the whole file next to it."""

    def __init__(self, file: Path, folder: Path, simulator: Simulator) -> None:
        super().__init__(folder, simulator)
        self.query(LANDING.format(file=file, share=SHARE))

    def arrive(self, month: str, which: str = "true") -> None:
        """The purchases of a month are loaded, or those of them that fit a condition."""
        self.query(f"insert into purchases from landing where strftime(bought_on, '%Y%m') = '{month}' and {which}")


@pytest.fixture(scope="module")
def ledger(data: Path) -> Ledger:
    return Ledger(data / "cdnow" / "CDNOW_master.txt", SHARE)


@pytest.fixture
def shop(data: Path, tmp_path: Path, simulator: Simulator) -> Shop:
    return Shop(data / "cdnow" / "CDNOW_master.txt", tmp_path, simulator)


def key_of(month: str) -> str:
    """A month's partition."""
    return f"{month[:4]}-{month[4:]}-01"


def purchases_of(messages: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Messages by the number of their purchase, without what every message has."""
    received = {message["properties"]["order_no"]: {name: value for name, value in message.items()
                                                if name not in ("type", "messageId")} for message in messages}
    assert len(received) == len(messages)
    return received


def requests_for(messages: int) -> int:
    """The fewest requests that these messages fit in."""
    return ceil(messages / 100)


def test_the_file_is_the_one_that_was_published(data: Path) -> None:
    ledger = Ledger(data / "cdnow" / "CDNOW_master.txt")
    months = ledger.months()
    assert (len(months), months[0], months[-1]) == (18, "199701", "199806")
    assert len(ledger.users("199703")) == len(ledger.users("199806")) == 23_570
    assert sum(len(ledger.events(month)) for month in months) == 69_659


def test_month_by_month_candu_holds_what_the_file_has_and_is_sent_it_once(
        shop: Shop, ledger: Ledger, simulator: Simulator) -> None:
    inbox = Inbox(simulator)
    users: dict[str, dict[str, Any]] = {}
    runs: list[tuple[RunResult, RunResult]] = []
    for month in ledger.months():
        shop.arrive(month)
        # No guard has to be forced: newcomers do not count as changed.
        totals, purchases = shop.run(TOTALS), shop.run(PURCHASES, key_of(month))
        received, buyers, before = inbox.look(), ledger.buyers(month), users
        users = before | buyers
        assert simulator.users() == users
        assert traits_sent(received["identify"]) == changed(before, buyers)
        assert purchases_of(received["track"]) == ledger.events(month)
        assert len(buyers) == totals.messages == totals.accepted
        assert (totals.rows, totals.added) == (len(users), len(users) - len(before))
        assert totals.requests == requests_for(totals.messages)
        assert purchases.rows == purchases.accepted == len(received["track"])
        assert purchases.requests == requests_for(purchases.messages)
        runs.append((totals, purchases))
    assert users == ledger.users("199806")
    events = sum(len(ledger.events(month)) for month in ledger.months())
    assert len({event["properties"]["order_no"] for event in simulator.events()}) == events > 10_000
    stats = simulator.stats()
    assert stats["messages"]["track"] == events
    assert stats["requests"] == {"200": sum(result.requests for both in runs for result in both)}
    assert (stats["repeated_message_ids"], stats["warnings"]) == (0, [])
    assert types(simulator.users()) == {
        "purchases": "number", "cds": "number", "total billed": "number", "largest_purchase": "number",
        "bought_again": "boolean", "first_purchase": "string", "last_purchase": "string"}
    report_on(runs)


def report_on(runs: list[tuple[RunResult, RunResult]]) -> None:
    """Figures for a person who runs pytest with -s."""
    lines = [f"{events.partition}  users {users.rows:>6} rows {users.messages:>5} messages  purchases "
             f"{events.rows:>5} rows {events.messages:>5} messages  {users.requests + events.requests:>3} requests  "
             f"{sum(users.seconds.values()) + sum(events.seconds.values()):.2f} s" for users, events in runs]
    sys.stdout.write("\n".join(["", *lines, ""]))


def test_purchases_that_come_in_late_are_found_by_running_their_month_again(
        shop: Shop, ledger: Ledger, simulator: Simulator) -> None:
    def run() -> tuple[RunResult, RunResult, RunResult]:
        return shop.run(TOTALS), shop.run(PURCHASES, key_of("199701")), shop.run(PURCHASES, key_of("199702"))

    shop.arrive("199701", "order_no % 50 <> 0")
    shop.arrive("199702")
    first, again = run(), run()
    assert [(result.unchanged, result.messages, result.requests) for result in again] == \
        [(result.rows, 0, 0) for result in first]

    shop.arrive("199701", "order_no % 50 = 0")
    inbox = Inbox(simulator)
    totals, january, february = run()
    received = inbox.look()
    late = {no: purchase for no, purchase in ledger.events("199701").items() if no % 50 == 0}
    assert purchases_of(received["track"]) == late
    assert (january.added, january.messages, february.messages, february.requests) == (len(late), len(late), 0, 0)
    assert traits_sent(received["identify"]).keys() == {purchase["userId"] for purchase in late.values()}
    assert totals.messages == len(received["identify"])
    assert simulator.users() == ledger.users("199702")
    everything = [event["properties"]["order_no"] for event in simulator.events()]
    assert sorted(everything) == sorted(ledger.events("199701") | ledger.events("199702"))


def test_dollars_that_become_cents_are_stopped_by_the_guard(shop: Shop, ledger: Ledger, simulator: Simulator) -> None:
    shop.arrive("199701")
    shop.run(TOTALS)
    before = simulator.requests()
    cents = shop.sync("users/totals", TOTALS.sql.replace("sum(dollars)", "sum(dollars) * 100"),
                      TOTALS.path.with_suffix(".yaml").read_text())
    guarded = shop.run(cents)
    customers = ledger.users("199701").values()
    # Nothing, a hundred times over, is nothing.
    paying = sum(customer["total billed"] > 0 for customer in customers)
    assert (guarded.status, guarded.exit_code, guarded.messages) == ("guarded", 3, paying)
    assert f"{paying:,} of {len(customers):,} rows changed" in str(guarded.error)
    assert f"most: total billed {paying:,}" in str(guarded.error)
    assert simulator.requests() == before
