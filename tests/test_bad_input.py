"""Whatever is wrong is one clear message without a traceback, and exit code 1, 2, or 3 for a guard."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from candu_sync.simulator import Simulator
from tests.support.folder import EXECUTABLE, Ended, Folder

# Nothing listens there.
NOBODY = "127.0.0.1:9"


@pytest.fixture
def filled(project: Folder) -> Folder:
    """Three people in the warehouse, and a model that is well."""
    project.people(3)
    project.model("users/profile", "select * from people")
    return project


def one_message(ended: Ended, *says: str) -> None:
    """One message on stderr, which may have lines of the warehouse's own, and says all of this."""
    assert ended.err.count("candu-sync: ") == 1, ended.err
    assert not [text for text in says if text not in ended.err], ended.err


def test_the_key_is_missing(filled: Folder, simulator: Simulator) -> None:
    for words in (["run", "users/profile"], ["run", "--all", "--json"], ["check"]):
        ended = filled.cli(*words, api_key="")
        assert (ended.code, ended.out) == (2, "")
        one_message(ended, "CANDU_API_KEY is not set", ".env")
    assert not simulator.requests()
    assert filled.cli("plan", "users/profile", api_key="").code == 0


@pytest.mark.parametrize("status", [401, 403])
def test_the_key_is_wrong_half_way(filled: Folder, simulator: Simulator, status: int) -> None:
    """What was accepted before is committed, and no other sync is tried."""
    filled.model("users/tier", "select user_id, plan as tier from people")
    filled.people(10)
    simulator.fault("status", status=status, after=2)
    ended = filled.cli("run", "--all", "--json", batch_size="2", concurrency="1")
    tried, *others = ended.rows
    assert (ended.code, tried["sync"]) == (1, "users/profile")
    assert (tried["accepted"], tried["unsent"], tried["rejected"]) == (4, 6, 0)
    assert [(other["sync"], other["status"], other["messages"]) for other in others] == [("users/tier", "failed", 0)]
    one_message(ended, f"Candu refused the API key (HTTP {status})", "CANDU_API_KEY")
    simulator.clear_faults()
    again = filled.cli("run", "users/profile", "--json").row
    assert (again["unchanged"], again["added"], len(simulator.messages())) == (4, 6, 10)


def test_candu_cannot_be_reached(filled: Folder) -> None:
    ended = filled.cli("run", "users/profile", "--json", api_url=f"http://{NOBODY}/api")
    assert (ended.code, ended.row["status"], ended.row["unsent"]) == (1, "failed", 3)
    assert ended.row["requests"] == 2
    one_message(ended, f"Candu at http://{NOBODY}/api cannot be reached", "CANDU_API_URL")
    one_message(filled.cli("check", api_url=f"http://{NOBODY}/api"), "cannot be reached")


@pytest.mark.parametrize(("settings", "says"), [
    ({"api_url": "http://candu.example/api"}, "CANDU_API_URL is plain http"),
    ({"api_url": "candu"}, "CANDU_API_URL must be a URL"),
    ({"batch_size": "many"}, "CANDU_BATCH_SIZE must be a whole number"),
    ({"memory": "1"}, "CANDU_MEMORY must be a number with its unit"),
    ({"sql_dir": "models"}, "there is no folder models"),
    ({"warehouse_url": ""}, "CANDU_WAREHOUSE_URL is not set"),
    ({"state_url": "ftp://host/state"}, "CANDU_STATE_URL has a scheme that is not known"),
])
@pytest.mark.parametrize("words", [["run", "--all"], ["plan", "users/profile"]])
def test_a_setting_is_wrong(filled: Folder, words: list[str], settings: dict[str, str], says: str) -> None:
    filled.model("users/tier", "select user_id, plan as tier from people")
    ended = filled.cli(*words, **settings)
    assert ended.code == 2
    one_message(ended, says)


def test_the_warehouse_url_is_asked_for_by_check_too(filled: Folder) -> None:
    ended = filled.cli("check", "--offline", warehouse_url="")
    assert ended.code == 2
    one_message(ended, "CANDU_WAREHOUSE_URL is not set")


@pytest.mark.parametrize(("url", "says"), [
    (f"postgresql://me:sesame@{NOBODY}/db", "Connection refused"),
    ("duckdb:///none.duckdb", "the warehouse file none.duckdb does not exist"),
    ("sqlite:///none.db", "the warehouse file none.db does not exist"),
    ("nosuch://me:sesame@host/db", "there is no driver for nosuch:// here"),
    ("databricks://me:sesame@host/db", "there is no driver for databricks:// here"),
    ("postgresql://me:sesame@pass@host/db", "is written %40"),
    ("warehouse.duckdb", "the warehouse URL cannot be read"),
    ("duckdb:///notes.txt", "not a valid DuckDB database file"),
])
def test_the_warehouse_cannot_be_reached(filled: Folder, simulator: Simulator, url: str, says: str) -> None:
    filled.secrets = ("sesame",)
    (filled.folder / "notes.txt").write_text("no database")
    for words in (["run", "users/profile"], ["plan", "users/profile"], ["check", "--offline"]):
        ended = filled.cli(*words, warehouse_url=url)
        assert ended.code == 1
        one_message(ended, "users/profile: ", says)
    assert not simulator.requests()


@pytest.mark.parametrize(("sql", "says"), [
    ("selec * from people", "Parser Error"),
    ("select * from nowhere", "nowhere"),
    ("select 1; select 2", "more than one statement"),
    ("select 1 as userid", "no column user_id, which a sync of users needs; did you mean userid?"),
    ("select user_id, [plan] as tags from people", "column tags: an array cannot be a value"),
    ("select user_id, {p: plan} as tags from people", "column tags: an object cannot be a value"),
    ("select user_id, plan::blob as raw from people", "column raw: binary cannot be a value"),
    ("select user_id, interval 1 day as age from people", "column age: an interval cannot be a value"),
    ("select user_id, plan as a, plan as A from people where user_id = :since", "since"),
    ("select user_id, cast(plan as integer) as n from people", "Conversion Error"),
    ("drop table people", "users/wrong"),
])
def test_a_model_cannot_be_sent(filled: Folder, simulator: Simulator, sql: str, says: str) -> None:
    filled.secrets = ("'pro'", "'free'")
    filled.model("users/wrong", sql)
    ended = filled.cli("run", "--all", "--json")
    assert ended.code == 1
    assert {row["sync"]: row["status"] for row in ended.rows} == {"users/profile": "succeeded", "users/wrong": "failed"}
    one_message(ended, "users/wrong", says)
    assert len(simulator.users()) == 3


@pytest.mark.parametrize("verb", ["run", "plan"])
def test_a_model_returns_no_rows(filled: Folder, simulator: Simulator, verb: str) -> None:
    filled.cli("run", "users/profile")
    filled.query("delete from people")
    requests = len(simulator.requests())
    ended = filled.cli(verb, "users/profile")
    said = ended.err if verb == "run" else ended.out
    assert ended.code == (3 if verb == "run" else 0)
    assert "the model returned 0 rows, min_rows is 1" in said
    assert len(simulator.requests()) == requests


@pytest.mark.parametrize(("yaml", "says"), [
    ("payload: changed\ngaurd: {min_rows: 1}", (":2: ", "gaurd", "did you mean guard?")),
    ("nulls: maybe", (":1: ", "nulls")),
    ("guard: {min_rows: few}", (":1: ", "min_rows")),
    ("partitions: {daily: soon}", (":1: ", "daily")),
    ("key: [user_id", ("profile.yaml",)),
    ("cursor: {column: timestamp}", ("a cursor is for events",)),
])
def test_a_yaml_is_wrong(filled: Folder, yaml: str, says: tuple[str, ...]) -> None:
    filled.model("users/profile", "select * from people", yaml)
    ended = filled.cli("run", "users/profile")
    assert ended.code == 2
    one_message(ended, "sql/users/profile.yaml", *says)


def test_a_column_of_the_yaml_is_not_in_the_model(filled: Folder) -> None:
    filled.model("users/profile", "select * from people", "omit: [plam]")
    ended = filled.cli("run", "users/profile")
    assert ended.code == 1
    one_message(ended, "the YAML names column plam", "plan")


def test_email_with_a_capital_is_warned_about(filled: Folder, simulator: Simulator) -> None:
    filled.model("users/profile", "select user_id, user_id || '@example.com' as \"Email\" from people")
    one_message(filled.cli("check"), "warning: users/profile", "rename: {Email: email}")
    assert filled.cli("run", "users/profile").code == 0


def test_two_syncs_send_one_trait(filled: Folder) -> None:
    filled.model("users/billing", "select user_id, plan from people")
    ended = filled.cli("check")
    assert ended.code == 1
    assert "users/profile: users/billing sends plan too" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("words", [["run", "users/profile"], ["plan", "users/profile"], ["list"], ["status"],
                                   ["baseline", "users/profile"], ["reset", "users/profile"]])
def test_the_state_cannot_be_written(filled: Folder, simulator: Simulator, words: list[str]) -> None:
    for url in ("warehouse.duckdb/state", "warehouse.duckdb"):
        ended = filled.cli(*words, state_url=url)
        assert ended.code == 1
        one_message(ended, f"the state {url} cannot be written", "CANDU_STATE_URL")
    assert not simulator.requests()


def test_the_state_is_of_another_format(filled: Folder, simulator: Simulator) -> None:
    filled.cli("run", "users/profile")
    format_ = filled.folder / "state" / "format.json"
    shown = format_.read_text()
    requests = len(simulator.requests())
    for text, says in ((json.dumps(json.loads(shown) | {"format": 7}), "the state's format 7, this candu-sync reads 2"),
                       (shown[:20], "format.json cannot be read")):
        format_.write_text(text)
        ended = filled.cli("run", "users/profile")
        assert ended.code == 1
        one_message(ended, says, "CANDU_STATE_URL")
    format_.unlink()
    one_message(filled.cli("run", "users/profile"), "holds files but no format.json")
    assert len(simulator.requests()) == requests


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def altered(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(("name", "damage"), [
    ("data/*/base-*.arrow", truncated), ("data/*/base-*.arrow", altered), ("data/*/base-*.arrow", Path.unlink),
    ("data/*/base_index-*.arrow", truncated), ("data/*/base_index-*.arrow", altered),
    ("versions/*.json", truncated),
])
def test_a_file_of_the_state_is_damaged(
        filled: Folder, simulator: Simulator, name: str, damage: Callable[[Path], None]) -> None:
    """It is named, and never silently taken for an empty snapshot."""
    if "index" in name:
        # A file of a few rows has none.
        filled.model("users/profile", "select 'u' || i as user_id, i as seats from range(501) t(i)")
    filled.cli("run", "users/profile")
    requests = len(simulator.requests())
    [path] = (filled.folder / "state" / "users.profile" / "-").glob(name)
    damage(path)
    for verb in ("run", "plan"):
        ended = filled.cli(verb, "users/profile")
        assert ended.code == 1
        one_message(ended, str(path), "candu-sync reset users/profile")
    assert len(simulator.requests()) == requests
    assert filled.cli("list").code == 0
    assert filled.cli("reset", "users/profile").code == 0
    assert filled.cli("run", "users/profile").code == 0


def test_a_file_under_sql_cannot_be_read(filled: Folder) -> None:
    filled.model("users/empty", "-- nothing yet\n")
    filled.model("people/lost", "select 1")
    (filled.sql / "users" / "latin.sql").write_bytes("select 'é' as user_id".encode("latin-1"))
    (filled.sql / "users" / "alone.yaml").write_text("payload: full")
    ended = filled.cli("run", "--all", "--json")
    sent, *others = ended.rows
    assert (ended.code, sent["status"]) == (2, "succeeded")
    assert {other["status"] for other in others} == {"failed"}
    messages = ended.err.splitlines()
    assert len(messages) == 4
    for shown in ("users/empty.sql: holds no SQL", "people is not a kind of sync", "latin.sql:1: not UTF-8",
                 "alone.yaml: there is no alone.sql"):
        assert [line for line in messages if shown in line], ended.err


def test_what_reads_the_result_went_away(filled: Folder) -> None:
    """`candu-sync list | head -0`: no traceback."""
    filled.model("users/tier", "select user_id, plan as tier from people")
    shell = shutil.which("bash")
    assert shell is not None
    command = f"set -o pipefail; {EXECUTABLE} plan --all --json | true"
    run = subprocess.run([shell, "-c", command], cwd=filled.folder, env=filled.environment(), capture_output=True,
                         text=True, timeout=300)
    assert "Traceback" not in run.stderr
    assert "Exception" not in run.stderr
