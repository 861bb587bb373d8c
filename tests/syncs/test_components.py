"""The syncs of a Dagster project's components, as the commands find them."""

from __future__ import annotations

from pathlib import Path

import pytest

from candu_sync.syncs.components import read_syncs
from tests.support.lab import Lab

ONE = "type: dagster_defs.CanduSync\nattributes:\n  name: users/people\n  sql: people.sql\n  payload: full\n"


def write(folder: Path, **files: str) -> Path:
    """Files below ``folder/defs``; ``__`` in a name is a slash."""
    for name, text in files.items():
        path = folder / "defs" / name.replace("__", "/")
        path = path.with_name(path.name.replace("_sql", ".sql").replace("_yaml", ".yaml"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "defs"


def errors(folder: Path) -> list[str]:
    return [str(error) for error in read_syncs(folder).errors]


def test_one_sync_has_the_settings_of_its_attributes(tmp_path: Path) -> None:
    folder = write(tmp_path, people__defs_yaml=ONE, people__people_sql="-- Who pays\nselect 1 as user_id")
    found = read_syncs(folder)
    assert found.errors == ()
    sync = found.syncs["users/people"]
    assert (sync.kind, sync.payload, sync.description, sync.path.name) == ("users", "full", "Who pays", "people.sql")


def test_a_folder_of_syncs_and_several_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELS", "models")
    two = ONE + "---\n" + ONE.replace("people", "others")
    folder = write(tmp_path, two__defs_yaml=two, two__people_sql="select 1 as user_id",
                   two__others_sql="select 2 as user_id",
                   all__defs_yaml='type: dagster_defs.CanduSyncs\nattributes: {path: "{{ env.MODELS }}"}\n',
                   all__models__events__clicks_sql="select 1 as event_id")
    assert list(read_syncs(folder).syncs) == ["users/others", "users/people", "events/clicks"]


def test_what_is_wrong_with_one_costs_that_one(tmp_path: Path) -> None:
    folder = write(
        tmp_path, a__defs_yaml=ONE, a__people_sql="select 1 as user_id",
        b__defs_yaml=ONE, b__people_sql="select 2 as user_id",
        c__defs_yaml=ONE.replace("payload: full", "paylod: full").replace("people", "c"),
        c__c_sql="select 1 as user_id",
        d__defs_yaml=ONE.replace("users/people", "people"), e__defs_yaml="type: dagster_defs.CanduSyncs\n",
        f__defs_yaml=ONE.replace("people.sql", "'{{ my_models }}'"),
        g__defs_yaml="type: other.Component\nattributes: [\n")
    assert list(read_syncs(folder).syncs) == ["users/people"]
    said = "\n".join(errors(folder))
    for sentence in ("is declared in", "paylod: unknown key; did you mean payload?",
                     "name: 'people' is not users, groups", "path: there is no folder",
                     "{{ my_models }} is not filled in on the command line"):
        assert sentence in said
    assert len(errors(folder)) == 5


def test_other_files_of_that_name_change_nothing(tmp_path: Path) -> None:
    folder = write(tmp_path, users__defs_sql="select 1 as user_id", users__defs_yaml="payload: full\n")
    assert read_syncs(folder).syncs["users/defs"].payload == "full"


def test_a_sync_of_a_component_runs_by_its_name(lab: Lab, tmp_path: Path) -> None:
    lab.table("people", user_id=["u1"], plan=["free"])
    folder = write(tmp_path, people__defs_yaml=ONE, people__people_sql="select * from people")
    assert lab.run(read_syncs(folder).syncs["users/people"]).accepted == 1


def test_each_workspace_has_the_components_that_are_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = f"{ONE}  workspace: eu\n  resource_key: mine\n---\n{ONE.replace('users/people', 'users/others')}"
    folder = write(tmp_path, two__defs_yaml=one, two__people_sql="select 1 as user_id")
    assert (list(read_syncs(folder).syncs), errors(folder)) == (["users/others"], [])
    monkeypatch.setenv("CANDU_WORKSPACE", "eu")
    assert (list(read_syncs(folder).syncs), errors(folder)) == (["users/people"], [])
