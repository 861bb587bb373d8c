"""The change set of a few users of whom Candu has none yet, without the engine: the same as SQL makes.

That is the plan of most partitions in the first run of a sync with many small ones. Only the plain case is here: all
rows can be sent, and each has a user of its own. Any other goes the usual way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from candu_sync.changes.added_rows import AddedRows
from candu_sync.changes.few_messages import messages_of_few
from candu_sync.changes.messages import Encoding
from candu_sync.changes.summary import SAMPLE_ROWS, Summary, redacted_key
from candu_sync.diff import Diff, compared_traits
from candu_sync.embedded import write_table
from candu_sync.rows import LARGEST_MESSAGE, Result, Trait
from candu_sync.snapshot import Snapshot
from candu_sync.syncs import Sync

_SPACES = " \t\r\n"


def first_changes(sync: Sync, result: Result, batches: Sequence[pa.RecordBatch], path: Path,
                  encode: Callable[[tuple[Trait, ...]], Encoding]) -> tuple[Diff, Summary] | None:
    """Compare a result with an empty snapshot, and write ``changes.arrow``.

    Args:
        batches: all rows of the result, canonical; a few (``embedded.is_few``).
        path: where to write.
        encode: how rows with these traits become messages.

    Returns:
        None: nothing was written, the usual way must look at the rows.

    Raises:
        ModelError: the YAML names a trait that the model does not give.
    """
    rows = _plain(sync, batches)
    if rows is None:
        return None
    traits, compared = compared_traits(sync, result, Snapshot(kind=sync.kind))
    diff = Diff(traits=traits, compared=compared, rows=rows.num_rows, invalid=0, snapshot_rows=0,
                not_finite=dict(result.not_finite))
    changes = pa.Table.from_batches([AddedRows(tuple(result.names), traits).of(rows, 0)])
    summary = _summary(sync, diff, changes, encode(traits))
    if summary is not None:
        write_table(changes, path)
    return None if summary is None else (diff, summary)


def _plain(sync: Sync, batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch | None:
    """The rows as one batch; None: they are no plain case."""
    if sync.kind != "users" or sync.preview == "values":
        return None
    rows = pa.concat_tables([pa.Table.from_batches([batch]) for batch in batches], promote_options="default")
    users, keys = rows.column("user_id").to_pylist(), rows.column("key").to_pylist()
    # Python and the engine do not agree on the small letters of all alphabets.
    plain = (rows.column("reason").null_count == rows.num_rows and len(set(users)) == len(set(keys)) == rows.num_rows
             and all(user.isascii() for user in users))
    return rows.combine_chunks().to_batches()[0] if plain else None


def _summary(sync: Sync, diff: Diff, changes: pa.Table, encoding: Encoding) -> Summary | None:
    """What the changes hold; None: a message is too large, and must be set aside."""
    going = changes.filter(changes.column("message").is_valid())
    sizes = [size for batch in going.to_batches()
             for size in pc.binary_length(messages_of_few(encoding, batch).column("body")).to_pylist()]
    if any(size > LARGEST_MESSAGE for size in sizes):
        return None
    counts = [(c.name, pc.sum(going.column(f"c{n}")).as_py() or 0) for n, c in enumerate(diff.compared)]
    return Summary(
        rows=diff.rows, added=diff.rows, changed=0, removed=0, unchanged=0, invalid=0, held=0, messages=going.num_rows,
        bytes=sum(sizes), snapshot_rows=0, not_finite=diff.not_finite, sample=_sample(sync, diff, going),
        traits={name: n for name, n in sorted(counts, key=lambda pair: (-pair[1], pair[0])) if n},
        odd_ids=_odd_ids(changes.column("user_id").to_pylist()))


def _sample(sync: Sync, diff: Diff, going: pa.Table) -> list[dict[str, object]]:
    if sync.preview == "none":
        return []
    return [{"key": redacted_key(row["key"]), "op": row["op"],
             "traits": [c.name for n, c in enumerate(diff.compared) if row[f"c{n}"]]}
            for row in going.slice(0, SAMPLE_ROWS).to_pylist()]


def _odd_ids(users: Sequence[str]) -> dict[str, int]:
    same = Counter(user.lower() for user in users)
    counts = {"stray spaces": sum(user != user.strip(_SPACES) for user in users),
              "upper and lower case": sum(n for n in same.values() if n > 1)}
    return {what: count for what, count in counts.items() if count}
