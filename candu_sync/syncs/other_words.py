"""What other tools (Census, Hightouch, RudderStack, dbt, dlt, drt, Airbyte) call what a sync's settings are here."""

from __future__ import annotations

from collections.abc import Collection

from candu_sync.suggestions import hint

__all__ = ["OTHER_WORDS", "unknown_key"]

OTHER_WORDS = {
    "schedule": "automation", "cron": "automation", "cron_schedule": "automation", "schedules": "automation",
    "schedule_interval": "automation", "frequency": "automation", "interval": "automation", "trigger": "automation",
    "primary_key": "key", "unique_key": "key", "unique_id": "key", "id": "key", "id_column": "key", "identifier": "key",
    "primary_identifier": "key", "external_id": "key", "upsert_key": "key", "match_key": "key", "user_id_column": "key",
    "mapping": "rename", "mappings": "rename", "field_mapping": "rename", "field_mappings": "rename",
    "fields": "rename", "columns": "rename", "traits": "rename", "properties": "rename", "alias": "rename",
    "exclude": "omit", "ignore": "omit", "drop": "omit", "exclude_columns": "omit", "skip": "omit",
    "mode": "payload", "sync_mode": "payload", "operation": "payload", "sync_behavior": "payload",
    "update_mode": "payload", "null": "nulls", "null_behavior": "nulls", "on_null": "nulls",
    "deleted": "removed", "on_delete": "removed", "deletes": "removed", "delete": "removed", "on_removed": "removed",
    "hard_delete": "removed", "invalidate_hard_deletes": "removed",
    "tz": "timezone", "time_zone": "timezone", "partition": "partitions", "partition_by": "partitions",
    "partitions_def": "partitions", "incremental": "cursor", "incremental_strategy": "cursor",
    "cursor_field": "cursor", "incremental_key": "cursor", "replication_key": "cursor", "updated_at": "cursor",
    "threshold": "guard", "thresholds": "guard", "limits": "guard", "alerts": "guard", "tests": "guard",
    "depends_on": "deps", "upstream": "deps", "owner": "owners", "labels": "tags", "meta": "tags", "label": "tags",
    "doc": "description", "docs": "description", "comment": "description",
    "day": "daily", "hour": "hourly", "week": "weekly", "month": "monthly", "keys": "static", "sql": "values",
    "query": "values", "lag": "lookback", "delay": "lookback", "lookback_window": "lookback",
    "resend": "refresh", "full_refresh": "refresh", "resync": "refresh", "full_resync": "refresh",
}
"""What other tools call our settings → ours."""

_MODEL = "the model is the .sql file next to this one"
_WAREHOUSE = "the warehouse is CANDU_WAREHOUSE_URL in the environment"
_CANDU = ("Candu is the only destination; CANDU_API_KEY and CANDU_API_URL in the environment say which workspace, and "
          "`route: segment` sends by Segment")
_KIND = "the folder of the file says what the rows are: users, groups or events"
_NAME = "a sync's name is the path of its file"
_WHERE = "write it in the SQL"
_SENDING = "it is a setting of all syncs, in the environment: CANDU_BATCH_SIZE, CANDU_RATE, CANDU_MAX_ATTEMPTS"
_SWITCH = "a file whose name begins with _ is no sync; with `automation: none` only people run it"
_INVALID = "rows that cannot be sent are set aside, and the others go; `guard: {max_invalid: …}` stops a run"

_ELSEWHERE = {
    **dict.fromkeys(("model", "models", "sql", "query", "sql_file", "source_model", "dataset"), _MODEL),
    **dict.fromkeys(("source", "sources", "connection", "warehouse", "database", "profile", "schema"), _WAREHOUSE),
    **dict.fromkeys(("destination", "destinations", "target", "api_key", "credentials", "token", "url", "endpoint"),
                    _CANDU),
    **dict.fromkeys(("kind", "type", "object", "resource", "entity", "materialized"), _KIND),
    **dict.fromkeys(("name", "slug"), _NAME),
    **dict.fromkeys(("filter", "filters", "where", "limit", "order_by", "segment"), _WHERE),
    **dict.fromkeys(("batch_size", "rate_limit", "rate", "retries", "max_retries", "retry", "concurrency", "timeout"),
                    _SENDING),
    **dict.fromkeys(("enabled", "disabled", "paused", "active", "status"), _SWITCH),
    **dict.fromkeys(("on_error", "error_handling", "error_behavior"), _INVALID),
}
"""What other tools set in the file of a sync, and where it is here."""


def unknown_key(name: str, known: Collection[str]) -> str:
    """The end of a sentence about an unknown key at the top of a sync's settings.

    Args:
        known: the keys that may stand there.

    Example:
        >>> unknown_key("primary-key", ["key", "payload"])
        'did you mean key?'
        >>> unknown_key("model", ["key", "payload"])
        'the model is the .sql file next to this one'
    """
    return _ELSEWHERE.get(name.lower().replace("-", "_")) or hint(name, known, OTHER_WORDS)
