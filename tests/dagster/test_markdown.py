"""What others wrote is text in Dagster, and no markup."""

from __future__ import annotations

import doctest

import pytest

from dagster_defs import markdown
from dagster_defs.markdown import as_text, fenced
from dagster_defs.specs import changes_spec, push_spec
from tests.dagster.room import Room


@pytest.mark.parametrize(("text", "shown"), [
    ("![x](http://evil/pixel.png)", r"\!\[x\](http://evil/pixel.png)"),
    ("<img src=x>", r"\<img src=x\>"),
    ("**bold** `code` # no", r"\*\*bold\*\* \`code\` \# no"),
    ("_em_ dim_users", r"\_em\_ dim_users"),
    ("- one\n1. two\n=====\n    code", "\\- one\n1\\. two\n\\=====\n    code"),
    ("Who pays, and since when.", "Who pays, and since when."),
])
def test_markup_is_text(text: str, shown: str) -> None:
    assert as_text(text) == shown


def test_a_model_does_not_leave_its_block() -> None:
    assert fenced("select 1 -- ```\n# a heading", "sql") == "````sql\nselect 1 -- ```\n# a heading\n````"


def test_descriptions_and_models_on_the_assets(room: Room) -> None:
    sync = room.sync("users/people", "select 1 as user_id -- ```\n", 'description: "![x](http://evil/pixel.png)"')
    for spec in (changes_spec(sync), push_spec(sync)):
        assert str(spec.description).startswith(r"\!\[x\](http://evil/pixel.png)")
    assert str(changes_spec(sync).metadata["model"].value).startswith("````sql\n")


def test_the_examples_run() -> None:
    assert doctest.testmod(markdown).failed == 0
