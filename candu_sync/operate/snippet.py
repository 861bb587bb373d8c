"""The call of ``Candu.init`` for one user, with the traits that the snapshot has of that user.

Candu's developer docs, "Javascript API", name the fields: ``clientToken``, ``userId``, ``traits``, ``hmac``. Its
"Segmentation FAQs" say that ``hmac`` comes after the traits. The snapshot holds what Candu accepted, so the traits are
those that the sync has sent, as a message writes them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from candu_sync.changes import json_text
from candu_sync.errors import UsageError
from candu_sync.forgetting import is_forgotten
from candu_sync.naming import named
from candu_sync.snapshot import FORGOTTEN, Snapshot, expose, snapshot_of
from candu_sync.target import Target

CLIENT_TOKEN = "YOUR_CLIENT_TOKEN"

HMAC = "HMAC_OF_THE_USER_ID"

# An HTML parser ends a script at "</script" and treats "<!--" specially; JavaScript before 2019 ended a line at U+2028
# and U+2029. The others turn or hide text where a person reads it. JSON may escape any character.
_ESCAPED = re.compile("[<>&'\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")

# Letter case, stray spaces and the Unicode form aside.
_ALIKE = r"lower(nfc_normalize(regexp_replace({}, '^[\s\p{{Z}}\p{{C}}]+|[\s\p{{Z}}\p{{C}}]+$', '', 'g')))"
_MOST_ALIKE = 3


@dataclass(frozen=True, kw_only=True)
class Snippet:
    """What Candu was sent of a user, as the page passes it to ``Candu.init``.

    Attributes:
        sync, partition: whose snapshot it is of.
        user_id: letter for letter.
        traits: name → text, number, true or false. A trait that is null in the snapshot is left out.
        gone: the user left the model; Candu still has these traits.
        doubt: Candu did not answer the last message: it may have these traits, or those before.
    """

    sync: str
    partition: str | None
    user_id: str
    traits: dict[str, Any]
    gone: bool
    doubt: bool

    def init(self, *, signed: bool = False) -> dict[str, Any]:
        """The object that ``Candu.init`` takes.

        Args:
            signed: with a placeholder of the HMAC, for a workspace with Signed Identities.
        """
        hmac = {"hmac": HMAC} if signed else {}
        return {"clientToken": CLIENT_TOKEN, "userId": self.user_id, "traits": self.traits, **hmac}

    def script(self, *, signed: bool = False) -> str:
        """The call in JavaScript. It may stand in a ``<script>`` of an HTML page."""
        return f"Candu.init({script_json(self.init(signed=signed))});"


def script_json(value: object) -> str:
    r"""JSON that can stand in a ``<script>`` of an HTML page.

    Example:
        >>> print(script_json("</script> é\u2028"))
        "\u003c/script\u003e é\u2028"
    """
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def snippet_of(targets: Sequence[Target], user_id: str) -> Snippet:
    """What Candu was sent of a user.

    Args:
        targets: a sync of users with the partitions to look in.
        user_id: letter for letter.

    Raises:
        UsageError: it is no sync of users, it sent nothing yet, no partition has the user (ids that differ by case,
            spaces or Unicode form are named), or several have the user with other traits.
        DamagedState: a snapshot cannot be read.

    Example:
        >>> from candu_sync import run
        >>> result = run(Target(project, sync))
        >>> print(snippet_of([Target(project, sync)], "u1").script())
        Candu.init({
          "clientToken": "YOUR_CLIENT_TOKEN",
          "userId": "u1",
          "traits": {
            "plan": "pro"
          }
        });
    """
    found, alike = list[Snippet](), list[str]()
    for target in targets:
        with target.project.engine.use() as connection:
            snapshot = snapshot_of(target.state, target.state.current(), "users")
            expose(connection, snapshot)
            found += _of_target(connection, target, snapshot, user_id)
            alike += _alike(connection, user_id) if not found else ()
    if not found:
        raise UsageError(_unknown(targets, user_id, alike))
    if any(other.traits != found[0].traits for other in found):
        raise UsageError(f"several partitions have the user {user_id!r} with other traits: "
                         f"{', '.join(str(one.partition) for one in found)}. Name one with --partition")
    return found[-1]


def _of_target(connection: duckdb.DuckDBPyConnection, target: Target, snapshot: Snapshot,
               user_id: str) -> Iterator[Snippet]:
    columns = [(trait.name, json_text(f"t{i}", trait.kind)) for i, trait in enumerate(snapshot.traits)
               if trait.name != FORGOTTEN]
    rows = connection.execute(f"""
        SELECT coalesce(gone, false), coalesce(doubt, false){''.join(f', {value}' for _, value in columns)}
        FROM snapshot
        WHERE user_id = $user
        ORDER BY gone DESC, key""", {"user": user_id}).fetchall()
    if not rows:
        return
    traits: dict[str, Any] = {}
    # A user may have several rows; what is sent of them agrees. Those that did not leave come last.
    for _, _, *values in rows:
        traits |= {name: json.loads(value) for (name, _), value in zip(columns, values, strict=True)
                   if value is not None}
    yield Snippet(sync=target.sync.name, partition=target.partition, user_id=user_id, traits=traits,
                  gone=all(gone for gone, *_ in rows), doubt=any(doubt for _, doubt, *_ in rows))


def _alike(connection: duckdb.DuckDBPyConnection, user_id: str) -> list[str]:
    return [str(row[0]) for row in connection.execute(f"""
        SELECT DISTINCT user_id
        FROM snapshot
        WHERE {_ALIKE.format('user_id')} = {_ALIKE.format('$user::VARCHAR')}
        ORDER BY user_id
        LIMIT {_MOST_ALIKE}""", {"user": user_id}).fetchall()]


def _unknown(targets: Sequence[Target], user_id: str, alike: list[str]) -> str:
    if not targets:
        return "Candu has accepted nothing of this sync yet: run it first"
    if is_forgotten(targets[0].project.state, user_id):
        return f"the user {user_id!r} is forgotten (`candu-sync forget`): it is not known what Candu has of it"
    places = named(targets[0].sync.name, targets[0].partition) if len(targets) == 1 else targets[0].sync.name
    meant = f"; did you mean {' or '.join(repr(other) for other in dict.fromkeys(alike))}?" if alike else ""
    return (f"{places} has no user {user_id!r}, letter for letter, among those that Candu accepted{meant}"
            + ("" if alike else f". `candu-sync rejected {targets[0].sync.name}` has the rows that were not accepted"))
