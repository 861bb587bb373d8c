"""The relations of the embedded engine are those that ``relations.py`` lists, and docs/ shows their SQL as it is.

Make the page again: ``python -m tests.test_relations``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

from candu_sync import pipeline, relations
from candu_sync.changes import ChangeSet, discard
from candu_sync.history.digests import DigestFile
from candu_sync.operate.page_ids import compared_ids
from candu_sync.operate.read_twice import read_twice
from candu_sync.simulator import Simulator
from candu_sync.target import Target
from tests.support.clock import clock
from tests.support.engine import by_the_engine
from tests.support.lab import Lab
from tests.support.recorded_sql import Statement, recorded, written

PAGE = Path(__file__).parents[1] / "docs" / "sql-of-a-sync.sql"

ABOUT = """\
-- The SQL that candu-sync runs in its embedded DuckDB for one run of a sync of users, in order.
--
-- The snapshot has five users. In the model one is new, one left, two changed, of which Candu refuses one, and two rows
-- of one key differ. The sync says `removed: {plan: none}`.
--
-- This is what more than 500 rows would take. With so few, candu-sync builds the messages and the rows of the history
-- without SQL, and all of a first run of users. The result is the same.
--
-- candu_sync/relations.py lists the tables and views with their columns. `-- name: Arrow` means that an Arrow file or
-- batch is readable under that name from here on. A comment names the module and the function that runs what follows.
-- This file is made and kept true by tests/test_relations.py.

"""

LISTED = {"plan": relations.PLAN, "push": relations.PUSH, "commit": relations.COMMIT, "check": relations.CHECK,
          "ids": relations.IDS}

_GROUPS = {
    "ids": r"user_id|group_id|event|occurred|cursor",
    "snapshot": r"key|gone|doubt|user_id|group_id|t\d+",
    "t0 …": r"t\d+",
    "c0 …": r"c\d+|new_traits_only",
}


def statements_of_a_users_sync(lab: Lab, simulator: Simulator) -> list[Statement]:
    lab.table("people", user_id=["u1", "u2", "u3", "u4", "u5"], plan=["pro", "pro", "free", "free", "free"],
              seats=[5, 5, 1, 1, 1])
    sync = lab.sync("users/profile", "select * from people", "removed: {plan: none}")
    with by_the_engine():
        assert lab.run(sync).accepted == 5
    lab.table("people", user_id=["u1", "u2", "u4", "u4", "u5", "u6"],
              plan=["pro", "team", "free", "pro", "team", "free"], seats=[5, 5, 1, 1, 1, 1])
    simulator.fault("refuse", user_ids=["u5"])
    with recorded() as statements:
        result = lab.run(sync)
    assert (result.added, result.changed, result.removed, result.invalid, result.refused) == (1, 2, 1, 2, 1)
    return statements


def page(statements: list[Statement]) -> str:
    text = written(statements)
    text = re.sub(r"'[0-9]{8}T[0-9]{6}-[0-9a-f]{8}'", "'20261101T060000-1a2b3c4d'", text)
    text = re.sub(r"(sha1\(')(?:\\x[0-9A-F]{2}){16}", r"\1\\x00…", text)
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "00000000-0000-0000-0000-000000000000", text)
    text = re.sub(r"\b1[0-9]{12}\b", "1795845600000", text)
    return ABOUT + text


def test_the_page_shows_the_sql_of_a_sync(lab: Lab, simulator: Simulator) -> None:
    assert PAGE.read_text("utf-8") == page(statements_of_a_users_sync(lab, simulator)), \
        "make it again: python -m tests.test_relations"


def test_relations_are_listed_with_their_columns(lab: Lab, simulator: Simulator) -> None:
    """Those of users, of groups, of events with a cursor, of partitions, of a full run, of a delta, of a refresh,
    of new traits, of a check."""
    found = [*statements_of_a_users_sync(lab, simulator), *_of_groups(lab), *_of_events(lab), *_of_partitions(lab),
             *_of_a_full_run_and_a_delta(lab, simulator), *_of_a_refresh(lab), *_of_new_traits(lab), *_of_a_check(lab),
             *_of_ids(lab)]
    made = {(statement.verb, name) for statement in found for name in statement.made}
    listed = {(verb, name) for verb, there in LISTED.items() for name in there}
    assert made == listed
    for statement in found:
        place = statement.place.split(".py")[0].replace("/", ".")
        for name, columns in statement.made.items():
            relation = LISTED[statement.verb][name]
            allowed = "|".join(_GROUPS.get(group, re.escape(group)) for group in _groups(relation.columns))
            wrong = [column for column in columns if not re.fullmatch(allowed, column)]
            assert wrong == [], f"{name} has {', '.join(wrong)} too"
            assert place in relation.made.split(), f"{name} is made by {place}"


def test_modules_that_the_list_names_are_there() -> None:
    package = Path(relations.__file__).parent
    for relation in (relation for listed in LISTED.values() for relation in listed.values()):
        for module in (*relation.made.split(), *relation.read.split()):
            path = package / module.replace(".", "/")
            assert path.is_dir() or path.with_suffix(".py").exists(), module


def _groups(columns: str) -> list[str]:
    return re.findall(r"\w+ …|\w+", columns)


def _of_groups(lab: Lab) -> list[Statement]:
    lab.table("members", group_id=["g", "g", "h"], user_id=["1", "2", "3"], plan=["pro", "pro", "free"])
    sync = lab.sync("groups/accounts", "select * from members")
    lab.run(sync)
    lab.table("members", group_id=["g", "g", "h"], user_id=["1", "2", "3"], plan=["pro", "max", "max"])
    with recorded() as statements:
        assert lab.run(sync).invalid == 2
    return statements


def _of_a_refresh(lab: Lab) -> list[Statement]:
    lab.table("teams", group_id=["g", "g", "h"], user_id=["1", "2", "3"], plan=["pro", "pro", "free"])
    sync = lab.sync("groups/refreshed", "select * from teams", "refresh: 30 days")
    with clock() as time, recorded() as statements:
        lab.run(sync)
        lab.query("update teams set plan = 'max' where group_id = 'g'")
        time.wait(days=27)
        result = lab.run(sync)
        assert (result.changed, result.refreshed) == (2, 1)
    return statements


def _of_new_traits(lab: Lab) -> list[Statement]:
    lab.table("teams", group_id=["g", "h"], user_id=["1", "2"], plan=["pro", "free"])
    with recorded() as statements:
        lab.run(lab.sync("groups/grown", "select * from teams"))
        assert lab.run(lab.sync("groups/grown", "select *, 5 as seats from teams")).new_traits == {"seats": 2}
    return statements


def _of_events(lab: Lab) -> list[Statement]:
    lab.query("create table visits as select 'e' || i as event_id, 'u' as user_id, 'x' as event, "
              "timestamptz '2026-11-01 00:00:00Z' + i * interval 1 hour as timestamp from range(3) t(i)")
    sync = lab.sync("events/visits", "select * from visits", "cursor: {}")
    # A disk that is full takes no digests: the commit computes them again.
    with recorded() as statements, mock.patch.object(DigestFile, "add"):
        assert lab.run(sync).accepted == 3
    return statements


def _of_partitions(lab: Lab) -> list[Statement]:
    sync = lab.sync("users/segments", "select user_id, segment from members where segment = :partition",
                    "partitions: {static: [a, b]}\nremoved: {segment: none}\nguard: {min_rows: null}")
    lab.table("members", user_id=["1"], segment=["a"])
    lab.run(sync, "a")
    lab.table("members", user_id=["1"], segment=["b"])
    lab.run(sync, "b")
    with recorded() as statements:
        assert lab.run(sync, "a").accepted == 0
    return statements


def _of_a_full_run_and_a_delta(lab: Lab, simulator: Simulator) -> list[Statement]:
    lab.query("create or replace table crowd as select 'c' || i as user_id, 'pro' as plan from range(30) t(i)")
    sync = lab.sync("users/crowd", "select * from crowd")
    lab.run(sync)
    simulator.fault("refuse", user_ids=["c29"], status=401)
    lab.overrides["batch_size"] = 10
    assert lab.run(sync, full=True).accepted == 20
    simulator.clear_faults()
    with recorded() as statements:
        assert lab.run(sync, full=True).accepted == 10
        for user in ("c1", "c2"):
            lab.query(f"update crowd set plan = 'max' where user_id = '{user}'")
            assert lab.run(sync).accepted == 1
    return statements


def _of_a_check(lab: Lab) -> list[Statement]:
    sync = lab.sync("users/crowd", "select * from crowd")
    with recorded() as statements, lab.project() as project:
        assert list(read_twice(Target(project, sync))) == []
    return statements


def _of_ids(lab: Lab) -> list[Statement]:
    sync = lab.sync("users/some", "select user_id, plan as email from crowd", "ids: {seen: select 'x'}")
    lab.run(sync)
    lab.query("update crowd set plan = 'min' where user_id = 'c1'")
    lab.run(sync)
    lab.query("update crowd set plan = 'mid' where user_id = 'c2'")
    (file := lab.folder / "seen.csv").write_text("user_id\nC1\n")
    with recorded() as statements, lab.project() as project:
        target = Target(project, sync)
        with discarded(pipeline.plan(target, keep=False)) as changes:
            found = [compared_ids(project, sync, changes), compared_ids(project, sync, file=file)]
    assert [one.seen for one, _ in found if one] == [1, 1]
    return [statement for statement in statements if statement.verb == "ids"]


@contextmanager
def discarded(changes: ChangeSet) -> Iterator[ChangeSet]:
    yield changes
    discard(changes)


if __name__ == "__main__":
    with TemporaryDirectory() as folder, Simulator() as simulator:
        PAGE.write_text(page(statements_of_a_users_sync(Lab(Path(folder), simulator), simulator)), "utf-8")
