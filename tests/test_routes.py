"""Both routes to Candu: the same messages by each, a snapshot that belongs to one, and a change of route."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candu_sync.changes.few_messages import in_array, messages_of_few
from candu_sync.changes.messages import Encoding, identity_of
from candu_sync.delivery import Candu, Delivery, Limits, Segment
from candu_sync.delivery.connection import HttpConnection
from candu_sync.errors import OtherRoute
from candu_sync.rows import Trait, ValueKind
from candu_sync.simulator import Simulator
from candu_sync.state.receipt_log import ReceiptLog
from tests.drills.interruptions import Killed, install
from tests.support.folder import Folder
from tests.support.lab import Lab

PROFILE, EVENTS = "users/profile", "events/happened"


def by_segment(folder: Path, simulator: Simulator, **more: Any) -> Folder:
    """A project that is sent by Segment, and has no key of Candu's API."""
    return Folder(folder, simulator, **{"route": "segment", "api_key": "", "segment_api_url": simulator.segment_url,
                                        "segment_write_key": simulator.write_key, **more})


@pytest.fixture
def project(tmp_path: Path, simulator: Simulator) -> Folder:
    """A project with one sync of users, which goes by Segment."""
    project = by_segment(tmp_path, simulator)
    project.people(3)
    project.model(PROFILE, "select * from people")
    return project


def version_file(project: Lab, sync: str = PROFILE) -> dict[str, Any]:
    """The newest version of a sync, as its file has it."""
    newest = max((project.folder / "state" / sync.replace("/", ".")).rglob("versions/*.json"))
    return dict(json.loads(newest.read_text()))


class TestTheSameMessages:
    TEXTS = st.text(max_size=8).filter(lambda text: text.isprintable())
    IDS = st.text("abcü €'\"\\", min_size=1, max_size=5).filter(str.strip)
    ROWS = st.dictionaries(IDS, st.tuples(st.none() | TEXTS, st.none() | st.floats(-1e6, 1e6), st.booleans()),
                           min_size=1, max_size=9)

    @settings(max_examples=25)
    @given(rows=ROWS, kind=st.sampled_from(["users", "groups", "events"]), size=st.integers(1, 4))
    def test_by_each_route(self, running_simulator: Simulator, rows: dict[str, Any], kind: str, size: int) -> None:
        """What goes to Segment is what goes to Candu, byte for byte, in an envelope."""
        traits = (Trait("plan", ValueKind.TEXT), Trait("total billed", ValueKind.NUMBER))
        count, ids = len(rows), list(rows)
        plans, billed, carried = (list(values) for values in zip(*rows.values(), strict=True))
        encoding = Encoding(kind, traits, identity_of(UUID(int=17), f"{kind}/x", kind, None, 0))
        messages = in_array(messages_of_few(encoding, pa.record_batch({
            "message": list(range(count)), "key": ids, "user_id": ids, "group_id": ids, "event": ["Did"] * count,
            "occurred": [dt.datetime(2026, 1, 2, 3, 4, 5)] * count, "t0": plans, "t1": pa.array(billed, pa.float64()),
            "c0": [True] * count, "c1": carried})))
        arrived = []
        for url, kind_of, key in ((running_simulator.url, Candu, running_simulator.key),
                                  (running_simulator.segment_url, Segment, running_simulator.write_key)):
            running_simulator.reset()
            limits = Limits(batch_size=size, rate=0, concurrency=1, unproven=kind_of.destination.unproven)
            report = Delivery(lambda: kind_of(url, key), limits, lambda _: None).run([messages])  # noqa: B023
            assert (report.error, report.accepted) == (None, count)
            bodies = [request["body"] for request in running_simulator.requests()]
            arrived.append([body[body.index("["):body.rindex("]") + 1] for body in bodies])
            assert [m["message_id"] for m in running_simulator.messages()] == [
                m["messageId"] for array in arrived[-1] for m in orjson.loads(array)]
        assert arrived[0] == arrived[1]

    def test_of_every_kind_and_candu_has_the_same(self, tmp_path: Path) -> None:
        held = []
        for name in ("candu", "segment"):
            with Simulator() as simulator:
                lab = by_segment(tmp_path / name, simulator, route=name, api_key=simulator.key)
                lab.sql.mkdir(parents=True)
                lab.people(250)
                lab.model(PROFILE, "select *, null::int as seats from people")
                lab.model("groups/accounts", "select 'g' || (i % 3) as group_id, 'u' || i as user_id, i % 3 as size "
                                             "from range(9) t(i)")
                lab.model(EVENTS, "select i as event_id, 'u' || i as user_id, 'Did it' as event, "
                                  "timestamp '2026-01-02 03:04:05.678' as timestamp, i as n from range(9) t(i)")
                rows = lab.cli("run", "--all", "--json").rows
                assert [row["status"] for row in rows] == ["succeeded"] * 3
                assert {row["route"] for row in rows} == {name}
                events = sorted((e["user_id"], e["event"], json.dumps(e["properties"]), str(e["timestamp"]))
                                for e in simulator.events())
                held.append((simulator.users(), simulator.groups(), simulator.members(), events))
                assert {r["path"] for r in simulator.requests()} == {
                    "/api/eventWebhook" if name == "candu" else "/v1/batch"}
        assert held[0] == held[1]
        assert len(held[0][0]) == 250


class TestAChangeOfRoute:
    @pytest.fixture
    def sent(self, project: Folder) -> Folder:
        assert project.cli("run", PROFILE).code == 0
        return project

    def test_is_refused_with_what_to_do_by_every_command(self, sent: Folder, simulator: Simulator) -> None:
        before = len(simulator.messages())
        for words in (("plan", PROFILE), ("plan", PROFILE, "--save"), ("run", PROFILE), ("run", "--all", "--json"),
                      ("check", PROFILE), ("check", "--offline")):
            ended = sent.cli(*words, route="candu", api_key=simulator.key)
            assert ended.code == (1 if words[0] == "check" else 2)
            assert "the snapshot has what was sent to Candu by Segment, and CANDU_ROUTE says that it goes to Candu " \
                "directly" in ended.err
            assert f"candu-sync baseline {PROFILE}" in ended.err
            assert f"candu-sync reset {PROFILE}" in ended.err
        assert len(simulator.messages()) == before

    def test_a_staged_change_set_is_planned_again(self, sent: Folder, simulator: Simulator) -> None:
        sent.people(5)
        assert sent.cli("plan", PROFILE, "--save").code == 0
        ended = sent.cli("push", PROFILE, route="candu", api_key=simulator.key)
        assert ended.code == 1
        assert "were planned to go to Candu by Segment" in ended.err
        assert len(simulator.users()) == 3

    def test_a_baseline_moves_the_snapshot(self, sent: Folder, simulator: Simulator) -> None:
        direct = {"route": "candu", "api_key": simulator.key}
        assert sent.cli("baseline", PROFILE, **direct).code == 0
        assert sent.cli("run", PROFILE, "--json", **direct).row["messages"] == 0
        sent.people(4)
        assert sent.cli("run", PROFILE, "--json", **direct).row["accepted"] == 1
        assert sent.cli("run", PROFILE).code == 2
        assert simulator.requests()[-1]["path"] == "/api/eventWebhook"

    def test_a_baseline_with_differences_moves_it_too(self, sent: Folder, simulator: Simulator) -> None:
        sent.people(5)
        direct = {"route": "candu", "api_key": simulator.key}
        assert sent.cli("baseline", PROFILE, **direct).code == 0
        assert sent.cli("run", PROFILE, "--json", **direct).row["messages"] == 0

    def test_after_a_reset_everything_goes_by_the_new_one(self, sent: Folder, simulator: Simulator) -> None:
        assert sent.cli("reset", PROFILE, "--yes").code == 0
        row = sent.cli("run", PROFILE, "--json", route="candu", api_key=simulator.key).row
        assert (row["accepted"], row["route"]) == (3, "candu")
        assert version_file(sent).get("route") is None

    def test_what_a_reset_sends_again_has_new_ids_but_for_events(self, sent: Folder, simulator: Simulator) -> None:
        """Segment drops what it has seen within 24 hours: users must not look like repeats. Events do, and are."""
        sent.model(EVENTS, "select 'e1' as event_id, 'u0' as user_id, 'Did' as event, "
                           "timestamp '2026-01-02' as timestamp")
        assert sent.cli("run", EVENTS).code == 0
        assert sent.cli("reset", PROFILE, EVENTS).code == 0
        assert [row["accepted"] for row in sent.cli("run", "--all", "--json").rows] == [3, 1]
        assert simulator.stats()["segment"]["repeated"] == 1
        assert len(simulator.messages()) == 7

    def test_of_one_sync_stops_no_other(self, sent: Folder, simulator: Simulator) -> None:
        sent.model("users/more", "select user_id, plan as level from people", "route: candu")
        sent.model(PROFILE, "select * from people", "route: candu")
        ended = sent.cli("run", "--all", "--json", api_key=simulator.key)
        assert ended.code == 2
        assert "`route:` of its YAML says" in ended.err
        assert {row["sync"]: row["status"] for row in ended.rows} == {"users/more": "succeeded", PROFILE: "failed"}

    def test_of_events_keeps_what_was_sent(self, project: Folder, simulator: Simulator) -> None:
        events = ("select i as event_id, 'u0' as user_id, 'Did' as event, "
                  "timestamp '2026-01-02' + interval (i) hour as timestamp from range({}) t(i)")
        project.model(EVENTS, events.format(4))
        assert project.cli("run", EVENTS).code == 0
        direct = {"route": "candu", "api_key": simulator.key}
        ended = project.cli("run", EVENTS, **direct)
        assert f"candu-sync baseline {EVENTS} --not-newer" in ended.err
        project.model(EVENTS, events.format(6))
        assert project.cli("baseline", EVENTS, "--not-newer", **direct).code == 0
        assert project.cli("run", EVENTS, "--json", **direct).row["accepted"] == 2
        assert len(simulator.events()) == 6

    def test_after_a_death_is_noticed_too(self, project: Folder, simulator: Simulator) -> None:
        """What the dead run sent is folded in as sent by its own route."""
        project.overrides["api_key"] = "unused"
        sync = project.sync(PROFILE, "select * from people")
        with pytest.MonkeyPatch.context() as patch:
            points = install(patch)
            receipt = ReceiptLog.write

            def killed_after_the_first_receipt(log: ReceiptLog, line: dict[str, Any]) -> None:
                receipt(log, line)
                if "accepted" in line:
                    points.kill()

            patch.setattr(ReceiptLog, "write", killed_after_the_first_receipt)
            with points.acting(0, None), pytest.raises(Killed):
                project.run(sync)
        project.overrides |= {"route": "candu", "api_key": simulator.key}
        with pytest.raises(OtherRoute, match="to Candu by Segment"):
            project.run(sync)
        assert version_file(project)["route"] == "segment"


class TestIdentity:
    def test_a_state_from_before_there_were_routes_is_candus(self, project: Folder, simulator: Simulator) -> None:
        direct = {"route": "candu", "api_key": simulator.key}
        assert project.cli("run", PROFILE, **direct).code == 0
        assert "route" not in version_file(project)
        assert "sent to Candu directly, and CANDU_ROUTE says that it goes to Candu by Segment" \
            in project.cli("run", PROFILE).err
        assert project.cli("run", PROFILE, **direct).code == 0

    def test_syncs_of_one_state_may_go_by_different_routes(self, project: Folder, simulator: Simulator) -> None:
        project.model("users/more", "select user_id, plan as level from people", "route: candu")
        ended = project.cli("run", "--all", "--json", api_key=simulator.key)
        assert {row["sync"]: row["route"] for row in ended.rows} == {PROFILE: "segment", "users/more": "candu"}
        assert simulator.users()["u0"] == {"plan": "pro", "level": "pro"}
        names = {path.name for path in (project.folder / "state").glob("*.json")}
        assert {"destination.json", "destination-segment.json"} <= names
        assert project.cli("run", "--all", "--json", api_key=simulator.key).rows[0]["messages"] == 0

    def test_another_source_is_refused(self, project: Folder) -> None:
        assert project.cli("run", PROFILE).code == 0
        for changed, said in (({"segment_write_key": "another"}, "another write key of Segment"),
                              ({"segment_api_url": "http://127.0.0.1:1"}, "belongs to Segment at")):
            ended = project.cli("run", PROFILE, **changed)
            assert ended.code == 2
            assert said in ended.err
            assert "SEGMENT_" in ended.err

    def test_a_new_key_is_taken_on(self, project: Folder, simulator: Simulator) -> None:
        assert project.cli("run", PROFILE).code == 0
        stored = json.loads((project.folder / "state" / "destination-segment.json").read_text())
        assert project.cli("run", PROFILE, "--new-key", segment_write_key="rotated").code == 0
        project.people(4)
        # The simulator, as Segment, answers 200 and drops what another source sends.
        assert project.cli("run", PROFILE, "--json", segment_write_key="rotated").row["accepted"] in (0, 1)
        assert json.loads((project.folder / "state" / "destination-segment.json").read_text())["key"] != stored["key"]

    def test_a_reset_of_all_forgets_the_source(self, project: Folder) -> None:
        assert project.cli("run", PROFILE).code == 0
        assert project.cli("reset", "--all", "--yes").code == 0
        assert not (project.folder / "state" / "destination-segment.json").exists()

    @pytest.mark.parametrize(("key", "said"), [("", "CANDU_API_KEY is not set"), ("wrong", "refused the API key")])
    def test_a_key_that_is_missing_or_wrong_stops_only_the_syncs_that_need_it(
            self, project: Folder, key: str, said: str) -> None:
        project.model("users/a", "select user_id, plan as level from people", "route: candu")
        ended = project.cli("run", "users/a", PROFILE, "--json", api_key=key)
        assert ended.code != 0
        assert said in ended.err
        assert {row["sync"]: row["status"] for row in ended.rows} == {"users/a": "failed", PROFILE: "succeeded"}

    def test_without_any_key_nothing_begins(self, project: Folder) -> None:
        ended = project.cli("run", "--all", segment_write_key="")
        assert (ended.code, "SEGMENT_WRITE_KEY is not set" in ended.err) == (2, True)


class TestWhatIsShown:
    def test_check_says_that_the_key_is_not_verified(self, project: Folder, simulator: Simulator) -> None:
        ended = project.cli("check")
        assert ended.code == 0
        assert f"Segment at {simulator.segment_url} answers. The write key is not verified" in ended.out
        assert "accepts the key" not in ended.out
        assert simulator.messages() == []

    def test_the_route_is_named_where_it_is_not_the_direct_one(self, project: Folder) -> None:
        assert "to Candu by Segment" in project.cli("plan", PROFILE).out
        assert "all messages go to Candu by Segment" in project.cli("run", PROFILE).out
        assert "route" in project.cli("list").out.splitlines()[0]
        assert "segment" in project.cli("status").out
        assert "segment" in project.cli("history", PROFILE).out
        assert project.cli("list", "--json").row["route"] == "segment"
        assert project.cli("status", "--json").row["route"] == "segment"
        assert {row["route"] for row in project.cli("history", PROFILE, "--json").rows} == {"segment"}

    def test_and_only_there(self, project: Folder, simulator: Simulator) -> None:
        direct = {"route": "candu", "api_key": simulator.key}
        for words in (("plan", PROFILE), ("run", PROFILE), ("list",), ("status",), ("history", PROFILE)):
            said = project.cli(*words, **direct).out
            assert "route" not in said
            assert "Segment" not in said

    def test_the_write_key_is_nowhere(self, tmp_path: Path, simulator: Simulator) -> None:
        project = by_segment(tmp_path, simulator, segment_write_key="hunter2hunter2")
        project.people(3)
        project.model(PROFILE, "select * from people")
        for words in (("plan", PROFILE, "--values"), ("run", PROFILE), ("check",), ("status",), ("list",)):
            project.cli(*words)
        assert not [name for name, body in project.state_files().items() if b"hunter2" in body]

    def test_a_request_has_no_more_messages_than_segment_takes(self, project: Folder, simulator: Simulator) -> None:
        project.people(2_600)
        row = project.cli("run", PROFILE, "--json", batch_size="5000").row
        assert (row["accepted"], row["requests"]) == (2_600, 2)
        assert len(simulator.users()) == 2_600
        assert "in about 2 requests" in project.cli("plan", PROFILE, "--full", batch_size="5000").out


class TestDeath:
    @pytest.mark.parametrize("request_number", [1, 3])
    def test_events_keep_their_message_id_and_segment_drops_the_repeats(
            self, tmp_path: Path, simulator: Simulator, request_number: int) -> None:
        """A run dies between Segment's answer and the receipt. The next one sends them again, with their ids."""
        project = by_segment(tmp_path, simulator, api_key="unused", batch_size=2, concurrency=1)
        project.people(1)
        sync = project.sync(EVENTS, "select i as event_id, 'u' || i as user_id, 'Did' as event, "
                                    "timestamp '2026-01-02' as timestamp from range(6) t(i)")
        with pytest.MonkeyPatch.context() as patch:
            points = install(patch)
            send, sent = HttpConnection.send, []

            def sent_and_killed(connection: HttpConnection, body: bytes, messages: int) -> Any:
                sent.append(send(connection, body, messages))
                if len(sent) == request_number:
                    points.kill()
                return sent[-1]

            patch.setattr(HttpConnection, "send", sent_and_killed)
            with points.acting(0, None), pytest.raises(Killed):
                project.run(sync)
            assert project.run(sync).error is None
        assert sorted(event["user_id"] for event in simulator.events()) == [f"u{n}" for n in range(6)]
        sent_ids = Counter((message["userId"], message["messageId"]) for request in simulator.requests()
                           for message in orjson.loads(request["body"])["batch"])
        assert len(sent_ids) == 6
        assert sum(sent_ids.values()) == 8
        assert simulator.stats()["segment"]["repeated"] == 2

    def test_of_users_is_recovered(self, tmp_path: Path, simulator: Simulator) -> None:
        """An identify that is sent again has another id, and the same traits: Candu holds the same."""
        project = by_segment(tmp_path, simulator, api_key="unused", batch_size=2, concurrency=1)
        project.people(5)
        sync = project.sync(PROFILE, "select * from people")
        with pytest.MonkeyPatch.context() as patch:
            points = install(patch)
            receipt = ReceiptLog.write

            def killed_at_the_first_receipt(log: ReceiptLog, line: dict[str, Any]) -> None:
                if "accepted" in line:
                    points.kill()
                receipt(log, line)

            with pytest.MonkeyPatch.context() as once:
                once.setattr(ReceiptLog, "write", killed_at_the_first_receipt)
                with points.acting(0, None), pytest.raises(Killed):
                    project.run(sync)
            assert project.run(sync).accepted == 5
        assert len(simulator.users()) == 5
        assert simulator.stats()["segment"]["repeated"] == 0
        assert project.run(sync).requests == 0
