"""What goes wrong between a commit and its report: no run is lost, none is there twice, and no push fails."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace
from typing import cast

import psycopg
import pytest

from candu_sync import pipeline
from candu_sync.embedded import Embedded
from candu_sync.history import HistoryQuery, note_run, retention, search_history, unreported_runs
from candu_sync.operate import maintenance
from candu_sync.report.writing import Writer
from candu_sync.simulator import Simulator
from candu_sync.state import Claim, State, processes, this_process
from candu_sync.syncs import Sync
from candu_sync.target import Target
from candu_sync.warehouse import open_writable, writable
from tests.drills.interruptions import Killed, install
from tests.report.places import Place, place_at, use
from tests.support.elsewhere import RUN
from tests.support.folder import Folder
from tests.support.lab import Lab

AWAY = "postgresql://nobody@127.0.0.1:9/none"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return place_at("duckdb", f"duckdb:///{tmp_path}/report.duckdb")


def profile(lab: Lab, name: str = "users/profile", yaml: str = "") -> Sync:
    lab.table("people", user_id=["u1", "u2"], plan=["a", "b"])
    return lab.sync(name, "select * from people", yaml)


def check_complete(lab: Lab, sync: Sync, place: Place) -> None:
    """Each run of the ledger is in the tables once, with its rows, and nothing waits."""
    found = list(search_history([lab.state(sync)], HistoryQuery()))
    assert Counter((row["run_id"], row["key"]) for row in found) == Counter(
        (row["run_id"], row["row_key"]) for row in place.rows)
    runs = Counter(run["run_id"] for run in place.runs)
    assert set(runs.values()) == {1}
    assert runs.keys() >= {row["run_id"] for row in found}
    assert list(unreported_runs(State(lab.settings.state_url))) == []


def test_a_database_that_is_away_fails_no_run_and_is_caught_up(project: Folder, place: Place) -> None:
    project.people(2)
    project.model("users/profile", "select * from people")
    project.overrides |= {"report_schema": place.schema, "report_url": AWAY}
    ended = project.cli("run", "users/profile", "--json")
    assert (ended.code, ended.row["status"], ended.row["accepted"]) == (0, "succeeded", 2)
    assert ended.err.count("the report tables were not written: cannot connect") == 1
    assert "the next run writes what is missing" in ended.err
    project.model("users/other", "select * from people")
    project.overrides["report_url"] = place.url
    # The run of another sync writes it.
    other = project.cli("run", "users/other", "--json")
    assert (other.code, other.err) == (0, "")
    assert [run["sync"] for run in place.runs] == ["users/profile", "users/other"]
    assert len(place.rows) == 4


def test_killed_between_commit_and_report(lab: Lab, place: Place) -> None:
    use(lab, place)
    sync = profile(lab)
    dies = "import os, signal\nfrom candu_sync.report import Reports\n" \
           "Reports.write = lambda self: os.kill(os.getpid(), signal.SIGKILL)\n"
    names = {f"CANDU_{name.upper()}": str(value) for name, value in lab.overrides.items()}
    killed = subprocess.run([sys.executable, "-c", dies + RUN, sync.name], env={**os.environ, **names}, cwd=lab.folder,
                            timeout=300, check=False)
    assert killed.returncode == -9
    assert not Path(place.url.removeprefix("duckdb:///")).exists()
    assert lab.run(sync).requests == 0
    check_complete(lab, sync, place)
    assert [run["accepted"] for run in place.runs] == [2, 0]


def test_killed_at_any_point_from_the_commit_on(lab: Lab, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before and after each durable write: of the ledger, the version, the notes of runs, the turn."""
    use(lab, place)
    sync = profile(lab)
    points = install(monkeypatch)
    lab.run(sync)
    lab.query("update people set plan = 'counted'")
    with points.acting(0, None):
        lab.run(sync)
    step = max(1, points.count // int(os.environ.get("DRILL_KILLS", "6")))
    for number, at in enumerate(range(points.count - 1, points.count // 3, -step)):
        lab.query(f"update people set plan = 'new {number}'")
        with points.acting(at, points.kill), pytest.raises(Killed):
            lab.run(sync)
        lab.run(sync)
        check_complete(lab, sync, place)


def test_a_run_that_another_process_is_about_to_end_is_left_to_it(lab: Lab, place: Place) -> None:
    use(lab, place)
    sync = profile(lab)
    lab.run(sync)
    with lab.project() as project:
        state, policy = project.state.of(sync.name, None), project.history_policy(sync)
        note_run(state, "20261101T060000-00000000", policy)
        [noted] = unreported_runs(project.state)
        other = replace(this_process(noted.run_id), process_id="another", pid=os.getppid(),
                        process_started=processes.started(os.getppid()))
        assert replace(noted, owner=vars(other)).is_under_way(dt.datetime.now(dt.UTC))
        dead = replace(other, process_started="long ago")
        assert not replace(noted, owner=vars(dead)).is_under_way(dt.datetime.now(dt.UTC))
        # Nothing is known of it: it is struck off.
        project.reports.write()
        assert list(unreported_runs(project.state)) == []
    assert len(place.runs) == 1


@pytest.mark.parametrize("dialect", ["postgresql", "mysql"])
def test_two_that_write_the_same_runs_at_once(lab: Lab, dialect: str, request: pytest.FixtureRequest) -> None:
    """Also where neither sees the other's turn, each run is there once: its id is the table's key."""
    url = request.getfixturevalue("postgres_url" if dialect == "postgresql" else "mariadb_url")
    place = place_at(dialect, url)
    lab.overrides |= {"report_schema": place.schema, "report_url": AWAY}
    sync = profile(lab)
    for number in range(3):
        lab.query(f"update people set plan = 'new {number}'")
        lab.run(sync)
    state = State(lab.settings.state_url)
    runs = list(unreported_runs(state))
    barrier = Barrier(2)

    def write(_: int) -> int:
        database, engine = open_writable(place.url), Embedded(10**8)
        mine = Writer(state, database, engine, cast(Claim, SimpleNamespace(held=lambda: True)))
        try:
            barrier.wait()
            return mine.write(runs).runs
        finally:
            database.close()
            engine.close()

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(write, range(2)))
    check_complete(lab, sync, place)
    assert len(place.runs) == 3


def test_two_processes_at_once(project: Folder, place: Place) -> None:
    """One has the turn; the other leaves its run, and the first writes it too."""
    project.people(50)
    syncs = ["users/s1", "users/s2"]
    for name in syncs:
        project.model(name, "select * from people")
    use(project, place)
    processes = [project.start("run", name, "--json") for name in syncs]
    for process in processes:
        ended = project.ended(process)
        assert (ended.code, "report" in ended.err) == (0, False), ended
    assert sorted(run["sync"] for run in place.runs) == syncs
    assert Counter(row["sync"] for row in place.rows) == dict.fromkeys(syncs, 50)


def test_a_role_that_may_only_read_gets_a_message(project: Folder, postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("drop role if exists report_reader")
        admin.execute("create role report_reader login")
    project.people(1)
    project.model("users/profile", "select * from people")
    reader = postgres_url.replace("postgres:@", "report_reader@")
    project.overrides |= {"report_schema": "not_mine", "report_url": reader}
    ended = project.cli("run", "users/profile")
    assert ended.code == 0
    assert "the report tables were not written:" in ended.err
    assert "permission denied" in ended.err
    checked = project.cli("check")
    assert checked.code == 0
    assert "warning: the report tables cannot be written:" in checked.err
    assert "permission denied" in checked.err
    project.overrides |= {"report_url": postgres_url, "report_schema": "mine"}
    assert "the report tables can be written: mine in postgresql" in project.cli("check").out


def test_a_schema_in_the_yaml_and_none(lab: Lab, place: Place) -> None:
    use(lab, place)
    lab.run(profile(lab, "users/here"))
    lab.run(profile(lab, "users/there", "report: {schema: elsewhere}"))
    lab.run(profile(lab, "users/nowhere", "report: none"))
    assert [run["sync"] for run in place.runs] == ["users/here"]
    assert [run["sync"] for run in replace(place, schema="elsewhere").runs] == ["users/there"]


def test_a_model_that_fails_is_a_run_too(lab: Lab, place: Place) -> None:
    use(lab, place)
    profile(lab)
    sync = lab.sync("users/profile", "select * from nothing")
    with pytest.raises(Exception, match="nothing"):
        lab.run(sync)
    [run] = place.runs
    assert (run["status"], run["accepted"]) == ("failed", 0)
    assert "nothing" in run["error"]


def test_a_rename_takes_along_what_waits(lab: Lab, place: Place) -> None:
    lab.overrides |= {"report_schema": place.schema, "report_url": AWAY}
    sync = profile(lab)
    lab.run(sync)
    (lab.sql / "users/profile.sql").unlink()
    (lab.sql / "users/profile.yaml").unlink()
    new = lab.sync("users/people", "select * from people")
    use(lab, place)
    with lab.project() as project:
        maintenance.rename(project, "users/profile", new)
    lab.run(new)
    check_complete(lab, new, place)
    assert [(run["sync"], run["accepted"]) for run in place.runs] == [("users/people", 2), ("users/people", 0)]


def test_a_push_that_is_stopped_by_a_guard_is_a_run_too(lab: Lab, simulator: Simulator, place: Place) -> None:
    use(lab, place)
    sync = profile(lab, yaml="guard: {min_rows: 3}")
    lab.run(sync)
    [run] = place.runs
    assert (run["status"], run["messages"], run["accepted"], simulator.requests()) == ("guarded", 2, 0, [])


def test_a_push_that_is_made_again_is_one_run_with_its_last_end(lab: Lab, simulator: Simulator, place: Place) -> None:
    """What is staged has one name: a push that Candu refused to take, or that a guard stopped, is replaced."""
    use(lab, place)
    sync = profile(lab, yaml="guard: {min_rows: 3}")
    changes = lab.plan(sync)
    assert lab.push(sync, changes).status == "guarded"
    simulator.fault("status", status=503)
    assert lab.push(sync, changes, force=True).status == "failed"
    [failed] = place.runs
    simulator.clear_faults()
    assert lab.push(sync, changes, force=True).status == "succeeded"
    check_complete(lab, sync, place)
    [run] = place.runs
    assert (failed["status"], run["status"], run["run_id"]) == ("failed", "succeeded", changes.run_id)
    assert (len(place.rows), run["accepted"]) == (2, 2)


def test_tables_that_others_have_locked_do_not_hold_up_a_run(lab: Lab, postgres: Place,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writable, "PATIENCE", 1)
    use(lab, postgres)
    sync = profile(lab)
    lab.run(sync)
    lab.query("update people set plan = 'new'")
    with psycopg.connect(postgres.url) as other, lab.project() as project:
        other.execute(f"lock table {postgres.schema}.sync_rows in share mode")
        assert pipeline.run(Target(project, sync)).status == "succeeded"
        assert "lock timeout" in str(project.report_trouble)
    lab.run(sync)
    check_complete(lab, sync, postgres)


def test_a_signal_during_a_report_is_no_error_of_the_run(lab: Lab, place: Place,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    use(lab, place)
    sync = profile(lab)
    with lab.project() as project:
        def stopped(*_: object) -> None:
            project.stop()
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Writer, "write", stopped)
            assert pipeline.run(Target(project, sync)).accepted == 2
        assert "the command was stopped" in str(project.report_trouble)
    lab.run(sync)
    check_complete(lab, sync, place)


def test_with_the_state_in_s3(lab: Lab, place: Place, s3_url: str) -> None:
    lab.overrides |= {"state_url": s3_url, "report_schema": place.schema, "report_url": AWAY}
    sync = profile(lab)
    lab.run(sync)
    use(lab, place)
    lab.run(sync)
    check_complete(lab, sync, place)
    assert [run["accepted"] for run in place.runs] == [2, 0]


def test_runs_whose_ledger_was_merged_with_others(lab: Lab, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "MOST_FILES", 1)
    lab.overrides |= {"report_schema": place.schema, "report_url": AWAY}
    sync = profile(lab)
    for number in range(3):
        lab.query(f"update people set plan = 'new {number}'")
        lab.run(sync)
    assert [path.name for path in (lab.folder / "state").rglob("*-merged.parquet")]
    use(lab, place)
    lab.run(sync)
    check_complete(lab, sync, place)
    place.change("delete from {s}sync_runs")
    lab.run(sync)
    check_complete(lab, sync, place)
    assert len(place.rows) == 6


def test_one_damaged_file_keeps_no_other_run_out(lab: Lab, place: Place) -> None:
    lab.overrides |= {"report_schema": place.schema, "report_url": AWAY}
    first, second = profile(lab, "users/a"), profile(lab, "users/b")
    lab.run(first)
    lab.run(second)
    [damaged] = (lab.folder / "state" / "users.a").rglob("*.parquet")
    damaged.write_bytes(b"PAR1 and nothing more PAR1")
    use(lab, place)
    with lab.project() as project:
        pipeline.run(Target(project, second))
        project.reports.write_due()
        assert "of users/a cannot be read (ArrowInvalid)" in str(project.report_trouble)
    assert [(run["sync"], run["accepted"]) for run in place.runs] == [("users/b", 2), ("users/b", 0)]
    assert {row["sync"] for row in place.rows} == {"users/b"}
