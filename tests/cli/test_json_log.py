"""``CANDU_LOG=json``: every line of stderr is one JSON object, and none has a value."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest

from candu_sync.cli import progress_bar
from candu_sync.simulator import Simulator
from tests.support.folder import Ended, Folder


def objects(ended: Ended) -> list[dict[str, Any]]:
    """The objects of stderr; a line that is none is an error."""
    found = [json.loads(line) for line in ended.err.splitlines()]
    assert all({"time", "level", "event"} <= found_one.keys() for found_one in found)
    return found


def events(ended: Ended) -> list[str]:
    return [f"{line['event']} {line['phase']}" if "phase" in line else line["event"] for line in objects(ended)]


@pytest.fixture
def folder(project: Folder) -> Folder:
    project.people(3)
    project.model("users/profile", "select * from people")
    project.overrides["log"] = "json"
    return project


def test_a_run_is_an_object_for_each_thing_that_happens(folder: Folder) -> None:
    ended = folder.execute("run", "users/profile", "--json")
    assert events(ended) == ["began", "phase_began read", "phase_ended read", "phase_began diff", "phase_ended diff",
                             "phase_began guard", "phase_ended guard", "phase_began push", "phase_ended push",
                             "phase_began commit", "phase_ended commit", "ended"]
    lines = objects(ended)
    about = {"verb": "run", "run_id": ended.row["run_id"], "sync": "users/profile", "kind": "users",
             "partition": None}
    assert all(about.items() <= line.items() for line in lines)
    read, push, end = lines[2], lines[8], lines[-1]
    assert (read["rows"], push["accepted"], push["requests"], read["error"]) == (3, 3, 1, None)
    assert 0 < read["seconds"] < end["seconds"]
    assert (end["status"], end["rows"], end["added"], end["accepted"], end["age"], end["lag"]) == (
        "succeeded", 3, 3, 3, 0, None)
    assert {line["level"] for line in lines} == {"info"}
    assert all(line["time"].endswith("Z") for line in lines)


def test_the_page_s_example_has_the_fields_of_a_push(folder: Folder) -> None:
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text("utf-8")
    [example] = re.findall(r"^```json\n(.*?)\n```", page, re.DOTALL | re.MULTILINE)
    pushed = [line for line in objects(folder.cli("run", "users/profile"))
              if line["event"] == "phase_ended" and line["phase"] == "push"]
    assert [list(line) for line in pushed] == [list(json.loads(example))]


def test_progress_is_an_object_too(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_bar, "_LINE_EVERY", 0)
    lines = [line for line in objects(folder.cli("run", "users/profile")) if line["event"] == "progress"]
    assert [(line["phase"], line["done"], line["total"]) for line in lines] == [("read", 3, None), ("push", 3, 3)]


def test_what_fails_and_what_is_warned_of_are_objects(folder: Folder, simulator: Simulator) -> None:
    folder.model("users/broken", "select * from people", "gaurd: {}")
    folder.model("users/gone", "select * from nowhere")
    simulator.fault("status", status=503)
    ended = folder.cli("run", "--all", "--json", rat="1")
    messages = {line["message"]: line for line in objects(ended) if line["event"] == "message"}
    [setting] = [line for text, line in messages.items() if "CANDU_RATE" in text]
    [broken] = [line for text, line in messages.items() if "gaurd" in text]
    [gone] = [line for text, line in messages.items() if "nowhere" in text]
    [trouble] = [line for text, line in messages.items() if "HTTP 503" in text]
    assert (setting["level"], broken["level"]) == ("warning", "warning")
    assert (gone["level"], gone["sync"], gone["partition"]) == ("error", "users/gone", None)
    assert (trouble["level"], trouble["sync"]) == ("error", "users/profile")
    failed = {line["sync"]: line for line in objects(ended) if line["event"] == "ended"}
    assert (failed["users/gone"]["status"], failed["users/gone"]["level"]) == ("failed", "error")
    assert (failed["users/gone"]["error"], failed["users/profile"]["error"]) == ("WarehouseError", "Transient")
    assert [row["sync"] for row in ended.rows] == ["users/gone", "users/profile", "users/broken"]


def test_a_guard_is_a_warning(folder: Folder) -> None:
    folder.cli("run", "users/profile")
    folder.query("delete from people")
    end = objects(folder.cli("run", "users/profile"))
    assert [(line["status"], line["level"]) for line in end if line["event"] == "ended"] == [("guarded", "warning")]


@pytest.mark.parametrize("words", [["run", "users/nobody"], ["run"], ["push", "users/profile"]])
def test_what_ends_a_command_early_is_an_object(folder: Folder, words: list[str]) -> None:
    [line] = objects(folder.cli(*words))
    assert (line["event"], line["level"]) == ("message", "error")
    assert line["message"]


def test_a_wrong_setting_is_an_object_where_the_environment_says_json(folder: Folder) -> None:
    [line] = objects(folder.cli("run", "users/profile", rate="fast"))
    assert line["message"].startswith("CANDU_RATE must")


@pytest.mark.parametrize(("wrong", "hint"), [("jsn", "; did you mean json?"), ("TXT", "; did you mean text?"),
                                             ("structured", "")])
def test_another_form_is_a_settings_error(folder: Folder, wrong: str, hint: str) -> None:
    ended = folder.cli("list", log=wrong)
    assert (ended.code, ended.err) == (2, f"candu-sync: CANDU_LOG must be text or json{hint}\n")


def test_the_form_is_read_from_the_env_file_too(folder: Folder) -> None:
    del folder.overrides["log"]
    (folder.folder / ".env").write_text("CANDU_LOG=JSON\n")
    assert events(folder.cli("run", "users/profile"))[-1] == "ended"


def test_text_that_could_steer_a_terminal_stays_one_ascii_line(folder: Folder) -> None:
    folder.model("users/each", "select * from people where plan = :partition",
                 'partitions: {dynamic: plans, values: "select plan from people"}')
    folder.query("update people set plan = chr(27) || '[2J' || chr(127) || chr(8238) || 'é'")
    lines = folder.cli("run", "users/each").err
    assert lines.isascii()
    assert "\x1b" not in lines
    assert "\x7f" not in lines
    assert {json.loads(line)["partition"] for line in lines.splitlines()} == {"\x1b[2J\x7f\u202eé"}


def test_no_value_is_in_it(folder: Folder, simulator: Simulator) -> None:
    folder.secrets = ("sesame", "hushhush", "s3cret")
    folder.table("people", user_id=["u1-key", "u2-key", "u3-key", "u3-key"], nick=["sesame"] * 3 + ["hushhush"],
                 born=["s3cret"] * 4)
    folder.model("users/profile", "select * from people", "guard: {max_invalid: null}")
    folder.model("users/cast", "select user_id, cast(born as date) as birthday from people")
    simulator.fault("refuse", user_ids=["u2-key"], status=422)
    for words in (["plan", "--all"], ["run", "--all"], ["run", "--all", "--full"], ["check"], ["status"]):
        ended = folder.cli(*words)
        assert objects(ended) or words[0] in ("check", "status")
        assert "-key" not in ended.err


def test_warnings_of_libraries_are_objects_and_only_ours_are_quoted(
        folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def warn(*_: object) -> None:
        logging.getLogger("candu_sync.state").warning("of ours")
        logging.getLogger("driver").warning("select 'sesame'")

    monkeypatch.setattr("candu_sync.operate.statuses", warn, raising=False)
    monkeypatch.setattr("candu_sync.operate.overview", lambda *_: warn() or [])
    lines = objects(folder.cli("list"))
    assert [(line["logger"], line["level"]) for line in lines] == [
        ("candu_sync.state", "warning"), ("driver", "warning")]
    assert lines[0]["message"] == "of ours"
    assert "sesame" not in lines[1]["message"]
    assert not [handler for handler in logging.getLogger().handlers if "json_log" in type(handler).__module__]
