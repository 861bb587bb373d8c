"""What people do by hand, and what ``status``, ``list`` and ``check`` report.

Does not know the command line's arguments, nor how a result is printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from candu_sync.lazy import lazy_names

if TYPE_CHECKING:
    from candu_sync.operate.alerting import alert as alert
    from candu_sync.operate.check import ModelCheck as ModelCheck
    from candu_sync.operate.check import check_models as check_models
    from candu_sync.operate.finding import SEVERITIES as SEVERITIES
    from candu_sync.operate.finding import Finding as Finding
    from candu_sync.operate.findings import findings_of as findings_of
    from candu_sync.operate.impacts import CODES as CODES
    from candu_sync.operate.impacts import Impact as Impact
    from candu_sync.operate.maintenance import SetAside as SetAside
    from candu_sync.operate.maintenance import set_aside as set_aside
    from candu_sync.operate.maintenance import why_refused as why_refused
    from candu_sync.operate.manifest_check import ManifestCheck as ManifestCheck
    from candu_sync.operate.manifest_check import SyncImpacts as SyncImpacts
    from candu_sync.operate.manifest_check import check_by_manifest as check_by_manifest
    from candu_sync.operate.manifest_check import require_manifests as require_manifests
    from candu_sync.operate.other_syncs import OtherSyncs as OtherSyncs
    from candu_sync.operate.page_ids import ENOUGH as ENOUGH
    from candu_sync.operate.page_ids import compared_ids as compared_ids
    from candu_sync.operate.page_ids import ids_sentence as ids_sentence
    from candu_sync.operate.preview import preview_rows as preview_rows
    from candu_sync.operate.problems import problem_lines as problem_lines
    from candu_sync.operate.snippet import snippet_of as snippet_of
    from candu_sync.operate.status import conditions as conditions
    from candu_sync.operate.status import failed_partitions as failed_partitions
    from candu_sync.operate.status import orphan_notes as orphan_notes
    from candu_sync.operate.status import orphaned as orphaned
    from candu_sync.operate.status import overview as overview
    from candu_sync.operate.status import statuses as statuses
    from candu_sync.operate.unfinished import unfinished_runs as unfinished_runs
    from candu_sync.operate.what_next import next_steps as next_steps
else:
    __getattr__, __all__ = lazy_names(__name__, {
        "alerting": "alert",
        "check": "ModelCheck check_models",
        "finding": "SEVERITIES Finding",
        "findings": "findings_of",
        "impacts": "CODES Impact",
        "maintenance": "SetAside set_aside why_refused",
        "manifest_check": "ManifestCheck SyncImpacts check_by_manifest require_manifests",
        "other_syncs": "OtherSyncs",
        "page_ids": "ENOUGH compared_ids ids_sentence",
        "preview": "preview_rows",
        "problems": "problem_lines",
        "snippet": "snippet_of",
        "status": "conditions failed_partitions orphan_notes orphaned overview statuses",
        "unfinished": "unfinished_runs",
        "what_next": "next_steps",
    })
