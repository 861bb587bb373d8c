"""A folder of SQL files becomes syncs; a bad file becomes one error, and the others load."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from candu_sync.errors import SettingsError, SpecError
from candu_sync.syncs.spec import Cursor, Guard
from candu_sync.syncs.sync import Catalog, Sync, load_syncs


def load(folder: Path, files: dict[str, str | bytes]) -> Catalog:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return load_syncs(folder)


def sync(folder: Path, name: str, yaml: str = "", sql: str = "select 1") -> Sync:
    catalog = load(folder, {f"{name}.sql": sql, f"{name}.yaml": yaml})
    assert catalog.errors == ()
    return catalog.syncs[name]


def only_error(catalog: Catalog) -> SpecError:
    (error,) = catalog.errors
    return error


def test_a_dropped_file_is_a_sync(tmp_path: Path) -> None:
    catalog = load(tmp_path, {
        "events/product_events.sql": "select 3", "groups/accounts.sql": "select 2", "users/profile.sql": "select 1",
        "users/eu/profile.sql": "select 4"})
    assert catalog.errors == ()
    assert [(name, found.kind, found.sql) for name, found in catalog.syncs.items()] == [
        ("users/eu/profile", "users", "select 4"), ("users/profile", "users", "select 1"),
        ("groups/accounts", "groups", "select 2"), ("events/product_events", "events", "select 3")]
    assert catalog.syncs["users/profile"].path == tmp_path / "users/profile.sql"


def test_the_documented_settings_are_read(tmp_path: Path) -> None:
    found = sync(tmp_path, "users/profile", """
        description: What onboarding needs to know of a user
        key: user_id                   # a comment
        rename: {plan_name: plan}
        omit: [internal_note]
        payload: full
        nulls: {plan: none, seats: 0, ratio: 0.5, active: false}
        removed: {in_segment: false}
        timezone: Europe/Paris
        partitions: {daily: 2026-01-01}
        guard: {min_rows: 10, max_changed: 1, max_removed: null, max_messages: 5000}
        uncertain: skip
        preview: values
        deps: [dim_users, staging/plans]
        automation: "0 * * * *"
        owners: [team:growth, data@example.com]
        tags: {domain: growth}
        """.replace("\n        ", "\n"))
    assert (found.description, found.key) == ("What onboarding needs to know of a user", ("user_id",))
    assert (found.rename, found.omit, found.payload) == ({"plan_name": "plan"}, ("internal_note",), "full")
    assert found.nulls == {"plan": "none", "seats": 0, "ratio": 0.5, "active": False}
    assert found.removed == {"in_segment": False}
    assert found.timezone == "Europe/Paris"
    assert found.partitions is not None
    assert (found.partitions.spread, found.partitions.start) == ("daily", datetime(2026, 1, 1, tzinfo=UTC))
    assert found.guard == Guard(min_rows=10, max_changed=1.0, max_removed=None, max_messages=5000)
    assert (found.uncertain, found.preview, found.automation) == ("skip", "values", "0 * * * *")
    assert (found.deps, found.owners) == (("dim_users", "staging/plans"), ("team:growth", "data@example.com"))
    assert found.tags == {"domain": "growth"}


def test_constants_keep_their_types(tmp_path: Path) -> None:
    found = sync(tmp_path, "users/a", "nulls: {a: 1, b: true, c: 1.0, d: '1', e: no}")
    assert isinstance(found.nulls, dict)
    assert [(value, type(value)) for value in found.nulls.values()] == [
        (1, int), (True, bool), (1.0, float), ("1", str), ("no", str)]


@pytest.mark.parametrize("yaml", ["", "# nothing yet\n", "{}", "---\n"])
def test_every_setting_is_optional(tmp_path: Path, yaml: str) -> None:
    found = sync(tmp_path, "users/profile", yaml)
    assert (found.payload, found.nulls, found.removed, found.timezone) == ("changed", None, "keep", "UTC")
    assert (found.uncertain, found.preview, found.automation) == ("resend", "redacted", "none")
    assert (found.partitions, found.cursor, found.rename, found.omit, found.tags) == (None, None, {}, (), {})
    assert found.guard == Guard(min_rows=1, max_changed=0.5, max_removed=0.2, max_messages=None)


@pytest.mark.parametrize(("yaml", "min_rows"), [
    ("", 0), ("guard: {max_changed: null}", 0), ("guard: {min_rows: 1}", 1), ("guard: {min_rows: null}", None)])
def test_an_hour_without_an_event_is_a_normal_one(tmp_path: Path, yaml: str, min_rows: int | None) -> None:
    assert sync(tmp_path, "events/clicks", yaml).guard.min_rows == min_rows


@pytest.mark.parametrize(("name", "yaml", "key", "required"), [
    ("users/a", "", ["user_id"], {"user_id"}),
    ("users/a", "key: workspace", ["workspace", "user_id"], {"workspace", "user_id"}),
    ("users/a", "key: [user_id, workspace]", ["user_id", "workspace"], {"workspace", "user_id"}),
    ("groups/a", "", ["group_id", "user_id"], {"group_id", "user_id"}),
    ("groups/a", "key: user_id", ["user_id", "group_id"], {"group_id", "user_id"}),
    ("events/a", "", ["event_id"], {"event_id", "user_id", "event", "timestamp"}),
    ("events/a", "key: [order_id, line]", ["order_id", "line"], {"order_id", "line", "user_id", "event", "timestamp"}),
    ("events/a", "cursor: {column: loaded_at}", ["event_id"],
     {"event_id", "user_id", "event", "timestamp", "loaded_at"}),
])
def test_the_ids_of_a_message_belong_to_the_rows_identity(
    tmp_path: Path, name: str, yaml: str, key: list[str], required: set[str]
) -> None:
    found = sync(tmp_path, name, yaml)
    assert list(found.key) == key
    assert set(found.required_columns) == required
    assert len(found.required_columns) == len(required)


def test_columns_of_a_declared_key_may_still_be_traits(tmp_path: Path) -> None:
    found = sync(tmp_path, "events/a", "{key: order_id, rename: {order_id: order, event_id: source id}}")
    assert found.message_columns == ("user_id", "event", "timestamp")


def test_a_cursor_has_a_lookback(tmp_path: Path) -> None:
    assert sync(tmp_path, "events/a", "cursor: {}").cursor == Cursor(column="timestamp", lookback=timedelta(days=1))
    written = sync(tmp_path, "events/a", "cursor: {column: loaded_at, lookback: 36 hours}").cursor
    assert written == Cursor(column="loaded_at", lookback=timedelta(hours=36))


@pytest.mark.parametrize(("sql", "description"), [
    ("-- Who pays us.\n--\n--   And how much.\nselect 1 -- not this", "Who pays us.\n\nAnd how much."),
    ("\n/*\n * Who pays us.\n */\nselect 1", "Who pays us."),
    ("/* Who */ -- pays us.\nselect 1", "Who\npays us."),
    ("select 1 -- nothing", ""),
])
def test_the_sqls_first_comment_describes_it(tmp_path: Path, sql: str, description: str) -> None:
    assert sync(tmp_path, "users/a", "", sql).description == description
    assert sync(tmp_path, "users/a", "description: From YAML", sql).description == "From YAML"


def test_a_semicolon_ends_the_model_and_is_no_part_of_it(tmp_path: Path) -> None:
    assert sync(tmp_path, "users/a", "", "\ufeffselect ';' as x\n;\n ;\n").sql == "select ';' as x"


def test_hidden_and_underscored_files_and_other_files_are_left_alone(tmp_path: Path) -> None:
    catalog = load(tmp_path, {
        "users/.draft.sql": "x", "users/_draft.sql": "x", "_old/a.sql": "x", ".git/a.sql": "x", "_shared.yaml": "x",
        "README.md": "x", "users/notes.txt": "x"})
    assert (catalog.syncs, catalog.errors) == ({}, ())


@pytest.mark.parametrize(("files", "path", "says"), [
    ({"users/bad.sql": "  \n;\n"}, "users/bad.sql", "holds no SQL"),
    ({"users/bad.sql": "-- select 1\n/* select 2 */"}, "users/bad.sql", "holds no SQL"),
    ({"users/bad.sql": b"select 1\nas \xff"}, "users/bad.sql", "2: not UTF-8"),
    ({"users/bad.sql": "select 1", "users/bad.yaml": b"\xff"}, "users/bad.yaml", "1: not UTF-8"),
    ({"users/bad.sql": "select 1", "users/bad.yaml": "", "users/bad.yml": ""}, "users/bad.yaml",
     "bad.yml is next to"),
    ({"users/bad.sql": "select 1", "users/bad.yml": "payload: al"}, "users/bad.yml", "1: payload: 'al' is not allowed"),
    ({"users/god.yaml": ""}, "users/god.yaml", "there is no god.sql next to these settings"),
    ({"users/god.yaml": ""}, "users/god.yaml", "did you mean the settings of users/good?"),
    ({"bad.sql": "select 1"}, "bad.sql", "move it to one of"),
    ({"user/bad.sql": "select 1"}, "user/bad.sql", "did you mean {folder}/users?"),
    ({"Events/bad.sql": "select 1"}, "Events/bad.sql", "did you mean {folder}/events?"),
    ({"users/by-plan.sql": "select 1"}, "users/by-plan.sql", "'by-plan' may hold the letters"),
    ({"users/e u/plan.sql": "select 1"}, "users/e u/plan.sql", "'e u' may hold the letters"),
    ({"users/a.b.sql": "select 1"}, "users/a.b.sql", "'a.b' may hold the letters"),
])
def test_a_bad_file_is_one_error_and_the_others_load(
    tmp_path: Path, files: dict[str, str | bytes], path: str, says: str
) -> None:
    catalog = load(tmp_path, {**files, "users/good.sql": "select 1"})
    error = only_error(catalog)
    assert error.path == str(tmp_path / path)
    assert error.sync == path.rpartition(".")[0]
    assert says.replace("{folder}", str(tmp_path)) in str(error)
    assert list(catalog.syncs) == ["users/good"]


def test_names_that_differ_by_case_only_are_refused_both(tmp_path: Path) -> None:
    catalog = load(tmp_path, {"users/Plan.sql": "select 1", "users/plan.sql": "select 1", "users/good.sql": "select 1"})
    assert [error.sync for error in catalog.errors] == ["users/Plan", "users/plan"]
    assert f"{tmp_path / 'users/plan.sql'} by upper and lower case only" in str(catalog.errors[0])
    assert list(catalog.syncs) == ["users/good"]


def test_a_broken_link_is_an_error_not_a_silence(tmp_path: Path) -> None:
    (tmp_path / "users").mkdir()
    (tmp_path / "users/profile.sql").symlink_to(tmp_path / "nowhere.sql")
    assert "cannot be read: No such file" in str(only_error(load_syncs(tmp_path)))


def test_a_missing_folder_names_its_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=rf"CANDU_SQL_DIR: there is no folder {tmp_path}/sql;"):
        load_syncs(tmp_path / "sql")
