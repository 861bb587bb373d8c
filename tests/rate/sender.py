"""A process that sends requests as fast as its pace allows, until it is ended: ``python -m tests.rate.sender``."""

from __future__ import annotations

import http.client
import sys
import threading
import time
from pathlib import Path

from candu_sync.rate import fallback, open_pace, redis_turns


def main() -> None:
    """Arguments: rate, file, URL of Redis or -, port of the server, name, workers."""
    rate, file, url, port, name, workers = sys.argv[1:]
    # Nobody waits as long as usual in a test.
    fallback.RETRY, fallback.ALL_BACK, redis_turns.PATIENCE = 0.3, 2.5, 1.0
    pace = open_pace(float(rate), Path(file), url=None if url == "-" else url, key="test",
                     say=lambda text: print(text, flush=True))  # noqa: T201
    stop = threading.Event()

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", int(port))
        connection.connect()
        while pace.wait(stop):
            asked = time.monotonic()
            if not pace.enter(stop):
                return
            connection.request("POST", f"/{name}/{asked}/{time.monotonic()}")
            answer = connection.getresponse()
            answer.read()
            if answer.status == 429:
                pace.slow_down(float(answer.headers["Retry-After"]))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(int(workers))]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    pace.close()


if __name__ == "__main__":
    main()
