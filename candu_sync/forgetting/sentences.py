"""Sentences about a run that may name a key: the id of a person is taken out of them."""

from __future__ import annotations

import re
from typing import Any

from candu_sync.state import SENTENCES


def without_id(result: dict[str, Any], user_id: str) -> dict[str, Any]:
    """The result of a run, without a person's id in its sentences.

    Example:
        >>> without_id({"error": "the key u1 appears twice", "rows": 2}, "u1")
        {'error': 'the key … appears twice', 'rows': 2}
    """
    mine = re.compile(rf"(?<![\w@.-]){re.escape(user_id)}(?![\w@-])")

    def without(value: Any) -> Any:
        if isinstance(value, str):
            return mine.sub("…", value)
        if isinstance(value, list):
            return [without(item) for item in value]
        return {without(name): item for name, item in value.items()} if isinstance(value, dict) else value

    return result | {name: without(result[name]) for name in SENTENCES if name in result}
