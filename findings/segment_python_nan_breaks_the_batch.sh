#!/bin/sh
# segment-analytics-python 2.4.0: one NaN among the traits makes the whole batch invalid JSON.
#
# A guess: NaN is dropped with a warning, as a UUID is, or becomes null, as in Segment's library for Node. In fact
# identify() returns True, and NaN is written as it is, in one body with up to 99 other messages. Segment answers invalid
# JSON with 400, and the library does not try a 400 again: good messages are lost with the bad one.
#
# Seen, in one body: (True, ['"traits": {"n": NaN}', '"traits": {"plan": "pro"}']); "NaN is no JSON"
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet segment-analytics-python==2.4.0
"$folder/venv/bin/python" - <<'PYTHON'
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from segment.analytics.client import Client

bodies = []


class Server(BaseHTTPRequestHandler):
    def do_POST(self):
        bodies.append(self.rfile.read(int(self.headers["content-length"])).decode())
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def refuse(constant):
    raise ValueError(f"{constant} is no JSON")


server = HTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = Client("key", host=f"http://127.0.0.1:{server.server_port}", upload_size=2)
taken, _ = client.identify("u1", {"n": float("nan")})
client.identify("u2", {"plan": "pro"})
client.shutdown()
(body,) = bodies
print((taken, re.findall(r'"traits": {[^}]*}', body)))
assert taken
assert '"traits": {"n": NaN}' in body and '"traits": {"plan": "pro"}' in body
try:
    json.loads(body, parse_constant=refuse)
except ValueError as error:
    print(error)
else:
    raise AssertionError("the body is JSON")
PYTHON
