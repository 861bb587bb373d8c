"""docs/models.md: its examples do what it says, what it shows is what is printed, and its sources are there."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import psycopg
import pymysql
import pytest

from candu_sync.warehouse import open_warehouse
from tests.support.folder import Folder
from tests.warehouse.servers import mariadb

PAGE = Path(__file__).parents[1] / "docs" / "models.md"
TEXT = PAGE.read_text("utf-8")

SQL: list[tuple[str, str]] = re.findall(r"^```sql\n-- ([^\n]*)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
SHOWN: list[str] = re.findall(r"^```text\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
DATA, AGAIN = (sql for title, sql in SQL if title in ("the data", "the same rows, built again"))
EXAMPLES = [(title, sql) for title, sql in SQL if title in ("flaps", "stays")]


@pytest.mark.parametrize(("title", "sql"), EXAMPLES, ids=lambda part: part.split("\n")[0][:60])
def test_an_example_flaps_or_stays(title: str, sql: str) -> None:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(DATA)
        before = sorted(connection.execute(sql).fetchall())
        connection.execute(AGAIN)
        after = sorted(connection.execute(sql).fetchall())
    assert len(before) == len(after) == 2
    assert (before != after) == (title == "flaps")


def test_every_example_that_flaps_has_one_that_stays() -> None:
    assert [title for title, _ in EXAMPLES] == ["flaps", "stays"] * (len(EXAMPLES) // 2)


def test_what_is_shown_is_what_is_printed(project: Folder) -> None:
    project.query(DATA)
    project.model("users/spend", dict(SQL)["sql/users/spend.sql"])
    twice, plan = SHOWN
    checked = project.cli("check", "users/spend", "--offline", "--twice")
    assert checked.err + checked.out == twice
    assert project.cli("run", "users/spend").code == 0
    project.query(AGAIN)
    planned = project.cli("plan", "users/spend")
    for line in plan.splitlines():
        assert line in planned.out.splitlines()


def test_postgres_an_update_of_another_column_changes_the_answer(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("create temporary table orders (id int, amount float8, note text, day date)")
        connection.execute("insert into orders select n, n / 10.0, '', '2026-11-05' from generate_series(1, 3) n")
        totals = "select sum(amount), string_agg(id::text, ','), array_agg(id) from orders"
        newest = "select distinct on (day) id from orders order by day"
        assert connection.execute(totals).fetchall() == [(0.6000000000000001, "1,2,3", [1, 2, 3])]
        assert connection.execute(newest).fetchall() == [(1,)]
        connection.execute("update orders set note = 'seen' where id = 1")
        assert connection.execute(totals).fetchall() == [(0.6, "2,3,1", [2, 3, 1])]
        assert connection.execute(newest).fetchall() == [(2,)]


def test_postgres_json_keeps_its_text_and_jsonb_does_not(postgres_url: str) -> None:
    query = """select count(distinct j::json::text), count(distinct j::jsonb::text)
               from (values ('{"a": 1, "b": 2}'), ('{"b":2,"a":1}')) t(j)"""
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute(query).fetchall() == [(2, 1)]


def test_mariadb_makes_one_key_of_several_spellings() -> None:
    with mariadb() as url, pymysql.connect(unix_socket=url.partition("=")[2], user="root", database="wh",
                                            charset="utf8mb4") as connection:
        cursor = connection.cursor()

        def groups(key: str) -> list[int]:
            cursor.execute(f"select sum(n) from people group by {key} order by 1")
            return [int(row[0]) for row in cursor.fetchall()]

        cursor.execute("create table people (user_id varchar(20), n int) character set utf8mb4")
        cursor.execute("insert into people values ('Ann', 1), ('ann', 2), ('ann ', 4), ('Änn', 8)")
        connection.commit()
        cursor.execute("select count(distinct user_id) from people")
        assert cursor.fetchall() == ((1,),)
        assert groups("user_id") == [15]
        assert groups("user_id collate utf8mb4_bin") == [1, 6, 8]
        assert groups("user_id collate utf8mb4_nopad_bin") == groups("binary user_id") == [1, 2, 4, 8]
        # The engine itself takes ids as they are.
        with open_warehouse(url) as warehouse, warehouse.read("select user_id from people", {}) as reading:
            assert [row["user_id"] for batch in reading for row in batch.to_pylist()] == ["Ann", "ann", "ann ", "Änn"]


def test_every_trap_has_a_source_that_is_there() -> None:
    table = TEXT.partition("## Traps")[2].partition("\n## ")[0]
    sources = [line.split("|")[-2].strip() for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(sources) > 10
    for source in sources:
        link, test = re.search(r"\]\((.*)\)", source), re.fullmatch(r"`(test_\w+)`", source)
        if test:
            assert test[1] in globals(), source
        elif link:
            assert link[1].startswith("https://") or (PAGE.parent / link[1]).is_file(), source
        else:
            assert source.startswith("seen in "), source
