"""The expressions that a model's text gives as a column."""

from __future__ import annotations

import pytest

from candu_sync.syncs.key_expressions import expressions_of


@pytest.mark.parametrize(("sql", "expressions"), [
    ("select 'e' || id as event_id from a", ("'e' || id",)),
    ("select at, md5(a || ',' || b)\n  AS  event_id", ("md5(a || ',' || b)",)),
    ("select md5(id) event_id, at from a", ("md5(id)",)),
    ("select uid event_id from a", ("uid",)),
    ('select "the id" as "event_id" from a', ('"the id"',)),
    ("select ID as EVENT_ID from a", ("ID",)),
    ("select event_id, at from a", ("event_id",)),
    ("select a.event_id from a join b using (event_id) where x in (1, event_id) group by at, event_id",
     ("event_id",)),
    ("select at, -- 'x' as event_id, \n id /* the id */ as event_id from a", ("id",)),
    ("select 'x as event_id, ' as note, id as event_id from a", ("id",)),
    ("with e as (select coalesce(a, b) as event_id from t) select * from e", ("coalesce(a, b)",)),
    ("with e as (select id as event_id from t) select event_id from e", ("id", "event_id")),
    ("select 'a' || id as event_id from a union all select 'b' || id, 1 from b", ("'a' || id",)),
    ("select (select max(id) from b) as event_id from a", ("(select max(id) from b)",)),
    ("select case when event_id > 0 then event_id end as event_id from a",
     ("case when event_id > 0 then event_id end",)),
    ("select id::varchar as event_id, :since as s from a", ("id::varchar",)),
    ("select distinct on (id) id as event_id from a", ("distinct on (id) id",)),
    ("select * from a", ()),
    ("select event_id + 1 as n from a order by event_id", ()),
    ("event_id", ()),
    ("", ()),
])
def test_expressions(sql: str, expressions: tuple[str, ...]) -> None:
    assert expressions_of(sql, "event_id") == expressions
