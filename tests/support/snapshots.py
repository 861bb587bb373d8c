"""The rows of a snapshot as plain Python values."""

from __future__ import annotations

from candu_sync.embedded import open_embedded
from candu_sync.snapshot.snapshot import FORGOTTEN, expose
from candu_sync.snapshot.versions import snapshot_of
from candu_sync.syncs.sync import Sync
from tests.support.lab import Lab
from tests.support.reference import Row


def snapshot_rows(lab: Lab, sync: Sync) -> dict[tuple[str, ...], tuple[Row, bool]]:
    """The traits in the snapshot, and whether the row is gone, by ids; those in doubt are left out."""
    state = lab.state(sync)
    snapshot = snapshot_of(state, state.current(), sync.kind)
    found: dict[tuple[str, ...], tuple[Row, bool]] = {}
    with open_embedded(10**9) as connection:
        expose(connection, snapshot)
        for row in connection.sql("SELECT * FROM snapshot WHERE doubt IS NOT TRUE").to_arrow_table().to_pylist():
            traits: Row = {}
            for index, trait in enumerate(snapshot.traits):
                if trait.name == FORGOTTEN:
                    continue
                traits[trait.name] = traits.get(trait.name) if row[f"t{index}"] is None else row[f"t{index}"]
            ids = (row["group_id"], row["user_id"]) if sync.kind == "groups" else tuple(row["key"].split("|"))
            found[ids] = (traits, row["gone"])
    return found
