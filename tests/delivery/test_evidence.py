"""Which rows, and which batches, are to blame: by what was accepted after them."""

from __future__ import annotations

import pyarrow as pa
import pytest

from candu_sync.delivery.batches import Batch, Chunk
from candu_sync.delivery.evidence import Evidence
from candu_sync.delivery.splitting import Splitting
from candu_sync.errors import DestinationTrouble

LINE = {"rejected": 7, "status": 422, "reason": "no", "at": "…"}


def fallen(size: int, *, troubled_at: int, last_sent: int) -> Splitting:
    """A batch of messages that fell apart."""
    chunk = Chunk(pa.record_batch({"message": pa.array(range(size), pa.int64()), "body": ["{},"] * size}))
    batch = Splitting(Batch(chunk, 0, size))
    batch.refused_alone, batch.troubled_at, batch.last_sent = 4, troubled_at, last_sent
    return batch


def test_a_rejection_waits_for_what_is_accepted_of_later_requests() -> None:
    evidence = Evidence()
    assert evidence.refused(LINE, 5) == []
    assert evidence.accepted(4) == []
    assert evidence.accepted(6) == [LINE]
    assert evidence.refused(LINE, 5) == [LINE]


def test_a_batch_waits_for_what_is_sent_from_now_on() -> None:
    evidence = Evidence()
    batch = fallen(100, troubled_at=5, last_sent=9)
    evidence.wait(batch)
    evidence.accepted(9)
    assert evidence.ready() is None
    evidence.accepted(10)
    assert evidence.ready() is batch
    assert batch.proven


def test_at_the_end_what_was_sent_after_its_first_refusal_proves_a_batch() -> None:
    evidence = Evidence()
    batch = fallen(100, troubled_at=5, last_sent=9)
    evidence.wait(batch)
    evidence.accepted(6)
    assert evidence.left_over() is batch
    assert batch.proven


@pytest.mark.parametrize("accepted", [0, 2, 5])
def test_what_was_sent_before_its_first_refusal_proves_nothing(accepted: int) -> None:
    """Its first request may be long before: Candu stopped working in between."""
    evidence = Evidence()
    batch = fallen(100, troubled_at=5, last_sent=9)
    evidence.wait(batch)
    if accepted:
        evidence.accepted(accepted)
    with pytest.raises(DestinationTrouble, match="no row is to blame"):
        evidence.left_over()
    assert not batch.proven


def test_a_small_batch_without_proof_is_a_last_resort() -> None:
    evidence = Evidence()
    batch = fallen(4, troubled_at=5, last_sent=9)
    evidence.wait(batch)
    assert evidence.left_over() is batch
    assert (batch.proven, batch.last_resort) == (False, True)
