"""dbt-core 1.12 by the schemas that it publishes: every field that is read is there, in a form that is understood.

dbt-core 1.12 itself is not installed for these tests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from candu_sync.dbt.manifest import read_manifest
from candu_sync.dbt.nodes import Macro, Node, Test, data_test_of, macro_of, node_of
from candu_sync.dbt.run_results import LastRuns

SCHEMA = json.loads((Path(__file__).parent / "dbt_1_12_schema.json").read_text("utf-8"))
NODES = ("Model", "Seed", "Snapshot", "SourceDefinition")
TESTS = ("GenericTest", "SingularTest")

Schema = dict[str, Any]

# Fields of a source that only other nodes have, and so on: asked for, and not there.
ABSENT = {
    "SourceDefinition": {"alias", "checksum", "compiled_code", "contract", "depends_on", "language", "latest_version",
                         "materialized", "primary_key", "raw_code", "schema", "unique_key", "version"},
    "Seed": {"compiled_code", "language", "latest_version", "primary_key", "source_name", "version", "nodes"},
    "Snapshot": {"latest_version", "primary_key", "source_name", "version"},
    "Model": {"source_name"}, "GenericTest": set(), "SingularTest": {"attached_node"}, "Macro": set(),
}


class Asked(dict[str, Any]):
    """An object of JSON that notes which of its fields are read."""

    def __init__(self, value: Mapping[str, Any], fields: set[str]) -> None:
        super().__init__({name: Asked(inner, fields) if isinstance(inner, dict) else inner
                          for name, inner in value.items()})
        self.fields = fields

    def __getitem__(self, name: str) -> Any:
        self.fields.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.fields.add(name)
        return super().get(name, default)


def instances(schema: Schema) -> Iterator[Any]:
    """Values of a schema: each of its alternatives, and each field of an object in each form, one at a time."""
    if "anyOf" in schema:
        for alternative in schema["anyOf"]:
            yield from instances(alternative)
    elif "const" in schema:
        yield schema["const"]
    elif "enum" in schema:
        yield from schema["enum"]
    elif schema.get("type") == "object":
        yield from _objects(schema)
    elif schema.get("type") == "array":
        yield []
        yield [next(instances(schema["items"]))]
    else:
        yield {"string": "a", "integer": 2, "number": 2.5, "boolean": True, "null": None}[schema["type"]]


def _objects(schema: Schema) -> Iterator[dict[str, Any]]:
    properties = schema.get("properties", {})
    required = {name: next(instances(properties[name])) for name in schema.get("required", ())}
    yield required
    whole = {name: next(instances(inner)) for name, inner in properties.items()}
    if "additionalProperties" in schema:
        whole["x"] = next(reversed(list(instances(schema["additionalProperties"]))))
    yield whole
    for name, inner in properties.items():
        for value in instances(inner):
            yield whole | {name: value}


def read(title: str, properties: dict[str, Any]) -> Node | Test | Macro:
    return (macro_of if title == "Macro" else data_test_of if title in TESTS else node_of)(properties)


@pytest.mark.parametrize("title", [*NODES, *TESTS, "Macro"])
def test_every_field_that_is_read_is_published(title: str) -> None:
    schema = SCHEMA["definitions"][title]
    whole = list(_objects(schema))[1]
    asked: set[str] = set()
    read(title, Asked(whole, asked))
    published = set(schema["properties"]) | {
        inner for part in schema["properties"].values() for form in (part, part.get("additionalProperties", {}))
        for inner in form.get("properties", {})}
    ours = {"dagster", "a", "asset_key"} | {"dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to"}
    assert asked - published - ours <= ABSENT[title]
    assert len(asked & published) >= 2


@pytest.mark.parametrize("title", [*NODES, *TESTS, "Macro"])
def test_every_form_of_a_field_is_understood(title: str) -> None:
    found = [read(title, value) for value in _objects(SCHEMA["definitions"][title])]
    assert len(found) >= 3


def test_a_whole_manifest_and_results_of_tests(tmp_path: Path) -> None:
    nodes = {title: list(_objects(SCHEMA["definitions"][title]))[1] | {"unique_id": title, "name": title}
             for title in (*NODES, *TESTS)}
    source = nodes.pop("SourceDefinition")
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({"metadata": next(instances(SCHEMA["metadata"])), "nodes": nodes,
                                "sources": {"s": source}, "macros": {}, "disabled": None}))
    manifest = read_manifest(path)
    assert {node.id for node in manifest.nodes} == {*NODES}
    assert {test.id for test in manifest.tests} == {*TESTS}
    statuses = list(instances(SCHEMA["results"]["properties"]["results"]["items"]["properties"]["status"]))
    assert {"pass", "warn", "fail", "error", "skipped", "reused"} <= {*statuses}
    (tmp_path / "run_results.json").write_text(json.dumps({
        "metadata": {"generated_at": "2026-11-28T08:00:00Z"}, "args": {"which": "build"},
        "results": [{"unique_id": status, "status": status} for status in statuses]}))
    found = LastRuns(tmp_path).since_built("model", statuses)
    assert {name: result.status for name, result in found.items()} == {name: name for name in statuses}
