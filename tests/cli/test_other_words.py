"""The words of other tools, typed or written in a sync's YAML, are answered with ours."""

from __future__ import annotations

import pytest

from candu_sync.cli.commands import COMMANDS
from candu_sync.cli.other_words import _ANSWERS, _COMMANDS, _OPTIONS
from candu_sync.syncs.other_words import _ELSEWHERE, OTHER_WORDS
from candu_sync.syncs.spec import Cursor, Guard, Partitions, Spec
from tests.support.folder import Folder


@pytest.mark.parametrize(("words", "says"), [
    (["run", "users/profile", "--dry-run"], "run has no option --dry-run: use `candu-sync plan SYNC`"),
    (["run", "--select=users/profile"], "run has no option --select: write the names of syncs without it"),
    (["run", "-s", "users/profile"], "run has no option -s: write the names of syncs without it"),
    (["plan", "users/profile", "--full-refresh"], "use --full"),
    (["run", "users/profile", "--start-date", "2026-01-01"], "use --partition KEY, or --partition FIRST..LAST"),
    (["run", "users/profile", "--target", "prod"], "set CANDU_API_URL"),
    (["preview", "users/profile"], "there is no command preview; use `candu-sync plan`"),
    (["sync", "users/profile"], "there is no command sync; use `candu-sync run`"),
    (["dry_run"], "use `candu-sync plan`"),
    (["validate"], "use `candu-sync check`"),
    (["logs"], "`candu-sync status` has how runs ended, `candu-sync history SYNC` what was sent"),
    (["retry"], "`candu-sync run --failed` runs what failed"),
    (["schedule"], "a schedule is `automation` in the sync's YAML"),
    (["paln"], "there is no command paln; did you mean plan?"),
    (["xyzzy"], "there is no command xyzzy (there are: list, init, check, plan,"),
])
def test_words_of_other_tools_are_answered_with_ours(project: Folder, words: list[str], says: str) -> None:
    project.people(1)
    project.model("users/profile", "select * from people")
    ended = project.cli(*words)
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err


@pytest.mark.parametrize(("yaml", "says"), [
    ("schedule: '0 * * * *'", "schedule: unknown key; did you mean automation?"),
    ("primary-key: user_id", "primary-key: unknown key; did you mean key?"),
    ("destination: candu", "destination: unknown key; Candu is the only destination; CANDU_API_KEY and CANDU_API_URL"),
    ("model: users.sql", "model: unknown key; the model is the .sql file next to this one"),
    ("source: {table: x}", "source: unknown key; the warehouse is CANDU_WAREHOUSE_URL"),
    ("sync_mode: mirror", "sync_mode: unknown key; did you mean payload?"),
    ("invalidate_hard_deletes: true", "did you mean removed?"),
    ("where: plan is not null", "where: unknown key; write it in the SQL"),
    ("enabled: false", "with `automation: none` only people run it"),
    ("max_changed: 0.5", "it belongs under guard"),
])
def test_so_are_words_in_the_yaml(project: Folder, yaml: str, says: str) -> None:
    project.people(1)
    project.model("users/profile", "select * from people", yaml)
    ended = project.cli("check", "users/profile", "--offline")
    assert ended.code == 2
    assert says in ended.err


def test_each_answer_names_something_that_is_there() -> None:
    commands = {*COMMANDS}
    assert {answer.split()[0] for answer in _COMMANDS.values()} - {"--version"} <= commands
    assert not commands & {*_COMMANDS, *_ANSWERS}
    fields = [model.model_fields for model in (Spec, Guard, Cursor, Partitions)]
    assert {ours for ours in OTHER_WORDS.values() if not any(ours in known for known in fields)} == set()
    assert not {*OTHER_WORDS, *_ELSEWHERE} & {*Spec.model_fields}
    assert all(word.startswith("-") for word in _OPTIONS)


@pytest.mark.parametrize("option", ["--user", "--key", "--id"])
def test_an_option_that_the_command_lacks_too_is_not_recommended(project: Folder, option: str) -> None:
    said = project.cli("rejected", "users/profile", option, "u1").err
    assert f"rejected has no option {option}: `candu-sync history --user ID` has what became of a user's rows" in said
