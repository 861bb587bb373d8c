"""What becomes of a batch: accepted, split until each bad message is alone, sent again, or given up.

- Accepted: a receipt, done.
- Refused: it is split (``splitting.py``); a message that is refused alone is set aside once the destination is known to
  work (``evidence.py``); the rest is delivered.
- An error that may pass: it is sent again after a pause (``requests.py``), and given up after ``max_attempts``, unsent.
- Too large (413), or too late: it is sent in smaller parts, and the next ones are smaller (``sizes.py``).
- A 5xx on every attempt, while others are accepted: a message makes the destination fail. The batch is split like one
  that was refused, and that message is set aside. With ``max_attempts`` 1 it stays unsent: one 5xx may pass.
- Anything else ends the delivery.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from candu_sync.delivery.acceptance import Item
from candu_sync.delivery.batches import Batch
from candu_sync.delivery.destination import TOO_LARGE
from candu_sync.delivery.evidence import Evidence
from candu_sync.delivery.limits import Limits, Report
from candu_sync.delivery.requests import Connection, GaveUp, Requests, Stopped, TooSlow, now
from candu_sync.delivery.sizes import BatchSizes
from candu_sync.delivery.splitting import Splitting
from candu_sync.delivery.words import LONGEST, with_words
from candu_sync.errors import Refused, Transient

# Attempts for a part, and for a single message, of a batch that was answered with a 5xx on every attempt.
_PART_ATTEMPTS = 2
_SINGLE_ATTEMPTS = 3

# Single messages that get a 5xx before an only batch is given up.
_FAILED_ALONE = 2

# What a message's own outcome in an answer must be to send it again.
_TRY_AGAIN = frozenset({408, 425, 429})


class Settling:
    """Settles batches, each in the thread that calls. Safe to use from several threads.

    Args:
        limits: how to deliver.
        requests: sends.
        evidence: whether the destination is known to work.
        record: writes a receipt line down, durably.
        progress: called with the number of messages that were settled.
        report: counts what was settled; its ``error`` says that something stayed unsent.
        service: the name of the destination.
        sizes: what is learnt of the size of requests.
    """

    def __init__(self, *, limits: Limits, requests: Requests, evidence: Evidence,
                 record: Callable[[dict[str, Any]], None], progress: Callable[[int], None], report: Report,
                 service: str, sizes: BatchSizes) -> None:
        self._limits = limits
        self._requests = requests
        self._evidence = evidence
        self._record = record
        self._progress = progress
        self._report = report
        self._service = service
        self._sizes = sizes
        self._lock = threading.Lock()
        self._given_up = 0

    def settle(self, connection: Connection, batch: Splitting) -> None:
        """Deliver a batch, in parts where it must be split, until it is settled, given up, or has to wait.

        Raises:
            CanduError: the delivery must end.
        """
        if batch.failing and batch.last_resort and not self._search(batch):
            return
        if not batch.troubled_at:
            # It was cut before the newest requests were answered.
            self._cut(batch, self._sizes.size)
        try:
            while (part := batch.take()) is not None:
                if not self._send(connection, batch, part):
                    return
                if batch.fallen_apart and not batch.last_resort:
                    self._wait(batch)
                    return
        except Stopped:
            return
        if batch.refused and not (batch.refused_alone or batch.failing):
            # All of it was accepted in parts: the number of messages was to blame, and not one of them.
            self._sizes.too_large(batch.refused)
            with self._lock:
                self._report.batch_size_too_large |= batch.refused <= self._sizes.begin

    def _cut(self, batch: Splitting, size: int) -> None:
        if not self._sizes.fixed:
            batch.cut(size)

    def _send(self, connection: Connection, batch: Splitting, part: Batch) -> bool:
        """Send a part of a batch; False when the batch has to wait, or is given up."""
        before = self._evidence.latest
        try:
            items, request = self._requests.send(connection, part, self._attempts(batch, part))
        except GaveUp as failure:
            return self._failed(batch, part, failure, before)
        except TooSlow:
            batch.put_back(part)
            self._cut(batch, self._sizes.begin)
            return True
        except Refused as error:
            return self._refused(connection, batch, part, error)
        self._answered(batch, part, items, request)
        return True

    def _attempts(self, batch: Splitting, part: Batch) -> int:
        if not batch.failing:
            return self._limits.max_attempts
        if not batch.trusted:
            return 1
        return min(self._limits.max_attempts, _SINGLE_ATTEMPTS if len(part) == 1 else _PART_ATTEMPTS)

    def _refused(self, connection: Connection, batch: Splitting, part: Batch, error: Refused) -> bool:
        """A part was refused. A 403 may mean the key: then the probe raises, and the delivery ends."""
        batch.troubled_at = batch.troubled_at or error.request
        if error.status == 403 and not batch.probed:
            try:
                self._requests.probe(connection)
            except GaveUp as failure:
                self._give_up(failure.error)
                return False
            batch.probed = True
        if len(part) > 1:
            batch.split(part)
            if error.status == TOO_LARGE:
                self._count_too_large()
        else:
            self._refuse(batch, part, error.status or 0, error.reason)
        return True

    def _count_too_large(self) -> None:
        with self._lock:
            self._report.too_large += 1

    def _answered(self, batch: Splitting, part: Batch, items: tuple[Item, ...] | None, request: int) -> None:
        """A part was accepted, or each of its messages has an outcome."""
        if items is None:
            self._accept(batch, len(part), request)
            return
        batch.troubled_at = batch.troubled_at or request
        again = [not item.accepted and _is_passing(item.status) for item in items]
        for one in part.parts([not item.accepted for item in items]):
            for place in range(one.first, one.end):
                item = items[place - part.first]
                if not again[place - part.first]:
                    status = f" (status {item.status})" if item.status else ""
                    reason = with_words(f"{self._service} refused this message of a request{status}", item.words,
                                        most=LONGEST)
                    self._refuse(batch, Batch(part.chunk, place, place + 1), item.status or 0, reason, request)
        if accepted := sum(item.accepted for item in items):
            self._accept(batch, accepted, request)
        if any(again):
            self._send_again(batch, list(part.parts(again)), items[again.index(True)].status)

    def _send_again(self, batch: Splitting, parts: list[Batch], status: int | None) -> None:
        """Messages of a request had a passing trouble of their own."""
        batch.passing_troubles += 1
        trouble = Transient(f"{self._service} answered HTTP {status} for a message of a request", status=status)
        if batch.passing_troubles >= self._limits.max_attempts:
            self._give_up(trouble)
            return
        for part in reversed(parts):
            batch.put_back(part)
        self._requests.pause(trouble, batch.passing_troubles)

    def _accept(self, batch: Splitting, count: int, request: int) -> None:
        batch.accepted = True
        self._sizes.accepted(count)
        with self._lock:
            self._report.accepted += count
            self._given_up = 0
        self.set_aside(self._evidence.accepted(request))
        self._progress(count)

    def _refuse(self, batch: Splitting, part: Batch, status: int, reason: str, request: int | None = None) -> None:
        """A message was refused alone. It is set aside as soon as the destination is known to work."""
        batch.refused_alone += 1
        at = self._evidence.latest if request is None else request
        line = {"rejected": part.span[0], "status": status, "reason": reason, "at": now()}
        self.set_aside(self._evidence.refused(line, at, failed=batch.failing and not batch.trusted))

    def set_aside(self, lines: list[dict[str, Any]]) -> None:
        """Write rejections down."""
        for line in lines:
            self._record(line)
            with self._lock:
                self._report.rejected += 1
            self._progress(1)

    def leave_unsent(self, lines: list[dict[str, Any]]) -> None:
        """Messages failed alone, and nothing was accepted later that would prove them bad: the report says so."""
        for line in lines:
            self._note(Transient(f"{line['reason']}; nothing was accepted later, so it stays unsent and goes with the "
                                 "next run", status=line["status"]))

    def _failed(self, batch: Splitting, part: Batch, failure: GaveUp, before: int) -> bool:
        """A part failed on every attempt; False when its batch has to wait, or is given up."""
        if not failure.answered:
            self._give_up(failure.error)
            return True
        batch.failing = True
        batch.failure = failure.error
        batch.troubled_at = batch.troubled_at or before
        batch.proven = batch.proven or self._evidence.accepted_since(before)
        if len(part) == 1 and self._limits.max_attempts == 1 and batch.trusted:
            self._note(self._failure(failure.error))
        elif len(part) == 1 and (batch.trusted or batch.last_resort):
            self._refuse(batch, part, failure.error.status or 0,
                         f"{failure.error.reason}; the message was sent alone, and others were accepted")
            if not batch.trusted and batch.refused_alone >= min(_FAILED_ALONE, len(batch.whole)):
                self._note(self._failure(failure.error))
                return False
        elif batch.trusted or batch.last_resort:
            batch.split(part)
        else:
            batch.put_back(part)
            self._wait(batch)
            self._count_failure(self._failure(failure.error), max(2, self._limits.concurrency))
            return False
        return True

    def _wait(self, batch: Splitting) -> None:
        batch.last_sent = self._evidence.latest
        self._evidence.wait(batch)

    def _search(self, batch: Splitting) -> bool:
        """Nothing is left that could show whether the destination works, except the parts of a batch that fails: split
        it. False when it is given up: it is one message, or the destination says that it is not available."""
        part, failure = batch.take(), batch.failure
        if part is None or failure is None:
            return False
        if len(part) == 1 or failure.status == 503:
            self._note(self._failure(failure))
            return False
        batch.split(part)
        return True

    def _give_up(self, error: Transient) -> None:
        """Some messages stay unsent. When that happens as often as there are workers, with nothing accepted in between,
        the destination is down: the others would only fail in the same way."""
        failure = self._failure(error)
        self._count_failure(failure, self._limits.concurrency)
        self._note(failure)

    def _count_failure(self, failure: Transient, most: int) -> None:
        with self._lock:
            self._given_up += 1
            down = self._given_up >= most
        if down:
            raise failure

    def _note(self, failure: Transient) -> None:
        """The delivery goes on, but did not send everything."""
        with self._lock:
            self._report.error = self._report.error or failure

    def _failure(self, error: Transient) -> Transient:
        times = self._limits.max_attempts
        often = f"That happened {times} times in a row. " if times > 1 else ""
        return Transient(f"{error}. {often}What was not accepted stays unsent and goes with the next run",
                         status=error.status)


def _is_passing(status: int | None) -> bool:
    """Whether a message's own outcome is worth another try."""
    return status is not None and (status in _TRY_AGAIN or status >= 500)
