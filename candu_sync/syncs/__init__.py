"""What a file under ``sql/`` declares: a sync, its settings, its partitions and which of them are due.

Knows neither databases nor HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from candu_sync.lazy import lazy_names

if TYPE_CHECKING:
    from candu_sync.syncs.components import read_syncs as read_syncs
    from candu_sync.syncs.constraints import conflicts as conflicts
    from candu_sync.syncs.cron_gap import late_after as late_after
    from candu_sync.syncs.cron_gap import longest_gap as longest_gap
    from candu_sync.syncs.due_partitions import has_ended as has_ended
    from candu_sync.syncs.due_partitions import is_partition as is_partition
    from candu_sync.syncs.due_partitions import is_present as is_present
    from candu_sync.syncs.due_partitions import partition_to_prepare as partition_to_prepare
    from candu_sync.syncs.due_partitions import partitions_to_run as partitions_to_run
    from candu_sync.syncs.due_partitions import present_segments as present_segments
    from candu_sync.syncs.fields import cron_and_zone as cron_and_zone
    from candu_sync.syncs.fields import cron_fields as cron_fields
    from candu_sync.syncs.key_expressions import expressions_of as expressions_of
    from candu_sync.syncs.other_words import OTHER_WORDS as OTHER_WORDS
    from candu_sync.syncs.partition_ranges import expanded as expanded
    from candu_sync.syncs.partition_spec import Partitions as Partitions
    from candu_sync.syncs.partitions import declared_parts as declared_parts
    from candu_sync.syncs.partitions import first_window as first_window
    from candu_sync.syncs.partitions import join as join
    from candu_sync.syncs.partitions import split as split
    from candu_sync.syncs.partitions import window as window
    from candu_sync.syncs.partitions import windows as windows
    from candu_sync.syncs.schedule import follows_schedule as follows_schedule
    from candu_sync.syncs.schedule import schedule_lag as schedule_lag
    from candu_sync.syncs.shards import Shard as Shard
    from candu_sync.syncs.shards import shard_keys as shard_keys
    from candu_sync.syncs.shards import shard_named as shard_named
    from candu_sync.syncs.spec import Cursor as Cursor
    from candu_sync.syncs.spec import Guard as Guard
    from candu_sync.syncs.spec import Kind as Kind
    from candu_sync.syncs.spec import Resources as Resources
    from candu_sync.syncs.spec import SeenIds as SeenIds
    from candu_sync.syncs.spec import Spec as Spec
    from candu_sync.syncs.spec_file import spec_of as spec_of
    from candu_sync.syncs.sql_parameters import parameters as parameters
    from candu_sync.syncs.sync import KINDS as KINDS
    from candu_sync.syncs.sync import Catalog as Catalog
    from candu_sync.syncs.sync import Sync as Sync
    from candu_sync.syncs.sync import build_sync as build_sync
    from candu_sync.syncs.sync import is_name as is_name
    from candu_sync.syncs.sync import load_syncs as load_syncs
    from candu_sync.syncs.sync import read_model as read_model
else:
    __getattr__, __all__ = lazy_names(__name__, {
        "components": "read_syncs",
        "constraints": "conflicts",
        "cron_gap": "late_after longest_gap",
        "due_partitions": "has_ended is_partition is_present partition_to_prepare partitions_to_run present_segments",
        "fields": "cron_and_zone cron_fields",
        "key_expressions": "expressions_of",
        "other_words": "OTHER_WORDS",
        "partition_ranges": "expanded",
        "partition_spec": "Partitions",
        "partitions": "declared_parts first_window join split window windows",
        "schedule": "follows_schedule schedule_lag",
        "shards": "Shard shard_keys shard_named",
        "spec": "Cursor Guard Kind Resources SeenIds Spec",
        "spec_file": "spec_of",
        "sql_parameters": "parameters",
        "sync": "KINDS Catalog Sync build_sync is_name load_syncs read_model",
    })
