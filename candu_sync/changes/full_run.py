"""A full run that was interrupted goes on where it ended: rows that it has sent whole are not sent once more."""

from __future__ import annotations

import duckdb

from candu_sync.changes.change_set import FILES, ChangeSet
from candu_sync.embedded import arrow_file
from candu_sync.state import PartitionState, Version, local_folder, ranges_table, read_receipts


def leave_out_sent(connection: duckdb.DuckDBPyConnection, state: PartitionState, version: Version) -> None:
    """Take the message from rows of ``changes`` that are unchanged since an interrupted full run had them accepted.

    Nothing happens unless the current version was made by a full run that has messages left: its change set is then
    still staged. The rows stay in ``changes`` without a message, so that the next interruption is resumed likewise.
    """
    pointer = state.read_json("staged.json")
    if pointer is None or pointer["run_id"] != version.run_id:
        return
    folder = local_folder(state, version.run_id, FILES)
    if folder is None or not ChangeSet.load(folder).full:
        return
    connection.register("earlier", arrow_file(folder / "changes.arrow"))
    connection.register("earlier_ranges", ranges_table(read_receipts(state, version.run_id).accepted))
    connection.execute(
        "UPDATE changes SET message = NULL WHERE op = 'unchanged' AND key IN (SELECT key FROM earlier WHERE "
        "(op = 'unchanged' AND message IS NULL) OR message IN "
        "(SELECT unnest(range(low, high + 1)) FROM earlier_ranges))")
