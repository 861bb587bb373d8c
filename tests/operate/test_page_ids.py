"""`ids` in the YAML and `check --ids`: are the ids that Candu sees those that a sync of users sends?"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.folder import Folder

# A sample of rows would show keys of the model.
SEEN = "ids: {seen: select distinct user_id from candu_events}\npreview: none"


@pytest.fixture
def shop(project: Folder) -> Folder:
    """Ten users; Candu sees nine of them, seven in capitals, and one that nobody knows."""
    project.table("people", user_id=[f"user{n}" for n in range(10)], plan=["pro"] * 10)
    seen = [*(f"USER{n}" for n in range(7)), "user7", "user8", "zz"]
    project.table("candu_events", user_id=[*seen, "user8", None])
    project.model("users/profile", "select * from people", SEEN)
    project.secrets = ("user3", "USER3", "zz")
    return project


def checked(project: Folder, *words: str) -> dict[str, Any]:
    return project.cli("check", "users/profile", "--offline", "--json", *words).row


def file_of(project: Folder, *ids: str) -> str:
    path = project.folder / "seen.csv"
    path.write_text("\n".join(["user_id", *ids]) + "\n")
    return str(path)


def test_a_plan_compares_what_candu_would_have_after_it(shop: Folder) -> None:
    planned = shop.cli("plan", "users/profile", "--json").row
    ids = planned["ids"]
    assert (ids["seen"], ids["given"], ids["equal"], ids["unknown"], ids["share"]) == (10, 10, 2, 1, 0.2)
    assert [(one["way"], one["count"], one["sql"]) for one in ids["differences"]] == [("case", 7, "upper(user_id)")]
    findings = [one for one in planned["findings"] if one["code"] == "ids_differ"]
    assert findings[0]["sentence"] == "of 10 ids that Candu sees in browsers, 2 are sent letter for letter (20%)"
    assert findings[1]["sentence"] == "7 ids of 10 differ by upper and lower case, like XXXX9 for xxxx9"
    assert findings[1]["advice"] == "Write `upper(user_id) as user_id` in the model, which mends 7 of 7"
    assert findings[2]["sentence"] == "1 id of 10 is unlike all ids that are sent"
    assert findings[1]["sentence"] in shop.cli("plan", "users/profile").out.replace("\n", " ")


def test_check_compares_what_candu_accepted_and_reads_no_row_of_the_model(shop: Folder) -> None:
    assert checked(shop)["ids"] is None  # nothing was sent yet
    assert shop.cli("run", "users/profile").code == 0
    assert checked(shop)["ids"]["equal"] == 2
    # The model fails on its rows now; its columns are as they were.
    shop.model("users/profile", "select user_id, error('no row may be read') as plan from people", SEEN)
    ended = shop.cli("check", "users/profile", "--offline")
    assert ended.code == 0
    assert "users/profile: of 10 ids that Candu sees in browsers, 2 are sent letter for letter (20%)" in ended.out
    assert "warning: users/profile: 7 ids of 10 differ by upper and lower case" in ended.err


def test_the_sql_that_is_shown_mends_it(shop: Folder) -> None:
    assert shop.cli("run", "users/profile").code == 0
    shop.model("users/profile", "select upper(user_id) as user_id, plan from people", SEEN)
    ids = shop.cli("plan", "users/profile", "--json").row["ids"]  # the old ids leave, the new ones come
    assert (ids["given"], ids["equal"]) == (10, 7)
    shop.table("candu_events", user_id=[f"USER{n}" for n in range(10)])
    planned = shop.cli("plan", "users/profile", "--json").row
    assert (planned["ids"]["share"], planned["findings"]) == (1.0, [])


def test_check_ids_reads_the_model_before_a_first_run(shop: Folder) -> None:
    shop.model("users/profile", "select * from people")
    file = file_of(shop, "user1", "usr_2", "usr_3", "usr_4")
    ended = shop.cli("check", "users/profile", "--offline", "--ids", file)
    assert (ended.code, "1 is sent letter for letter (25%)" in ended.out) == (0, True)
    found = checked(shop, "--ids", file)
    assert (found["ids"]["seen"], found["ids"]["equal"], found["ids"]["unknown"]) == (4, 1, 0)
    [difference] = found["ids"]["differences"]
    assert (difference["way"], difference["sql"]) == ("prefix", "'usr_' || substr(user_id, 5)")
    assert difference["examples"][0] == ["usr_9", "user9"]


def test_a_row_that_is_set_aside_gives_no_id(shop: Folder) -> None:
    shop.table("people", user_id=["u1", "u2"], total=[2**53 + 1, 5])
    shop.model("users/profile", "select * from people")
    ids = checked(shop, "--ids", file_of(shop, "u1", "u2"))["ids"]
    assert (ids["given"], ids["equal"], ids["unknown"]) == (1, 1, 1)


def test_all_partitions_count_and_rows_that_left_do_not(project: Folder) -> None:
    project.table("people", user_id=["u1", "u2", "u3", "u4"], place=["eu", "eu", "us", "us"], plan=["pro"] * 4)
    project.model("users/profile", "select user_id, plan from people where place = :partition",
                  "partitions: {static: [eu, us]}\nguard: {max_removed: null}\nids: {file: seen.csv}")
    (project.sql / "seen.csv").write_text("u1\nu2\nu3\nu4\n")
    assert project.cli("run", "users/profile", "--partition", "eu").code == 0
    [planned] = project.cli("plan", "users/profile", "--partition", "us", "--json").rows
    assert planned["ids"]["equal"] == 4
    assert checked(project)["ids"]["equal"] == 2
    assert checked(project, "--ids", str(project.sql / "seen.csv"))["ids"]["equal"] == 4
    assert project.cli("run", "users/profile").code == 0
    project.query("delete from people where user_id = 'u4'")
    assert [row["ids"]["equal"] for row in project.cli("plan", "users/profile", "--json").rows] == [4, 3]
    assert project.cli("run", "users/profile").code == 0
    assert checked(project)["ids"]["unknown"] == 1


def test_an_email_and_a_renamed_column(project: Folder) -> None:
    project.table("people", n=[1, 2, 3], mail=["ada@x.io", "bo@x.io", "cy@x.io"])
    project.model("users/profile", "select n as user_id, mail from people", "rename: {mail: email}\nids: {file: s.csv}")
    (project.sql / "s.csv").write_text("ada@x.io\nbo@x.io\ncy@x.io\n")
    for ids in (checked(project, "--ids", str(project.sql / "s.csv"))["ids"],
                project.cli("plan", "users/profile", "--json").row["ids"]):
        [difference] = ids["differences"]
        assert (difference["column"], difference["sql"], difference["count"]) == ("mail", "mail", 3)


UNREADABLE = {
    "ids: {seen: select user_id from missing}": "the ids that Candu sees cannot be compared: the warehouse refused",
    "ids: {seen: 'select plan, plan as x from people'}":
        "which column holds the ids? Name it user_id. It has: plan, x",
    "ids: {seen: select true as user_id}": "ids.seen: column user_id: a boolean cannot be an id",
    "ids: {file: missing.csv}": "missing.csv cannot be read: No such file",
    "ids: {seen: select user_id from people where false}": "no id that Candu sees was found",
}


def test_ids_that_cannot_be_compared_are_a_warning_and_stop_nothing(shop: Folder) -> None:
    assert shop.cli("run", "users/profile").code == 0
    for yaml, says in UNREADABLE.items():
        shop.model("users/profile", "select * from people", yaml)
        [found] = checked(shop)["findings"]
        assert (found["code"], found["severity"]) == ("no_seen_ids", "warning")
        assert says in found["sentence"]
    assert shop.cli("plan", "users/profile", "--json").row["findings"] == [found]
    assert shop.cli("run", "users/profile").code == 0


def test_wrong_words(shop: Folder) -> None:
    shop.model("events/visits", "select 'e' as event_id, user_id, 'x' as event, now() as timestamp from people")
    ended = shop.cli("check", "--offline", "--ids", "missing.csv")
    assert (ended.code, "missing.csv cannot be read" in ended.err) == (2, True)
    ended = shop.cli("check", "events/visits", "--offline", "--ids", "missing.csv")
    assert (ended.code, "no sync of users is chosen" in ended.err) == (2, True)
    ended = shop.cli("check", "--manifest", "m.json", "--ids", "missing.csv")
    assert (ended.code, "check --ids reads the warehouse" in ended.err) == (2, True)


@pytest.mark.parametrize(("yaml", "says"), [
    ("ids: {}", "ids: give one of seen, which is SQL, and file, which is a CSV"),
    ("ids: {seen: select 1, file: x.csv}", "ids: give one of seen"),
    ("ids: {sql: select 1}", "unknown key of ids; known: seen, file"),
    ("ids: select 1", "ids: 'select 1' is not allowed; allowed: for users, the ids that Candu sees"),
])
def test_settings_that_are_wrong(shop: Folder, yaml: str, says: str) -> None:
    shop.model("users/profile", "select * from people", yaml)
    assert says in shop.cli("check", "users/profile", "--offline").err
    shop.model("events/visits", "select 1", SEEN)
    assert "ids: it is for users" in shop.cli("check", "events/visits", "--offline").err
