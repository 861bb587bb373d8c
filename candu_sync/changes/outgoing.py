"""Which of the changes are sent: oversized rows are set aside, refused ones are held, settled messages are left out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import ExitStack, closing
from uuid import UUID

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from candu_sync.arrow_rows import read_batches
from candu_sync.changes.change_set import ChangeSet
from candu_sync.changes.few_messages import in_array, messages_of_few
from candu_sync.changes.messages import Encoding, encode
from candu_sync.embedded import Embedded, is_few, literal, scalar
from candu_sync.prefetch import ahead
from candu_sync.rows import LARGEST_MESSAGE, MESSAGE_TOO_LARGE
from candu_sync.state import Outcome

# Rows that become messages together: the next ones are built while these are sent.
_ENCODED = 25_000


def make_outgoing(connection: duckdb.DuckDBPyConnection, encoding: Encoding) -> None:
    """Make the table or view ``outgoing`` of ``changes``: a row a message.

    All rows of a group have the same changes, so any of them gives the one message.
    """
    if encoding.kind != "groups":
        connection.execute("""
            CREATE TEMP VIEW outgoing AS
            FROM changes
            WHERE message IS NOT NULL""")
        return
    names = encoding.names
    flags = [f"bool_or(c{n}) AS c{n}" for n in range(len(names))]
    values = [f"any_value(t{i}) FILTER (c{names.index(trait.name)}) AS t{i}" for i, trait in enumerate(encoding.traits)]
    columns = ", ".join(["message", "min(key) AS key", "min(user_id) AS user_id", "min(group_id) AS group_id",
                         "min(op) AS op", *flags, *values])
    connection.execute(f"""
        CREATE TEMP VIEW outgoing AS
        SELECT {columns}
        FROM changes
        WHERE message IS NOT NULL
        GROUP BY message""")


def set_large_aside(connection: duckdb.DuckDBPyConnection, encoding: Encoding, *,
                    shorten: Callable[[str], None] | None = None) -> None:
    """Move rows whose message is too large from ``changes`` to the set-aside.

    Args:
        shorten: is called with SQL of the numbers of such messages, and may make them shorter in ``changes``.
    """
    if _note_large(connection, encoding) and shorten is not None:
        shorten("FROM too_large")
        _note_large(connection, encoding)
    if scalar(connection, "SELECT count(*) FROM too_large"):
        connection.execute(f"""
            UPDATE result
            SET reason = {literal(MESSAGE_TOO_LARGE)}
            WHERE key IN (
                SELECT key
                FROM changes
                SEMI JOIN too_large USING (message)
            )""")
        connection.execute("DELETE FROM changes WHERE message IN (FROM too_large)")


def _note_large(connection: duckdb.DuckDBPyConnection, encoding: Encoding) -> int:
    """Make ``too_large``: the numbers of messages that are too large. Returns how many there are."""
    suspects = f"(FROM outgoing WHERE {encoding.most_bytes()} > {LARGEST_MESSAGE})"
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE too_large AS
        SELECT message
        FROM ({encoding.messages(suspects)}
        )
        WHERE strlen(body) > {LARGEST_MESSAGE}""")
    return scalar(connection, "SELECT count(*) FROM too_large")


def hold_refused(connection: duckdb.DuckDBPyConnection, encoding: Encoding, *, again: bool = False) -> None:
    """Make ``held``: the rows that Candu refused before, and that have not changed since. They are not sent.

    Args:
        again: send them again; ``held`` is then empty.
    """
    messages = """(
                FROM outgoing
                WHERE message IN (
                    SELECT message
                    FROM refused_before
                    JOIN changes USING (key)
                )
            )"""
    connection.execute(f"""
        CREATE TABLE held AS
        SELECT refused.*, sent.message
        FROM refused_before refused
        JOIN changes USING (key)
        JOIN (
            SELECT message, {encoding.content_hash()} AS hash
            FROM {messages}
        ) sent ON sent.message = changes.message AND sent.hash = refused.hash
        {'LIMIT 0' if again else ''}""")
    if scalar(connection, "SELECT count(*) FROM held"):
        connection.execute("""
            UPDATE changes
            SET op = 'held'
            WHERE message IN (SELECT message FROM held)""")


def unsettled_messages(changes: ChangeSet, outcome: Outcome, namespace: UUID | None, *, engine: Embedded,
                       sample: int | None = None, left_out: Collection[int] = (),
                       built: Callable[[pa.RecordBatch], None] | None = None) -> Generator[pa.RecordBatch, None, None]:
    """The messages of a change set that are not settled yet, in order, built while they are read.

    Args:
        outcome: what an earlier push of it has settled.
        namespace: of the messages' ids; None: they carry none.
        engine: to build them in.
        sample: at most so many messages.
        left_out: the numbers of messages that are not sent either.
        built: called with each batch before it is given out.

    Returns:
        Batches of message (int64), body (string) and digest (binary), of at most 25,000 rows.
    """
    rows, encoding = _outgoing(changes, _numbers(outcome, left_out), sample), changes.encoding(namespace)
    with ExitStack() as stack:
        if is_few(changes.summary.messages):
            messages: Iterator[pa.RecordBatch] = (in_array(messages_of_few(encoding, batch)) for batch in rows)
        else:
            connection = stack.enter_context(engine.use())
            messages = stack.enter_context(closing(ahead(encode(connection, encoding, rows), 1)))
        for batch in messages:
            if built is not None:
                built(batch)
            yield batch


def _outgoing(changes: ChangeSet, settled: pa.Array | None, sample: int | None) -> Iterator[pa.RecordBatch]:
    """The rows of the messages that are not settled yet, in order, at most ``sample`` of them."""
    left = sample
    with closing(read_batches(changes.outgoing)) as batches:
        for batch in batches:
            for rows in _unsettled(batch.filter(batch.column("message").is_valid()), settled):
                for start in range(0, rows.num_rows, _ENCODED):
                    if left == 0:
                        return
                    part = rows.slice(start, _ENCODED if left is None else min(left, _ENCODED))
                    left = None if left is None else left - part.num_rows
                    yield part


def _unsettled(batch: pa.RecordBatch, settled: pa.Array | None) -> Iterator[pa.RecordBatch]:
    """The parts of a batch between the settled messages. A receipt names the first and the last message of a request.
    So a request must not span a message that was refused before."""
    if settled is None:
        yield batch
        return
    start = 0
    for is_settled, run in itertools.groupby(pc.is_in(batch.column("message"), settled).to_pylist()):
        length = len(list(run))
        if not is_settled:
            yield batch.slice(start, length)
        start += length


def _numbers(outcome: Outcome, left_out: Collection[int]) -> pa.Array | None:
    """The numbers of the settled messages; None: there are none, as in every push but a repeated one."""
    numbers = [n for low, high in outcome.accepted for n in range(low, high + 1)] + [*outcome.rejected, *left_out]
    return pa.array(numbers, pa.int64()) if numbers else None
