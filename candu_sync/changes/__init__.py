"""The changes: what would be sent, as a staged change set with its summary, its messages and its guard.

Does not know how it is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from candu_sync.lazy import lazy_names

if TYPE_CHECKING:
    from candu_sync.changes.added_rows import FLAGS as FLAGS
    from candu_sync.changes.change_set import BASE_INDEX as BASE_INDEX
    from candu_sync.changes.change_set import CHANGES as CHANGES
    from candu_sync.changes.change_set import FILES as FILES
    from candu_sync.changes.change_set import HELD as HELD
    from candu_sync.changes.change_set import INVALID as INVALID
    from candu_sync.changes.change_set import ChangeSet as ChangeSet
    from candu_sync.changes.change_set import write_files as write_files
    from candu_sync.changes.examples import SORTS as SORTS
    from candu_sync.changes.examples import example_rows as example_rows
    from candu_sync.changes.few_messages import in_array as in_array
    from candu_sync.changes.few_messages import messages_of_few as messages_of_few
    from candu_sync.changes.first_rows import first_changes as first_changes
    from candu_sync.changes.first_run import FirstRun as FirstRun
    from candu_sync.changes.former_partitions import FormerPartitions as FormerPartitions
    from candu_sync.changes.full_run import leave_out_sent as leave_out_sent
    from candu_sync.changes.guard import LEAST_ROWS_FOR_RATIOS as LEAST_ROWS_FOR_RATIOS
    from candu_sync.changes.guard import Trip as Trip
    from candu_sync.changes.guard import baseline_command as baseline_command
    from candu_sync.changes.guard import guard_names as guard_names
    from candu_sync.changes.guard import limits as limits
    from candu_sync.changes.guard import tripped as tripped
    from candu_sync.changes.identities import identity_changes as identity_changes
    from candu_sync.changes.identities import row_identity as row_identity
    from candu_sync.changes.messages import Encoding as Encoding
    from candu_sync.changes.messages import Identity as Identity
    from candu_sync.changes.messages import encode as encode
    from candu_sync.changes.messages import identity_of as identity_of
    from candu_sync.changes.noise import KEPT_CHANGES as KEPT_CHANGES
    from candu_sync.changes.noise import KEPT_MOVES as KEPT_MOVES
    from candu_sync.changes.noise import MOVES as MOVES
    from candu_sync.changes.noise import NoiseNote as NoiseNote
    from candu_sync.changes.noise import noise_notes as noise_notes
    from candu_sync.changes.noise import notice as notice
    from candu_sync.changes.outgoing import hold_refused as hold_refused
    from candu_sync.changes.outgoing import make_outgoing as make_outgoing
    from candu_sync.changes.outgoing import set_large_aside as set_large_aside
    from candu_sync.changes.outgoing import unsettled_messages as unsettled_messages
    from candu_sync.changes.pieces import json_text as json_text
    from candu_sync.changes.pieces import uuid_text as uuid_text
    from candu_sync.changes.predecessor import find_predecessor as find_predecessor
    from candu_sync.changes.predecessor import renamed_perhaps as renamed_perhaps
    from candu_sync.changes.resent import messages_not_newer as messages_not_newer
    from candu_sync.changes.resent import notice_resent as notice_resent
    from candu_sync.changes.shards_together import shows_all as shows_all
    from candu_sync.changes.shards_together import together as together
    from candu_sync.changes.staging import STAGED as STAGED
    from candu_sync.changes.staging import allowed as allowed
    from candu_sync.changes.staging import anything_set_aside as anything_set_aside
    from candu_sync.changes.staging import anything_staged as anything_staged
    from candu_sync.changes.staging import check_fresh as check_fresh
    from candu_sync.changes.staging import check_planned_for as check_planned_for
    from candu_sync.changes.staging import discard as discard
    from candu_sync.changes.staging import forced as forced
    from candu_sync.changes.staging import new_run_id as new_run_id
    from candu_sync.changes.staging import settle as settle
    from candu_sync.changes.staging import stage as stage
    from candu_sync.changes.staging import staged as staged
    from candu_sync.changes.staging import staged_by as staged_by
    from candu_sync.changes.staging import staged_traits as staged_traits
    from candu_sync.changes.staging import take_over as take_over
    from candu_sync.changes.summary import Summary as Summary
    from candu_sync.changes.summary import backfill_notes as backfill_notes
    from candu_sync.changes.summary import redacted_key as redacted_key
    from candu_sync.changes.summary import summarize as summarize
    from candu_sync.changes.summary import summary_of_nothing as summary_of_nothing
    from candu_sync.changes.summary import with_unidentified as with_unidentified
else:
    __getattr__, __all__ = lazy_names(__name__, {
        "added_rows": "FLAGS",
        "change_set": "BASE_INDEX CHANGES ChangeSet FILES HELD INVALID write_files",
        "examples": "SORTS example_rows",
        "few_messages": "in_array messages_of_few",
        "first_rows": "first_changes",
        "first_run": "FirstRun",
        "former_partitions": "FormerPartitions",
        "full_run": "leave_out_sent",
        "guard": "LEAST_ROWS_FOR_RATIOS Trip baseline_command guard_names limits tripped",
        "identities": "identity_changes row_identity",
        "messages": "Encoding Identity encode identity_of",
        "noise": "KEPT_CHANGES KEPT_MOVES MOVES NoiseNote noise_notes notice",
        "outgoing": "hold_refused make_outgoing set_large_aside unsettled_messages",
        "pieces": "json_text uuid_text",
        "predecessor": "find_predecessor renamed_perhaps",
        "resent": "messages_not_newer notice_resent",
        "shards_together": "shows_all together",
        "staging": ("STAGED allowed anything_set_aside anything_staged check_fresh check_planned_for discard forced "
                    "new_run_id settle stage staged staged_by staged_traits take_over"),
        "summary": "Summary backfill_notes redacted_key summarize summary_of_nothing with_unidentified",
    })
