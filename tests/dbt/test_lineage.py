"""Which dbt columns a trait is made of: what is certain is told, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from candu_sync.dbt.lineage import trait_lineage
from tests.support.lab import Lab
from tests.support.manifests import model, source, write

pytest.importorskip("sqlglot")

U, A = "{{ ref('u') }}", "{{ ref('a') }}"
TRAITS = ("plan", "seats", "score", "Total")


def lineage(lab: Lab, manifest: Path, sql: str, yaml: str = "") -> dict[str, str]:
    """Trait → ``u.plan a.seats``."""
    found = trait_lineage(lab.sync("users/profile", sql, yaml), TRAITS, manifest)
    return {trait: " ".join(f"{'/'.join(key)}.{column}" for key, column in columns) for trait, columns in found.items()}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Nobody has described a column."""
    return write(tmp_path, model("u"), model("a", config={"schema": "marts"}), source("app", "s"))


@pytest.mark.parametrize(("sql", "made_of"), [
    (f"select user_id, plan, 1 as score from {U}", {"plan": "u.plan"}),
    (f"select user_id, upper(tier) || region as plan from {U}", {"plan": "u.region u.tier"}),
    (f'select user_id, sum(x) as "Total" from {U} group by 1', {"Total": "u.x"}),
    (f"select u.user_id, u.plan, a.seats from {U} u join {A} a using (k)",
     {"plan": "u.plan", "seats": "marts/a.seats"}),
    (f"with users as (select * from {U}) select user_id, plan from users", {"plan": "u.plan"}),
    (f"with x as (select * from {U}), y as (select * from x where k) select y.user_id, y.plan, a.n as seats "
     f"from y join {A} a using (k)", {"plan": "u.plan", "seats": "marts/a.n"}),
    (f"with x as (select user_id, plan as p from {U}) select user_id, p as plan from x", {"plan": "u.plan"}),
    (f"select user_id, plan from {U} union all select user_id, tier from {A}", {"plan": "marts/a.tier u.plan"}),
    ("select user_id, plan from {{ source('app', 's') }}", {"plan": "app/s.plan"}),
    (f"select user_id, plan from {U} where at >= :window_start::date and k = :partition", {"plan": "u.plan"}),
    (f"select * from {U}", {"plan": "u.plan", "seats": "u.seats", "score": "u.score", "Total": "u.total"}),
    (f"select *, 1 as score from {U}", {"plan": "u.plan", "seats": "u.seats", "Total": "u.total"}),
])
def test_what_is_certain_is_told(lab: Lab, manifest: Path, sql: str, made_of: dict[str, str]) -> None:
    assert lineage(lab, manifest, sql) == made_of


@pytest.mark.parametrize("sql", [
    f"select u.user_id, plan from {U} u join {A} a using (k)",
    f"select u.*, a.* from {U} u join {A} a using (k)",
    f"select user_id, plan from {U}, other.t",
    f"with x as (select * replace (tier as plan) from {U}) select user_id, plan from x",
    f"with x(user_id, plan) as (select * from {U}) select user_id, plan from x",
    f"select user_id, plan from (select * from {U}) x(user_id, plan)",
    f"with x as (select * from {U}) select user_id, plan from t.x",
    f"with x as (select * from {U} join other.t using (k)) select user_id, plan from x",
    f"select user_id, tier as k, k as plan from {U}",
    f"select columns(*) from {U}",
    f"select from where {U}",
    "select user_id, plan from t",
])
def test_what_is_not_certain_is_left_out(lab: Lab, manifest: Path, sql: str) -> None:
    assert "plan" not in lineage(lab, manifest, sql)


def test_described_columns_tell_the_table_in_a_join(lab: Lab, tmp_path: Path) -> None:
    manifest = write(tmp_path, model("u", "user_id", "k", "Plan"), model("a", "k", "seats"))
    sql = f"select user_id, plan, seats, score from {U} join {A} using (k)"
    assert lineage(lab, manifest, sql) == {"plan": "u.Plan", "seats": "a.seats"}


def test_columns_described_of_one_table_only_say_nothing_of_the_other(lab: Lab, tmp_path: Path) -> None:
    """``plan`` may be of the undescribed one."""
    manifest = write(tmp_path, model("u", "user_id", "k"), model("a"))
    assert lineage(lab, manifest, f"select u.user_id, plan from {U} u join {A} a using (k)") == {}


def test_a_union_of_stars_is_by_position_and_not_known(lab: Lab, tmp_path: Path) -> None:
    manifest = write(tmp_path, model("u", "user_id", "plan"), model("a", "user_id", "tier"))
    assert lineage(lab, manifest, f"select * from {U} union all select * from {A}") == {}


def test_a_star_passes_on_columns_that_are_not_described_too(lab: Lab, tmp_path: Path) -> None:
    manifest = write(tmp_path, model("u", "user_id", "plan"))
    assert lineage(lab, manifest, f"select * exclude (seats) from {U}") == {"plan": "u.plan"}
    assert lineage(lab, manifest, f"select * from {U}")["seats"] == "u.seats"


def test_rename_is_followed(lab: Lab, manifest: Path) -> None:
    sql = f"select user_id, tier, plan from {U}"
    assert lineage(lab, manifest, sql, "rename: {tier: plan, plan: seats}") == {"plan": "u.tier", "seats": "u.plan"}


def test_names_are_compared_as_the_warehouse_folds_them(lab: Lab, tmp_path: Path) -> None:
    manifest = write(tmp_path, model("u", relation_name="WH.MAIN.U"), adapter="snowflake")
    assert lineage(lab, manifest, f"select USER_ID, Plan, payload:seats::int as seats from {U}") == {
        "plan": "u.plan", "seats": "u.payload"}


def test_a_dialect_that_sqlglot_does_not_know_is_no_error(lab: Lab, tmp_path: Path) -> None:
    assert lineage(lab, write(tmp_path, model("u"), adapter="unheard_of"), f"select user_id, plan from {U}") == {}


def test_what_cannot_be_resolved_has_none(lab: Lab, manifest: Path) -> None:
    assert lineage(lab, manifest, "select user_id, plan from {{ ref('nothing') }}") == {}
