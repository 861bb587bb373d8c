"""The size of requests: bounds, growth while requests are accepted, and what becomes of a batch that is too large."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candu_sync.delivery.candu import Candu
from candu_sync.delivery.delivery import Delivery
from candu_sync.delivery.limits import Limits, Report
from candu_sync.delivery.sizes import BatchSizes, Learned
from candu_sync.simulator import Simulator
from candu_sync.state.receipts import Outcome

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)

outcomes = st.lists(st.tuples(st.sampled_from(["accepted", "too large"]), st.integers(1, 1_200) | st.none()),
                    max_size=40)


@given(st.integers(1, 300), outcomes)
def test_whatever_happens_the_size_stays_in_its_bounds(begin: int, happened: list[tuple[str, int | None]]) -> None:
    sizes = BatchSizes(begin, most=1_000)
    assert sizes.size == begin
    for what, messages in happened:
        before, count = sizes.size, messages or sizes.size
        if what == "accepted":
            sizes.accepted(count)
            assert before <= sizes.size <= 2 * before
            assert sizes.size == before or count >= before, "it grew by a small request"
        else:
            sizes.too_large(count)
            assert sizes.size <= before, "it grew by a refusal"
            assert sizes.size < count or count == 1, "what is too large would be sent again"
        assert 1 <= sizes.size <= 1_000
        again = BatchSizes(begin, most=1_000, learned=sizes.learned)
        assert (again.size, again.learned) == (sizes.size, sizes.learned)


@given(st.integers(1, 3_000), outcomes)
def test_a_fixed_size_stays(begin: int, happened: list[tuple[str, int | None]]) -> None:
    sizes = BatchSizes(begin)
    for what, messages in happened:
        (sizes.accepted if what == "accepted" else sizes.too_large)(messages or sizes.size)
        assert sizes.size == begin


def test_what_is_too_large_is_told_once_for_each_time_that_requests_become_smaller() -> None:
    told: list[Learned] = []
    sizes = BatchSizes(100, most=1_000, on_bound=lambda: told.append(sizes.learned))
    for _ in range(3):
        sizes.accepted(sizes.size)
    for messages in (800, 800, 900, 1):
        sizes.too_large(messages)
    assert [(learned.size, learned.bound) for learned in told] == [(400, 800)]
    sizes.too_large(400)
    assert [(learned.size, learned.bound) for learned in told] == [(400, 800), (200, 400)]
    BatchSizes(100, on_bound=lambda: pytest.fail("its size is fixed")).too_large(100)


@given(st.integers(1, 1_500), st.integers(1, 200))
def test_it_comes_close_to_a_limit_and_rests(limit: int, begin: int) -> None:
    sizes, tried = BatchSizes(begin, most=1_000), []
    for _ in range(60):
        tried.append(sizes.size)
        (sizes.accepted if sizes.size <= limit else sizes.too_large)(sizes.size)
    most = min(limit, 1_000)
    assert most >= sizes.size >= most * 10 // 12 - 1
    assert len(set(tried[30:])) == 1
    assert sum(size > limit for size in tried) <= 16


def test_what_was_learnt_from_another_setting_or_long_ago_does_not_count() -> None:
    bound = Learned(100, 400, 500, NOW)
    assert BatchSizes(100, most=1_000, learned=bound).learned == bound
    assert BatchSizes(50, most=1_000, learned=bound).learned == Learned(50, 50)
    old = Learned(100, 400, 500, NOW - dt.timedelta(days=8))
    assert BatchSizes(100, most=1_000, learned=old).learned == Learned(100, 400)
    assert BatchSizes(100, learned=bound).size == 100


@pytest.mark.parametrize(("begin", "most", "learned", "fitting", "requests"), [
    (100, None, None, 1_000, 1_000), (100, 1_000, None, 1_000, 130), (100, 1_000, Learned(100, 1_000), 1_000, 100),
    (100, 1_000, None, 250, 410), (100, 1_000, Learned(100, 110, 115, NOW), 1_000, 910)])
def test_the_estimate_counts_the_growth(begin: int, most: int | None, learned: Learned | None, fitting: int,
                                        requests: int) -> None:
    assert BatchSizes(begin, most=most, learned=learned).requests(100_000, fitting, 12) == requests


class Growing:
    """A delivery to the simulator whose requests grow, by one worker."""

    def __init__(self, simulator: Simulator, count: int, *, timeout: float = 60.0, size: int = 100,
                 begin: int = 100) -> None:
        self.simulator = simulator
        self.outcome = Outcome()
        self.sizes = BatchSizes(begin, most=1_000, learned=Learned(begin, size))
        self.messages = pa.record_batch({
            "message": pa.array(range(count), pa.int64()),
            "body": [f'{{"type":"identify","userId":"u{n}","traits":{{"n":{n}}}}},' for n in range(count)]})
        self.delivery = Delivery(
            lambda: Candu(simulator.url, simulator.key, timeout),
            Limits(rate=0, concurrency=1, max_attempts=4, first_pause=0.001), self.outcome.note, sizes=self.sizes)

    def run(self) -> Report:
        return self.delivery.run([self.messages])

    @property
    def requests(self) -> list[tuple[int, int | None]]:
        """Messages and status of each request, the first one first."""
        return [(request["messages"], request["status"]) for request in self.simulator.requests()]


def settled(growing: Growing, count: int, refused: Sequence[int] = ()) -> bool:
    users = {f"u{n}" for n in range(count) if n not in refused}
    return (growing.simulator.users().keys() == users and growing.outcome.rejected.keys() == set(refused)
            and growing.outcome.settled == (count - len(refused), len(refused)))


def test_requests_grow_to_a_thousand(simulator: Simulator) -> None:
    simulator.assume(most_messages=10_000)
    growing = Growing(simulator, 6_000)
    report = growing.run()
    assert settled(growing, 6_000)
    assert growing.sizes.size == 1_000
    assert report.requests == len(growing.requests) < 25


@pytest.mark.parametrize(("limit", "status"), [(100, 413), (100, 400), (37, 413), (730, 400)])
def test_a_limit_of_the_number_of_messages_blames_no_row_and_is_learnt(
        simulator: Simulator, limit: int, status: int) -> None:
    simulator.assume(most_messages=limit, too_many=status)
    growing = Growing(simulator, 5_000, size=1_000)
    report = growing.run()
    assert report.error is None
    assert settled(growing, 5_000)
    assert growing.sizes.size <= limit
    assert report.too_large == sum(code == 413 for _, code in growing.requests)
    # The second half of them is accepted as it is sent, but for what was cut before.
    requests = growing.requests[len(growing.requests) // 2:]
    assert sum(code != 200 for _, code in requests) <= len(requests) // 3


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_bad_row_of_a_thousand_is_found_in_few_requests_and_the_size_stays(
        simulator: Simulator, status: int) -> None:
    simulator.assume(most_messages=10_000)
    simulator.fault(kind="refuse", user_ids=["u1777"], status=status)
    growing = Growing(simulator, 4_000, size=1_000)
    assert growing.run().rejected == 1
    assert settled(growing, 4_000, [1_777])
    # Four of a thousand, and two halves at each of ten cuts.
    assert len(growing.requests) <= 30
    assert growing.sizes.learned == Learned(100, 1_000)


def test_a_contract_that_changed_blames_no_row_of_a_thousand(simulator: Simulator) -> None:
    simulator.fault(kind="status", status=422)
    growing = Growing(simulator, 20_000, size=1_000)
    report = growing.run()
    assert report.error is not None
    assert "no row is to blame" in str(report.error)
    assert growing.outcome.settled == (0, 0)
    assert len(growing.requests) <= 150


def test_what_takes_too_long_is_sent_again_in_the_first_size(simulator: Simulator) -> None:
    simulator.assume(most_messages=10_000)
    simulator.fault(kind="status", status=504, more_than=300)
    growing = Growing(simulator, 2_000, size=1_000)
    assert growing.run().error is None
    assert settled(growing, 2_000)
    first, *rest = growing.requests
    assert first == (1_000, 504)
    assert rest[:10] == [(100, 200)] * 10
    assert growing.sizes.size <= 300


def test_an_answer_that_does_not_come_in_time_makes_requests_smaller(simulator: Simulator) -> None:
    simulator.assume(most_messages=10_000)
    simulator.fault(kind="delay", seconds=600, more_than=300)
    growing = Growing(simulator, 1_000, size=1_000, timeout=5)
    assert growing.run().error is None
    assert growing.outcome.settled == (1_000, 0)
    assert growing.sizes.learned.bound == 1_000
    # What got no answer is known by its receipt.
    assert growing.outcome.uncertain == [(0, 999)]


def test_a_destination_that_is_down_is_no_reason_for_small_requests(simulator: Simulator) -> None:
    simulator.fault(kind="status", status=503)
    growing = Growing(simulator, 1_000, size=1_000)
    assert growing.run().error is not None
    assert growing.sizes.learned == Learned(100, 1_000)


def test_bytes_bound_a_request(simulator: Simulator) -> None:
    simulator.assume(most_messages=10_000)
    growing = Growing(simulator, 0, size=1_000)
    note = "x" * 2_000
    growing.messages = pa.record_batch({
        "message": pa.array(range(600), pa.int64()),
        "body": [f'{{"type":"identify","userId":"u{n}","traits":{{"note":"{note}"}}}},' for n in range(600)]})
    growing.run()
    found: list[Any] = growing.requests
    assert sum(messages for messages, _ in found) == 600
    # 500 KB hold 242 of 2,058 bytes.
    assert max(messages for messages, _ in found) in range(235, 250)
