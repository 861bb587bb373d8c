"""The shipped JSON Schema is the current one, and says what the loader says."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from candu_sync.errors import SpecError
from candu_sync.syncs import json_schema, yaml_lines
from candu_sync.syncs.spec import Cursor, Guard, Partitions, Spec
from candu_sync.syncs.spec_file import read_spec

GOOD = """
description: What onboarding needs to know of a user
key: [group_id, user_id]
rename: {plan_name: plan}
omit: [internal_note]
payload: changed
nulls: {plan: none, seats: 0}
removed: {in_segment: false}
timezone: Europe/Paris
guard: {min_rows: 1, max_changed: 0.5, max_removed: 0.2, max_messages: null}
uncertain: resend
preview: redacted
deps: [dim_users]
automation: "0 * * * *"
resources: {memory: 2Gi, cpu: 1}
owners: [team:growth]
tags: {domain: growth}
"""


def problems(yaml: str) -> list[str]:
    data, _ = yaml_lines.parse(yaml)
    return [error.message for error in Draft202012Validator(json_schema.json_schema()).iter_errors(data)]


def test_the_shipped_file_is_up_to_date() -> None:
    assert json_schema.SHIPPED.read_text(encoding="utf-8") == json_schema.text(), "run: python -m candu_sync.schema"


def test_it_is_a_json_schema_that_describes_every_key() -> None:
    Draft202012Validator.check_schema(json_schema.json_schema())
    definitions = json_schema.json_schema()["$defs"]
    assert set(json_schema.json_schema()["properties"]) == set(Spec.model_fields)
    for model in (Spec, Guard, Cursor, Partitions):
        shape = json_schema.json_schema() if model is Spec else definitions[model.__name__]
        assert shape["additionalProperties"] is False
        assert all(field.get("description") for field in shape["properties"].values())


@pytest.mark.parametrize("yaml", [
    GOOD, "{}", "key: user_id", "nulls: omit", "removed: keep", "automation: on_upstream",
    "partitions: {daily: 2026-01-01}",
    "partitions: {hourly: 2026-01-01T13:00}", "partitions: {static: [eu, us]}",
    "partitions: {daily: 2026-01-01, static: [eu, us]}",
    "partitions: {weekly: 2026-01-05, dynamic: segments, values: select 1}",
    "partitions: {dynamic: segments, values: select distinct segment from members}"])
def test_what_the_loader_takes_the_editor_takes(yaml: str) -> None:
    read_spec(yaml, "users", path="a.yaml", sync="users/a")
    assert problems(yaml) == []


@pytest.mark.parametrize("yaml", [
    "renmae: {a: b}", "payload: all", "guard: {max_changed: 2}", "guard: {max_chnged: 1}", "partitions: {}",
    "omit: note",
    "partitions: {daily: 2026-01-01, weekly: 2026-01-05}", "partitions: {dynamic: segments}",
    "partitions: {daily: 2026-01-01, static: [a], dynamic: b, values: select 1}", "nulls: {a: [1]}",
    "nulls: sent", "rename: {a: ' '}", "tags: {year: 2026}", "key: []"])
def test_what_the_editor_underlines_the_loader_refuses(yaml: str) -> None:
    assert problems(yaml) != []
    with pytest.raises(SpecError):
        read_spec(yaml, "users", path="a.yaml", sync="users/a")
