"""An S3 on this machine that counts its requests, for moto: ``python store.py``. It prints its port.

    GET /counted   requests by method since the last call, as JSON
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def counting(app: App) -> App:
    """The app, with its requests counted."""
    counts: Counter[str] = Counter()

    def counted(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/counted":
            counts[environ["REQUEST_METHOD"]] += 1
            return app(environ, start_response)
        body = json.dumps(counts).encode()
        counts.clear()
        start_response("200 OK", [("content-type", "application/json"), ("content-length", str(len(body)))])
        return [body]

    return counted


def serve() -> None:
    """Serve until killed."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_request(self, *arguments: Any) -> None:
            """No line for each request."""

    server = make_server("127.0.0.1", 0, counting(DomainDispatcherApplication(create_backend_app)), threaded=True,
                         request_handler=Quiet)
    print(server.server_port, flush=True)  # noqa: T201
    server.serve_forever()


if __name__ == "__main__":
    serve()
