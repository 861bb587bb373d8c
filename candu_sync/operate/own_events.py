"""Candu's own events that a model would send back.

Candu's outgoing webhooks, and its source in Segment, put what it records into warehouses. Its help, "Export Candu Data
via Webhooks", says that they give the events that a customer sends, too. So a model that reads them sends its own
events again, under new ids, without end. Its developer docs, "Candu SDK Event Names", name the identifiers that its
events carry; Segment's page of the source names its tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from candu_sync.changes import ChangeSet
from candu_sync.naming import counted
from candu_sync.operate.finding import Finding
from candu_sync.rows import RESERVED_EVENT
from candu_sync.sql_text import blanked
from candu_sync.syncs import Sync

# Without underscores, in lower case.
_IDENTIFIERS = frozenset({"contentid", "segmentid", "documentid", "versionid", "placementid", "nodeid", "tutorialid",
                          "portalid"})
_ENOUGH = 3

_WHAT = (r"(webhooks?|exports?|((webhooks?|raw|sdk|content|form|experiment|experiences?)_)?"
         r"(events?|tracks?|interactions?|views?|responses?|impressions?))")
# candu_sdk_content_interaction is how Segment's warehouses call the table of candu.sdk.content.interaction.
_TABLE = re.compile(rf"candu_sdk_\w+|candu_{_WHAT}")
# A schema of that name may have models that are made for Candu, too.
_SCHEMA = re.compile(r"candu(_(prod|production|staging|dev|development|test|raw|source|webhooks?|export|segment))?")
_IN_SCHEMA = re.compile(rf"{_WHAT}|screens|tutorial_(view|interaction)")

_READ = re.compile(r"\b(?:from|join)\s+([^\s(),;]+)", re.IGNORECASE)
_REF = re.compile(r"\bref\(\s*(?:'[^']*'\s*,\s*|\"[^\"]*\"\s*,\s*)?['\"]([^'\"]+)['\"]")
_QUOTES = re.compile(r'["`\[\]]')

_ADVICE = ("Read the events of your product where they arise. What Candu records belongs into a trait of users, like a "
           "count")


def about_own_events(sync: Sync, sql: str, traits: Iterable[str], dialect: str = "") -> Iterator[Finding]:
    """The findings about a model of events that looks like one of Candu's own, by its tables, else by its properties.

    Args:
        sql: as the warehouse takes it.
        traits: the names of its properties.
        dialect: SQLAlchemy's name of it.

    Example:
        >>> events = sync.model_copy(update={"kind": "events"})
        >>> [found.sentence[:40] for found in about_own_events(events, "select * from raw.candu_events", [])]
        ['the SQL reads raw.candu_events, which by']
    """
    if sync.kind != "events":
        return
    tables = list(dict.fromkeys(table for table in _tables(sql, dialect) if _is_export(table, sync.sql)))
    if tables:
        yield Finding(code="own_events", sync=sync.name, advice=_ADVICE, sentence=(
            f"the SQL reads {', '.join(tables)}, which by the name holds events that Candu exported: sent back, they "
            "come out of Candu again, under new ids, without end"))
        return
    theirs = [name for name in traits if name.casefold().replace("_", "") in _IDENTIFIERS]
    if len(theirs) >= _ENOUGH:
        yield Finding(code="own_events", sync=sync.name, advice=_ADVICE, sentence=(
            f"the properties {', '.join(theirs)} are identifiers of Candu's own events: it has them already"))


def events_set_aside(changes: ChangeSet) -> Iterator[Finding]:
    """The finding about rows with names of Candu's own events."""
    if count := changes.summary.reasons.get(RESERVED_EVENT):
        yield Finding(code="own_events", sync=changes.sync, partition=changes.partition, column="event",
                      sentence=(f"{counted(count, 'event')} {'has a name' if count == 1 else 'have names'} of Candu's "
                                "own (candu.sdk.): no such event is sent"),
                      advice="Leave them out in the SQL; the others of that table may come from Candu, too")


def _tables(sql: str, dialect: str) -> Iterator[str]:
    """The relations that the SQL reads, as it writes them, without quotes."""
    code = blanked(sql, dialect)
    for found in _READ.finditer(code):
        name = _QUOTES.sub("", sql[found.start(1):found.end(1)])
        # A name that the query gives itself is no table.
        if "." in name or not re.search(rf"\b{re.escape(name)}\s+as\s+(\w+\s+)*\(", code, re.IGNORECASE):
            yield name


def _is_export(table: str, written: str) -> bool:
    """Whether a relation is an export of Candu's by its name. A dbt model that the sync refers to is the project's own:
    its name may say that it is made for Candu."""
    *schemas, name = table.casefold().split(".")
    if name in {ref.casefold() for ref in _REF.findall(written)}:
        return False
    return _TABLE.fullmatch(name) is not None or (
        _IN_SCHEMA.fullmatch(name) is not None and any(_SCHEMA.fullmatch(schema) for schema in schemas))
