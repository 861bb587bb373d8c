"""The rows of a shard: the engine computes each one's shard again.

The warehouse divides by the text that it makes of a column. Where the text that is sent is another one (spaces at the
end, ``7.0`` for 7), two rows of one id may be in two shards, and nobody would see that they are the same row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from candu_sync.syncs import Shard, Sync
from candu_sync.warehouse import shard_number

OTHER_SHARD = "the warehouse's text of the id is not the text that is sent: cast it to that text in the SQL"


def in_their_shard(connection: duckdb.DuckDBPyConnection, batches: Iterable[pa.RecordBatch], sync: Sync, shard: Shard,
                   ) -> Iterator[pa.RecordBatch]:
    """The batches, with a reason for each row that belongs to another shard.

    Args:
        connection: to hash in.
        batches: canonical rows, with the columns ``reason`` and the id or key (strings).
    """
    column = "key" if sync.kind == "events" else sync.shard_column
    test = f"SELECT {shard_number('duckdb', 'id', shard.of)} <> {shard.number} AS other FROM rows_to_place"
    with connection.cursor() as cursor:
        for batch in batches:
            cursor.register("rows_to_place", pa.record_batch({"id": batch.column(column).cast(pa.string())}))
            other = cursor.sql(test).to_arrow_table().column("other").combine_chunks()
            place = batch.schema.get_field_index("reason")
            reason = batch.column(place)
            found = pc.and_(other, pc.is_null(reason))
            if pc.any(found).as_py():
                batch = batch.set_column(place, "reason", pc.if_else(found, OTHER_SHARD, reason.cast(pa.string())))
            yield batch
