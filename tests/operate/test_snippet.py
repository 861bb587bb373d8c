"""`snippet`: the call of Candu.init for a user, with the traits that Candu accepted."""

from __future__ import annotations

import html.parser
import json
from typing import Any

import pytest

from candu_sync.operate.snippet import script_json
from candu_sync.simulator import Simulator
from tests.support.folder import Folder

EVERY_KIND = """
    select user_id, plan, 5.0 as seats, 0.1 as score, true as "is admin", null::varchar as nothing,
        timestamptz '2025-04-22 15:58:02.7Z' as since
    from people"""


def call(out: str) -> Any:
    """The object that is passed to Candu.init."""
    assert out.startswith("Candu.init(")
    assert out.endswith(");\n")
    return json.loads(out.removeprefix("Candu.init(").removesuffix(");\n"))


def ran(project: Folder, sql: str = "select * from people", yaml: str | None = None) -> None:
    project.model("users/profile", sql, yaml)
    assert project.cli("run", "users/profile").code == 0


def test_the_traits_are_those_that_candu_was_sent(project: Folder, simulator: Simulator) -> None:
    project.people(3)
    ran(project, EVERY_KIND)
    signed = call(project.cli("snippet", "users/profile", "--user", "u0", "--signed").out)
    # Candu asks for the HMAC of Signed Identities after the traits.
    assert list(signed) == ["clientToken", "userId", "traits", "hmac"]
    assert signed["hmac"] == "HMAC_OF_THE_USER_ID"
    ended = project.cli("snippet", "users/profile", "--user", "u1")
    assert (ended.code, ended.err) == (0, "")
    sent = simulator.users()["u1"]
    assert call(ended.out) == {"clientToken": "YOUR_CLIENT_TOKEN", "userId": "u1", "traits": sent}
    assert '"seats": 5,' in ended.out  # not 5.0
    assert project.cli("snippet", "users/profile", "--user", "u1", "--json").row == {
        "sync": "users/profile", "partition": None, "user_id": "u1", "gone": False, "doubt": False,
        "init": call(ended.out)}


def test_what_the_model_says_now_is_not_what_candu_has(project: Folder) -> None:
    project.people(1)
    ran(project)
    project.table("people", user_id=["u0"], plan=["max"])
    project.cli("plan", "users/profile", "--save")
    assert call(project.cli("snippet", "users/profile", "--user", "u0").out)["traits"] == {"plan": "pro"}


HARD = ["</script><script>alert(1)</script>", "<!--<script>", "]]>&amp;", "a\u2028b\u2029c", "\u202eevil",
        "\x00\x1b[2J", "é", "e\u0301", '"\\\'', "\U0001f600"]


@pytest.mark.parametrize("text", HARD)
def test_an_html_page_reads_it_back_letter_for_letter(text: str) -> None:
    class Page(html.parser.HTMLParser):
        script = ""

        def handle_data(self, data: str) -> None:
            assert self.get_starttag_text() == "<script>"
            self.script += data

    page = Page()
    page.feed(f"<script>{script_json({text: text})}</script>")
    assert json.loads(page.script) == {text: text}
    for unsafe in "<>&\u2028\u2029\u202e\x1b":
        assert unsafe not in page.script


def test_hard_ids_and_traits_from_the_warehouse(project: Folder) -> None:
    ids = [text for text in HARD if "\x00" not in text]
    project.table("people", user_id=ids, plan=ids)
    ran(project)
    for text in ids:
        ended = project.cli("snippet", "users/profile", "--user", text)
        assert call(ended.out) == {"clientToken": "YOUR_CLIENT_TOKEN", "userId": text, "traits": {"plan": text}}


def test_an_unknown_user_and_near_misses(project: Folder) -> None:
    project.table("people", user_id=["u1", "é"], plan=["pro", "free"])
    ran(project)
    for asked, meant in {"U1": "'u1'", " u1": "'u1'", "u1\u00a0": "'u1'", "E\u0301": "'é'", "u9": None,
                         "": None}.items():
        ended = project.cli("snippet", "users/profile", "--user", asked)
        assert (ended.code, ended.out) == (2, "")
        assert "users/profile has no user" in ended.err
        assert (f"did you mean {meant}?" if meant else "`candu-sync rejected users/profile`") in ended.err


def test_nothing_was_sent_yet_and_no_sync_of_users(project: Folder) -> None:
    project.people(1)
    project.model("users/profile", "select * from people")
    project.model("groups/accounts", "select 'g' as group_id, user_id, plan from people")
    ended = project.cli("snippet", "users/profile", "--user", "u0")
    assert (ended.code, "accepted nothing of this sync yet" in ended.err) == (2, True)
    ended = project.cli("snippet", "groups/accounts", "--user", "u0")
    assert (ended.code, "groups/accounts sends no traits of users" in ended.err) == (2, True)
    assert project.cli("snippet", "users/profil", "--user", "u0").code == 2


def test_a_user_who_left_keeps_what_candu_has(project: Folder) -> None:
    project.people(10)
    ran(project, yaml="guard: {max_removed: null}")
    project.people(9)
    ran(project, yaml="guard: {max_removed: null}")
    ended = project.cli("snippet", "users/profile", "--user", "u9")
    assert (ended.code, call(ended.out)["traits"]) == (0, {"plan": "free"})
    assert "the user left the model" in ended.err


def test_a_user_in_several_partitions(project: Folder) -> None:
    project.table("people", user_id=["u1", "u2", "u2", "u3", "u3"], place=["eu", "eu", "us", "eu", "us"],
                  plan=["pro", "pro", "pro", "pro", "max"])
    ran(project, "select user_id, plan from people where place = :partition", "partitions: {static: [eu, us]}")
    assert project.cli("snippet", "users/profile", "--user", "u1", "--json").row["partition"] == "eu"
    assert call(project.cli("snippet", "users/profile", "--user", "u2").out)["traits"] == {"plan": "pro"}
    ended = project.cli("snippet", "users/profile", "--user", "u3")
    assert (ended.code, "eu, us. Name one with --partition" in ended.err) == (2, True)
    ended = project.cli("snippet", "users/profile", "--user", "u3", "--partition", "us")
    assert call(ended.out)["traits"] == {"plan": "max"}
    ended = project.cli("snippet", "users/profile", "--user", "u1", "--partition", "us")
    assert (ended.code, "users/profile [us] has no user 'u1'" in ended.err) == (2, True)
