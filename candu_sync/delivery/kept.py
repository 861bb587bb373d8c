"""Connections that are kept from one push to the next: a small push takes less time than a new connection."""

from __future__ import annotations

import threading
from collections.abc import Callable

from candu_sync.delivery.acceptance import Item
from candu_sync.delivery.requests import Connection


class KeptConnections:
    """Lends connections; those that were given back are lent again.

    Args:
        make: makes a connection. One that has broken makes itself anew with the next request.

    Example:
        >>> from candu_sync.delivery import Candu
        >>> kept = KeptConnections(lambda: Candu(simulator.url, simulator.key))
        >>> for _ in range(2):
        ...     connection = kept.lend()
        ...     connection.probe()
        ...     connection.close()
        >>> kept.made
        1
        >>> kept.close()

    Attributes:
        made: how many connections were made.
    """

    def __init__(self, make: Callable[[], Connection]) -> None:
        self._make = make
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self.made = 0

    def lend(self) -> Connection:
        """A connection for one thread, which closes it. Raises as ``make`` does."""
        with self._lock:
            if self._idle:
                return _Lent(self._idle.pop(), self._idle)
            self.made += 1
        return _Lent(self._make(), self._idle)

    def close(self) -> None:
        """Close the connections that were given back."""
        while self._idle:
            self._idle.pop().close()


class _Lent:
    """A connection whose end is that it is given back."""

    def __init__(self, connection: Connection, idle: list[Connection]) -> None:
        self._connection = connection
        self._idle = idle

    def send(self, body: bytes, messages: int) -> tuple[Item, ...] | None:
        return self._connection.send(body, messages)

    def probe(self) -> None:
        self._connection.probe()

    @property
    def status(self) -> int | None:
        return self._connection.status

    def close(self) -> None:
        self._idle.append(self._connection)
