"""One notice for each change, by however many processes it is seen; and what a crash or a dead webhook changes."""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from candu_sync.alerts import Condition, Problem, Sent, Standing, announce, parse_addresses
from candu_sync.state import State
from tests.support.webhook import Webhook


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(str(tmp_path / "state"))


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as server:
        yield server


@pytest.fixture
def other() -> Iterator[Webhook]:
    with Webhook() as server:
        yield server


def sync(*codes: str, owners: tuple[str, ...] = (), **partitions: str) -> Condition:
    """A condition; ``partitions``: partition → its one code, or "" where it is well."""
    whole = Standing(None, tuple(Problem(code, f"{code}: what to do") for code in codes), well="5 rows")
    each = (Standing(key, tuple(Problem(code, f"{code} there", key) for code in [code] if code), well="5 rows")
            for key, code in partitions.items())
    return Condition("users/profile", owners, (whole, *each))


def say(state: State, condition: Condition, *webhooks: str) -> list[Sent]:
    return announce(state, [condition], parse_addresses(" ".join(webhooks)))


def test_one_notice_a_change(state: State, webhook: Webhook) -> None:
    url = webhook.url()
    assert say(state, sync(), url) == []
    for _ in range(3):
        say(state, sync("failing"), url)
    [failing] = webhook.take()
    assert (failing["state"], failing["title"]) == ("problem", "users/profile is failing")
    for _ in range(3):
        say(state, sync("guarded"), url)
    [guarded] = webhook.take()
    assert guarded["problems"] == [{"partition": None, "code": "guarded", "sentence": "guarded: what to do"}]
    for _ in range(3):
        say(state, sync(), url)
    [well] = webhook.take()
    assert (well["state"], well["title"], well["recovered"]) == ("recovered", "users/profile is well again", [None])
    assert "5 rows" in well["text"]


def test_what_follows_from_a_failure_is_no_news(state: State, webhook: Webhook) -> None:
    say(state, sync("failing"), webhook.url())
    say(state, sync("failing", "stale", "growing"), webhook.url())
    assert len(webhook.take()) == 1
    say(state, sync("stale", "growing"), webhook.url())
    assert [p["code"] for p in webhook.take()[0]["problems"]] == ["stale", "growing"]


def test_partitions_have_one_notice_together(state: State, webhook: Webhook) -> None:
    say(state, sync(eu="failing", us="failing", asia=""), webhook.url())
    [body] = webhook.take()
    assert body["title"] == "users/profile (2 partitions) is failing"
    assert [problem["partition"] for problem in body["problems"]] == ["eu", "us"]
    say(state, sync(eu="", us="failing", asia="failing"), webhook.url())
    [body] = webhook.take()
    assert body["title"] == "users/profile [asia] is failing"
    assert body["recovered"] == ["eu"]
    assert body["text"].splitlines()[1:4] == ["[asia] failing there", "Well again:", "[eu] 5 rows"]
    say(state, sync(eu="", us="", asia=""), webhook.url())
    assert webhook.take()[0]["recovered"] == ["us", "asia"]


def test_a_webhook_that_fails_is_tried_again_and_others_are_not_sent_it_twice(
        state: State, webhook: Webhook, other: Webhook) -> None:
    both = (f"*={webhook.url('s3cret')}", other.url())
    webhook.status = 500
    sent = say(state, sync("failing"), *both)
    assert [(one.error is None) for one in sent] == [True, False]
    assert "did not take the notice: it answered HTTP 500. The next time tries again" in sent[1].sentence
    assert "s3cret" not in str(sent)
    webhook.status = 200
    webhook.take()
    assert len(say(state, sync("failing"), *both)) == 1
    assert (len(webhook.take()), len(other.take())) == (1, 1)
    # What came and went while a webhook was dead is not said there afterwards.
    webhook.status = 500
    say(state, sync("guarded"), *both)
    say(state, sync("failing"), *both)
    webhook.status = 200
    webhook.take()
    assert say(state, sync("failing"), *both) == []


def test_a_dead_webhook_is_waited_for_once(state: State, webhook: Webhook) -> None:
    webhook.status = 503
    syncs = [Condition(f"users/s{n}", (), (Standing(None, (Problem("failing", "x"),)),)) for n in range(4)]
    assert len(announce(state, syncs, parse_addresses(webhook.url()))) == 1
    assert len(webhook.take()) == 1
    webhook.status = 200
    assert len(announce(state, syncs, parse_addresses(webhook.url()))) == 4


def test_owners_have_their_own(state: State, webhook: Webhook, other: Webhook) -> None:
    urls = (f"team:growth={webhook.url()}", other.url())
    say(state, sync("failing", owners=("team:growth",)), *urls)
    assert (len(webhook.take()), len(other.take())) == (1, 0)
    # The sync changes hands: the new owner hears of the problem, and both hear of its end.
    say(state, sync("failing"), *urls)
    assert (len(webhook.take()), len(other.take())) == (0, 1)
    say(state, sync(), *urls)
    assert ([b["state"] for b in webhook.take()], [b["state"] for b in other.take()]) == (["recovered"], ["recovered"])


def test_many_at_once_say_it_once(tmp_path: Path, webhook: Webhook) -> None:
    State(str(tmp_path / "state"))
    start = threading.Barrier(8)

    def process() -> None:
        state = State(str(tmp_path / "state"))
        start.wait()
        say(state, sync("failing"), webhook.url())

    for expected in ("problem", None):
        threads = [threading.Thread(target=process) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [body["state"] for body in webhook.take()] == ([expected] if expected else [])


def test_in_an_object_store_too(s3_url: str, webhook: Webhook) -> None:
    for condition, count in ((sync("failing"), 1), (sync("failing"), 0), (sync(), 1)):
        say(State(s3_url), condition, webhook.url())
        assert len(webhook.take()) == count


def killed(state: State, tmp_path: Path, seconds: float) -> None:
    """As if the last process had been killed after it sent its notices, so many seconds ago."""
    path = newest(tmp_path)
    body = json.loads(path.read_text())
    body["said"], body["until"] = {}, (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=120 - seconds)).isoformat()
    path.write_text(json.dumps(body))


def newest(tmp_path: Path) -> Path:
    return max((tmp_path / "state" / "alerts" / "users.profile").glob("*.json"))


def test_a_process_that_was_killed_is_one_repeat(state: State, tmp_path: Path, webhook: Webhook) -> None:
    say(state, sync("failing"), webhook.url())
    killed(state, tmp_path, seconds=5)
    assert say(state, sync("failing"), webhook.url()) == []
    killed(state, tmp_path, seconds=121)
    assert len(say(state, sync("failing"), webhook.url())) == 1
    assert say(state, sync("failing"), webhook.url()) == []


def test_a_clock_that_is_wrong_stops_nobody(state: State, tmp_path: Path, webhook: Webhook) -> None:
    say(state, sync("failing"), webhook.url())
    killed(state, tmp_path, seconds=-86_400)
    assert len(say(state, sync("failing"), webhook.url())) == 1


def test_a_damaged_record_is_a_repeat(state: State, tmp_path: Path, webhook: Webhook) -> None:
    say(state, sync("failing"), webhook.url())
    for wrong in (b"{", b"[]", b'{"said": 1, "until": null}'):
        newest(tmp_path).write_bytes(wrong)
        assert len(say(state, sync("failing"), webhook.url())) == 1


def test_the_record_stays_small_and_names_no_address(state: State, tmp_path: Path, webhook: Webhook) -> None:
    for number in range(10):
        say(state, sync("failing" if number % 2 else "guarded"), webhook.url("s3cret"))
    files = list((tmp_path / "state" / "alerts" / "users.profile").iterdir())
    assert len(files) == 3
    assert b"s3cret" not in b"".join(path.read_bytes() for path in files)
    assert "alerts" not in str(state.partitions("users/profile"))


def test_a_file_with_an_odd_name_is_a_sync_too(state: State, webhook: Webhook) -> None:
    odd = Condition("users/../my model", (), (Standing(None, (Problem("broken", "its name is odd"),)),))
    assert len(announce(state, [odd, odd], parse_addresses(webhook.url()))) == 1
