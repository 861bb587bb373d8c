"""Changes that look like noise: each sign is counted, reported with what to do, and still sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from candu_sync.arrow_rows import read_table
from candu_sync.changes.noise import KEPT_CHANGES, MOVES, noise_notes
from candu_sync.pipeline import push_staged
from candu_sync.simulator import Simulator
from candu_sync.syncs.sync import Sync
from candu_sync.target import Target
from tests.support.lab import Lab

Noise = dict[str, dict[str, int]]


def users(count: int) -> list[str]:
    return [f"u{i}" for i in range(count)]


def people(lab: Lab, count: int, **columns: list[Any]) -> Sync:
    lab.table("people", user_id=users(count), **columns)
    return lab.sync("users/profile", "select * from people", "guard: {max_changed: null, max_removed: null}")


def noise(lab: Lab, sync: Sync) -> Noise:
    """What a run notices, after it has sent everything."""
    result = lab.run(sync)
    assert result.accepted == result.messages
    assert result.status == "succeeded"
    return result.noise


def test_numbers_that_move_by_a_rounding_are_counted_and_sent(lab: Lab, simulator: Simulator) -> None:
    lab.run(people(lab, 4, total=[1.0, 1.0, 1000.0, 0.0], plan=["a", "a", "a", "a"]))
    found = lab.run(people(lab, 4, total=[0.9999999999999999, 1.000001, 1000.0000001, 1e-300], plan=["b"] * 4))
    assert found.noise == {"tiny": {"total": 2}}, "u1 and u3 moved by more than a billionth of themselves"
    assert simulator.users()["u0"]["total"] == 0.9999999999999999


def test_a_total_of_floats_that_a_rebuilt_table_moves_is_noticed(lab: Lab) -> None:
    """The same three rows in another order, as a table that is rebuilt each night has them."""
    sync = lab.sync("users/spend", "select user_id, sum(amount) as spent, sum(amount::decimal(9, 2)) as exact "
                                   "from orders group by user_id")
    lab.table("orders", user_id=["u1"] * 3, amount=[0.1, 0.2, 0.3])
    lab.run(sync)
    lab.table("orders", user_id=["u1"] * 3, amount=[0.3, 0.2, 0.1])
    assert noise(lab, sync) == {"tiny": {"spent": 1}}


@pytest.mark.parametrize(("before", "after", "is_noise"), [
    ("red, blue", "blue, red", True),
    ("red|blue|red", "red|red|blue", True),
    ('["x", "y"]', '["y", "x"]', True),
    ("{1,2}", "{2,1}", True),
    ("red, blue", "red, blu", False),
    ("12", "21", False),
    ("ab cd", "cd ab", False),
    ("a,a,b", "a,b,b", False),
])
def test_text_with_its_parts_in_another_order(lab: Lab, before: str, after: str, is_noise: bool) -> None:
    lab.run(people(lab, 1, tags=[before]))
    assert noise(lab, people(lab, 1, tags=[after])) == ({"reordered": {"tags": 1}} if is_noise else {})


def test_values_that_go_back_are_counted(lab: Lab) -> None:
    nights = [(["a", "a", None], {}), (["b", "b", "x"], {}), (["a", "c", None], {"plan": 2}),
              (["b", "b", "y"], {"plan": 2}), (["b", "b", "y"], {})]
    for plans, went_back in nights:
        assert noise(lab, people(lab, 3, plan=plans)) == ({"went_back": went_back} if went_back else {})


def test_a_value_is_its_own_users_and_its_own_traits(lab: Lab) -> None:
    lab.run(people(lab, 2, plan=["a", "b"], tier=["x", "x"]))
    lab.run(people(lab, 2, plan=["b", "c"], tier=["x", "x"]))
    assert noise(lab, people(lab, 2, plan=["b", "a"], tier=["a", "b"])) == {}


def test_what_candu_did_not_accept_was_never_left_behind(lab: Lab, simulator: Simulator) -> None:
    lab.run(people(lab, 1, plan=["a"]))
    simulator.fault("refuse", user_ids=["u0"], status=422)
    assert lab.run(people(lab, 1, plan=["b"])).refused == 1
    simulator.clear_faults()
    assert noise(lab, people(lab, 1, plan=["a"])) == {}
    assert noise(lab, people(lab, 1, plan=["c"])) == {}
    assert noise(lab, people(lab, 1, plan=["b"])) == {}, "Candu never had it"
    assert noise(lab, people(lab, 1, plan=["a"])) == {"went_back": {"plan": 1}}


def test_the_memory_ends_after_ten_changes(lab: Lab) -> None:
    lab.run(people(lab, 1, plan=["first"]))
    for number in range(KEPT_CHANGES):
        assert noise(lab, people(lab, 1, plan=[f"p{number}"])) == {}
    assert noise(lab, people(lab, 1, plan=["first"])) == {"went_back": {"plan": 1}}
    lab.run(people(lab, 1, plan=["q"]))
    assert noise(lab, people(lab, 1, plan=["p0"])) == {}


def test_rows_that_leave_and_come_back(lab: Lab) -> None:
    lab.run(people(lab, 3, plan=["a", "a", "a"]))
    assert noise(lab, people(lab, 1, plan=["a"])) == {}
    assert noise(lab, people(lab, 3, plan=["a", "a", "a"])) == {"came_back": {"rows": 2}}
    assert noise(lab, people(lab, 4, plan=["a", "a", "a", "a"])) == {}, "u3 is new"


def test_a_group_counts_once(lab: Lab) -> None:
    def groups(total: float, plan: str) -> Sync:
        lab.table("members", group_id=["g", "g", "h"], user_id=["u1", "u2", "u3"], total=[total, total, 5.0],
                  plan=[plan, plan, "z"])
        return lab.sync("groups/accounts", "select * from members")

    lab.run(groups(1.0, "a"))
    assert lab.run(groups(1.0 + 1e-12, "b")).noise == {"tiny": {"total": 1}}
    assert lab.run(groups(1.0, "a")).noise == {"tiny": {"total": 1}, "went_back": {"total": 1, "plan": 1}}


def test_a_push_of_its_own_keeps_the_memory(lab: Lab) -> None:
    lab.run(people(lab, 1, plan=["a"]))
    sync = people(lab, 1, plan=["b"])
    lab.plan(sync)
    with lab.project() as project:
        push_staged(Target(project, sync))
    assert noise(lab, people(lab, 1, plan=["a"])) == {"went_back": {"plan": 1}}


def test_the_memory_has_only_hashes(lab: Lab) -> None:
    lab.run(people(lab, 2, email=["ann@example.com", "bob@example.com"]))
    sync = people(lab, 2, email=["ann@example.org", "bob@example.org"])
    lab.run(sync)
    state = lab.state(sync)
    path = state.open(state.current().files["moves"])
    assert path is not None
    assert path.name.startswith(Path(MOVES).stem)
    table = read_table(path)
    assert [field.type for field in table.schema] == [pa.uint64(), pa.int64()]
    assert table.num_rows == 2
    assert table.column("version").to_pylist() == [2, 2]


def test_an_event_makes_no_noise_and_a_quiet_run_keeps_the_memory(lab: Lab) -> None:
    lab.run(people(lab, 1, plan=["a"]))
    sync = people(lab, 1, plan=["b"])
    lab.run(sync)
    before = lab.state(sync).current().files["moves"]
    lab.run(sync)
    assert lab.state(sync).current().files["moves"] == before
    events = lab.sync("events/product", "select 'e' || range as event_id, 'u' as user_id, 'x' as event, "
                                        "timestamp '2026-11-01' as timestamp from range(3)")
    assert lab.run(events).noise == {}
    assert "moves" not in lab.state(events).current().files


def test_each_sign_names_its_trait_and_what_to_do(lab: Lab) -> None:
    count = 12
    lab.run(people(lab, count, total=[1.0] * count, tags=["a,b"] * count, plan=["x"] * count))
    lab.run(people(lab, count, total=[1.0 + 1e-12] * count, tags=["b,a"] * count, plan=["y"] * count))
    summary = lab.plan(people(lab, count, total=[1.0] * count, tags=["a,b"] * count, plan=["x"] * count)).summary
    said = "\n".join(map(str, noise_notes(summary)))
    assert "total: 12 of 12 changes are smaller than a billionth" in said
    assert "Round it" in said
    assert "tags: 12 of 12 changes have the same parts in another order" in said
    assert "order by" in said
    assert "plan: 12 of 12 changes go back to a value of the last ten changes" in said


def test_a_few_values_that_rightly_go_back_are_counted_and_not_reported(lab: Lab) -> None:
    lab.run(people(lab, 30, open_tickets=[0] * 30))
    lab.run(people(lab, 30, open_tickets=[1] * 5 + [0] * 25))
    summary = lab.plan(people(lab, 30, open_tickets=[0] * 5 + [7] * 25)).summary
    assert summary.noise == {"went_back": {"open_tickets": 5}}
    assert list(noise_notes(summary)) == []
