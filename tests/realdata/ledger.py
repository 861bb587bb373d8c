"""CDNOW's file as SQLite reads it, with whole cents and dates as text: a second opinion on every figure."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

# Kept in the order that the windows below go by: nothing has to be sorted for them.
_LINES = """
create table lines (no integer, customer text, day text, cds integer, cents integer,
                    primary key (customer, day, no)) without rowid
"""

# The newest line of each customer who bought from a day on, with the sums of all that came before it.
_USERS = """
select customer, nth, cds, cents / 100.0, most / 100.0, nth > 1, first, day from (
  select customer, day, first_value(day) over mine as first, row_number() over mine as nth,
         sum(cds) over mine as cds, sum(cents) over mine as cents, max(cents) over mine as most,
         lead(no) over (partition by customer order by day, no) is null as newest
  from lines where day < :until and customer in (select customer from lines where day >= :since and day < :until)
  window mine as (partition by customer order by day, no rows unbounded preceding)
) where newest
"""

_EVENTS = "select no, customer, day, cds, cents / 100.0 from lines where substr(day, 1, 6) = :month"


class Ledger:
    """The purchases of the file; a purchase's number is that of its line, the first after the heading being 1.

    ``share``: those of one customer in so many alone.
    """

    def __init__(self, path: Path, share: int = 1) -> None:
        lines = path.read_text().splitlines()[1:]
        self._db = sqlite3.connect(":memory:")
        self._db.execute(_LINES)
        self._db.executemany("insert into lines values (?, ?, ?, ?, ?)",
                             [(no, *_parsed(line)) for no, line in enumerate(lines, 1)
                              if int(line.split()[0]) % share == 0])

    def months(self) -> list[str]:
        """The months that have purchases, as YYYYMM, in order."""
        return [row[0] for row in self._db.execute("select distinct substr(day, 1, 6) from lines order by 1")]

    def users(self, month: str) -> dict[str, dict[str, Any]]:
        """The traits at the end of a month of everyone who bought until then, by customer."""
        return self._users("00000000", month)

    def buyers(self, month: str) -> dict[str, dict[str, Any]]:
        """As ``users``, of those who bought in that month: the traits of all others are what they were before."""
        return self._users(f"{month}00", month)

    def _users(self, since: str, month: str) -> dict[str, dict[str, Any]]:
        rows = self._db.execute(_USERS, {"since": since, "until": f"{month}99"})
        return {row[0]: {"purchases": row[1], "cds": row[2], "total billed": row[3], "largest_purchase": row[4],
                         "bought_again": bool(row[5]), "first_purchase": _midnight(row[6]),
                         "last_purchase": _midnight(row[7])} for row in rows}

    def events(self, month: str) -> dict[int, dict[str, Any]]:
        """The purchases of a month by number, as the parts of their messages."""
        return {no: {"userId": customer, "event": "Purchased", "timestamp": _midnight(day),
                     "properties": {"order_no": no, "cds": cds, "dollars": dollars}}
                for no, customer, day, cds, dollars in self._db.execute(_EVENTS, {"month": month})}


def _parsed(line: str) -> tuple[str, str, int, int]:
    customer, day, cds, dollars = line.split()
    whole, cents = dollars.split(".")
    assert len(cents) == 2
    return customer, day, int(cds), int(whole) * 100 + int(cents)


def _midnight(day: str) -> str:
    return f"{day[:4]}-{day[4:6]}-{day[6:]}T00:00:00Z"
