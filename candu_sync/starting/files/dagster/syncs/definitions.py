"""The syncs under ``sql/`` as assets."""

from dagster_defs.definitions import defs

__all__ = ["defs"]
