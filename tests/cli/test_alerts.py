"""Notices from the command line: after a run, and by ``status --alert`` for cron."""

from __future__ import annotations

import datetime as dt
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from candu_sync.simulator import Simulator
from tests.support.folder import Folder
from tests.support.mailbox import Mailbox
from tests.support.webhook import Webhook


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as server:
        yield server


@pytest.fixture
def alerted(project: Folder, webhook: Webhook) -> Folder:
    """A project whose notices go to ``webhook``."""
    project.overrides["alerts_url"] = webhook.url("s3cret")
    project.secrets = ("s3cret",)
    return project


def profile(project: Folder, rows: int = 4, yaml: str = "") -> None:
    project.people(rows)
    project.model("users/profile", "select * from people", yaml)


def codes(bodies: list[dict[str, Any]]) -> list[list[str]]:
    return [[problem["code"] for problem in body["problems"]] for body in bodies]


def record(project: Folder, **changed: Any) -> None:
    """Change what is known of the last run."""
    path = next((project.folder / "state").glob("last/*/*.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def ago(**time: int) -> str:
    return (dt.datetime.now(dt.UTC) - dt.timedelta(**time)).isoformat()


def test_a_guard_that_stopped_a_run_and_its_recovery(alerted: Folder, webhook: Webhook) -> None:
    profile(alerted, 200)
    alerted.cli("run", "users/profile")
    assert webhook.take() == []
    alerted.query("update people set plan = 'new'")
    stopped = alerted.cli("run", "users/profile", run_url="https://ci.example/jobs/17")
    assert stopped.code == 3
    assert "users/profile was stopped by a guard: the webhook at 127.0.0.1" in stopped.err
    [body] = webhook.take()
    [problem] = body["problems"]
    assert problem["code"] == "guarded"
    assert "200 of 200 rows changed (100.0%), max_changed is 50.0%" in problem["sentence"]
    assert problem["sentence"].count("stopped by a guard") == problem["sentence"].count("users/profile") + 1 == 1
    assert "Look at the plan; if this is what you want, run again with --allow changed" in problem["sentence"]
    assert body["link"] == "https://ci.example/jobs/17"
    alerted.cli("run", "users/profile")
    assert webhook.take() == []
    alerted.cli("run", "users/profile", "--force")
    [body] = webhook.take()
    assert (body["state"], body["title"]) == ("recovered", "users/profile is well again")
    assert "ended well, with 200 rows" in body["text"]


def test_a_run_that_ends_early_says_why_in_a_sentence(alerted: Folder, webhook: Webhook, simulator: Simulator) -> None:
    """Each request is refused with 404: the breaker ends the run, and no row is to blame."""
    profile(alerted, 40)
    simulator.fault("status", status=404)
    assert alerted.cli("run", "users/profile", batch_size="4").code == 1
    [body] = webhook.take()
    assert codes([body]) == [["failing"]]
    assert "CANDU_API_URL" in body["problems"][0]["sentence"]
    assert "Traceback" not in body["text"]
    assert body["link"] is None


def test_a_wrong_key_and_a_bad_model_are_in_no_notice_as_values(alerted: Folder, webhook: Webhook) -> None:
    alerted.people(1)
    alerted.model("users/profile", "select user_id, plan::int as plan from people")
    assert alerted.cli("run", "users/profile").code == 1
    profile(alerted)
    alerted.cli("run", "users/profile", api_key="wrong-key")
    [body] = webhook.take()
    assert codes([body]) == [["failing"]]
    assert "wrong-key" not in json.dumps(body)


def test_a_notice_that_fails_fails_no_run_and_is_tried_again(alerted: Folder, webhook: Webhook) -> None:
    profile(alerted)
    webhook.status = 500
    alerted.model("users/profile", "select nothing from people")
    failed = alerted.cli("run", "users/profile")
    assert failed.code == 1
    assert "did not take the notice: it answered HTTP 500. The next time tries again" in failed.err
    profile(alerted)
    assert alerted.cli("run", "users/profile").code == 0
    alerted.model("users/profile", "select nothing from people")
    webhook.status = 200
    webhook.take()
    alerted.cli("run", "users/profile")
    assert codes(webhook.take()) == [["failing"]]


def test_a_state_that_cannot_take_the_record_fails_no_run(alerted: Folder, webhook: Webhook) -> None:
    profile(alerted)
    alerted.cli("run", "users/profile")
    (alerted.folder / "state" / "alerts").write_text("in the way")
    alerted.model("users/profile", "select nothing from people")
    ended = alerted.cli("run", "users/profile")
    assert ended.code == 1
    assert "no notice was sent: the state" in ended.err


def test_rows_over_the_tolerance(alerted: Folder, webhook: Webhook, simulator: Simulator) -> None:
    profile(alerted, 200, "guard: {max_invalid: 0.01}")
    simulator.fault("refuse", user_ids=["u0", "u1"], status=422)
    ran = alerted.cli("run", "users/profile")
    assert ran.code == 4
    assert webhook.take() == []
    assert alerted.cli("status", "--check").code == 0
    simulator.fault("refuse", user_ids=["u0", "u1", "u2"], status=422)
    alerted.query("update people set plan = 'max' where user_id = 'u2'")
    alerted.cli("run", "users/profile")
    [body] = webhook.take()
    assert codes([body]) == [["tolerance", "growing"]]
    assert "of 200 rows 3 refused (1.5%), max_invalid is 1.0%" in body["problems"][0]["sentence"]


def test_status_alert_is_for_cron(alerted: Folder, webhook: Webhook) -> None:
    profile(alerted, 4, 'automation: "0 * * * *"')
    alerted.cli("run", "users/profile")
    quiet = alerted.cli("status", "--alert")
    assert (quiet.code, quiet.out) == (0, "no notice: nothing is new\n")
    record(alerted, succeeded_at=ago(hours=2), at=ago(hours=2))
    late = alerted.cli("status", "--alert")
    assert (late.code, "users/profile is late" in late.out) == (0, True)
    assert codes(webhook.take()) == [["stale"]]
    assert alerted.cli("status", "--alert").out == "no notice: nothing is new\n"
    both = alerted.cli("status", "--alert", "--check")
    assert (both.code, "stale: the last run that ended well was at" in both.err) == (1, True)
    alerted.cli("run", "users/profile")
    assert [body["state"] for body in webhook.take()] == ["recovered"]
    webhook.status = 500
    record(alerted, succeeded_at=ago(hours=2))
    assert alerted.cli("status", "--alert").code == 1
    webhook.status = 200
    said = alerted.cli("status", "--alert", "--json")
    assert (said.row["sync"], "users/profile is late" in said.err) == ("users/profile", True)
    assert alerted.cli("status", "--alert", alerts_url="").code == 2


def test_a_process_that_is_killed_once_its_notice_is_out_is_one_repeat(alerted: Folder, webhook: Webhook) -> None:
    profile(alerted, 0)
    alerted.cli("run", "users/profile", alerts_url="")
    webhook.kills = alerted.start("status", "--alert")
    assert alerted.ended(webhook.kills).code == -signal.SIGKILL
    webhook.kills = None
    assert codes(webhook.take()) == [["guarded"]]
    assert alerted.cli("status", "--alert").out == "no notice: nothing is new\n"
    later(alerted, seconds=121)
    assert "has the notice" in alerted.cli("status", "--alert").out
    later(alerted, seconds=121)
    assert alerted.cli("status", "--alert").out == "no notice: nothing is new\n"
    assert codes(webhook.take()) == [["guarded"]]


def later(project: Folder, seconds: int) -> None:
    """As if so much time had passed since the last notice."""
    path = max((project.folder / "state" / "alerts" / "users.profile").glob("*.json"))
    body = json.loads(path.read_text())
    if body["until"]:
        body["until"] = (dt.datetime.fromisoformat(body["until"]) - dt.timedelta(seconds=seconds)).isoformat()
        path.write_text(json.dumps(body))


def test_a_notice_on_trial(alerted: Folder, webhook: Webhook) -> None:
    profile(alerted)
    alerted.overrides["alerts_url"] = f"*={webhook.url('s3cret')} {webhook.url('other')}"
    ended = alerted.cli("status", "--alert-test")
    notices = webhook.take()
    assert (ended.code, ended.out.count("has the notice"), len(notices)) == (0, 2, 2)
    assert all("sends a notice on trial" in str(notice) and "well again" not in str(notice) for notice in notices)
    webhook.status = 403
    assert alerted.cli("status", "--alert-test").code == 1
    assert alerted.cli("status", "--alert-test", alerts_url="").code == 2
    assert not (alerted.folder / "state" / "alerts").exists()


def test_a_file_that_is_wrong_and_its_recovery(alerted: Folder, webhook: Webhook) -> None:
    profile(alerted)
    alerted.cli("run", "--all")
    profile(alerted, 4, "payload: everything")
    alerted.cli("run", "--all")
    [body] = webhook.take()
    assert (body["title"], codes([body])) == ("users/profile cannot be read", [["broken"]])
    profile(alerted)
    alerted.cli("status", "--alert")
    assert [body["title"] for body in webhook.take()] == ["users/profile is well again"]


def test_a_manifest_that_cannot_be_read(alerted: Folder, webhook: Webhook) -> None:
    """It is of no sync, and hides those that it declares."""
    profile(alerted)
    manifest = alerted.folder / "manifest.json"
    manifest.write_text("{")
    alerted.overrides["dbt_manifest"] = str(manifest)
    for _ in range(2):
        alerted.cli("run", "--all")
    [body] = webhook.take()
    assert (body["title"], codes([body])) == ("the project cannot be read", [["broken"]])
    assert "manifest.json" in body["text"]
    assert body["text"].endswith("\ncandu-sync status")
    alerted.overrides["dbt_manifest"] = ""
    alerted.cli("status", "--alert")
    assert [body["title"] for body in webhook.take()] == ["the project is well again"]


def test_owners_and_mail(alerted: Folder, webhook: Webhook) -> None:
    profile(alerted, 4, "owners: [team:growth]")
    alerted.people(0)
    alerted.model("users/other", "select user_id, plan as tier from people")
    with Mailbox() as mailbox:
        alerted.overrides["alerts_url"] = (
            f"team:growth=smtp://ann:p%40ss@127.0.0.1:{mailbox.port}/?to=growth@example.com {webhook.url('s3cret')}")
        alerted.secrets = ("s3cret", "p@ss", "p%40ss")
        alerted.cli("run", "--all")
        [letter] = mailbox.letters
    assert letter.to == ("growth@example.com",)
    assert letter.message["Subject"] == "[candu-sync] users/profile was stopped by a guard"
    assert "the model returned 0 rows, min_rows is 1" in letter.message.get_content()
    assert [body["sync"] for body in webhook.take()] == ["users/other"]


def test_a_partition_fails_and_recovers(alerted: Folder, webhook: Webhook, simulator: Simulator) -> None:
    alerted.people(2)
    alerted.model("users/profile", "select user_id || :partition as user_id, plan from people",
                  "partitions: {static: [eu, us]}")
    simulator.fault("status", status=503, after=1)
    alerted.cli("run", "users/profile", max_attempts="1")
    [body] = webhook.take()
    assert body["title"] == "users/profile [us] is failing"
    simulator.clear_faults()
    alerted.cli("run", "users/profile")
    [body] = webhook.take()
    assert (body["title"], body["recovered"]) == ("users/profile [us] is well again", ["us"])


def test_without_an_address_nothing_is_kept(project: Folder) -> None:
    project.people(0)
    project.model("users/profile", "select * from people")
    project.cli("run", "users/profile")
    assert not Path(project.folder / "state" / "alerts").exists()


def test_what_push_does_is_said_too(alerted: Folder, webhook: Webhook) -> None:
    profile(alerted, 0)
    alerted.cli("plan", "users/profile", "--save")
    assert alerted.cli("push", "users/profile").code == 3
    assert codes(webhook.take()) == [["guarded"]]
