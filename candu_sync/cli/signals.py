"""Ctrl-C and SIGTERM: the first ends a command in order, the second at once."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from candu_sync.project import Project

# Seconds that a warehouse has to end a query after it was cancelled.
PATIENCE = 2.0


@contextmanager
def signals(project: Project, say: Callable[[str], None]) -> Iterator[None]:
    """While the block runs, the first signal during a push ends the sending in order, and what was accepted is
    committed; at any other time it raises KeyboardInterrupt. A second one ends the process: receipts are on disk, the
    next run folds them in.

    Python runs its handlers only when the main thread returns from a driver, perhaps after a long query. So a thread
    watches too: it cancels the query at the warehouse. It ends a process that is only reading after ``PATIENCE``
    seconds.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    watcher = threading.Thread(target=_watch, args=(reader, project, say), name="candu-sync signals", daemon=True)
    watcher.start()

    def on_signal(number: int, _: Any) -> None:
        if project.pushes.under_way and not project.stopped:
            say("stopping: no new requests; those under way are waited for. Once more to end at once")
        project.stop()
        if not project.pushes.under_way:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    old = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(old)
        for number, handler in before.items():
            signal.signal(number, handler)
        writer.close()
        # A thread that still runs when the interpreter ends makes DuckDB print pages of leaks.
        watcher.join(PATIENCE)


def _watch(reader: socket.socket, project: Project, say: Callable[[str], None]) -> None:
    with reader:
        if not reader.recv(1):
            return
        # Another sync may read while one is pushed. In a thread of its own: a warehouse that does not answer must not
        # block this one.
        threading.Thread(target=project.cancel_all_queries, name="candu-sync cancel", daemon=True).start()
        while True:
            reader.settimeout(None if project.pushes.under_way else PATIENCE)
            try:
                if not reader.recv(1):
                    return
            except TimeoutError:
                if project.pushes.under_way:
                    continue
                say("ended without waiting for the warehouse; nothing was being sent")
            os._exit(1)
