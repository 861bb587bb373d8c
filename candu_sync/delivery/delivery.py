"""Messages → Candu: batches, pace, retries, splitting; a receipt for every message.

Workers, each with its own connection, take batches from a short queue. What becomes of a batch:

- accepted: a receipt, done;
- refused for good: split in two, until the bad message stands alone and is set aside; the rest is delivered;
- a passing trouble: again after a pause with full jitter (Brooker, "Exponential Backoff And Jitter", AWS 2015), or
  what ``Retry-After`` says; given up after ``max_attempts``, unsent;
- the key is wrong: everything ends.
"""

from __future__ import annotations

import datetime as dt
import queue
import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from candu_sync.delivery.batches import LARGEST_REQUEST, Batch, batches
from candu_sync.delivery.pace import Pace
from candu_sync.errors import CanduError, CanduSyncError, Refused, Transient, Unauthorized

# Answers that speak of the address rather than of the message. When nothing else comes back, the URL is wrong, and
# setting every row aside would be the wrong thing to remember.
_WRONG_ADDRESS = frozenset({301, 302, 303, 304, 307, 308, 404, 405, 410})

_WRONG_ADDRESS_PATIENCE = 10


class Connection(Protocol):
    """What a worker sends by: ``candu.Candu``."""

    def send(self, body: bytes) -> None:
        """Post one JSON array; raises Unauthorized, Refused or Transient."""

    def close(self) -> None:
        """Close the connection."""


@dataclass(frozen=True)
class Limits:
    """How to deliver: messages and bytes a request, requests a second (0: no limit), workers, attempts a request,
    and the backoff's first and longest pause in seconds."""

    batch_size: int = 100
    batch_bytes: int = LARGEST_REQUEST
    rate: float = 10.0
    concurrency: int = 4
    max_attempts: int = 8
    first_pause: float = 0.5
    longest_pause: float = 30.0


@dataclass
class Report:
    """What a delivery did. Counts are of messages; ``bytes`` of request bodies sent, repeated ones too."""

    accepted: int = 0
    rejected: int = 0
    requests: int = 0
    retries: int = 0
    bytes: int = 0
    error: CanduSyncError | None = None


class Delivery:
    """One delivery. Use ``run`` once.

    Args:
        connect: makes a worker its connection.
        limits: how to deliver.
        record: writes a receipt line down, durably; what it raises ends the delivery.
        may_send: asked before every request; False: this run has lost its claim.
        progress: is told of messages that are settled.
        report: filled in as the delivery goes; a caller whose delivery is interrupted reads it there.
    """

    def __init__(self, connect: Callable[[], Connection], limits: Limits, record: Callable[[dict[str, Any]], None], *,
                 may_send: Callable[[], bool] = lambda: True, progress: Callable[[int], None] = lambda _: None,
                 report: Report | None = None) -> None:
        self._connect = connect
        self._limits = limits
        self._record = record
        self._may_send = may_send
        self._progress = progress
        self._pace = Pace(limits.rate)
        self._queue: queue.Queue[Batch | None] = queue.Queue(2 * limits.concurrency)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._crash: BaseException | None = None
        self._given_up = 0
        self._wrong_address: list[tuple[dict[str, Any], int]] = []
        self.report = Report() if report is None else report

    def stop(self) -> None:
        """No new request from now on; those under way are waited for. Safe in a signal handler and other threads."""
        self._stop.set()

    def run(self, messages: Iterable[pa.RecordBatch]) -> Report:
        """Deliver the messages; returns when all are settled or the delivery was stopped."""
        workers = [threading.Thread(target=self._work, name=f"candu-sync sender {n}", daemon=True)
                   for n in range(self._limits.concurrency)]
        for worker in workers:
            worker.start()
        try:
            for batch in batches(messages, self._limits.batch_size, self._limits.batch_bytes):
                if not self._offer(batch):
                    break
            for _ in workers:
                self._offer(None)
            for worker in workers:
                worker.join()
        except BaseException:
            self._stop.set()
            for worker in workers:
                worker.join()
            raise
        if self._crash is not None:
            raise self._crash
        self._settle_wrong_address()
        return self.report

    def _offer(self, batch: Batch | None) -> bool:
        """Queue a batch; False when the delivery stopped meanwhile."""
        while not self._stop.is_set():
            try:
                self._queue.put(batch, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def _work(self) -> None:
        connection: Connection | None = None
        try:
            while (batch := self._next()) is not None:
                connection = connection or self._connect()
                self._settle(connection, batch)
        except CanduSyncError as error:
            self._end(error)
        except BaseException as error:  # of a thread: it must reach the caller, who would wait for this worker for ever
            self._crash = error
            self._stop.set()
        finally:
            if connection is not None:
                connection.close()

    def _next(self) -> Batch | None:
        while not self._stop.is_set():
            try:
                return self._queue.get(timeout=0.1)
            except queue.Empty:
                continue
        return None

    def _settle(self, connection: Connection, batch: Batch) -> None:
        """Deliver a batch, its halves where it must be split; the stack is never deeper than a batch has halves."""
        try:
            self._attempt(connection, batch)
        except Refused as error:
            if len(batch) == 1:
                self._set_aside(batch, error)
                return
            for half in batch.halves():
                self._settle(connection, half)

    def _attempt(self, connection: Connection, batch: Batch) -> None:
        """Send a batch until it is accepted, or given up. Raises Refused when it is refused for good."""
        body = batch.body()
        for attempt in range(1, self._limits.max_attempts + 1):
            if not self._pace.wait(self._stop):
                return
            try:
                self._send(connection, batch, body, attempt)
            except Transient as error:
                if attempt == self._limits.max_attempts:
                    self._give_up(error)
                elif not self._pause(error, attempt):
                    return
            else:
                return

    def _send(self, connection: Connection, batch: Batch, body: bytes, attempt: int) -> None:
        """One request with its receipts. Raises what Candu's answer is."""
        self._record({"sent": batch.span})
        # Both asked last: the disk may have kept the receipt waiting.
        if not self._pace.enter(self._stop):
            self._record({"unsent": batch.span})
            return
        if not self._may_send():
            self._record({"unsent": batch.span})
            raise CanduError("this run was silent for longer than its lease and has lost its claim: nothing more was "
                             "sent; run again")
        with self._lock:
            self.report.requests += 1
            self.report.retries += attempt > 1
            self.report.bytes += len(body)
        try:
            connection.send(body)
        except CanduError as error:
            if error.status is not None or not error.reached:
                self._record({"unsent": batch.span})
            raise
        self._record({"accepted": batch.span, "at": _now()})
        self._count_accepted(len(batch))

    def _count_accepted(self, count: int) -> None:
        with self._lock:
            self.report.accepted += count
            self._given_up = 0
            unproven, self._wrong_address = self._wrong_address, []
        self._write_rejections(unproven)
        self._pace.speed_up()
        self._progress(count)

    def _set_aside(self, batch: Batch, error: Refused) -> None:
        line = {"rejected": batch.span[0], "status": error.status or 0, "reason": str(error), "at": _now()}
        with self._lock:
            unproven = error.status in _WRONG_ADDRESS and not self.report.accepted
            if unproven:
                self._wrong_address.append((line, 1))
                if len(self._wrong_address) >= _WRONG_ADDRESS_PATIENCE:
                    raise self._wrong_address_error()
        if not unproven:
            self._write_rejections([(line, 1)])

    def _wrong_address_error(self) -> CanduError:
        line, _ = self._wrong_address[0]
        return CanduError(f"{line['reason']}: so it answered {len(self._wrong_address)} messages, one by one, and "
                          "accepted none. Check CANDU_API_URL; no row was set aside", status=line["status"])

    def _write_rejections(self, lines: list[tuple[dict[str, Any], int]]) -> None:
        for line, count in lines:
            self._record(line)
            with self._lock:
                self.report.rejected += count
            self._progress(count)

    def _settle_wrong_address(self) -> None:
        """The end, and nothing was accepted: however few they were, no row is to blame yet."""
        if self._wrong_address and self.report.error is None:
            self.report.error = self._wrong_address_error()

    def _give_up(self, error: Transient) -> None:
        """A batch stays unsent. When that happens to as many as there are workers, with nothing accepted between,
        Candu is down: the rest would only wait for the same end."""
        with self._lock:
            self._given_up += 1
            down = self._given_up >= self._limits.concurrency
        failure = Transient(f"{error}, {self._limits.max_attempts} times in a row; what it did not accept stays unsent "
                            "and goes with the next run", status=error.status)
        if down:
            self._end(failure)
        elif self.report.error is None:
            self.report.error = failure

    def _pause(self, error: Transient, attempt: int) -> bool:
        """Wait before the next attempt; False when the delivery was stopped meanwhile."""
        if error.status in (429, 503):
            self._pace.slow_down(error.retry_after)
        longest = min(self._limits.longest_pause, self._limits.first_pause * 2 ** (attempt - 1))
        pause = error.retry_after if error.retry_after is not None else random.uniform(0, longest)
        return not self._stop.wait(pause)

    def _end(self, error: CanduSyncError) -> None:
        with self._lock:
            if self.report.error is None or isinstance(error, Unauthorized):
                self.report.error = error
        self._stop.set()


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
