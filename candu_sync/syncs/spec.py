"""The settings of a sync, as its YAML file gives them: names, types and defaults.

A field's description ends the error about a wrong value ("allowed: ...") and an editor shows it next to the key
(sync.schema.json). So each describes the values that are allowed. What depends on the folder that the file is in, or on
two keys at once, is in ``constraints.py``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from candu_sync.syncs.field_types import (
    Automation,
    Constants,
    Count,
    Duration,
    KeyColumns,
    Memory,
    Names,
    Owners,
    Processors,
    Ratio,
    Refresh,
    SchemaName,
    Tags,
    Text,
    YamlMapping,
    Zone,
    at_most_one,
)
from candu_sync.syncs.partition_spec import Partitions

Kind = Literal["users", "groups", "events"]


class Cursor(YamlMapping):
    """Where a run of events begins: at the newest value of the column that was sent, less the lookback."""

    column: Text = Field(default="timestamp", description="the column of the time that an event is found by")
    lookback: Duration = Field(
        default=timedelta(days=1),
        description="how late an event may arrive and still be found: 1 day, 36 hours, 90 minutes, or like PT36H",
        json_schema_extra={"default": "1 day"},
    )


class Guard(YamlMapping):
    """When a run stops before anything is sent. The shares are of the snapshot's rows, that of invalid ones of the
    result's."""

    min_rows: Count | None = Field(
        default=1,
        description="the fewest rows of a result, a whole number; the default is 1 for users and groups and 0 for "
        "events, since an hour without an event is a normal one; null: no limit",
    )
    max_changed: Ratio | None = Field(
        default=0.5, description="the largest share of rows that may change, 0 to 1; null: no limit")
    max_removed: Ratio | None = Field(
        default=0.2, description="the largest share of rows that may be gone, 0 to 1; null: no limit")
    max_added: Ratio | None = Field(
        default=0.9,
        description="of the events that are older than the newest one sent, the largest share that may be unknown, "
        "0 to 1; null: no limit")
    max_messages: Count | None = Field(
        default=None, description="the most messages of a run, a whole number; null: no limit", examples=[100000])
    max_invalid: Ratio | None = Field(
        default=None,
        description="the largest share of a result's rows that may be invalid, 0 to 1; fewer are not worth a warning; "
        "null: no limit, and every invalid row is one", examples=[0.01])
    max_new_traits_rows: Count | None = Field(
        default=None,
        description="the most rows that change by nothing but new traits, a whole number; null: no limit",
        examples=[100000])


class SeenIds(YamlMapping):
    """The ids that Candu sees in browsers, for a comparison with those of the model: SQL or a file."""

    model_config = ConfigDict(json_schema_extra=at_most_one(("seen", "file")) | {
        "anyOf": [{"required": ["seen"]}, {"required": ["file"]}]})

    seen: Text | None = Field(
        default=None,
        description="SQL of the warehouse whose one column, or whose column user_id, holds the ids, like select "
        "distinct user_id from app.candu_events")
    file: Text | None = Field(
        default=None,
        description="a CSV file with the ids in its one column, or in one named like user_id; the path begins at "
        "CANDU_SQL_DIR")

    @model_validator(mode="after")
    def _one(self) -> SeenIds:
        if (self.seen is None) == (self.file is None):
            raise ValueError("give one of seen, which is SQL, and file, which is a CSV")
        return self


class DbtRules(YamlMapping):
    """What must hold of the dbt models that a sync reads, before it reads them."""

    contract: Annotated[bool, Field(strict=True)] = Field(
        default=False, description="true or false: dbt enforces a contract of each model that the sync reads")
    tests: Annotated[bool, Field(strict=True)] = Field(
        default=False,
        description="true or false: each model that the sync reads has tests, and all passed since it was built")


class Resources(YamlMapping):
    """What a run of the sync needs, where each run has a container of its own."""

    memory: Memory | None = Field(
        default=None,
        description="an amount with a unit, like 2Gi or 512Mi; null: that of the launcher", examples=["2Gi"])
    cpu: Processors | None = Field(
        default=None, description="a number of processors, like 1, 0.5 or 500m; null: that of the launcher",
        examples=[1, "500m"])


class Spec(YamlMapping):
    """The settings of a sync. Every key is optional."""

    description: str = Field(
        default="", description="text: what the sync is for (without it, the comment that the SQL starts with)")
    key: KeyColumns | None = Field(
        default=None,
        description="the column, or the list of columns, that identify a row; the defaults are user_id for users, "
        "[group_id, user_id] for groups and event_id for events",
        examples=["user_id", ["group_id", "user_id"]],
    )
    rename: dict[Text, Text] = Field(
        default={},
        description="a mapping of column to trait, like {plan_name: plan}",
        examples=[{"plan_name": "plan"}],
    )
    omit: Names = Field(
        default=(),
        description="a list of columns that are read and not sent, like [internal_note]",
        examples=[["internal_note"]],
    )
    payload: Literal["changed", "full"] = Field(
        default="changed",
        description="changed (only the traits that changed) or full (all of the row's traits, once any changed)",
    )
    nulls: Literal["send", "omit"] | Constants | None = Field(
        default=None,
        description="what becomes of a sent trait that turns null: send (as null), omit (not sent), or a mapping "
        "of trait to the text, number, true or false that replaces null, like {plan: none, seats: 0}; the default is "
        "that of CANDU_NULLS, which is send",
        examples=["send", "omit", {"plan": "none", "seats": 0}],
    )
    removed: Literal["keep"] | Constants = Field(
        default="keep",
        description="what becomes of a row that left the result: keep (nothing is sent), or a mapping of trait to the "
        "text, number, true or false to set, like {in_segment: false}",
        examples=["keep", {"in_segment": False}],
    )
    timezone: Zone = Field(
        default="UTC",
        description="the IANA time zone of timestamps without a zone, like Europe/Paris",
        examples=["UTC", "Europe/Paris"],
    )
    partitions: Partitions | None = Field(
        default=None,
        description="a mapping: daily, hourly, weekly or monthly with the first date, static with a list of keys, "
        "dynamic with a name and values with SQL, shards with a number, or one of the first four and one of these, "
        "like {daily: 2026-01-01}",
        examples=[{"daily": "2026-01-01"}, {"static": ["eu", "us"]}, {"daily": "2026-01-01", "static": ["eu", "us"]}],
    )
    cursor: Cursor | None = Field(
        default=None,
        description="for events without partitions, a mapping of column and lookback, like "
        "{column: timestamp, lookback: 1 day}",
        examples=[{"column": "timestamp", "lookback": "1 day"}],
    )
    guard: Guard = Field(
        default=Guard(),
        description="when a run stops before anything is sent: a mapping of min_rows, max_changed, max_removed, "
        "max_added, max_messages, max_invalid and max_new_traits_rows, like {max_changed: 0.5}",
        examples=[{"max_changed": 0.5}],
    )
    refresh: Refresh | None = Field(
        default=None,
        description="the time within which each row of users or groups is sent whole again, a few rows in each run: "
        "30 days, 2 weeks, or like P30D, 1 day at least; null: only changes are sent",
    )
    uncertain: Literal["resend", "skip"] = Field(
        default="resend",
        description="what becomes of events that were in flight when a process died: resend (Candu may count them "
        "twice) or skip (Candu may miss them)",
    )
    unidentified: Literal["send", "hold"] = Field(
        default="send",
        description="what becomes of events and memberships of users that no sync has identified: send or hold (they "
        "wait until a sync of users has sent the user)",
    )
    preview: Literal["redacted", "values", "none"] = Field(
        default="redacted", description="what samples show in plans and in Dagster: redacted, values or none")
    history: Literal["values", "names", "none"] = Field(
        default="names",
        description="what the history keeps of each row that was sent: values (old and new), names (of the traits, "
        "with a salted hash of each new value) or none",
    )
    ids: SeenIds | None = Field(
        default=None,
        description="for users, the ids that Candu sees in browsers, which are compared with those that are sent: a "
        "mapping of seen with SQL, or of file with a CSV, like {seen: select distinct user_id from app.candu_events}",
        examples=[{"seen": "select distinct user_id from app.candu_events"}],
    )
    report: Literal["none"] | SchemaName | None = Field(
        default=None,
        description="the tables that take the sync's runs: a mapping with the schema, like {schema: candu_sync}, or "
        "none; the default is that of CANDU_REPORT_SCHEMA",
        examples=[{"schema": "candu_sync"}, "none"],
    )
    route: Literal["candu", "segment"] | None = Field(
        default=None,
        description="how the messages reach Candu: candu (directly) or segment (by Segment, with SEGMENT_WRITE_KEY); "
        "the default is that of CANDU_ROUTE",
        examples=["candu", "segment"],
    )
    deps: Names = Field(
        default=(),
        description="a list of upstream asset keys, dbt models among them, like [dim_users]",
        examples=[["dim_users"]],
    )
    dbt: DbtRules = Field(
        default=DbtRules(),
        description="what must hold of the dbt models that the sync reads, else it does not run: a mapping of contract "
        "and tests, like {contract: true, tests: true}",
        examples=[{"contract": True, "tests": True}],
    )
    automation: Automation = Field(
        default="none",
        description='a cron line of five fields like "0 * * * *", in UTC or with a time zone at its end, like '
        '"0 6 * * 1-5 Europe/Paris"; on_upstream or none',
        examples=["0 * * * *", "0 6 * * 1-5 Europe/Paris", "on_upstream", "none"],
    )
    resources: Resources = Field(
        default=Resources(),
        description="what a run needs in Kubernetes, under Dagster's K8sRunLauncher: a mapping of memory and cpu, like "
        "{memory: 2Gi, cpu: 1}",
        examples=[{"memory": "2Gi", "cpu": 1}],
    )
    owners: Owners = Field(
        default=(), description="a list of e-mail addresses or teams, like [team:growth]", examples=[["team:growth"]])
    tags: Tags = Field(
        default={},
        description="a mapping of name to text, like {domain: growth}",
        examples=[{"domain": "growth"}],
    )
