"""Which dbt columns a trait is made of: what is certain is shown, and nothing else."""

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
def test_what_is_certain_is_shown(lab: Lab, manifest: Path, sql: str, made_of: dict[str, str]) -> None:
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


LATERAL = f"{U} u, lateral (select a.name, a.tier from {A} a where a.id = u.id)"


@pytest.mark.parametrize(("sql", "made_of"), [
    # Columns of a union by name are paired by their names.
    (f"select user_id, plan, seats from {U} union all by name select seats, plan, user_id from {A}",
     {"plan": "marts/a.plan u.plan", "seats": "marts/a.seats u.seats"}),
    (f"select user_id, id as plan from {U} union by name select name as PLAN, user_id from {A}",
     {"plan": "marts/a.name u.id"}),
    (f"select user_id, plan from {U} union all by name select user_id, seats from {A}",
     {"plan": "u.plan", "seats": "marts/a.seats"}),
    (f"select user_id, a as plan from {U} union all by name select b as plan, user_id from {A} union all by name "
     f"select c as plan, user_id from {U}", {"plan": "marts/a.b u.a u.c"}),
    (f"select user_id, a as plan from {U} union all by name (select b as plan, user_id from {A} union all "
     f"select c, d from {U})", {"plan": "marts/a.b u.a u.c"}),
    (f"with x as (select user_id, id as plan from {U} union by name select name as plan, user_id from {A}) "
     "select user_id, plan from x", {"plan": "marts/a.name u.id"}),
    (f"select user_id, plan from {U} union all select user_id, tier from {A} union all by name select plan, user_id "
     f"from {U}", {"plan": "marts/a.tier u.plan"}),
    # A lateral's columns are its own.
    (f"select u.user_id, l.name as plan from {LATERAL} l", {"plan": "marts/a.name"}),
    (f"select u.user_id, l.plan, l.seats from {LATERAL} l(plan, seats)",
     {"plan": "marts/a.name", "seats": "marts/a.tier"}),
    (f"select u.user_id, l.plan from {U} u left join lateral (select max(a.name) as plan from {A} a where a.id = u.id) "
     "l on true", {"plan": "marts/a.name"}),
    (f"with q as (select u.user_id, l.name as plan from {LATERAL} l) select user_id, plan from q",
     {"plan": "marts/a.name"}),
    (f"select u.user_id, l.x as plan, m.x as seats from {U} u, lateral (select a.name as x from {A} a) l, lateral "
     f"(select a.tier as x from {A} a) m", {"plan": "marts/a.name", "seats": "marts/a.tier"}),
    (f"select u.user_id, l.plan from {U} u, lateral (select a.name as plan from {A} a union all select s.tier from "
     "{{ source('app', 's') }} s) l", {"plan": "app/s.tier marts/a.name"}),
    # What except takes away is no source of a value.
    (f"select user_id, plan from {U} except select user_id, tier from {A}", {"plan": "u.plan"}),
    (f"with x as (select user_id, tier as plan from {U}) select user_id, plan from x except all (select user_id, name "
     f"from {A} union all select user_id, name from {U})", {"plan": "u.tier"}),
    # A scalar subquery, a window, a filter, an unnested list, a nested name that hides another.
    (f"select u.user_id, (select max(a.name) from {A} a where a.id = u.id) as plan from {U} u",
     {"plan": "marts/a.name"}),
    (f"select user_id, max(tier) over (partition by k) as plan from {U} qualify row_number() over (order by z) = 1",
     {"plan": "u.k u.tier"}),
    (f"select u.user_id, t.plan from {U} u, unnest(u.tier) t(plan)", {"plan": "u.tier"}),
    (f"with u as (select user_id, tier as plan from {A}) select u.user_id, u.plan from {U} v join u using (user_id)",
     {"plan": "marts/a.tier"}),
])
def test_shapes_that_sqlglot_takes_for_others(lab: Lab, manifest: Path, sql: str, made_of: dict[str, str]) -> None:
    assert lineage(lab, manifest, sql) == made_of


@pytest.mark.parametrize(("adapter", "sql", "made_of"), [
    ("snowflake", f"select user_id, id as plan from {U} union all by name select name as plan, user_id from {A}",
     {"plan": "a.name u.id"}),
    ("bigquery", f"select user_id, id as plan from {U} full outer union all by name select name as plan, user_id "
     f"from {A}", {}),
    ("bigquery", f"select user_id, x as plan from {U} union all corresponding by (user_id) select x from {A}", {}),
    ("sqlserver", f"select u.user_id, l.n as plan from {U} u cross apply (select a.n from {A} a where a.k = u.k) l",
     {"plan": "a.n"}),
    ("sqlserver", f"select u.user_id, l.name as plan from {U} u outer apply (select a.name from {A} a) as l",
     {"plan": "a.name"}),
    ("postgres", f"select u.user_id, l.name as plan from {LATERAL} l", {"plan": "a.name"}),
    ("databricks", f"select u.user_id, l.name as plan from {LATERAL} l", {"plan": "a.name"}),
    ("trino", f"select u.user_id, l.name as plan from {U} u cross join lateral (select a.name from {A} a) l",
     {"plan": "a.name"}),
    ("snowflake", f"select u.user_id, f.value as plan from {U} u, lateral flatten(input => u.tier) f",
     {"plan": "u.tier"}),
])
def test_shapes_of_other_dialects(lab: Lab, tmp_path: Path, adapter: str, sql: str, made_of: dict[str, str]) -> None:
    plain = write(tmp_path, model("u", relation_name="u"), model("a", relation_name="a"), adapter=adapter)
    assert lineage(lab, plain, sql) == made_of


@pytest.mark.parametrize("sql", [
    f"select user_id, (select max(tier) from {A} a where a.id = u.id) as plan from {U} u",
    f"select user_id, coalesce(u.plan, (select tier from {A} a where a.id = u.id)) as plan from {U} u",
    f"select u.user_id, l.plan from {U} u, lateral (select tier as plan from {A} a where a.id = u.id) l",
    f"select * from {U} union all by name select plan, user_id from {A}",
    f"select user_id, plan, plan from {U} union all by name select plan, user_id from {A}",
])
def test_a_column_that_may_be_of_either_table_is_left_out(lab: Lab, manifest: Path, sql: str) -> None:
    assert "plan" not in lineage(lab, manifest, sql)


@pytest.mark.parametrize("sql", [
    f"select user_id, (select max(tier) from {A} a where a.k = u.k) as plan from {U} u",
    f"select u.user_id, l.plan from {U} u, lateral (select tier as plan from {A} a where a.k = u.k) l",
])
def test_described_columns_give_the_table_in_a_subquery_or_it_is_left_out(lab: Lab, tmp_path: Path, sql: str) -> None:
    """``tier`` is the outer table's here, and the inner one's there."""
    manifest = write(tmp_path, model("u", "user_id", "k", "tier"), model("a", "k", "seats"))
    assert lineage(lab, manifest, sql).get("plan") in (None, "u.tier")
    manifest = write(tmp_path, model("u", "user_id", "k"), model("a", "k", "tier"))
    assert lineage(lab, manifest, sql).get("plan") in (None, "a.tier")


def test_described_columns_give_the_table_in_a_join(lab: Lab, tmp_path: Path) -> None:
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
