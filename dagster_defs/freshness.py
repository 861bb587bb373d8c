"""How old a sync's last push may be: one run of its ``automation`` may be missing, not two.

The policy is a window of time. Dagster's own policy for cron lines wants a run before each tick, but a sync runs after
it; and it fails every Monday for a line that pauses on weekends.
"""

from __future__ import annotations

from dagster import FreshnessPolicy

from candu_sync.syncs import Sync, late_after


def freshness_policy(sync: Sync) -> FreshnessPolicy | None:
    """The policy of a sync with a cron line. None for one that runs after its upstream, or by hand."""
    limit = late_after(sync.automation)
    return None if limit is None else FreshnessPolicy.time_window(limit)
