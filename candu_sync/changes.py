"""A change set: what a plan found, staged as files so that what was looked at is what is sent.

| file             | columns                                                                           |
|------------------|-----------------------------------------------------------------------------------|
| `changes.arrow`  | what the rows found are: as ``diff.py`` says, those held left out                 |
| `outgoing.arrow` | of groups alone: a row a message, as ``messages.py`` says; else ``changes`` is it |
| `held.arrow`     | rows that Candu refused before and that have not changed since                    |
| `plan.json`      | the rest: whose it is, the snapshot's version, the traits, the summary            |

Messages are built from these rows while they are sent, the same ones whenever that is.

And `invalid.arrow` (key, reason): the rows that cannot be sent, kept beside the versions until the next plan.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from candu_sync.diff import Diff
from candu_sync.engine import scalar
from candu_sync.errors import DamagedState, StateError
from candu_sync.messages import Encoding
from candu_sync.snapshot import write_arrow
from candu_sync.sync import Sync
from candu_sync.values import Kind, Trait

FILES = ("changes.arrow", "outgoing.arrow", "held.arrow", "plan.json")
INVALID = "invalid.arrow"
SAMPLE_ROWS = 10

# Messages that are built for the estimate of all their bytes.
SIZED = 1000


@dataclass(frozen=True)
class Summary:
    """What a change set holds, in numbers.

    Attributes:
        rows: of the result, equal ones counted once: added + changed + unchanged + invalid + held (but for those held
            that left the result).
        removed: rows of the snapshot that left the result.
        held: rows that Candu refused before, and that have not changed since.
        messages, bytes: what would go over the wire, without the brackets and commas of batches; of more than
            ``SIZED`` messages the bytes are estimated from the first of them.
        traits: name → messages that carry it.
        snapshot_rows: rows that Candu has and that had not left.
        gone_traits: traits of the snapshot that the model no longer gives.
        not_finite: trait → NaN and ±Inf that were taken as null.
        reasons: why rows were set aside → rows.
        odd_ids: what is odd about ids, though they go as they are → how many: "stray spaces" at either end, "upper and
            lower case" (they differ from another id by that alone).
        sample: up to ten rows: key, op, and the traits (names alone, or [before, after] with ``preview: values``).
    """

    rows: int
    added: int
    changed: int
    removed: int
    unchanged: int
    invalid: int
    held: int
    messages: int
    bytes: int
    traits: dict[str, int]
    snapshot_rows: int
    gone_traits: list[str] = field(default_factory=list)
    not_finite: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    sample: list[dict[str, Any]] = field(default_factory=list)
    odd_ids: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ChangeSet:
    """A staged change set.

    Attributes:
        run_id: the run that made it, its name.
        sync, kind, partition: whose it is; partition None: the sync has none.
        base: the version of the snapshot that it was computed from; 0: there was none.
        traits: the columns ``t0`` … of ``changes.arrow``, which the next snapshot will have.
        given: the names of those that the model gives.
        path: how the warehouse was read ("duckdb arrow", "rows", …).
        full: every row, whole.
        seconds: phase → seconds, of the plan.
        folder: where the files are, on this machine.
    """

    run_id: str
    sync: str
    kind: str
    partition: str | None
    base: int
    traits: tuple[Trait, ...]
    given: tuple[str, ...]
    summary: Summary
    path: str
    full: bool
    seconds: dict[str, float]
    folder: Path

    @property
    def outgoing(self) -> Path:
        """The file with a row a message, in the order of their numbers; rows without a number are none."""
        return self.folder / ("outgoing.arrow" if self.kind == "groups" else "changes.arrow")

    def save(self) -> None:
        """Write ``plan.json`` beside the files. Raises StateError when the disk does not take it."""
        body = asdict(self) | {"folder": None, "traits": [[t.name, str(t.kind)] for t in self.traits]}
        try:
            (self.folder / "plan.json").write_text(json.dumps(body))
        except OSError as error:
            raise StateError(f"{self.folder / 'plan.json'} cannot be written: {error.strerror}. Free some space and "
                             "run again") from error

    @classmethod
    def load(cls, folder: Path) -> ChangeSet:
        """Read a staged change set back.

        Raises:
            DamagedState: ``plan.json`` is missing or cannot be read.
        """
        try:
            body = json.loads((folder / "plan.json").read_text())
            traits = tuple(Trait(name, Kind(kind)) for name, kind in body.pop("traits"))
            return cls(**body | {"folder": folder, "traits": traits, "given": tuple(body["given"]),
                                 "summary": Summary(**body["summary"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DamagedState(str(folder / "plan.json"), f"{folder / 'plan.json'} cannot be read ({error}): "
                               "make the plan again") from error


def hold_refused(connection: duckdb.DuckDBPyConnection, encoding: Encoding) -> None:
    """Take the rows that Candu refused before, and that are still what it refused, out of what goes."""
    again = "SELECT * FROM outgoing WHERE message IN (SELECT message FROM rejected JOIN changes USING (key))"
    connection.execute("CREATE TABLE held AS SELECT r.*, m.message FROM rejected r JOIN changes c USING (key) "
                       f"JOIN (SELECT message, {encoding.content_hash()} AS hash FROM ({again})) m "
                       "ON m.message = c.message AND m.hash = r.hash")
    if scalar(connection, "SELECT count(*) FROM held"):
        connection.execute("UPDATE changes SET op = 'held' WHERE message IN (SELECT message FROM held)")


def summarize(connection: duckdb.DuckDBPyConnection, sync: Sync, diff: Diff, encoding: Encoding) -> Summary:
    """Count what stands in the connection after ``diff``, ``set_large_aside`` and ``hold_refused``."""
    ops = dict(connection.execute("SELECT op, count(*) FROM changes GROUP BY op").fetchall())
    reasons = dict(connection.execute("SELECT reason, count(*) AS n FROM result WHERE reason IS NOT NULL "
                                      "GROUP BY reason ORDER BY n DESC, reason").fetchall())
    invalid = sum(reasons.values())
    added, changed, held = (ops.get(op, 0) for op in ("added", "changed", "held"))
    held_here = scalar(connection, "SELECT count(*) FROM changes SEMI JOIN result USING (key) WHERE op = 'held'") \
        if held else 0
    messages, traits = _carried(connection, sync, diff)
    return Summary(
        rows=diff.rows, added=added, changed=changed, removed=ops.get("removed", 0), invalid=invalid, held=held,
        unchanged=diff.rows - added - changed - held_here - invalid, messages=messages,
        bytes=_bytes(connection, encoding, messages), traits=traits, snapshot_rows=diff.snapshot_rows,
        gone_traits=list(diff.gone_traits), not_finite=diff.not_finite, reasons=reasons,
        sample=_sample(connection, sync, diff), odd_ids=_odd_ids(connection, sync))


def _bytes(connection: duckdb.DuckDBPyConnection, encoding: Encoding, messages: int) -> int:
    """The bytes of all messages, from the first of them."""
    some = f"(SELECT * FROM outgoing ANTI JOIN held USING (message) LIMIT {SIZED})"
    size, count = connection.execute(f"SELECT coalesce(sum(strlen(body)), 0), count(*) "
                                     f"FROM ({encoding.messages(some)})").fetchall()[0]
    return round(size * messages / count) if count else 0


def _odd_ids(connection: duckdb.DuckDBPyConnection, sync: Sync) -> dict[str, int]:
    columns = ["user_id", "group_id"] if sync.kind == "groups" else ["user_id"]
    spaces = sum(scalar(connection, f"SELECT count(DISTINCT {c}) FROM result WHERE reason IS NULL AND "
                        f"{c} <> trim({c}, E' \\t\\r\\n')") for c in columns)
    alike = 0
    for c in columns:
        # Of two ids that differ by case, one has a capital; most models have none, and are spared the grouping.
        if scalar(connection, f"SELECT count(*) FROM result WHERE reason IS NULL AND {c} <> lower({c})"):
            alike += scalar(connection, "SELECT sum(n) FROM (SELECT count(DISTINCT id) AS n FROM (SELECT "
                            f"{c} AS id FROM result WHERE reason IS NULL) GROUP BY lower(id) HAVING n > 1)")
    counts = {"stray spaces": spaces, "upper and lower case": alike}
    return {what: count for what, count in counts.items() if count}


def _carried(connection: duckdb.DuckDBPyConnection, sync: Sync, diff: Diff) -> tuple[int, dict[str, int]]:
    """How many messages go, and name → messages that carry it, the most frequent first."""
    count = "count(DISTINCT {})" if sync.kind == "groups" else "count({})"
    counts = ", ".join(count.format(what) for what in
                       ["message", *(f"CASE WHEN c{n} THEN message END" for n in range(len(diff.compared)))])
    messages, *found = connection.execute(f"SELECT {counts} FROM changes WHERE op <> 'held'").fetchall()[0]
    pairs = zip((c.name for c in diff.compared), found, strict=True)
    return messages, {name: n for name, n in sorted(pairs, key=lambda pair: (-pair[1], pair[0])) if n}


def _sample(connection: duckdb.DuckDBPyConnection, sync: Sync, diff: Diff) -> list[dict[str, Any]]:
    if sync.preview == "none":
        return []
    values = sync.preview == "values"
    pairs = []
    for n, c in enumerate(diff.compared):
        new = "coalesce(" + ", ".join([f"c.t{i}::VARCHAR" for i in c.columns] + ["NULL"]) + ")"
        old = "coalesce(" + ", ".join([f"s.t{i}::VARCHAR" for i in c.columns if i in c.stored] + ["NULL"]) + ")"
        pairs.append(f"c.c{n}" + (f", {old}, {new}" if values else ""))
    columns = "".join(f", {pair}" for pair in pairs)
    rows = connection.execute(
        f"SELECT c.key, c.op{columns} FROM (SELECT * FROM changes WHERE message IS NOT NULL AND op <> 'held' "
        f"ORDER BY message LIMIT {SAMPLE_ROWS}) c LEFT JOIN snapshot s ON s.key = c.key ORDER BY c.message").fetchall()
    return [_sample_row(row, [c.name for c in diff.compared], values=values) for row in rows]


def _sample_row(row: tuple[Any, ...], names: list[str], *, values: bool) -> dict[str, Any]:
    key, op, *cells = row
    if values:
        told: Any = {name: cells[3 * n + 1: 3 * n + 3] for n, name in enumerate(names) if cells[3 * n]}
        return {"key": key, "op": op, "traits": told}
    return {"key": redacted_key(key), "op": op, "traits": [name for n, name in enumerate(names) if cells[n]]}


def redacted_key(key: str) -> str:
    """A key that names a row without giving away an e-mail address: `a…@…`."""
    return key[:1] + "…@…" if "@" in key else key


def write_files(connection: duckdb.DuckDBPyConnection, sync: Sync, folder: Path) -> None:
    """Write the files of a change set from the tables in the connection."""
    # Of users the rows stand in the order of their messages; a sort of all their columns would be the slowest step.
    order = "" if sync.kind == "users" else " ORDER BY message"
    write_arrow(connection, f"SELECT * FROM changes WHERE op <> 'held'{order}", folder / "changes.arrow")
    going = "SELECT * FROM outgoing ANTI JOIN held USING (message) ORDER BY message" if sync.kind == "groups" \
        else "SELECT 0 AS message LIMIT 0"
    write_arrow(connection, going, folder / "outgoing.arrow")
    write_arrow(connection, "SELECT key, reason, status, refused_at, run, hash FROM held", folder / "held.arrow")
    write_arrow(connection, "SELECT key, reason FROM result WHERE reason IS NOT NULL", folder / INVALID)
