"""The second half of a run, under its claim: messages are delivered, and what Candu accepted is committed."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from candu_sync.changes import ChangeSet, take_over, unsettled_messages
from candu_sync.commit import commit
from candu_sync.delivery import Delivery, Limits, Report
from candu_sync.errors import StaleChanges
from candu_sync.forgetting import read_tombstones
from candu_sync.history import DigestFile
from candu_sync.naming import counted
from candu_sync.progress import Reporter
from candu_sync.settings import in_words
from candu_sync.state import Claim, Outcome, ReceiptLog, Version, read_receipts
from candu_sync.target import Target

_log = logging.getLogger(__name__)

# What a push is reported to have done -> the field of its report.
_COUNTED = {"accepted": "accepted", "refused": "rejected", "requests": "requests", "retries": "retries",
            "too_large": "too_large", "bytes": "bytes"}


@dataclass(frozen=True, kw_only=True)
class ClaimedPush:
    """A push that has its claim.

    Attributes:
        report: is filled in while messages are settled.
        sample: send so many messages and stop; None: all.
        reporter: of the operation.
    """

    target: Target
    changes: ChangeSet
    claim: Claim
    report: Report
    sample: int | None
    reporter: Reporter

    def deliver_and_commit(self, version: Version) -> None:
        """Deliver what is not settled yet, commit what was accepted, and release the claim.

        Raises:
            StaleChanges: the snapshot has moved on since the plan. Nothing was sent.
            StateError: the state cannot be written.
        """
        # Nobody else changes the partition's files under the claim.
        with self.target.state.seen_at_once(record=False):
            self._deliver_and_commit(version)

    def _deliver_and_commit(self, version: Version) -> None:
        target, changes, state = self.target, self.changes, self.target.state
        try:
            take_over(state, changes, version)
            read_tombstones(target.project.state).check(changes)
        except StaleChanges:
            self.claim.release()
            raise
        outcome = read_receipts(state, changes.run_id)
        # What an earlier push of this change set has settled is not sent again.
        self.report.accepted, self.report.rejected = outcome.settled
        left_out = self._left_out(outcome)
        # Messages that an earlier push settled have no digests. Then all digests are computed again.
        built = not (any(outcome.settled) or left_out)
        digests = DigestFile(state.store.scratch) if built and target.history.written else None
        with ExitStack() as until_committed:
            try:
                if changes.summary.messages:
                    with self._push(), digests or nullcontext():
                        self._deliver(outcome, left_out, digests, until_committed)
            finally:
                with self.reporter.phase("commit"):
                    commit(state, version, target.sync, changes, outcome, engine=target.project.engine,
                           history=target.history, digests=digests.batches() if digests else None)
                if digests:
                    digests.remove()
                self.claim.release()

    @contextmanager
    def _push(self) -> Iterator[None]:
        """The phase of the push, with what its report counts until the end of the block."""
        before = replace(self.report)
        with self.reporter.phase("push") as counts:
            try:
                yield
            finally:
                counts |= {name: getattr(self.report, field) - getattr(before, field)
                           for name, field in _COUNTED.items()}

    def _left_out(self, outcome: Outcome) -> set[int]:
        """The messages that an earlier push of the change set may have sent, and that are not sent again: the snapshot
        takes them as accepted."""
        sync = self.target.sync
        unknown = outcome.unknown if sync.kind == "events" and sync.uncertain == "skip" else set()
        if unknown:
            self.report.accepted += len(unknown)
            _log.warning("%s: %s went out in an earlier push without an answer, and %s not sent again (uncertain: "
                         "skip). They are taken as accepted; `candu-sync status` counts them as uncertain",
                         self.target.name, counted(len(unknown), "event"), "is" if len(unknown) == 1 else "are")
        return unknown

    def _deliver(self, outcome: Outcome, left_out: set[int], digests: DigestFile | None,
                 until_committed: ExitStack) -> None:
        project = self.target.project
        log = until_committed.enter_context(self._receipts(outcome))
        messages = unsettled_messages(self.changes, outcome, project.message_namespace, engine=project.engine,
                                      sample=self.sample, left_out=left_out, built=digests.add if digests else None)
        try:
            delivery = self._delivery(outcome, log)
            with project.pushes.delivery(delivery), closing(messages):
                delivery.run(messages)
        finally:
            log.end()
            project.destinations.keep_batch_sizes(self.target.route)
            self._say_too_large()

    @contextmanager
    def _receipts(self, outcome: Outcome) -> Iterator[ReceiptLog]:
        """The log, which is open until the commit is done: only what is not settled then is looked up in it again."""
        log = ReceiptLog(self.target.state, self.changes.run_id)
        needed = True
        try:
            yield log
            needed = sum(outcome.settled) < self.changes.summary.messages
        finally:
            log.close(needed=needed)

    def _delivery(self, outcome: Outcome, log: ReceiptLog) -> Delivery:
        # httpx takes longer to load than a plan with nothing to send takes altogether.
        from candu_sync.delivery import connection_of

        project, settings, route = self.target.project, self.target.project.settings, self.target.route
        destination = connection_of(route).destination
        unsettled = self.changes.summary.messages - self.report.accepted - self.report.rejected
        total = unsettled if self.sample is None else self.sample
        sizes = project.destinations.batch_sizes(route, self.changes.kind, total)
        # No more workers than requests.
        workers = min(settings.concurrency, max(1, math.ceil(total / sizes.size)))
        limits = Limits(batch_size=sizes.begin, batch_bytes=destination.most_bytes, rate=settings.rate,
                        concurrency=workers, max_attempts=settings.max_attempts, unproven=destination.unproven)
        done = 0

        def record(line: dict[str, Any]) -> None:
            if "accepted" in line:
                self.target.take_on_workspace()
            log.write(line)
            outcome.note(line)

        def count(messages: int) -> None:
            nonlocal done
            done += messages
            self.reporter.count("push", done, total)

        return Delivery(project.destinations.connections(route).lend, limits, record, may_send=self.claim.held,
                        progress=count, announce=self._announce, report=self.report, route=route,
                        pace=project.destinations.pace(route), sizes=sizes)

    def _say_too_large(self) -> None:
        """Requests that grow find their limit by a refusal: only of the size that was set is it worth a word."""
        if self.report.batch_size_too_large:
            settings, route = self.target.project.settings, self.target.route
            _log.warning(
                "%s: %s refused requests of %s or fewer, and accepted the same messages in smaller ones. %s",
                self.target.name, route.service, counted(route.batch_size(settings.batch_size), "message"),
                in_words(settings.workspace, "A smaller CANDU_BATCH_SIZE spares the refusals"))

    def _announce(self, seconds: float) -> None:
        _log.warning("%s: %s asks to wait %s seconds before the next request", self.target.name,
                     self.target.route.service, f"{seconds:,.0f}")
