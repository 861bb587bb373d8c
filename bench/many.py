"""Many small syncs: two hundred of which nothing changed, ten beside thousands of tables, and what a store is asked."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from bench.bench import Bench
from bench.builds import Build
from bench.lab import Lab, open_sink
from bench.process import ROOT, Failed

SYNCS = 200
TRAITS = 8
PLANNED = 10
TABLES = 2_000


def many(bench: Bench) -> None:
    """``many/<syncs>``: `run --all` of syncs of a thousand rows and 8 traits, nothing changed."""
    if not bench.wants(f"many/{SYNCS}"):
        return
    syncs = 4 if bench.tiny else SYNCS
    with open_sink() as sink, ExitStack() as stack:
        calls = {}
        for build in bench.builds:
            lab = stack.enter_context(small_syncs(bench, build, syncs, sink=sink))
            lab.command("baseline", "--all")
            calls[f"{build.prefix}many/{SYNCS}"] = partial(unchanged, lab, syncs)
        bench.by_turns(calls, slow=True)


@contextmanager
def small_syncs(bench: Bench, build: Build, syncs: int, **options: Any) -> Iterator[Lab]:
    """A project of syncs over the thousand rows; each has traits of its own names."""
    warehouse, table = bench.warehouses.table("duckdb", 1_000)
    with Lab(bench.scratch / f"many{len(build.prefix)}", warehouse, table, build=build, **options) as lab:
        write_syncs(lab, table, syncs)
        yield lab


def write_syncs(lab: Lab, table: str, syncs: int) -> None:
    """Put so many syncs in the place of the one."""
    (lab.folder / "sql/users/u.sql").unlink()
    columns = [*(f"count_{n}" for n in range(4)), *(f"text_{n}" for n in range(4))]
    for number in range(syncs):
        listed = ", ".join(f"{column} as s{number}_{column}" for column in columns[:TRAITS])
        (lab.folder / f"sql/users/s{number}.sql").write_text(f"select user_id, {listed} from {table}\n")


def unchanged(lab: Lab, syncs: int, verb: str = "run", **settings: str) -> dict[str, Any]:
    """One command over all syncs, of which none has anything to send. Raises Failed."""
    ended = lab.command(verb, "--all", "--json", **settings)
    results = [json.loads(line) for line in ended.out.splitlines()]
    if len(results) != syncs or any(result["messages"] for result in results):
        raise Failed(f"{len(results)} of {syncs} syncs ran, or one of them has messages")
    return {**ended.costs, "syncs": syncs, "cpu_ms_a_sync": 1000 * ended.cpu / syncs}


def tables(bench: Bench) -> None:
    """``tables/<number>``: `plan --all` of ten syncs of 100 rows, on a PostgreSQL with so many other tables."""
    if "postgres" not in bench.kinds or not bench.wants("tables/none", "tables/many"):
        return
    numbers = (0, 20 if bench.tiny else TABLES)
    with ExitStack() as stack:
        calls = {}
        for place, number in zip(("none", "many"), numbers, strict=True):
            url = bench.warehouses.crowded(number)
            for build in bench.builds:
                folder = bench.scratch / f"tables-{place}{len(build.prefix)}"
                lab = stack.enter_context(Lab(folder, url, "small", build=build))
                write_syncs(lab, "small", PLANNED)
                lab.command("baseline", "--all")
                calls[f"{build.prefix}tables/{place}"] = partial(unchanged, lab, PLANNED, "plan")
        bench.by_turns(calls)


def store(bench: Bench) -> None:
    """``store/s3``, ``store/push``: requests to the store of a run in which nothing changed, and of a first one."""
    if not bench.wants("store/s3", "store/push"):
        return
    with open_sink() as sink, _open_store() as port:
        calls: dict[str, Callable[[], dict[str, Any]]] = {}
        for build in bench.builds:
            folder = bench.scratch / f"store{len(build.prefix)}"
            lab = Lab(folder, *bench.warehouses.table("duckdb", 1_000), sink=sink, build=build)
            bucket = f"bench{len(build.prefix)}"
            urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/{bucket}", method="PUT")).close()
            lab.more |= {"CANDU_STATE_URL": f"s3://{bucket}/state", "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                         "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "bench",
                         "AWS_SECRET_ACCESS_KEY": "bench"}
            calls[f"{build.prefix}store/push"] = partial(_first_requests, lab, port, f"s3://{bucket}")
            # In the folder that the first run has left.
            calls[f"{build.prefix}store/s3"] = partial(_requests, lab, port, 0)
        bench.by_turns(calls)


def _first_requests(lab: Lab, port: int, bucket: str) -> dict[str, Any]:
    """Those of a first run, in a folder of its own."""
    lab.more["CANDU_STATE_URL"] = f"{bucket}/{uuid.uuid4().hex}"
    return _requests(lab, port, 1_000)


def _requests(lab: Lab, port: int, messages: int) -> dict[str, Any]:
    _counted(port)
    found = lab.sync("run")
    if found["messages"] != messages:
        raise Failed(f"{found['messages']} messages instead of {messages}")
    counts = _counted(port)
    return {**found, "store_requests": sum(counts.values()), **counts}


def _counted(port: int) -> dict[str, int]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/counted", timeout=30) as answer:
        found: dict[str, int] = json.loads(answer.read())
    return found


@contextmanager
def _open_store() -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-P", str(ROOT / "bench/peers/store.py")], stdout=subprocess.PIPE,
                          text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise Failed("moto's S3 did not start")
            yield int(line)
        finally:
            process.kill()
