"""docs/architecture.md lists the files of the state."""

from __future__ import annotations

import re
from pathlib import Path

from candu_sync.simulator import Simulator
from tests.support.lab import Lab

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"


def test_the_page_lists_every_file_of_a_state(lab: Lab, simulator: Simulator) -> None:
    lab.table("people", user_id=["u1", "u2", "u3", None], plan=["a", "a", "a", "a"])
    sync = lab.sync("users/profile", "select * from people")
    lab.run(sync)
    lab.table("people", user_id=["u1", "u2", None], plan=["b", "b", "b"])
    simulator.fault("refuse", user_ids=["u2"])
    assert lab.run(sync).refused == 1
    lab.plan(sync)
    layout = PAGE.read_text("utf-8").split("## The state")[1].split("```")[1]
    root = lab.folder / "state"
    names = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert len(names) > 15
    for name in names:
        inner = name.removeprefix("users.profile/-/")
        folder, _, file = inner.partition("/")
        assert folder in layout, name
        word = re.split(r"[-.]", file.rpartition("/")[2])[0]
        assert word[:1].isdigit() or word in layout, name
