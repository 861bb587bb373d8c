"""What a person reads whose YAML is wrong: every problem, at its line, with what is allowed or was meant."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candu_sync.errors import SpecError
from candu_sync.syncs.spec import Cursor, Guard, Kind, Partitions, Spec
from candu_sync.syncs.spec_file import read_spec


def refusal(yaml: str, kind: Kind = "users") -> SpecError:
    with pytest.raises(SpecError) as error:
        read_spec(yaml, kind, path="sql/users/a.yaml", sync="users/a")
    assert error.value.path == "sql/users/a.yaml"
    assert error.value.sync == "users/a"
    return error.value


@pytest.mark.parametrize(("yaml", "says"), [
    ("renmae: {a: b}", "renmae: unknown key; did you mean rename?"),
    ("Payload: full", "Payload: unknown key; did you mean payload?"),
    ("guard: {max_chnged: 0.1}", "guard.max_chnged: unknown key of guard; did you mean max_changed?"),
    ("cursor: {loockback: 1 day}", "cursor.loockback: unknown key of cursor; did you mean lookback?"),
    ("partitions: {dialy: 2026-01-01}", "partitions.dialy: unknown key of partitions; did you mean daily?"),
    ("max_removed: 0.1", "max_removed: unknown key; it belongs under guard"),
    ("xyzzy: 1", "xyzzy: unknown key; known: description, key, rename,"),
    ('schedule: "0 * * * *"', "schedule: unknown key; did you mean automation?"),
    ("primary_key: id", "primary_key: unknown key; did you mean key?"),
    ("depends_on: [a]", "depends_on: unknown key; did you mean deps?"),
    ("partitions: {sql: select 1}", "partitions.sql: unknown key of partitions; did you mean values?"),
    ("true: 1", "the key true is not text; write it in quotes"),
    ("rename: {2024: plan}", "the key 2024 is not text; write it in quotes"),
    ("tags: {~: x}", "the key ~ is not text; write it in quotes"),
])
def test_the_error_about_an_unknown_key_names_the_nearest_known_one(yaml: str, says: str) -> None:
    assert says in str(refusal(yaml))


@pytest.mark.parametrize(("yaml", "says"), [
    ("payload: changes", "payload: 'changes' is not allowed; allowed: changed (only the traits that changed) or full"),
    ("payload:", "payload: an empty value is not allowed; allowed: changed"),
    ("key: []", "key: the list is empty"),
    ("key: [a, b, a]", "key: a is listed twice"),
    ("key: {a: b}", "key: a mapping is not allowed; allowed: the column, or the list"),
    ("rename: [a]", "rename: a list is not allowed; allowed: a mapping of column to trait"),
    ("rename: {a: ' '}", "rename.a: ' ' is not allowed"),
    ("rename: {a: 3}", "rename.a: 3 is not allowed"),
    ("omit: note", "omit: 'note' is not allowed; allowed: a list of columns"),
    ("nulls: keep", "nulls: 'keep' is not allowed; allowed: what becomes of a sent trait that turns null: send"),
    ("nulls: {a: [1]}", "nulls.a: must be text, true or false, or a finite number"),
    ("nulls: {a: null}", "nulls.a: must be text"),
    ("nulls: {a: .inf}", "nulls.a: must be text"),
    ("nulls: {a: 9007199254740993}", "nulls.a: must be text, true or false, or a finite number (a whole one"),
    ("nulls: {' ': 1}", "nulls. : ' ' is not allowed"),
    ("removed: {a: -9007199254740993}", "removed.a: must be text"),
    ("removed: drop", "removed: 'drop' is not allowed; allowed: what becomes of a row that left the result: keep"),
    ("timezone: Europe/Pariss", "timezone: 'Europe/Pariss' is not an IANA time zone"),
    ("partitions: {}", "partitions: give one of daily, hourly, weekly, monthly, static, dynamic, shards, or a"),
    ("partitions: {daily: 2026-01-01, weekly: 2026-01-05}", "give one window of time, not daily and weekly"),
    ("partitions: {static: [a], dynamic: b, values: select 1}", "partitions: give one set of keys, not static and"),
    ('partitions: {daily: 2026-01-01, static: ["a|b"]}', "the key 'a|b' holds one of | [ ] , which Dagster refuses"),
    ("partitions: {dynamic: segments}", "partitions: dynamic and values go together"),
    ("partitions: {daily: 2026-01-01, values: select 1}", "partitions: dynamic and values go together"),
    ("partitions: {daily: 2026-02-30}", "partitions.daily: 2026-02-30 is not in the calendar"),
    ("partitions: {daily: 20260101}", "partitions.daily: 20260101 is not the date of the first partition"),
    ("partitions: {daily: 1026-01-01}", "partitions.daily: 1026-01-01 is not between 1970 and 2999"),
    ("partitions: {weekly: 2026-01-01T10:00}", "partitions.weekly: '2026-01-01T10:00' is not the date"),
    ("partitions: {static: []}", "partitions.static: the list is empty"),
    ("partitions: {static: [eu, eu]}", "partitions.static: eu is listed twice"),
    ("partitions: {static: [eu, 2]}", "partitions.static: 2 is not allowed; allowed: a list of keys, like [eu, us]"),
    ('partitions: {static: ["a\\tb"]}', "partitions.static: the key 'a\\tb' holds an ellipsis or a control character"),
    ("guard: {max_changed: 50%}", "guard.max_changed: '50%' is not allowed; allowed: the largest share"),
    ("guard: {max_changed: 1.5}", "guard.max_changed: 1.5 is not allowed"),
    ("guard: {max_removed: true}", "guard.max_removed: true is not allowed"),
    ("guard: {min_rows: -1}", "guard.min_rows: -1 is not allowed"),
    ("guard: {min_rows: 1.5}", "guard.min_rows: 1.5 is not allowed"),
    ("guard: null", "guard: an empty value is not allowed"),
    ("uncertain: yes", "uncertain: 'yes' is not allowed"),
    ("preview: all", "preview: 'all' is not allowed"),
    ("deps: dim_users", "deps: 'dim_users' is not allowed; allowed: a list of upstream asset keys"),
    ("resources: {memory: 2}", "resources.memory: 2 is no amount of memory with a unit, like 2Gi or 512Mi"),
    ("resources: {memory: 2Gb}", "'2Gb' is no amount of memory with a unit"),
    ("resources: {cpu: 0}", "resources.cpu: 0 is no number of processors, like 1, 0.5 or 500m"),
    ("resources: {cpu: many}", "'many' is no number of processors"),
    ("resources: {ram: 2Gi}", "unknown key"),
    ("automation: 5 minutes", "automation: '5 minutes' is not a cron line of five fields"),
    ('automation: "0 6 * * * Europe/Pari"', "did you mean Europe/Paris?"),
    ('automation: "0 0 0 * * *"', "is not a cron line of five fields"),
    ('automation: "0 25 * * *"', "automation: '25' is no hour of a cron line"),
    ("owners: [growth]", "owners: 'growth' is neither an e-mail address nor a team"),
    ("tags: {a b: c}", "tags: the name 'a b' may hold letters"),
    ("tags: {a: b c}", "tags: the value of a may hold letters"),
    ("tags: {year: 2026}", "tags.year: 2026 is not allowed"),
    ("description: [x]", "description: a list is not allowed; allowed: text"),
])
def test_the_error_about_a_wrong_value_says_what_is_allowed(yaml: str, says: str) -> None:
    error = refusal(f"# a comment\n{yaml}\n")
    assert says in error.detail
    assert error.line == 2
    assert len(error.detail.splitlines()) == 1  # one problem is reported once


@pytest.mark.parametrize(("kind", "yaml", "says"), [
    ("users", "rename: {a: x, b: x}", "rename.b: a and b would both become x"),
    ("users", "rename: {user_id: id}", "rename.user_id: user_id is required by its name in users"),
    ("groups", "rename: {group_id: id}", "rename.group_id: group_id is required by its name in groups"),
    ("events", "rename: {timestamp: at}", "rename.timestamp: timestamp is required"),
    ("events", "omit: [event_id]", "omit: event_id is required in events"),
    ("users", "{rename: {a: x}, omit: [a]}", "omit: a is renamed and omitted"),
    ("events", "removed: {gone: true}", "removed: events do not leave a result"),
    ("users", "cursor: {}", "cursor: a cursor is for events"),
    ("events", "{cursor: {}, partitions: {daily: 2026-01-01}}", "cursor: a cursor and partitions exclude each other"),
])
def test_settings_that_contradict_each_other_or_the_folder_are_refused(kind: Kind, yaml: str, says: str) -> None:
    assert says in refusal(yaml, kind).detail


def test_every_problem_of_a_file_is_reported_with_its_line() -> None:
    error = refusal("payload: al\n\nguard:\n  min_rows: 1\n  max_changed: 2\nrename:\n  a: x\n  b: x\nowners:\n  - x\n")
    assert str(error).splitlines()[0].startswith("sql/users/a.yaml:1: payload: 'al'")
    assert [line.split(":")[0] for line in error.detail.splitlines()[1:]] == ["  line 5", "  line 8", "  line 10"]


@pytest.mark.parametrize(("yaml", "line", "says"), [
    ("payload: full\nomit: [a\n", 3, "not valid YAML: expected ',' or ']'"),
    ("payload: full\n\tomit: [a]\n", 2, "not valid YAML: found character '\\t'"),
    ("payload: full\nomit: [a]\npayload: changed\n", 3, "payload appears a second time (first in line 1)"),
    ("guard:\n  min_rows: 1\n  min_rows: 2\n", 3, "min_rows appears a second time"),
    ("- payload\n", 1, "a sync's settings are a mapping"),
    ("payload\n", 1, "a sync's settings are a mapping"),
])
def test_what_is_not_a_yaml_mapping_is_reported(yaml: str, line: int, says: str) -> None:
    error = refusal(yaml)
    assert error.line == line
    assert says in error.detail


names = st.sampled_from([key for model in (Spec, Cursor, Guard, Partitions) for key in model.model_fields])
words = names | st.text(st.characters(max_codepoint=0x7F)) | st.sampled_from(["2026-01-01", "1 day", "0 * * * *"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=8)


@given(st.dictionaries(names, values, max_size=5).map(json.dumps) | st.text(), st.sampled_from(["users", "events"]))
def test_whatever_is_in_the_file_it_is_settings_or_one_error(yaml: str, kind: Kind) -> None:
    with suppress(SpecError):
        assert isinstance(read_spec(yaml, kind, path="a.yaml", sync="a"), Spec)
