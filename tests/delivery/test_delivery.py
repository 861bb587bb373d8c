"""Messages → Candu: batches, retries, splitting; a receipt for every message, whatever Candu and the network do."""

from __future__ import annotations

import dataclasses
import datetime as dt
import email.utils
import itertools
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any
from unittest import mock

import httpcore
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candu_sync.delivery import connection as connections
from candu_sync.delivery.batches import Batch, Chunk, batches
from candu_sync.delivery.candu import Candu
from candu_sync.delivery.connection import _reply
from candu_sync.delivery.delivery import Delivery
from candu_sync.delivery.limits import Limits, Report
from candu_sync.errors import CanduError, DestinationTrouble, StateError, Transient, Unauthorized
from candu_sync.simulator import Simulator
from candu_sync.state.receipts import Outcome
from tests.delivery.faults import faults
from tests.support.waiting import delayed, held_back, until

# No pauses worth waiting for: what is tested is what happens, not when.
QUICK: dict[str, Any] = {"rate": 0.0, "concurrency": 1, "max_attempts": 3, "first_pause": 0.001}


def users(count: int, note: str = "") -> pa.RecordBatch:
    """Messages 0, 1, … that identify u0, u1, …"""
    bodies = [orjson.dumps({"type": "identify", "userId": f"u{i}", "traits": {"n": i, "note": note}}).decode() + ","
              for i in range(count)]
    return pa.RecordBatch.from_pydict({"message": pa.array(range(count), pa.int64()), "body": pa.array(bodies)})


class Sending:
    """A delivery to the simulator and what became of each message."""

    def __init__(self, simulator: Simulator, count: int, *, timeout: float = 60.0, **limits: Any) -> None:
        self.simulator = simulator
        self.messages = users(count)
        self.outcome = Outcome()
        self.lines: list[dict[str, Any]] = []
        self.pauses: list[float] = []
        self.delivery = Delivery(lambda: Candu(simulator.url, simulator.key, timeout), Limits(**{**QUICK, **limits}),
                                 self._record, announce=self._announced)

    def _record(self, line: dict[str, Any]) -> None:
        self.lines.append(line)
        self.outcome.note(line)

    def _announced(self, seconds: float) -> None:
        """Nobody waits for a long pause: it ends the delivery."""
        self.pauses.append(seconds)
        self.delivery.stop()

    def run(self) -> Report:
        return self.delivery.run([self.messages])

    @property
    def accepted(self) -> set[int]:
        return {n for low, high in self.outcome.accepted for n in range(low, high + 1)}

    @property
    def arrivals(self) -> Counter[str]:
        """How often Candu accepted each user's message."""
        return Counter(message["user_id"] for message in self.simulator.messages())


def statuses(simulator: Simulator) -> list[int | None]:
    return [request["status"] for request in simulator.requests()]


class TestBatches:
    def cut(self, sizes: list[int], count: int = 100, most: int = 500_000) -> list[list[int]]:
        bodies = pa.array(["x" * size + "," for size in sizes], pa.string())
        batch = pa.RecordBatch.from_pydict({"message": pa.array(range(len(sizes)), pa.int64()), "body": bodies})
        found = list(batches([batch], lambda: count, most))
        numbers = [part.chunk.numbers[part.first:part.end].tolist() for part in found]
        assert [n for part in numbers for n in part] == list(range(len(sizes)))
        assert all(len(part.body()) <= most for part in found if len(part) > 1)
        return numbers

    def test_by_count(self) -> None:
        assert [len(part) for part in self.cut([10] * 250)] == [100, 100, 50]

    def test_by_bytes(self) -> None:
        parts = self.cut([100] * 50, most=1_000)
        assert len(parts) > 5
        assert max(map(len, parts)) <= 9

    def test_a_message_that_is_larger_than_a_request_goes_alone(self) -> None:
        assert [5] in self.cut([10] * 5 + [2_000] + [10] * 5, most=1_000)

    def test_no_messages_are_no_batches(self) -> None:
        assert self.cut([]) == []

    @settings(max_examples=100)
    @given(st.lists(st.integers(0, 300), max_size=60), st.integers(1, 20), st.integers(10, 1_000))
    def test_every_message_is_in_one_batch_in_order_within_both_limits(
            self, sizes: list[int], count: int, most: int) -> None:
        assert all(len(part) <= count for part in self.cut(sizes, count, most))

    def test_the_body_is_one_json_array(self) -> None:
        chunk = users(3)
        batch = Batch(Chunk(chunk), 0, 3)
        assert [message["userId"] for message in orjson.loads(batch.body())] == ["u0", "u1", "u2"]
        halves = batch.halves()
        assert [orjson.loads(half.body())[0]["userId"] for half in halves] == ["u0", "u1"]

    def test_requests_on_the_wire(self, simulator: Simulator) -> None:
        report = Sending(simulator, 250).run()
        assert [request["messages"] for request in simulator.requests()] == [100, 100, 50]
        assert (report.accepted, report.requests, report.retries) == (250, 3, 0)
        assert report.bytes == sum(request["bytes"] for request in simulator.requests())


class TestRefusals:
    @pytest.mark.parametrize("status", [400, 404, 413, 422])
    def test_splitting_isolates_exactly_the_refused_ids(self, simulator: Simulator, status: int) -> None:
        bad = {0, 41, 42, 77, 149}
        simulator.fault("refuse", user_ids=[f"u{i}" for i in bad], status=status)
        sending = Sending(simulator, 150, concurrency=2)
        report = sending.run()
        assert set(sending.outcome.rejected) == bad
        assert {status for status, _, _ in sending.outcome.rejected.values()} == {status}
        assert sending.accepted == set(range(150)) - bad
        assert sending.arrivals == {f"u{i}": 1 for i in set(range(150)) - bad}
        assert (report.accepted, report.rejected, report.error) == (145, 5, None)

    def test_one_bad_message_of_a_hundred_takes_few_requests(self, simulator: Simulator) -> None:
        simulator.fault("refuse", user_ids=["u63"], status=400)
        report = Sending(simulator, 100).run()
        assert (report.accepted, report.rejected) == (99, 1)
        assert report.requests <= 15

    def test_success_false_is_a_refusal(self, simulator: Simulator) -> None:
        simulator.fault("success_false", times=1)
        sending = Sending(simulator, 10)
        assert sending.run().error is None
        assert [request["messages"] for request in simulator.requests()] == [10, 5, 5]
        assert sending.accepted == set(range(10))

    def test_why_candu_refused_a_message_is_kept_without_its_values(self, simulator: Simulator) -> None:
        simulator.fault("refuse", user_ids=["u3"], status=422)
        sending = Sending(simulator, 10)
        sending.run()
        simulator.clear_faults()
        assert sending.outcome.rejected[3][1] == 'Candu refused it (HTTP 422) and said "a message was refused"'
        body = {"errors": [{"field": "n", "message": "u3 has 3, {which} is too much"}] * 100}
        simulator.fault("status", status=400, body=body, times=None)
        sending = Sending(simulator, 4)
        sending.run()
        reason = sending.outcome.rejected[3][1]
        assert 'and said "errors.field: n; errors.message: […] has […], {which} is too much; errors.field: n' in reason
        assert len(reason.encode()) < 2_100

    def test_a_server_that_fails_for_one_message_is_quoted_too(self, simulator: Simulator) -> None:
        simulator.fault("refuse", user_ids=["u3"], status=500)
        sending = Sending(simulator, 10)
        sending.run()
        assert sending.outcome.rejected[3][1] == (
            'Candu answered HTTP 500 and said "a message was refused"; the message was sent alone, and others were '
            "accepted")

    def test_what_is_said_of_each_message_is_kept_with_it(self, simulator: Simulator) -> None:
        items = [{"status": 200}] * 2 + [{"status": 422, "error": f"u{n} is bad, {n} too"} for n in (2, 3)]
        body = orjson.dumps({"success": False, "results": items}).decode()
        simulator.fault("status", status=422, body=body, times=1)
        with mock.patch.object(
                connections, "_reply", lambda *answer: dataclasses.replace(_reply(*answer), status=200)):
            sending = Sending(simulator, 4)
            sending.run()
        assert {n: reason for n, (_, reason, _) in sending.outcome.rejected.items()} == dict.fromkeys(
            (2, 3), 'Candu refused this message of a request (status 422) and said "status: 422; error: […] is bad, […]'
                    ' too"')

    def test_the_error_of_a_run_quotes_candu(self, simulator: Simulator) -> None:
        simulator.fault("status", status=402, body={"error": "unpaid, u1"}, times=1)
        assert 'answered HTTP 402 and said "unpaid, […]": which speaks of the account' in str(
            Sending(simulator, 4).run().error)
        simulator.fault("status", status=401, body=f"no such key: {simulator.key}", times=1)
        assert 'refused the API key (HTTP 401) and said "no such key: […]". Check' in str(
            Sending(simulator, 4).run().error)
        simulator.fault("status", status=503, body="<h1>upstream down</h1>", retry_after=0, times=None)
        assert str(Sending(simulator, 4).run().error).startswith(
            'Candu answered HTTP 503 and said "upstream down". That happened 3 times in a row. What was not accepted '
            'stays unsent and goes with the next run')

    def test_a_few_messages_that_are_all_refused_are_set_aside(self, simulator: Simulator) -> None:
        simulator.fault("status", status=422, times=None)
        report = Sending(simulator, 10).run()
        assert (report.accepted, report.rejected, report.error) == (0, 10, None)


class TestWrongAddress:
    @pytest.mark.parametrize("count", [1, 9, 200])
    @pytest.mark.parametrize("status", [404, 308])
    def test_where_nothing_else_comes_back_no_message_is_to_blame(self, simulator: Simulator, count: int,
                                                                 status: int) -> None:
        simulator.fault("status", status=status, times=None)
        sending = Sending(simulator, count, concurrency=2)
        report = sending.run()
        assert (report.accepted, report.rejected, sending.outcome.rejected) == (0, 0, {})
        assert report.error is not None
        assert "CANDU_API_URL" in str(report.error)
        assert report.requests < 60

    def test_a_few_at_the_beginning_are_set_aside_once_others_are_accepted(self, simulator: Simulator) -> None:
        simulator.fault("refuse", user_ids=["u0", "u1"], status=404)
        sending = Sending(simulator, 20, batch_size=1)
        assert sending.run().error is None
        assert set(sending.outcome.rejected) == {0, 1}


class TestWhoIsToBlame:
    @pytest.mark.parametrize("after", [0, 3])
    @pytest.mark.parametrize("concurrency", [1, 4])
    @pytest.mark.parametrize("status", [400, 404, 413, 415, 422])
    def test_a_refusal_of_everything_blames_no_row(self, simulator: Simulator, status: int, concurrency: int,
                                                   after: int) -> None:
        simulator.fault("status", status=status, after=after, times=None)
        sending = Sending(simulator, 200, batch_size=20, concurrency=concurrency)
        report = sending.run()
        assert isinstance(report.error, DestinationTrouble)
        assert "no row is to blame" in str(report.error)
        assert ("takes only smaller ones" if status == 413 else "Check CANDU_API_URL") in str(report.error)
        assert (report.accepted, report.rejected, sending.outcome.rejected) == (20 * after, 0, {})
        assert report.requests < 100
        assert sending.outcome.uncertain == []

    @pytest.mark.parametrize("count", [11, 100, 200])
    def test_nor_does_it_in_a_run_of_a_batch_or_two(self, simulator: Simulator, count: int) -> None:
        simulator.fault("status", status=400, times=None)
        report = Sending(simulator, count).run()
        assert isinstance(report.error, DestinationTrouble)
        assert (report.accepted, report.rejected) == (0, 0)
        assert report.requests < 60

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 402, 405, 407, 410, 414, 451])
    def test_answers_about_the_address_or_the_account_end_it_at_once(self, simulator: Simulator, status: int) -> None:
        simulator.fault("status", status=status, after=2, times=None)
        sending = Sending(simulator, 1_000)
        report = sending.run()
        assert isinstance(report.error, DestinationTrouble)
        assert str(status) in str(report.error)
        assert (report.accepted, report.rejected, report.requests) == (200, 0, 3)
        assert sending.outcome.uncertain == []

    @pytest.mark.parametrize("bad", [set(range(10)), set(range(20)), set(range(90, 130)), set(range(0, 200, 3)),
                                     set(range(0, 180, 2)) | {198}, {0, 1, 2, 17, 18, 19}, {199}])
    @pytest.mark.parametrize("concurrency", [1, 4])
    def test_bad_rows_are_set_aside_however_many_where_their_neighbours_pass(
            self, simulator: Simulator, bad: set[int], concurrency: int) -> None:
        simulator.fault("refuse", user_ids=[f"u{i}" for i in bad], status=422)
        sending = Sending(simulator, 200, batch_size=20, concurrency=concurrency)
        report = sending.run()
        assert report.error is None
        assert set(sending.outcome.rejected) == bad
        assert sending.accepted == set(range(200)) - bad
        assert sending.arrivals == {f"u{i}": 1 for i in set(range(200)) - bad}

    def test_bad_rows_at_both_ends_of_the_only_batch(self, simulator: Simulator) -> None:
        bad = {0, 1, 2, 97, 98, 99}
        simulator.fault("refuse", user_ids=[f"u{i}" for i in bad], status=400)
        sending = Sending(simulator, 100)
        assert sending.run().error is None
        assert set(sending.outcome.rejected) == bad


class TestOneRowAgainstTheRest:
    def test_a_403_for_one_row_sets_it_aside_when_the_key_works(self, simulator: Simulator) -> None:
        simulator.fault("refuse", user_ids=["u41"], status=403)
        sending = Sending(simulator, 300)
        report = sending.run()
        assert report.error is None
        assert sending.outcome.rejected.keys() == {41}
        assert sending.outcome.rejected[41][0] == 403
        assert sending.accepted == set(range(300)) - {41}
        assert [r["path"] for r in simulator.requests()].count("/api/contentMetadata") == 1

    def test_a_403_for_everything_while_the_key_may_read_blames_no_row(self, simulator: Simulator) -> None:
        simulator.fault("refuse", user_ids=[f"u{i}" for i in range(500)], status=403)
        sending = Sending(simulator, 500)
        report = sending.run()
        assert isinstance(report.error, DestinationTrouble)
        assert sending.outcome.rejected == {}
        assert report.requests < 110

    @pytest.mark.parametrize("status", [500, 502, 503])
    @pytest.mark.parametrize("bad", [{41}, {0}, {299}, {150, 151}])
    @pytest.mark.parametrize("concurrency", [1, 2])
    def test_a_row_that_makes_the_server_fail_is_set_aside(self, simulator: Simulator, status: int, bad: set[int],
                                                           concurrency: int) -> None:
        simulator.fault("refuse", user_ids=[f"u{i}" for i in bad], status=status)
        sending = Sending(simulator, 300, concurrency=concurrency)
        report = sending.run()
        if report.error is not None or (status, bad) == (503, {299}):
            # Nothing passes after the last batch: Candu may be down, and no row is to blame.
            assert (status, bad) == (503, {299})
            assert isinstance(report.error, Transient)
            assert report.rejected == 0
            return
        assert report.error is None
        assert {n: status for n, (status, _, _) in sending.outcome.rejected.items()} == dict.fromkeys(bad, status)
        assert sending.accepted == set(range(300)) - bad
        assert report.requests < 80

    def test_what_stays_unsent_is_in_the_report(self, simulator: Simulator) -> None:
        """The third batch proves that the server works; the message that fails is sent alone after it, and last."""
        simulator.fault("refuse", user_ids=["u199"], status=503)
        sending = Sending(simulator, 300, concurrency=1)
        report = sending.run()
        assert isinstance(report.error, Transient)
        assert "stays unsent and goes with the next run" in str(report.error)
        assert sending.accepted == set(range(300)) - {199}
        assert report.rejected == 0

    def test_a_row_that_makes_the_server_fail_in_the_only_batch(self, simulator: Simulator) -> None:
        simulator.fault("refuse", user_ids=["u7"], status=500)
        sending = Sending(simulator, 100)
        assert sending.run().error is None
        assert sending.outcome.rejected.keys() == {7}
        assert len(sending.accepted) == 99

    @pytest.mark.parametrize("count", [1, 100, 1_000])
    @pytest.mark.parametrize("concurrency", [1, 4])
    def test_a_server_that_fails_for_everything_blames_no_row(self, simulator: Simulator, count: int,
                                                              concurrency: int) -> None:
        simulator.fault("status", status=500, times=None)
        sending = Sending(simulator, count, concurrency=concurrency)
        report = sending.run()
        assert isinstance(report.error, Transient)
        assert (report.accepted, report.rejected, sending.outcome.rejected) == (0, 0, {})
        assert report.requests <= 20


class TestPassingTroubles:
    @pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
    def test_they_are_tried_again(self, simulator: Simulator, status: int) -> None:
        simulator.fault("status", status=status, times=2)
        sending = Sending(simulator, 10)
        report = sending.run()
        assert statuses(simulator) == [status, status, 200]
        assert (report.accepted, report.retries, report.error) == (10, 2, None)
        assert sending.outcome.uncertain == []

    @pytest.mark.parametrize("kind", ["close", "lost"])
    def test_a_broken_connection_is_tried_again_and_users_converge(self, simulator: Simulator, kind: Any) -> None:
        simulator.fault(kind, times=1)
        sending = Sending(simulator, 10)
        assert sending.run().accepted == 10
        assert sending.arrivals == {f"u{i}": 2 if kind == "lost" else 1 for i in range(10)}
        assert sending.outcome.uncertain == [(0, 9)]

    def test_a_request_that_takes_too_long_is_tried_again(self) -> None:
        with Simulator() as slow:
            slow.fault("delay", seconds=60, times=1)
            assert Sending(slow, 10, timeout=1, max_attempts=8).run().accepted == 10

    @pytest.mark.parametrize("form", ["seconds", "date"])
    def test_retry_after_is_honoured_in_both_forms(self, simulator: Simulator, form: str) -> None:
        until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
        value = "3600" if form == "seconds" else email.utils.format_datetime(until, usegmt=True)
        simulator.fault("status", status=429, retry_after=value, times=1)
        sending = Sending(simulator, 30, batch_size=10, concurrency=3)
        sending.run()
        # It is announced once. Nothing is sent again before its end.
        (pause,) = sending.pauses
        assert pause == 3600 if form == "seconds" else 3000 < pause <= 3600
        assert len(simulator.requests()) <= 3
        assert sending.delivery.report.retries == 0

    def test_after_a_retry_after_nobody_else_goes_either(self, simulator: Simulator) -> None:
        simulator.fault("status", status=503, retry_after="1", times=1)
        Sending(simulator, 30, batch_size=5, concurrency=1).run()
        times = [dt.datetime.fromisoformat(request["at"]) for request in simulator.requests()]
        assert (times[1] - times[0]).total_seconds() >= 1.0

    def test_a_retry_after_of_years_can_still_be_stopped(self, simulator: Simulator) -> None:
        simulator.fault("status", status=429, retry_after="9" * 30, times=1)
        sending = Sending(simulator, 10)
        assert sending.run().accepted == 0
        assert sending.pauses == [86_400.0]

    def test_pauses_grow_and_are_random(self, simulator: Simulator) -> None:
        simulator.fault("status", status=500, times=5)
        Sending(simulator, 1, max_attempts=6, first_pause=0.02, longest_pause=0.1).run()
        times = [dt.datetime.fromisoformat(request["at"]).timestamp() for request in simulator.requests()]
        gaps = [after - before for before, after in itertools.pairwise(times)]
        assert len(gaps) == 5
        assert all(gap < 0.1 + 0.3 for gap in gaps)
        assert len({round(gap, 3) for gap in gaps}) > 1

    def test_a_batch_that_fails_on_every_attempt_goes_once_others_are_accepted(self, simulator: Simulator) -> None:
        simulator.fault("status", status=500, times=3)
        report = Sending(simulator, 30, batch_size=10, concurrency=2, max_attempts=2).run()
        assert (report.accepted, report.rejected, report.error) == (30, 0, None)

    def test_a_batch_without_an_answer_stays_unsent_and_the_others_go(self, simulator: Simulator) -> None:
        simulator.fault("close", times=3)
        report = Sending(simulator, 30, batch_size=10, concurrency=2, max_attempts=2).run()
        assert isinstance(report.error, Transient)
        assert 10 <= report.accepted <= 20
        assert report.rejected == 0

    def test_with_one_attempt_no_row_is_to_blame_for_a_passing_trouble(self, simulator: Simulator) -> None:
        simulator.fault("status", status=503, probability=0.6, seed=3, retry_after="0", times=None)
        report = Sending(simulator, 200, batch_size=5, concurrency=2, max_attempts=1).run()
        assert isinstance(report.error, Transient)
        assert (report.rejected, report.accepted < 200) == (0, True)

    def test_candu_down_is_given_up_soon(self, simulator: Simulator) -> None:
        simulator.fault("status", status=503, times=None, retry_after="0")
        report = Sending(simulator, 1_000, batch_size=10, concurrency=2, max_attempts=2).run()
        assert isinstance(report.error, Transient)
        assert "2 times in a row" in str(report.error)
        assert report.requests <= 8
        assert (report.accepted, report.rejected) == (0, 0)


class TestTheEnd:
    @pytest.mark.parametrize("status", [401, 403])
    def test_a_wrong_key_ends_everything_at_once(self, simulator: Simulator, status: int) -> None:
        simulator.fault("status", status=status, after=2, times=None)
        sending = Sending(simulator, 100, batch_size=10)
        report = sending.run()
        assert isinstance(report.error, Unauthorized)
        # After a 403 the key is tried by a harmless read.
        assert statuses(simulator) == [200, 200, status] + ([403] if status == 403 else [])
        assert sending.accepted == set(range(20))
        assert report.rejected == 0

    def test_stopped_from_outside_it_waits_for_what_is_under_way(self, simulator: Simulator) -> None:
        simulator.fault("delay", seconds=0.3, times=None)
        sending = Sending(simulator, 1_000, batch_size=10, concurrency=2)
        stopper = threading.Thread(
            target=lambda: (until(lambda: delayed(simulator) >= 2), sending.delivery.stop()))
        stopper.start()
        report = sending.run()
        stopper.join()
        assert report.error is None
        assert report.accepted == len(simulator.users()) == len(sending.accepted) == 10 * len(simulator.requests())
        assert 20 <= report.accepted < 1_000

    def test_a_receipt_that_cannot_be_written_ends_it(self, simulator: Simulator) -> None:
        def full(_: dict[str, Any]) -> None:
            raise StateError("the disk is full")

        delivery = Delivery(lambda: Candu(simulator.url, simulator.key), Limits(**QUICK), full)
        report = delivery.run([users(50)])
        assert isinstance(report.error, StateError)
        assert simulator.requests() == []

    def test_an_error_that_nobody_expected_reaches_the_caller(self, simulator: Simulator) -> None:
        def broken(_: dict[str, Any]) -> None:
            raise OSError("input/output error")

        limits = Limits(**{**QUICK, "concurrency": 3})
        delivery = Delivery(lambda: Candu(simulator.url, simulator.key), limits, broken)
        with pytest.raises(OSError, match="input/output"):
            delivery.run([users(100) for _ in range(20)])

    def test_an_interrupted_caller_stops_the_workers_first(self, simulator: Simulator) -> None:
        def interrupted() -> Iterator[pa.RecordBatch]:
            yield users(10)
            while not simulator.users():
                time.sleep(0.001)
            raise KeyboardInterrupt

        sending = Sending(simulator, 0)
        with pytest.raises(KeyboardInterrupt):
            sending.delivery.run(interrupted())
        assert sending.delivery.report.accepted == len(simulator.users()) == 10

    def test_who_is_interrupted_while_answers_are_awaited_waits_for_them(self, simulator: Simulator) -> None:
        """As Dagster's cancel does it: an exception in the thread that waits for the workers."""
        raised = threading.Event()

        def cancel(*_: object) -> None:
            raised.set()
            raise KeyboardInterrupt

        def interrupt() -> None:
            with held_back(simulator):
                ready.set()
                until(lambda: delayed(simulator) == 2)
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
                raised.wait()

        sending, ready = Sending(simulator, 20, batch_size=10, concurrency=2), threading.Event()
        before = signal.signal(signal.SIGUSR1, cancel)
        try:
            thread = threading.Thread(target=interrupt)
            thread.start()
            ready.wait()
            with pytest.raises(KeyboardInterrupt):
                sending.run()
            assert sending.accepted == set(range(20))
            thread.join()
        finally:
            signal.signal(signal.SIGUSR1, before)

    def test_a_run_without_its_claim_sends_nothing(self, simulator: Simulator) -> None:
        delivery = Delivery(lambda: Candu(simulator.url, simulator.key), Limits(**QUICK), lambda _: None,
                            may_send=lambda: False)
        report = delivery.run([users(10)])
        assert isinstance(report.error, CanduError)
        assert "lost its claim" in str(report.error)
        assert simulator.requests() == []

    def test_progress_counts_every_settled_message(self, simulator: Simulator) -> None:
        simulator.fault("refuse", user_ids=["u3"], status=400)
        received: list[int] = []
        delivery = Delivery(lambda: Candu(simulator.url, simulator.key), Limits(**QUICK), lambda _: None,
                            progress=received.append)
        delivery.run([users(250)])
        assert sum(received) == 250


class TestReceipts:
    @pytest.mark.parametrize(("status", "taken"), [(200, None), (422, False), (500, False), (302, False)])
    @pytest.mark.parametrize("error", [RuntimeError("a mistake"), MemoryError(), RecursionError()])
    def test_what_stops_a_worker_after_the_status_line_leaves_what_that_says(
            self, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, status: int, taken: bool | None,
            error: Exception) -> None:
        """Messages of a 2xx may be taken or not. Those of any other answer are not."""
        def broken(*_: object) -> None:
            raise error

        monkeypatch.setattr(connections, "judge", broken)
        if status != 200:
            simulator.fault("status", status=status, times=1)
        sending = Sending(simulator, 10)
        with pytest.raises(type(error)):
            sending.run()
        assert [next(iter(line)) for line in sending.lines] == ["sent", "unsent"] if taken is False else ["sent"]
        assert sending.outcome.uncertain == ([] if taken is False else [(0, 9)])

    def test_what_stops_a_worker_before_the_answer_leaves_it_open(self, simulator: Simulator,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: object) -> None:
            raise RuntimeError("a mistake")

        monkeypatch.setattr(Candu, "_ask", broken)
        sending = Sending(simulator, 10)
        with pytest.raises(RuntimeError):
            sending.run()
        assert sending.outcome.uncertain == [(0, 9)]

    def test_what_stops_a_worker_before_the_request_leaves_it_unsent(self, simulator: Simulator) -> None:
        def broken() -> bool:
            raise RuntimeError("a mistake")

        outcome = Outcome()
        delivery = Delivery(lambda: Candu(simulator.url, simulator.key), Limits(**QUICK), outcome.note, may_send=broken)
        with pytest.raises(RuntimeError):
            delivery.run([users(10)])
        assert (outcome.sent, outcome.uncertain, simulator.requests()) == ([(0, 9)], [], [])

    def test_an_answer_that_cannot_be_closed_counts(self, simulator: Simulator,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: object) -> None:
            raise OSError("a mistake")

        monkeypatch.setattr(httpcore.Response, "close", broken)
        sending = Sending(simulator, 10)
        assert sending.run().error is None
        assert (sending.accepted, sending.outcome.uncertain) == (set(range(10)), [])

    def test_each_request_is_written_down_before_and_after(self, simulator: Simulator) -> None:
        simulator.fault("status", status=500, times=1)
        simulator.fault("refuse", user_ids=["u1"], status=422)
        sending = Sending(simulator, 2)
        sending.run()
        kinds = [next(iter(line)) for line in sending.lines]
        assert kinds == ["sent", "unsent", "sent", "unsent", "sent", "accepted", "sent", "unsent", "rejected"]
        assert sending.lines[5]["accepted"] == [0, 0]
        assert (sending.lines[8]["rejected"], sending.lines[8]["status"]) == (1, 422)


@settings(max_examples=40)
@given(st.integers(1, 30), st.lists(faults, max_size=5), st.integers(1, 10), st.integers(1, 3))
def test_every_message_ends_accepted_rejected_or_unsent(
        running_simulator: Simulator, count: int, script: list[dict[str, Any]], size: int, workers: int) -> None:
    running_simulator.reset()
    for fault in script:
        running_simulator.fault(**fault)
    sending = Sending(running_simulator, count, batch_size=size, concurrency=workers)
    report = sending.run()
    rejected = set(sending.outcome.rejected)
    assert not sending.accepted & rejected
    assert len(sending.lines) < 40 * count + 60
    assert (report.accepted, report.rejected) == (len(sending.accepted), len(rejected))
    assert sum(high - low + 1 for low, high in sending.outcome.accepted) == len(sending.accepted)
    assert report.error is not None or sending.accepted | rejected == set(range(count))
    uncertain = {n for low, high in sending.outcome.uncertain for n in range(low, high + 1)}
    for number in range(count):
        arrived = sending.arrivals[f"u{number}"]
        if number in uncertain:
            assert number not in sending.accepted or arrived >= 1
        else:
            assert arrived == (number in sending.accepted)
