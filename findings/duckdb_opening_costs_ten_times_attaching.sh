#!/bin/sh
# duckdb 2.0.0: opening a database costs processor time in tens of milliseconds, however empty it is and whatever is
# configured; attaching the same file to a database that is open costs less than a tenth of it.
#
# A guess: duckdb.connect() of an empty database, in memory or in a small file, is a matter of microseconds, so a program
# may open one for each small job. In fact each one costs as much as the first one of the process, and no less with one
# thread or without extensions that load by themselves. A file that is attached to an open database is nearly free.
#
# Seen: 22 to 27 ms of processor in memory and for a file, with one thread too; 0.6 ms attached
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import time

import duckdb


def cost(work):
    """The least processor time of several, in milliseconds."""
    found = []
    for _ in range(15):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return 1000 * min(found)


duckdb.connect("small.duckdb").close()
host = duckdb.connect()


def attach():
    host.execute("ATTACH 'small.duckdb' AS other (READ_ONLY)")
    host.execute("DETACH other")


in_memory = cost(lambda: duckdb.connect().close())
from_file = cost(lambda: duckdb.connect("small.duckdb", read_only=True).close())
one_thread = cost(lambda: duckdb.connect(config={"threads": 1, "autoload_known_extensions": False}).close())
attached = cost(attach)
print(f"in memory {in_memory:.1f} ms, file {from_file:.1f}, one thread {one_thread:.1f}, attached {attached:.2f}")
assert min(in_memory, from_file, one_thread) > 10 * attached
PYTHON
