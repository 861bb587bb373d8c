"""Sending the messages of a step, by the delivery: its pace, its retries, its reading of answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa

from candu_sync.delivery import Candu, Delivery, Item, KeptConnections, Limits
from candu_sync.errors import CanduError, Refused
from candu_sync.project import Project
from candu_sync.routes import CANDU


class Sending:
    """Sends requests one by one. A context manager.

    Args:
        announce: called with the seconds of a long pause that Candu asked for.
    """

    def __init__(self, project: Project, announce: Callable[[float], None]) -> None:
        settings, key = project.settings, project.settings.require_api_key()
        self._settings = settings
        self._announce = announce
        self._pace = project.destinations.pace(CANDU)
        self._witness = _Witness()
        self._connections = KeptConnections(
            lambda: _Watched(settings.api_url, key, settings.timeout, witness=self._witness))

    def __enter__(self) -> Sending:
        return self

    def __exit__(self, *_: object) -> None:
        self._connections.close()

    def send(self, requests: Iterable[pa.RecordBatch]) -> str:
        """Send requests until one is not accepted as it is.

        Returns:
            What Candu answered to that one; empty: all were accepted.

        Raises:
            CanduError: Candu cannot be reached, refuses the key, or answers as no API of messages does.
        """
        return next(filter(None, map(self._send, requests)), "")

    def _send(self, request: pa.RecordBatch) -> str:
        receipts: list[dict[str, Any]] = []
        limits = Limits(batch_size=request.num_rows, rate=self._settings.rate, concurrency=1,
                        max_attempts=self._settings.max_attempts)
        delivery = Delivery(self._connections.lend, limits, receipts.append, announce=self._announce,
                            pace=self._pace)
        witness = self._witness
        witness.begin(request.num_rows, delivery.stop)
        report = delivery.run([request])
        if witness.accepted:
            return ""
        if report.error is not None:
            raise report.error
        reasons = (str(line["reason"]) for line in receipts if "rejected" in line)
        return next(reasons, "") or str(witness.error)


class _Witness:
    """Sees whether a request was accepted as it is: the delivery would send its messages in parts, too."""

    def begin(self, messages: int, stop: Callable[[], None]) -> None:
        """The next request has so many messages; ``stop`` ends its delivery."""
        self._messages = messages
        self._stop = stop
        self.accepted = False
        self.error: CanduError | None = None

    def answered(self, messages: int, *, accepted: bool, error: CanduError | None = None) -> None:
        """What became of some messages."""
        if messages == self._messages:
            self.accepted, self.error = accepted, error
            # A 403 may be about the key: the delivery asks.
            if messages > 1 and isinstance(error, Refused) and error.status != 403:
                self._stop()


class _Watched(Candu):
    """A connection with a witness."""

    def __init__(self, url: str, key: str, timeout: float, *, witness: _Witness) -> None:
        super().__init__(url, key, timeout)
        self._witness = witness

    def send(self, body: bytes, messages: int) -> tuple[Item, ...] | None:
        try:
            items = super().send(body, messages)
        except CanduError as error:
            self._witness.answered(messages, accepted=False, error=error)
            raise
        self._witness.answered(messages, accepted=items is None)
        return items
