"""Items that a thread makes in advance, a few at a time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

_T = TypeVar("_T")

# Seconds after which a thread that waits for room checks whether its items are still wanted.
_LOOK = 0.1


def ahead(items: Iterable[_T], most: int, cancel: Callable[[], None] = lambda: None) -> Generator[_T, None, None]:
    """The items. At most ``most`` of them wait to be taken. What making them raises is raised here. When the generator
    is closed before its end, the thread stops after the item that it is making; ``cancel`` shortens that."""
    made: queue.Queue[tuple[_T | None, BaseException | None]] = queue.Queue(most)
    unwanted = threading.Event()

    def put(item: _T | None, error: BaseException | None = None) -> bool:
        while not unwanted.is_set():
            try:
                made.put((item, error), timeout=_LOOK)
                return True
            except queue.Full:
                continue
        return False

    def make() -> None:
        try:
            for item in items:
                if not put(item):
                    return
        except BaseException as error:  # of a thread: it must reach the caller
            put(None, error)
        else:
            put(None)

    thread = threading.Thread(target=make, name="candu-sync ahead", daemon=True)
    thread.start()
    ended = False
    try:
        while True:
            item, error = made.get()
            ended = item is None
            if error is not None:
                raise error
            if item is None:
                return
            yield item
    finally:
        unwanted.set()
        if not ended:
            cancel()
        thread.join()
