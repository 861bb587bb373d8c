"""Many small partitions of one sync: the first run, one in which none changed, and how they stand."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from functools import partial
from typing import Any

from bench.bench import Bench
from bench.lab import SYNC, Lab, open_sink
from bench.process import Failed

# The last two characters of user_0 … user_999.
ENDS = 110

# Of one user each.
TINY = 1_000

# Of one user each, by turns with the build of before: that one takes a quarter of a second for each.
TURNS = 200

# Whose ``status`` is asked for.
LISTED = 10_000


def partitions(bench: Bench) -> None:
    """``partitions/ends/first`` and ``same``, ``partitions/tiny/first`` and ``same``, ``partitions/status``, and beside
    the build of before ``partitions/turns/first`` and ``same``: the whole process, the state on a disk."""
    kinds = {"tiny": _alone} if bench.brief else {"ends": _split, "tiny": _alone}
    if bench.wants("partitions/turns/same"):
        _by_turns(bench)
    if not bench.wants(*(f"partitions/{kind}/same" for kind in kinds), "partitions/status", both=False):
        return
    warehouse, table = bench.warehouses.table("duckdb", 1_000)
    with open_sink() as sink, Lab(bench.scratch / "lab", warehouse, table, sink) as lab:
        for kind, write in kinds.items():
            keys = write(lab, table, 20 if bench.tiny else TINY)
            bench.measure(f"partitions/{kind}/first", partial(_first, lab, keys))
            bench.measure(f"partitions/{kind}/same", partial(_run, lab, keys, sends=False))
        bench.measure("partitions/status", partial(_status, lab, table, 50 if bench.tiny else LISTED))


def _by_turns(bench: Bench) -> None:
    """The same partitions by this build and by the one of before."""
    warehouse, table = bench.warehouses.table("duckdb", 1_000)
    with open_sink() as sink, ExitStack() as stack:
        calls = {}
        for build in bench.builds:
            folder = bench.scratch / f"turns{len(build.prefix)}"
            lab = stack.enter_context(Lab(folder, warehouse, table, sink, build))
            keys = _alone(lab, table, 20 if bench.tiny else TURNS)
            calls[f"{build.prefix}partitions/turns/first"] = partial(_first, lab, keys)
            calls[f"{build.prefix}partitions/turns/same"] = partial(_run, lab, keys, sends=False)
        bench.by_turns(calls, slow=True)


def _split(lab: Lab, table: str, count: int) -> int:
    """Give the sync a partition for each end of a user's id; returns how many there are, whatever the count."""
    lab.model(f"select * from (select * from {table}) where right(user_id, 2) = :partition")
    _values(lab, f"select distinct right(user_id, 2) from (select * from {table})")
    return ENDS


def _alone(lab: Lab, table: str, count: int) -> int:
    """Give the sync a partition for each of so many users."""
    lab.model(f"select user_id, count_0, text_0, flag_0 from (select * from {table}) where user_id = :partition")
    _values(lab, f"select user_id from (select * from {table}) order by user_id limit {count}")
    return count


def _values(lab: Lab, sql: str) -> None:
    (lab.folder / "sql/users/u.yaml").write_text(f'partitions: {{dynamic: part, values: "{sql}"}}')


def _first(lab: Lab, count: int) -> dict[str, Any]:
    lab.forget()
    return _run(lab, count, sends=True)


def _run(lab: Lab, count: int, *, sends: bool) -> dict[str, Any]:
    ended = lab.command("run", SYNC, "--json")
    results = [json.loads(line) for line in ended.out.splitlines()]
    if len(results) != count or any(bool(result["accepted"]) is not sends for result in results):
        raise Failed(f"{len(results)} of {count} partitions ran, or one of them sent what it should not")
    return {**ended.costs, "partitions": len(results)}


def _multiply(lab: Lab, table: str, count: int) -> None:
    """Leave the state of so many partitions: one that ran, and copies of its files under other keys."""
    lab.forget()
    _alone(lab, table, 1)
    _run(lab, 1, sends=True)
    state = lab.folder / "state"
    [folder] = (path for path in (state / "users.u").iterdir() if path.is_dir())
    record = state / "last/users.u" / f"{folder.name}.json"
    for number in range(count - 1):
        shutil.copytree(folder, folder.with_name(f"part{number}"))
        shutil.copy(record, record.with_name(f"part{number}.json"))


def _status(lab: Lab, table: str, count: int) -> dict[str, Any]:
    if not (lab.folder / f"state/users.u/part{count - 2}").exists():
        _multiply(lab, table, count)
    ended = lab.command("status", SYNC, "--json")
    if (found := len(ended.out.splitlines())) != count:
        raise Failed(f"{found} partitions of {count} are listed")
    return dict(ended.costs)
