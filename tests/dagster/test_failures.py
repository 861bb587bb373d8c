"""What is retried and what is not; a retried push goes on where the first one stopped."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
from dataclasses import asdict, replace
from typing import Any
from unittest import mock

import pytest
from dagster import ExecuteInProcessResult, Failure, RetryPolicy, RetryRequested

from candu_sync import claimed_push
from candu_sync.delivery import requests
from candu_sync.errors import Claimed, StateUnreachable
from candu_sync.state import Version, owner, this_process
from dagster_defs import failures as failures_module
from dagster_defs.failures import failures
from tests.dagster.room import CHANGES, PUSH, STEP, Room, failure, metadata, people


def retries(result: ExecuteInProcessResult) -> int:
    return sum(event.is_step_up_for_retry for event in result.all_events)


def test_a_passing_trouble_is_retried_and_only_the_rest_is_sent(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDU_BATCH_SIZE", "10")
    monkeypatch.setenv("CANDU_CONCURRENCY", "1")
    monkeypatch.setenv("CANDU_MAX_ATTEMPTS", "1")
    sync = people(room, count=50)
    room.simulator.fault("status", status=503, after=2, times=2, retry_after=0)
    result = room.materialize(CHANGES, PUSH)
    assert result.success
    assert retries(result) == 1
    assert metadata(result, PUSH)["accepted"] == 50
    assert metadata(result, PUSH)["waiting"] == 0
    assert len(room.simulator.messages()) == 50
    assert room.state(sync).current().rows == 50


def test_a_retry_says_what_it_is_for(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    # A random messageId may have 503 in it, and the answer's 503 would then be masked.
    monkeypatch.setenv("CANDU_MESSAGE_ID", "false")
    people(room)
    room.simulator.fault("status", status=503, retry_after=0, times=2)
    result = room.materialize(CHANGES, PUSH)
    [event] = [event for event in result.all_events if event.is_step_up_for_retry]
    assert event.step_retry_data.error is not None
    said = event.step_retry_data.error.to_string()
    assert 'HTTP 503 and said "asked to answer 503". That happened 2 times in a row' in said


def test_a_trouble_that_stays_fails_with_what_was_sent(room: Room) -> None:
    people(room)
    room.simulator.fault("status", status=503, retry_after=0)
    result = room.materialize(CHANGES, PUSH)
    assert retries(result) == 2
    assert "503" in failure(result, PUSH)


def test_a_long_pause_that_candu_asks_for_is_in_the_runs_log(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "_ANNOUNCED", 0.0)
    people(room)
    room.simulator.fault("status", status=429, retry_after=0, times=1)
    result = room.materialize(CHANGES, PUSH)
    said = [entry for entry in room.instance.all_logs(result.run_id) if entry.level == logging.WARNING]
    assert [entry.user_message for entry in said] == [
        "users/people: Candu asks to wait 0 seconds before the next request"]
    assert said[0].step_key == STEP


def test_a_wrong_key_is_not_retried(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    people(room)
    monkeypatch.setenv("CANDU_API_KEY", "another-key")
    result = room.materialize(CHANGES, PUSH)
    assert retries(result) == 0
    assert failure(result, PUSH).startswith("Candu refused the API key (HTTP 403)")
    assert "another-key" not in failure(result, PUSH)


def test_a_missing_setting_is_named(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    people(room)
    monkeypatch.delenv("CANDU_API_KEY")
    result = room.materialize(CHANGES, PUSH)
    assert retries(result) == 0
    assert failure(result, PUSH).startswith("CANDU_API_KEY is not set")


def test_sql_that_the_warehouse_refuses_is_reported_once(room: Room) -> None:
    room.table("people", user_id=["u1"])
    room.sync("users/people", "select user_id from persons")
    result = room.materialize(CHANGES)
    assert retries(result) == 0
    assert failure(result, CHANGES).startswith("users/people: ")
    assert "persons" in failure(result, CHANGES)


def test_a_warehouse_that_does_not_answer_is_tried_again(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    people(room)
    monkeypatch.setenv("CANDU_WAREHOUSE_URL", "postgresql://nobody:secret@127.0.0.1:9/none")
    result = room.materialize(CHANGES)
    assert retries(result) == 2
    assert "secret" not in failure(result, CHANGES)


def claimed_elsewhere(room: Room, silent: float) -> None:
    """A claim of a run on another machine, whose last heartbeat is so many seconds old."""
    state = room.state(people(room))
    beat = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=silent)
    holder = replace(this_process("run-of-a-host"), host="gone", boot_id="another", heartbeat=beat.isoformat())
    name = state.name("claims", "00000001.json")
    state.store.put(name, json.dumps(asdict(holder)).encode())
    path = state.store.local(name)
    assert path is not None
    os.utime(path, (beat.timestamp(), beat.timestamp()))


def test_a_store_that_is_away_at_the_end_of_a_push_is_tried_again_and_nothing_goes_twice(
        room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """The claim of the first try is still there then, and its process is this one."""
    commit, away = claimed_push.commit, [True]

    def committed(*arguments: Any, **options: Any) -> Version:
        if away.pop() if away else False:
            raise StateUnreachable("the state cannot be reached")
        return commit(*arguments, **options)

    monkeypatch.setattr(claimed_push, "commit", committed)
    sync = people(room, count=50)
    result = room.materialize(CHANGES, PUSH)
    assert result.success
    assert retries(result) == 1
    assert len(room.simulator.messages()) == 50
    assert room.state(sync).current().rows == 50


def test_a_run_waits_for_the_claim_of_one_that_fell_silent(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    until_free, waits = failures_module._until_free, list[float]()

    def waited(error: Claimed, context: Any) -> float | None:
        """The rest of the lease passes at once."""
        waits.append(until_free(error, context) or 0.0)
        claimed_elsewhere(room, silent=owner.LEASE + 1)
        return 0.0

    monkeypatch.setattr(failures_module, "_until_free", waited)
    claimed_elsewhere(room, silent=owner.LEASE / 2)
    result = room.materialize(CHANGES, PUSH)
    assert result.success
    assert retries(result) == 1
    assert len(room.simulator.messages()) == 3
    [wait] = waits
    assert 0 < wait <= owner.LEASE


def test_a_run_is_refused_at_once_by_one_that_lives(room: Room) -> None:
    claimed_elsewhere(room, silent=3)
    result = room.materialize(CHANGES, PUSH)
    assert retries(result) == 0
    assert "run run-of-a-host on host gone" in failure(result, PUSH)
    assert room.simulator.messages() == []


@pytest.mark.parametrize(("tags", "retry_number", "waits"), [
    ({"dagster/retry_number": "1"}, 0, True), ({"dagster/retry_number": "1"}, 1, False), ({}, 0, False)])
def test_a_run_in_the_place_of_one_that_died_waits_for_a_young_claim_too(
        tags: dict[str, str], retry_number: int, waits: bool) -> None:
    context = mock.Mock(retry_number=retry_number)
    context.run.tags = tags
    with pytest.raises((RetryRequested, Failure)) as caught, failures(context, RetryPolicy(max_retries=2, delay=30)):
        raise Claimed("claimed", free_in=114.0)
    assert isinstance(caught.value, RetryRequested) == waits
    assert getattr(caught.value, "seconds_to_wait", 114.0) == 114.0
