"""How a sync and its partition are written."""

from __future__ import annotations

from candu_sync.naming import named


def test_a_partition_is_named_in_brackets() -> None:
    assert named("users/profile", None) == "users/profile"
    assert named("users/profile", "[eu]") == "users/profile [[eu]]"
