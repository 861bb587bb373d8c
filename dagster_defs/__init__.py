"""Syncs to Candu in Dagster.

``CanduSync`` and ``CanduSyncs`` are components for a project of one's own; ``dagster_defs.definitions`` is the code
location of the current folder's ``sql/``.
"""

from dagster_defs.component import CanduSync, CanduSyncs

__all__ = ["CanduSync", "CanduSyncs"]
