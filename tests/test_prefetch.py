"""Items that a thread makes in advance: none is lost, errors reach the reader, and a thread that is not needed ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from candu_sync.prefetch import ahead


def test_all_items_come_in_order() -> None:
    assert list(ahead(iter(range(100)), 2)) == list(range(100))
    assert list(ahead(iter(()), 1)) == []


def test_no_more_are_made_than_may_wait() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            yield number

    taken = ahead(items(), 2)
    assert next(taken) == 0
    threading.Event().wait(0.3)
    # One taken, two that wait, one that waits for room.
    assert made == [0, 1, 2, 3]
    assert list(taken) == list(range(1, 10))


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    taken = ahead(items(), 2)
    assert next(taken) == 1
    with pytest.raises(ValueError, match="no more"):
        next(taken)


def test_a_reader_that_stops_early_cancels_what_is_under_way() -> None:
    cancelled = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        assert cancelled.wait(60), "nobody cancelled it"

    taken = ahead(items(), 2, cancelled.set)
    next(taken)
    taken.close()
    assert cancelled.is_set()
    assert not [thread for thread in threading.enumerate() if thread.name == "candu-sync ahead"]


def test_at_the_end_nothing_is_cancelled() -> None:
    cancelled = threading.Event()
    assert list(ahead(iter([1]), 2, cancelled.set)) == [1]
    assert not cancelled.is_set()
