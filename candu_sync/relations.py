"""The relations of the embedded engine: the tables and views that the rooms share in one connection.

A plan has one engine, a commit another, and a push a third that builds the messages. A room makes a relation by SQL or
registers an Arrow file or batch under its name, and a later room reads it by that name. A name means one thing
everywhere. ``docs/sql-of-a-sync.sql`` shows all of it at work.

In the columns, ``t0 …`` are the traits' values and ``c0 …`` the flags of the traits' names: whether the message carries
that trait, with ``new_traits_only`` beside them where the model gives new traits. ``ids`` means ``user_id`` and, for
groups, ``group_id``; for events ``user_id``, ``event``, ``occurred`` and, with a cursor, ``cursor``. ``snapshot`` means
the columns of a snapshot's rows (``snapshot/snapshot.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Relation:
    """One relation.

    Attributes:
        of: what a row is.
        columns: their names, in groups as the module's docstring says.
        made: the module that makes it.
        read: the other modules that read it.
    """

    of: str
    columns: str
    made: str
    read: str = ""


PLAN: dict[str, Relation] = {
    "result": Relation(
        of="a row of the model that may differ from the snapshot; the reason why it is set aside, if any",
        columns="key reason ids t0 …", made="diff.loading", read="diff.prefilter diff.unsendable_rows changes"),
    "snapshot": Relation(
        of="what Candu has accepted of a row: the whole snapshot", columns="snapshot", made="snapshot.snapshot",
        read="diff.changed_rows diff.other_partitions snapshot.merge"),
    "previous": Relation(
        of="a row of the snapshot that the result is compared with: all of them, or those that the prefilter leaves",
        columns="snapshot matched", made="diff.changed_rows diff.prefilter changes.first_run",
        read="diff.trait_rules diff.other_partitions changes.summary"),
    "changes": Relation(
        of="a row that was added, changed or removed, or is refreshed; in full runs also an unchanged one",
        made="diff.changed_rows changes.first_run", columns="key ids op t0 … c0 … message",
        read="diff.other_partitions diff.refresh changes commit.next_version"),
    "outgoing": Relation(
        of="a message: of groups one for several rows, else a row of changes", made="changes.outgoing",
        columns="key ids op t0 … c0 … message", read="changes.change_set changes.summary commit.next_version"),
    "refused_before": Relation(
        of="a row that Candu refused in an earlier run", columns="key reason status refused_at run hash",
        made="snapshot.snapshot", read="changes.outgoing commit.next_version"),
    "held": Relation(
        of="a row of refused_before that has not changed since: it is not sent",
        columns="key reason status refused_at run hash message", made="changes.outgoing changes.first_run",
        read="changes.change_set changes.summary commit.next_version"),
    "base": Relation(of="a row of the snapshot's base file", columns="snapshot", made="snapshot.snapshot"),
    "delta": Relation(
        of="a row of the snapshot's delta file", columns="snapshot", made="snapshot.snapshot diff.prefilter"),
    "rows_to_hash": Relation(
        of="a row of one batch of the result or of a file", columns="key reason ids snapshot t0 …",
        made="snapshot.row_index"),
    "incoming": Relation(
        of="a row of the result on its way into the table", columns="key reason ids t0 …", made="diff.loading"),
    "chosen_rows": Relation(
        of="a row of a file that the prefilter reads", columns="snapshot matched", made="diff.prefilter"),
    "unmatched_keys": Relation(
        of="the hash of the key of a row of the result that matches none of the snapshot, where rows are refreshed",
        columns="key_hash", made="diff.prefilter"),
    "ids_to_compare": Relation(
        of="a group, or a user of several rows, with rows that may differ", columns="id", made="diff.prefilter"),
    "repeated_keys": Relation(of="a key of several rows of the result", columns="key", made="diff.unsendable_rows"),
    "repeated_rows": Relation(
        of="a row of the result with such a key; equal ones once", columns="key reason ids t0 …",
        made="diff.unsendable_rows"),
    "new_users": Relation(
        of="a user of a new event or membership", columns="user_id", made="diff.identified"),
    "identified": Relation(
        of="one of new_users of whom Candu has accepted an identify", columns="user_id", made="diff.identified"),
    "disagreeing": Relation(
        of="a group, or a user of several rows, that disagrees, and on which traits", columns="id names",
        made="diff.unsendable_rows"),
    "set_by_others": Relation(
        of="a user or group that left, and a trait that another partition has set", columns="id trait",
        made="diff.other_partitions"),
    "interrupted": Relation(
        of="a row of the changes of a full run that was interrupted", columns="key ids op t0 … c0 … message",
        made="changes.full_run"),
    "interrupted_accepted": Relation(
        of="a range of its messages that Candu accepted", columns="low high", made="changes.full_run"),
    "moves": Relation(
        of="a trait of a row that changed, or a row that came or left: hashes of the value before and after",
        columns="message n before after", made="changes.noise", read="changes.change_set"),
    "earlier_moves": Relation(
        of="a value of the last runs, as a hash, and the version of the snapshot that it left",
        columns="hash version", made="changes.noise"),
    "too_large": Relation(of="a message that is too large", columns="message", made="changes.outgoing"),
}
"""Relations of a plan's engine."""

PUSH: dict[str, Relation] = {
    "rows_to_encode": Relation(
        of="a row of outgoing that becomes a message", columns="key ids op t0 … c0 … message", made="changes.messages"),
}
"""Relations of a push's engine."""

COMMIT: dict[str, Relation] = {
    **{name: PLAN[name] for name in ("snapshot", "refused_before", "base", "delta", "rows_to_hash")},
    # The files of the change set.
    **{name: replace(PLAN[name], made="commit.next_version") for name in ("changes", "outgoing", "held")},
    "moves": Relation(
        of="a value that an accepted message took away, as a hash", columns="message hash", made="commit.moves"),
    "earlier_moves": replace(PLAN["earlier_moves"], made="commit.moves"),
    "invalid": Relation(
        of="a row that this plan found invalid", columns="key reason run", made="history.ledger"),
    "known_invalid": Relation(
        of="a row that was invalid before, for the history", columns="key reason run", made="history.ledger"),
    "new_invalid": Relation(
        of="a row of the history: set aside now, and not before", made="history.ledger",
        columns="message key user_id outcome reason at"),
    "settled": Relation(
        of="a row of changes with what became of its message", made="history.ledger",
        columns="key ids op t0 … c0 … message outcome status reason attempts at digest carried0"),
    "outgoing_rows": Relation(
        of="a row of the change set's messages, where their digests are computed again",
        columns="key ids op t0 … c0 … message", made="history.ledger"),
    "accepted_ranges": Relation(
        of="a range of messages that Candu accepted, from the receipts", columns="low high",
        made="commit.next_version"),
    "accepted_messages": Relation(
        of="a message that Candu accepted", columns="message", made="commit.next_version"),
    "unanswered_ranges": Relation(
        of="a range of messages without an answer", columns="low high", made="commit.next_version"),
    "unanswered_messages": Relation(
        of="a message without an answer that was not accepted later", columns="message",
        made="commit.next_version"),
    "refused_now": Relation(
        of="a message that Candu refused in this run", columns="message status reason refused_at",
        made="commit.next_version"),
    "accepted": Relation(
        of="a row of changes that Candu has now", columns="key ids op t0 … c0 … message gone",
        made="commit.next_version", read="snapshot.merge"),
    "doubtful": Relation(
        of="a row of changes that Candu may have or not", columns="key ids op t0 … c0 … message",
        made="commit.next_version", read="snapshot.merge"),
    "overlay": Relation(
        of="a row that replaces the snapshot's row of its key", columns="snapshot", made="snapshot.merge"),
    "came_or_left": Relation(
        of="a row that is new, or that left", columns="key gone", made="snapshot.merge"),
}
"""Relations of a commit's engine."""

FORGET: dict[str, Relation] = {
    **{name: PLAN[name] for name in ("snapshot", "refused_before", "base", "delta", "rows_to_hash")},
    "forgotten_keys": Relation(
        of="the key of an event of the person", columns="key", made="forgetting.snapshot_files"),
    "rows_to_check": Relation(
        of="the user of a row of the result, where people are forgotten", columns="user_id",
        made="forgetting.tombstones"),
}
"""Relations of the engine in which a person is forgotten, and of a plan where somebody is."""

CHECK: dict[str, Relation] = {
    **{name: PLAN[name] for name in ("result", "incoming")},
    "first_reading": Relation(
        of="a row of the result of the first of two readings", columns="key reason ids t0 …",
        made="operate.read_twice"),
}
"""Relations of the engine of ``check --twice``."""

IDS: dict[str, Relation] = {
    **{name: PLAN[name] for name in ("snapshot", "refused_before", "base", "delta")},
    "changes": replace(PLAN["changes"], made="operate.page_ids", read=""),
    "rows_of_model": Relation(
        of="a row of one batch of the result", columns="key reason ids t0 …", made="operate.page_ids"),
    "given_ids": Relation(of="an id that the model gives, in one partition", columns="id", made="seen_ids.comparing"),
    "other_values": Relation(
        of="a value of another column that may be an id", columns="name value given", made="seen_ids.comparing"),
    "seen_batch": Relation(of="an id that Candu sees, of one batch", columns="id", made="seen_ids.comparing"),
    "seen_rows": Relation(of="an id that Candu sees, perhaps repeated", columns="id", made="seen_ids.comparing"),
    "seen_ids": Relation(of="an id that Candu sees", columns="id", made="seen_ids.comparing"),
    "ids_of_model": Relation(of="an id that the model gives", columns="id", made="seen_ids.comparing"),
    "equal_ids": Relation(of="an id of both", columns="id", made="seen_ids.comparing"),
    "open_ids": Relation(
        of="an id that Candu sees, for which none of the model is found yet", columns="id", made="seen_ids.comparing"),
    "explained_ids": Relation(
        of="an id that Candu sees, the model's, how they differ, and the value that it could be made of",
        columns="way id given source", made="seen_ids.comparing"),
    "open_parts": Relation(
        of="an open id with its prefix, and whole", columns="id prefix rest", made="seen_ids.comparing"),
    "parts_of_model": Relation(
        of="an id of the model with its prefix, and whole", columns="prefix rest given", made="seen_ids.comparing"),
    "prefix_pairs": Relation(
        of="an open id and one of the model with another prefix", columns="id seen_prefix given_prefix given",
        made="seen_ids.comparing"),
    "open_keys": Relation(of="an open id without case and spaces", columns="id key", made="seen_ids.comparing"),
    "other_keys": Relation(
        of="a value of another column that is an open id", columns="name key value given", made="seen_ids.comparing"),
}
"""Relations of the engine in which ids are compared with those that Candu sees."""
