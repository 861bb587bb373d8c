"""What is wrong with a sync by its last runs: late partitions, and counts that are unlike those before."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from candu_sync.operate import conditions, problem_lines, statuses
from candu_sync.operate.unusual import unusual
from candu_sync.state import carried_on, read_last_run, write_last_run
from candu_sync.syncs import Sync, load_syncs, windows
from tests.support.lab import Lab

MODEL = "select * from people where :partition is not null"
NOW = dt.datetime.now(dt.UTC)


def ran(lab: Lab, sync: Sync, partition: str | None = None, *, hours_ago: float = 0, **counts: Any) -> None:
    """A run that ended well, as it is written down."""
    with lab.project() as project:
        state = project.state.of(sync.name, partition)
        at = (NOW - dt.timedelta(hours=hours_ago)).isoformat()
        body = {"status": "succeeded", "run_id": "r", "at": at, "rows": 0, "messages": 0, "invalid": 0, "refused": 0,
                "waiting": 0, **counts}
        write_last_run(state, body | carried_on(read_last_run(state), body))


def problems(lab: Lab, sync: Sync) -> list[tuple[str | None, str, str]]:
    """Partition (None: the sync as a whole), code and sentence."""
    with lab.project() as project:
        [found] = conditions(project, load_syncs(lab.sql), [sync.name])
        return [(standing.partition, problem.code, problem.sentence)
                for standing in found.standings for problem in standing.problems]


def daily(lab: Lab, days: int, yaml: str = "") -> tuple[Sync, list[str]]:
    """A sync of days, and the keys of those that ended in the last ``days`` days."""
    first = (NOW - dt.timedelta(days=60)).date()
    sync = lab.sync("users/visits", MODEL, f"partitions: {{daily: {first}{yaml}}}\nautomation: '0 1 * * *'")
    assert sync.partitions is not None
    return sync, [window.key for window in windows(sync.partitions, NOW)][-days:]


# Usual counts of a day, with weekends.
WEEKS = [1400, 1380, 1420, 1410, 1395, 90, 80] * 3


@pytest.mark.parametrize(("number", "before", "expected"), [
    (1405, WEEKS, False),
    (85, WEEKS, False),                       # a weekend
    (0, WEEKS[:5] * 4, True),
    (0, WEEKS[:5] * 4 + [0], True),           # one odd day among the last does not make it usual
    (3000, WEEKS, True),
    (5000, [5000 + 10 * n for n in range(20)], False),
    (5300, [5000 + 10 * n for n in range(20)], False),  # it grows as it did
    (3900, [5000] * 20, True),
    (4500, [5000] * 20, False),               # less than a fifth
    (90, [0] * 20, False),                    # few
    (150, [0] * 20, True),
    (0, [1000] * 7, False),                   # too few runs to know
    (0, [1000] * 8, True),
    (0, [5] * 40 + [1000] * 20, True),        # only the last 20 count
])
def test_the_rule(number: int, before: list[int], expected: bool) -> None:
    assert unusual(number, before) is expected


def test_a_run_that_died(lab: Lab) -> None:
    sync = lab.sync("users/profile", "select * from people")
    ran(lab, sync)
    state = lab.state(sync)
    state.store.put(state.name("claims", "00000001.json"), b"{}")
    [(_, code, sentence)] = problems(lab, sync)
    assert (code, sentence.startswith("a run died: ")) == ("died", True)


def test_rows_unlike_those_of_the_last_runs(lab: Lab) -> None:
    sync = lab.sync("users/profile", "select * from people")
    for rows in [1000, 1005, 1010, 1000, 995, 1002, 998, 1001]:
        ran(lab, sync, rows=rows)
    assert problems(lab, sync) == []
    ran(lab, sync, rows=400)
    assert problems(lab, sync) == [(None, "unusual", "unusual: the last run had 400 rows, the last 8 had 995 to 1,010. "
                                    "Look at the model's result")]
    ran(lab, sync, rows=1003)
    assert problems(lab, sync) == []


def test_more_messages_than_in_the_last_runs(lab: Lab) -> None:
    sync = lab.sync("users/profile", "select * from people")
    for messages in [5000, 50, 48, 52, 0, 55, 50, 49, 51]:
        ran(lab, sync, rows=5000, messages=messages)
    ran(lab, sync, rows=5000, messages=0)
    assert problems(lab, sync) == []  # a second run on the same data sends nothing
    ran(lab, sync, rows=5000, messages=5000, full=True)
    assert problems(lab, sync) == []  # somebody asked for it
    ran(lab, sync, rows=5000, messages=2000)
    [(_, code, sentence)] = problems(lab, sync)
    assert (code, "the last run had 2,000 messages, the last 10 had 0 to 5,000" in sentence) == ("unusual", True)


def test_only_twenty_runs_are_kept(lab: Lab) -> None:
    sync = lab.sync("users/profile", "select * from people")
    for _ in range(30):
        ran(lab, sync, rows=7)
    assert len(read_last_run(lab.state(sync))["recent"]) == 21


def test_a_window_unlike_those_before(lab: Lab) -> None:
    sync, keys = daily(lab, 12)
    for key in keys[:-1]:
        ran(lab, sync, key, rows=1400)
    ran(lab, sync, keys[-1], rows=3)
    [(partition, code, sentence)] = problems(lab, sync)
    assert (partition, code) == (None, "unusual")
    assert f"the window {keys[-1]} had 3 rows, the last 11 had 1,400 to 1,400" in sentence
    ran(lab, sync, keys[-1], rows=1390)
    assert problems(lab, sync) == []


def test_each_segment_has_its_own_usual(lab: Lab) -> None:
    sync, keys = daily(lab, 12, ", static: [eu, us]")
    for key in keys:
        ran(lab, sync, f"{key}|eu", rows=1400)
        ran(lab, sync, f"{key}|us", rows=200)
    assert problems(lab, sync) == []
    ran(lab, sync, f"{keys[-1]}|us", rows=1400)
    assert [code for _, code, _ in problems(lab, sync)] == ["unusual"]


def test_a_window_that_was_left_out_is_late(lab: Lab) -> None:
    sync, keys = daily(lab, 6)
    for key in (keys[0], keys[1], keys[4], keys[5]):
        ran(lab, sync, key)
    assert problems(lab, sync) == [(None, "stale", f"stale: no run of 2 windows ended well: {keys[2]}, {keys[3]}. "
                                    "`candu-sync run users/visits` runs what is missing")]
    with lab.project() as project:
        rows = statuses(project, load_syncs(lab.sql))
        assert len(problem_lines(rows)) == 1
        assert problem_lines(statuses(project, load_syncs(lab.sql), partitions=[keys[0], keys[5]])) == []
    ran(lab, sync, keys[2])
    ran(lab, sync, keys[3])
    assert problems(lab, sync) == []


def test_the_newest_window_has_its_time(lab: Lab) -> None:
    """Of one that has ended just now, the run is still to come."""
    sync, keys = daily(lab, 4)
    for key in keys[:-1]:
        ran(lab, sync, key)
    assert problems(lab, sync) == []


def test_a_key_that_never_ran_is_late_by_itself(lab: Lab) -> None:
    sync = lab.sync("users/profile", MODEL, "partitions: {static: [eu, us]}\nautomation: '0 * * * *'")
    ran(lab, sync, "eu")
    assert [(partition, code) for partition, code, _ in problems(lab, sync)] == [("us", "stale")]
    with lab.project() as project:
        assert "stale: no run of us ended well yet" in str(problem_lines(statuses(project, load_syncs(lab.sql))))


def test_a_key_that_is_late(lab: Lab) -> None:
    sync = lab.sync("users/profile", MODEL, "partitions: {static: [eu, us]}\nautomation: '0 * * * *'")
    ran(lab, sync, "eu")
    ran(lab, sync, "us", hours_ago=3)
    assert [(partition, code) for partition, code, _ in problems(lab, sync)] == [("us", "stale")]


def test_one_good_run_is_enough_for_dynamic_keys(lab: Lab) -> None:
    sync = lab.sync("users/profile", MODEL, "partitions: {dynamic: segments, values: select 1}\n"
                    "automation: '0 * * * *'")
    ran(lab, sync, "won", hours_ago=900)
    ran(lab, sync, "trial")
    assert problems(lab, sync) == []
    ran(lab, sync, "trial", hours_ago=3)
    assert [(partition, code) for partition, code, _ in problems(lab, sync)] == [(None, "stale")]
