"""One request with its receipts, and its repetition after an error that may pass."""

from __future__ import annotations

import datetime as dt
import random
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from candu_sync.delivery.acceptance import Item
from candu_sync.delivery.batches import Batch
from candu_sync.delivery.evidence import Evidence
from candu_sync.delivery.limits import Limits, Report
from candu_sync.delivery.sizes import BatchSizes
from candu_sync.errors import CanduError, Transient
from candu_sync.rate import Pace

# A longer pause is announced: seconds.
_ANNOUNCED = 10.0

# Two pauses that end so close to each other, in seconds, are one to a reader.
_SAME_PAUSE = 5.0


# What a server, or a proxy before it, answers when a request took too long.
_LATE = frozenset({408, 504})


class Connection(Protocol):
    """What a worker sends by: ``HttpConnection``."""

    def send(self, body: bytes, messages: int) -> tuple[Item, ...] | None:
        """Post one JSON array of messages. See ``HttpConnection.send``."""

    def probe(self) -> None:
        """A harmless read. See ``HttpConnection.probe``."""

    @property
    def status(self) -> int | None:
        """The status of the last answer, as soon as its first line has come; None: nothing has come."""

    def close(self) -> None:
        """Close the connection."""


class Stopped(Exception):
    """The delivery was stopped: the request was not sent, or not sent again."""


class TooSlow(Exception):
    """A request with more messages than the first ones took too long. It is sent again in pieces."""


class GaveUp(Exception):
    """A request failed on every attempt.

    Attributes:
        error: of the last attempt.
        answered: the destination answered each attempt with a 5xx, and did not ask to wait.
    """

    def __init__(self, error: Transient, *, answered: bool) -> None:
        self.error = error
        self.answered = answered
        super().__init__(str(error))


class Requests:
    """Sends requests, one after the other in each thread, all by one pace.

    Args:
        limits: how to deliver.
        pace: says when a request may go.
        record: writes a receipt line down, durably.
        may_send: asked before every request; False: this run has lost its claim.
        announce: called with the seconds of a long pause, once for all workers.
        report: counts requests.
        evidence: numbers requests.
        stop: set when no request may be sent any more.
        sizes: what is learnt of the size of requests.
    """

    def __init__(self, *, limits: Limits, pace: Pace, record: Callable[[dict[str, Any]], None],
                 may_send: Callable[[], bool], announce: Callable[[float], None], report: Report, evidence: Evidence,
                 stop: threading.Event, sizes: BatchSizes) -> None:
        self._limits = limits
        self._sizes = sizes
        self._record = record
        self._may_send = may_send
        self._announce = announce
        self._report = report
        self._evidence = evidence
        self._stop = stop
        self._pace = pace
        self._lock = threading.Lock()
        self._announced_until = 0.0

    def send(self, connection: Connection, batch: Batch, attempts: int) -> tuple[tuple[Item, ...] | None, int]:
        """Send a batch until it is answered for good. The receipt of an acceptance is written.

        Returns:
            The outcome of each message (None: all are accepted), and the request's number.

        Raises:
            GaveUp: every attempt failed.
            TooSlow: it took too long, and smaller requests may not.
            Stopped: the delivery was stopped.
            CanduError: what the answer is, except Transient.
        """
        body, answered = batch.body(), True
        for attempt in range(1, attempts + 1):
            try:
                return self._once(connection, batch, body, attempt)
            except Transient as error:
                answered = answered and (error.status or 0) >= 500 and not error.retry_after
                slow = self._is_too_slow(error, batch)
                if attempt == attempts:
                    raise GaveUp(error, answered=answered) from None
                self.pause(error, attempt)
                if slow:
                    raise TooSlow from None
        raise AssertionError("attempts are 1 or more")

    def _is_too_slow(self, error: Transient, batch: Batch) -> bool:
        """Whether a request may have failed because it had more messages than the first ones; that is noted."""
        if self._sizes.fixed or len(batch) <= self._sizes.begin or not (error.late or error.status in _LATE):
            return False
        self._sizes.too_large(len(batch))
        return True

    def probe(self, connection: Connection) -> None:
        """Prove the key.

        Raises:
            Unauthorized, DestinationTrouble: as ``HttpConnection.probe``.
            GaveUp, Stopped: as ``send``.
        """
        for attempt in range(1, self._limits.max_attempts + 1):
            if not self._pace.wait(self._stop) or not self._pace.enter(self._stop):
                raise Stopped
            with self._lock:
                self._report.requests += 1
            try:
                connection.probe()
            except Transient as error:
                if attempt == self._limits.max_attempts:
                    raise GaveUp(error, answered=False) from None
                self.pause(error, attempt)
            else:
                return

    def _once(self, connection: Connection, batch: Batch, body: bytes,
              attempt: int) -> tuple[tuple[Item, ...] | None, int]:
        """One request with its receipts. Raises what the answer is.

        Whatever ends it, the receipts say what is known: ``unsent`` when the messages were not taken, nothing when they
        may have been.
        """
        if not self._pace.wait(self._stop):
            raise Stopped
        self._record({"sent": batch.span})
        went, number = False, 0
        try:
            self._check_may_go()
            number = self._evidence.next_request()
            with self._lock:
                self._report.requests += 1
                self._report.retries += attempt > 1
                self._report.bytes += len(body)
            went = True
            items = connection.send(body, len(batch))
        except BaseException as error:
            if not went or _was_not_taken(error, connection):
                self._record({"unsent": batch.span})
            if isinstance(error, CanduError):
                error.request = number
            raise
        self._record_acceptance(batch, items)
        self._pace.speed_up()
        return items, number

    def _check_may_go(self) -> None:
        """Asked last: the disk may have kept the receipt waiting."""
        if not self._pace.enter(self._stop):
            raise Stopped
        if not self._may_send():
            raise CanduError("this run was silent for longer than its lease and has lost its claim: nothing more was "
                             "sent; run again")

    def _record_acceptance(self, batch: Batch, items: tuple[Item, ...] | None) -> None:
        if items is None:
            self._record({"accepted": batch.span, "at": now()})
            return
        for part in batch.parts([item.accepted for item in items]):
            self._record({"accepted": part.span, "at": now()})
        # The request as a whole is answered: what is not accepted by now was not taken.
        self._record({"unsent": batch.span})

    def pause(self, error: Transient, attempt: int) -> None:
        """Wait before the next attempt. Raises Stopped when the delivery is stopped during the wait."""
        if error.status in (429, 503):
            self._pace.slow_down(error.retry_after)
        longest = min(self._limits.longest_pause, self._limits.first_pause * 2 ** (attempt - 1))
        pause = error.retry_after if error.retry_after is not None else random.uniform(0, longest)
        self._say_pause(pause)
        if self._stop.wait(pause):
            raise Stopped

    def _say_pause(self, pause: float) -> None:
        """Announce a long pause, once for all workers."""
        until = time.monotonic() + pause
        with self._lock:
            if pause < _ANNOUNCED or until < self._announced_until + _SAME_PAUSE:
                return
            self._announced_until = until
        self._announce(pause)


def _was_not_taken(error: BaseException, connection: Connection) -> bool:
    """Whether the destination certainly did not take the messages of a request that ended with an error."""
    if isinstance(error, CanduError):
        return error.status is not None or not error.reached
    # A mistake in the code, no memory: only what the status line said is known.
    return connection.status is not None and connection.status >= 300


def now() -> str:
    """The time, as receipts have it."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
