"""The JSON Schema of a sync's YAML, shipped as ``sync.schema.json`` so that editors complete the keys.

``python -m candu_sync.syncs.json_schema`` writes the file again after a change of ``spec.py`` or
``partition_spec.py``. In a YAML file, for VS
Code and others: ``# yaml-language-server: $schema=<path or address of sync.schema.json>``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from candu_sync.syncs.spec import Spec

__all__ = ["ID", "SHIPPED", "json_schema", "text"]

ID = "urn:candu-sync:schema:sync:1"
"""The schema's name. A change that makes a YAML wrong that was right raises the number; all others keep it."""

SHIPPED = Path(__file__).with_name("sync.schema.json")
"""Where the schema is in an installed package."""


def json_schema() -> dict[str, Any]:
    """The schema, JSON Schema 2020-12."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        **Spec.model_json_schema(mode="validation"),
        "title": "The settings of a sync",
    }


def text() -> str:
    """The schema as the shipped file holds it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SHIPPED.write_text(text(), encoding="utf-8")
