"""Messages → a destination: workers take batches from a short queue; a receipt for every message.

| file             | knows                                                                        |
|------------------|------------------------------------------------------------------------------|
| `destination.py` | what a destination is; `candu.py`, `segment.py`: the two of them             |
| `connection.py`  | HTTP: one connection; `kept.py`: used again by the next push                 |
| `answers.py`     | what an answer means; `acceptance.py`: what the body of a 2xx means          |
| `environment.py` | proxies and certificates; `deadline.py`: the time that a request may take    |
| `requests.py`    | one request with its receipts, and again after a pause; the rate: ``rate/``   |
| `words.py`       | what was answered, without the values that were sent (`masking.py`)            |
| `splitting.py`   | how a batch is cut down                                                      |
| `evidence.py`    | whether a row or the destination is to blame                                 |
| `sizes.py`       | how many messages the next request has                                       |
| `settling.py`    | what becomes of a batch                                                      |
| `delivery.py`    | workers, their queue, the end                                                |
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa

from candu_sync.delivery.batches import Batch, batches
from candu_sync.delivery.evidence import Evidence
from candu_sync.delivery.limits import Limits, Report
from candu_sync.delivery.requests import Connection, Requests
from candu_sync.delivery.settling import Settling
from candu_sync.delivery.sizes import BatchSizes
from candu_sync.delivery.splitting import Splitting
from candu_sync.errors import CanduSyncError, Unauthorized
from candu_sync.rate import Pace, pace_of_process
from candu_sync.routes import CANDU, Route


class Delivery:
    """One delivery. Use ``run`` once.

    Args:
        connect: makes a worker its connection.
        limits: how to deliver.
        record: writes a receipt line down, durably; what it raises ends the delivery.
        may_send: asked before every request; False: this run has lost its claim.
        progress: called with the number of messages that were settled.
        announce: called with the seconds of a long pause that the destination asked for.
        report: filled in as the delivery goes; a caller whose delivery is interrupted reads it there.
        route: names the destination.
        sizes: how many messages a request has; None: as the limits say.
        pace: says when a request may go; None: by the rate of the limits, and shared with no other delivery.

    Example:
        >>> import pyarrow as pa
        >>> from candu_sync.delivery import Candu, Limits
        >>> body = '{"type": "identify", "userId": "u1", "traits": {"plan": "pro"}},'
        >>> messages = pa.record_batch({"message": [0], "body": [body]})
        >>> receipts = []
        >>> connect = lambda: Candu(simulator.url, simulator.key)
        >>> Delivery(connect, Limits(rate=0), receipts.append).run([messages]).accepted
        1
        >>> [next(iter(line)) for line in receipts]
        ['sent', 'accepted']
    """

    def __init__(self, connect: Callable[[], Connection], limits: Limits, record: Callable[[dict[str, Any]], None], *,
                 may_send: Callable[[], bool] = lambda: True, progress: Callable[[int], None] = lambda _: None,
                 announce: Callable[[float], None] = lambda _: None, report: Report | None = None,
                 route: Route = CANDU, pace: Pace | None = None, sizes: BatchSizes | None = None) -> None:
        self._connect = connect
        self._limits = limits
        self._sizes = sizes or BatchSizes(limits.batch_size)
        self._queue: queue.Queue[Batch | None] = queue.Queue(2 * limits.concurrency)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._crash: BaseException | None = None
        self.report = Report() if report is None else report
        self._evidence = Evidence(route, limits.unproven)
        requests = Requests(limits=limits, pace=pace or pace_of_process(limits.rate, limits.first_pause / 10),
                            record=record, may_send=may_send, announce=announce, report=self.report,
                            evidence=self._evidence, stop=self._stop, sizes=self._sizes)
        self._settling = Settling(limits=limits, requests=requests, evidence=self._evidence, record=record,
                                  progress=progress, report=self.report, service=route.service, sizes=self._sizes)

    def stop(self) -> None:
        """No new request from now on; those under way are waited for. Safe in a signal handler and other threads."""
        self._stop.set()

    def run(self, messages: Iterable[pa.RecordBatch]) -> Report:
        """Deliver the messages; returns when all are settled or the delivery was stopped.

        Args:
            messages: batches of message (int64, rising) and body (string, JSON with a comma after it).

        Returns:
            What was done. Its ``error`` says what ended the delivery early, or left messages unsent.
        """
        ends = [threading.Event() for _ in range(self._limits.concurrency)]
        for n, end in enumerate(ends):
            threading.Thread(target=self._work, args=(end,), name=f"candu-sync sender {n}", daemon=True).start()
        try:
            for batch in batches(messages, lambda: self._sizes.size, self._limits.batch_bytes):
                if not self._offer(batch):
                    break
            for _ in ends:
                self._offer(None)
            _wait_for(ends)
        except BaseException:
            self._stop.set()
            _wait_for(ends)
            raise
        self._settle_left_over()
        if self._crash is not None:
            raise self._crash
        return self.report

    def _offer(self, batch: Batch | None) -> bool:
        """Queue a batch; False when the delivery was stopped."""
        while not self._stop.is_set():
            try:
                self._queue.put(batch, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def _work(self, end: threading.Event) -> None:
        try:
            self._settle_all(self._next)
        finally:
            end.set()

    def _settle_left_over(self) -> None:
        """Settle what waited for evidence that did not come, and write down the rejections that were held back."""
        self._settle_all(lambda: None if self._stop.is_set() else self._evidence.ready() or self._evidence.left_over())
        try:
            if not self._stop.is_set():
                rejected, unsent = self._evidence.settle()
                self._settling.set_aside(rejected)
                self._settling.leave_unsent(unsent)
        except CanduSyncError as error:
            self._end(error)

    def _settle_all(self, following: Callable[[], Splitting | None]) -> None:
        """Settle batches by a connection of their own."""
        connection: Connection | None = None
        try:
            while (batch := following()) is not None:
                connection = connection or self._connect()
                self._settling.settle(connection, batch)
        except CanduSyncError as error:
            self._end(error)
        except BaseException as error:  # of a thread: it must reach the caller, who would otherwise wait without end
            self._crash = error
            self._stop.set()
        finally:
            if connection is not None:
                connection.close()

    def _next(self) -> Splitting | None:
        """The next batch: one that waited for evidence, or a fresh one."""
        while not self._stop.is_set():
            if (waited := self._evidence.ready()) is not None:
                return waited
            try:
                fresh = self._queue.get(timeout=0.1)
            except queue.Empty:
                continue
            return None if fresh is None else Splitting(fresh)
        return None

    def _end(self, error: CanduSyncError) -> None:
        with self._lock:
            if self.report.error is None or isinstance(error, Unauthorized):
                self.report.error = error
        self._stop.set()


def _wait_for(ends: Iterable[threading.Event]) -> None:
    """Wait until all workers have ended.

    An exception may interrupt this, as Dagster's cancel does. ``Thread.join`` cannot be used then: in Python 3.11 a
    thread whose join was interrupted counts as ended, and the next join of it does not wait.
    """
    for end in ends:
        end.wait()
