"""The state: versions, claims and receipts, on a disk or in an object store.

Does not know what the rows mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from candu_sync.lazy import lazy_names

if TYPE_CHECKING:
    from candu_sync.state.claims import Claim as Claim
    from candu_sync.state.claims import drop_claims as drop_claims
    from candu_sync.state.claims import read_claim as read_claim
    from candu_sync.state.claims import refusal as refusal
    from candu_sync.state.folder_names import sync_folder as sync_folder
    from candu_sync.state.last_run import carried_on as carried_on
    from candu_sync.state.last_run import last_good as last_good
    from candu_sync.state.last_run import last_run_of as last_run_of
    from candu_sync.state.last_run import read_last_run as read_last_run
    from candu_sync.state.last_run import write_last_run as write_last_run
    from candu_sync.state.lasting import check_lasting as check_lasting
    from candu_sync.state.lasting import short_lived as short_lived
    from candu_sync.state.owner import Owner as Owner
    from candu_sync.state.owner import owner_of as owner_of
    from candu_sync.state.owner import this_process as this_process
    from candu_sync.state.partition_state import PartitionState as PartitionState
    from candu_sync.state.receipt_log import ReceiptLog as ReceiptLog
    from candu_sync.state.receipts import Outcome as Outcome
    from candu_sync.state.receipts import local_folder as local_folder
    from candu_sync.state.receipts import ranges_table as ranges_table
    from candu_sync.state.receipts import read_receipts as read_receipts
    from candu_sync.state.record_json import SENTENCES as SENTENCES
    from candu_sync.state.renaming import begin_rename as begin_rename
    from candu_sync.state.renaming import end_rename as end_rename
    from candu_sync.state.renaming import holds_anything as holds_anything
    from candu_sync.state.renaming import known_syncs as known_syncs
    from candu_sync.state.renaming import move_partition as move_partition
    from candu_sync.state.renaming import orphans as orphans
    from candu_sync.state.renaming import renamed_from as renamed_from
    from candu_sync.state.resharding import Part as Part
    from candu_sync.state.resharding import begin_resharding as begin_resharding
    from candu_sync.state.resharding import end_resharding as end_resharding
    from candu_sync.state.resharding import parts_set_aside as parts_set_aside
    from candu_sync.state.resharding import resharded_to as resharded_to
    from candu_sync.state.resharding import set_part_aside as set_part_aside
    from candu_sync.state.root import State as State
    from candu_sync.state.scratch import remove_folder as remove_folder
    from candu_sync.state.standings import PartitionStanding as PartitionStanding
    from candu_sync.state.state_url import take_apart as take_apart
    from candu_sync.state.store import Store as Store
    from candu_sync.state.versions import EventTimes as EventTimes
    from candu_sync.state.versions import File as File
    from candu_sync.state.versions import RowIdentity as RowIdentity
    from candu_sync.state.versions import Version as Version
else:
    __getattr__, __all__ = lazy_names(__name__, {
        "claims": "Claim drop_claims read_claim refusal",
        "folder_names": "sync_folder",
        "last_run": "carried_on last_good last_run_of read_last_run write_last_run",
        "lasting": "check_lasting short_lived",
        "owner": "Owner owner_of this_process",
        "partition_state": "PartitionState",
        "receipt_log": "ReceiptLog",
        "receipts": "Outcome local_folder ranges_table read_receipts",
        "record_json": "SENTENCES",
        "renaming": "begin_rename end_rename holds_anything known_syncs move_partition orphans renamed_from",
        "resharding": "Part begin_resharding end_resharding parts_set_aside resharded_to set_part_aside",
        "root": "State",
        "scratch": "remove_folder",
        "standings": "PartitionStanding",
        "state_url": "take_apart",
        "store": "Store",
        "versions": "EventTimes File RowIdentity Version",
    })
