"""``check --manifest``: what a change of dbt's models does to a sync, by two manifests and no warehouse."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from candu_sync.operate.impacts import CODES
from tests.support.folder import Ended, Folder
from tests.support.manifests import data_test, model, source, write

RAW = source("app", "users")
RAW["columns"] = {name: {"name": name} for name in ("id", "plan")}
USERS = "select id as user_id, plan, seats::int as seats from {{ source('app', 'users') }}"
STAR = "select * from {{ ref('dim_users') }}"
COLUMNS = "select user_id, plan from {{ ref('dim_users') }}"

Shown = tuple[str, str, str]
"""Old SQL of dim_users, new one, and what is said of the sync."""


def sql(name: str, code: str, *columns: str, **properties: Any) -> dict[str, Any]:
    """A model with its SQL; its checksum is of the text, as dbt's is. Its parents are those of its refs."""
    parents = [f"model.shop.{found}" for found in ("stg_users", "dim_users", "dim_plans") if f"'{found}'" in code]
    return model(name, *columns, raw_code=code, checksum={"checksum": str(hash(code))},
                 depends_on={"nodes": [*parents, *(["source.shop.app.users"] if "source(" in code else [])]},
                 original_file_path=f"models/{name}.sql", **properties)


def contract(**types: str) -> dict[str, Any]:
    return {"config": {"contract": {"enforced": True}},
            "columns": {name: {"name": name, "data_type": type_} for name, type_ in types.items()}}


class Shop(Folder):
    """A project without a warehouse: its address leads nowhere."""

    def check(self, old: list[dict[str, Any]], new: list[dict[str, Any]], *words: str,
              adapter: str = "duckdb") -> Ended:
        (self.folder / "old").mkdir(exist_ok=True)
        (self.folder / "new").mkdir(exist_ok=True)
        before, now = (write(self.folder / name, *nodes, adapter=adapter)
                       for name, nodes in (("old", old), ("new", new)))
        return self.cli("check", *words, "--manifest", str(now), "--against", str(before))

    def impacts(self, old: list[dict[str, Any]], new: list[dict[str, Any]], **options: Any) -> dict[str, str]:
        """Code → sentence, of the one sync."""
        ended = self.check(old, new, "--json", **options)
        assert not ended.err
        return {impact["code"]: impact["sentence"] for impact in ended.row["impacts"]}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path, None, warehouse_url="duckdb:////nowhere/at/all.duckdb", api_key="")


def change(before: str, now: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return [RAW, sql("dim_users", before)], [RAW, sql("dim_users", now)]


class TestColumns:
    def test_a_trait_is_lost_behind_a_star(self, shop: Shop) -> None:
        shop.model("users/profile", STAR)
        ended = shop.check(*change(USERS, USERS.replace(" plan,", "")))
        assert ended.code == 1
        assert ended.out.splitlines()[:2] == [
            "users/profile: breaks", "  removes column plan of dim_users: users/profile loses trait plan: users keep "
            "in Candu the value that they have"]

    def test_a_query_that_names_the_column_fails(self, shop: Shop) -> None:
        shop.model("users/profile", COLUMNS)
        assert shop.impacts(*change(USERS, USERS.replace(" plan,", ""))) == {"missing_column": (
            "removes column plan of dim_users: the SQL of users/profile reads it, and its query fails")}

    @pytest.mark.parametrize(("renamed", "guess"), [("plan as tier", "tier"), ("upper(plan) as plan_name", "plan_name"),
                                                    ("upper(plan) as zzz", None)])
    def test_a_new_name_is_guessed_by_expression_or_spelling(self, shop: Shop, renamed: str, guess: str | None) -> None:
        shop.model("users/profile", STAR)
        found = shop.impacts(*change(USERS, USERS.replace(" plan,", f" {renamed},")))
        assert found["lost_trait"].endswith(
            f"(was it renamed to {guess}? Then `rename: {{{guess}: plan}}` keeps it)" if guess else "that they have")
        assert f"gets trait {guess or 'zzz'}" in found["new_trait"]

    def test_a_required_column_is_lost(self, shop: Shop) -> None:
        shop.model("users/profile", STAR)
        found = shop.impacts(*change(USERS, USERS.replace("id as user_id", "id as uid")))
        assert "removes column user_id of dim_users (was it renamed to uid?)" in found["columns"]
        assert "the model has no column user_id, which a sync of users needs" in found["columns"]

    def test_a_column_that_the_yaml_names_is_lost(self, shop: Shop) -> None:
        shop.model("users/profile", STAR, "omit: [seats]")
        found = shop.impacts(*change(USERS, USERS.replace(", seats::int as seats", "")))
        assert "the YAML names column seats, which the model does not have" in found["columns"]
        assert "lost_trait" not in found

    @pytest.mark.parametrize("where", [
        "with u as (select * from {{ ref('dim_users') }}) select user_id, plan from u",
        "select u.user_id, u.plan from {{ ref('dim_users') }} u",
        "select user_id, 1 as one from {{ ref('dim_users') }} where plan = 'pro'",
        "select user_id from {{ ref('dim_users') }} order by lower(plan)",
        "select user_id from {{ source('app', 'users') }} join {{ ref('dim_users') }} d using (plan)",
        "select id as user_id from {{ source('app', 'users') }} s where s.plan in (select d.plan from "
        "{{ ref('dim_users') }} d)",
        "select user_id from (select user_id, plan from {{ ref('dim_users') }}) x",
        "select user_id from {{ ref('dim_users') }} union all select plan from {{ ref('dim_users') }}",
        "select user_id, upper(plan) as plan from {{ ref('dim_users') }}",
        "select user_id, plan::text as plan from {{ ref('dim_users') }} where plan is not null",
        "select user_id, plan as tier, tier as plan from {{ ref('dim_users') }}",
        "select dim_users.user_id, dim_users.plan from {{ ref('dim_users') }}",
        "select user_id, plan.name as name from {{ ref('dim_users') }}",
        "select user_id, x from {{ ref('dim_users') }} d, lateral (select d.plan as x) l",
        "select user_id, t.x from {{ ref('dim_users') }} d, unnest(d.plan) t(x)",
        "select user_id, (select max(i.id) from {{ source('app', 'users') }} i where i.id = d.plan) as m from "
        "{{ ref('dim_users') }} d",
        "select d.user_id from {{ source('app', 'users') }} s join {{ ref('dim_users') }} d on s.id = d.plan",
        "select user_id, row_number() over (partition by plan) as n from {{ ref('dim_users') }}",
        "select user_id, max(seats) as seats from {{ ref('dim_users') }} group by user_id, plan",
    ])
    def test_wherever_the_sql_reads_it(self, shop: Shop, where: str) -> None:
        shop.model("users/profile", where)
        found = shop.impacts(*change(USERS, USERS.replace(" plan,", "")))
        assert "removes column plan of dim_users: the SQL of users/profile reads it" in found["missing_column"]

    def test_a_name_of_an_inner_query_that_means_one_of_the_outer_then(self, shop: Shop) -> None:
        shop.model("users/profile", "select id as user_id, (select max(plan) from {{ ref('dim_users') }} d where "
                                    "d.user_id = s.id) as best from {{ source('app', 'users') }} s")
        found = shop.impacts(*change(USERS, USERS.replace(" plan,", "")))
        assert found["missing_column"].startswith("removes column plan of dim_users: an inner query of users/profile")

    @pytest.mark.parametrize("sides", ["{{ ref('stg_users') }} join {{ ref('dim_users') }}",
                                       "{{ ref('dim_users') }} join {{ ref('stg_users') }}"])
    def test_both_sides_of_using(self, shop: Shop, sides: str) -> None:
        shop.model("users/profile", f"select user_id, 1 as one from {sides} using (user_id, plan)")
        old, new = change(USERS, USERS.replace(" plan,", ""))
        stg = sql("stg_users", USERS)
        assert "missing_column" in shop.impacts([*old, stg], [*new, stg])

    def test_what_the_sql_does_not_read_is_no_trouble(self, shop: Shop) -> None:
        shop.model("users/profile", COLUMNS)
        ended = shop.check(*change(USERS, USERS.replace(", seats::int as seats", ", 1 as one")))
        assert (ended.code, ended.out) == (0, "users/profile: ok\n1 dbt node modified: dim_users\n")

    def test_a_new_column_behind_a_star_is_a_new_trait(self, shop: Shop) -> None:
        shop.model("users/profile", STAR)
        ended = shop.check(*change(USERS, USERS.replace(" plan,", " plan, region,")))
        assert ended.code == 0
        assert ("adds column region of dim_users: users/profile gets trait region: each row that has a value is sent "
                "again") in ended.out

    def test_types_of_one_sort_are_no_change(self, shop: Shop) -> None:
        shop.model("users/profile", STAR)
        assert shop.impacts([RAW, sql("dim_users", USERS, **contract(user_id="text", seats="int"))],
                            [RAW, sql("dim_users", USERS, **contract(user_id="varchar", seats="bigint"))]) == {}
        found = shop.impacts([RAW, sql("dim_users", USERS, **contract(user_id="text", seats="int"))],
                             [RAW, sql("dim_users", USERS, **contract(user_id="text", seats="text"))])
        assert found["type"].startswith("changes column seats of dim_users from int to text: users/profile sends")

    @pytest.mark.parametrize(("before", "now"), [("decimal(10,2)", "decimal(10,0)"), ("text", "varchar(3)"),
                                                 ("timestamp", "date"), ("double", "int"), ("boolean", "int")])
    def test_a_type_that_cuts_values_is_a_change(self, shop: Shop, before: str, now: str) -> None:
        shop.model("users/profile", STAR)
        found = shop.impacts([RAW, sql("dim_users", USERS, **contract(user_id="text", seats=before))],
                             [RAW, sql("dim_users", USERS, **contract(user_id="text", seats=now))],
                             adapter="postgres")
        assert f"from {before} to {now}" in found["type"]

    def test_a_cast_says_the_type(self, shop: Shop) -> None:
        shop.model("users/profile", STAR)
        found = shop.impacts(*change(USERS, USERS.replace("seats::int", "cast(seats as varchar)")))
        assert list(found) == ["type"]


class TestLetterCase:
    """Where a warehouse keeps the letters of a name, another letter makes another trait."""

    UPPER = "select id as USER_ID, PLAN from {{ source('app', 'users') }}"

    def test_a_warehouse_that_folds_names(self, shop: Shop) -> None:
        shop.model("users/profile", "select USER_ID, PLAN from {{ ref('dim_users') }}")
        assert shop.impacts(*change(self.UPPER, self.UPPER.lower()), adapter="snowflake") == {}
        ended = shop.check(*change(self.UPPER, self.UPPER), "--json", adapter="snowflake")
        assert ended.row["traits"] == ["plan"]

    def test_a_quoted_name_keeps_its_letters_everywhere(self, shop: Shop) -> None:
        shop.model("users/profile", STAR)
        now = self.UPPER.replace("PLAN", 'plan as "Plan"')
        assert set(shop.impacts(*change(self.UPPER, now), adapter="snowflake")) == {"letter_case"}

    def test_one_that_keeps_them(self, shop: Shop) -> None:
        shop.model("users/profile", STAR)
        found = shop.impacts(*change(USERS, USERS.replace(" plan,", " plan as Plan,")))
        assert found == {"letter_case": "column plan of users/profile is written Plan now: where the warehouse keeps "
                                        "letter case, trait plan is lost and another is new"}
        found = shop.impacts(*change(USERS, USERS.replace("user_id", "USER_ID")))
        assert found["letter_case"].endswith("Whether it has it in other letters depends on the warehouse")
        assert "columns" not in found

    def test_the_letters_of_a_column_that_is_passed_on_are_the_tables(self, shop: Shop) -> None:
        shop.model("users/profile", "select USER_ID, PLAN from {{ ref('dim_users') }}")
        assert shop.check(*change(USERS, USERS), "--json").row["traits"] == ["plan"]


class TestValues:
    """What is sent again."""

    @pytest.mark.parametrize(("now", "code", "says"), [
        (USERS.replace(" plan,", " upper(plan) as plan,"), "values", "dim_users makes plan in another way"),
        (f"{USERS} where plan <> 'x'", "rows", "changes which rows users/profile finds"),
        (USERS.replace("id as", "lower(id) as"), "id", "takes rows with another id for new ones"),
        (USERS.replace("seats::int", "(select 1)"), "sql", "the change of dim_users may change values"),
        (f"select distinct user_id, plan, seats from ({USERS})", "rows", "changes which rows"),
        (f"{USERS} limit 10", "rows", "changes which rows"),
        (f"{USERS} union all {USERS}", "rows", "changes which rows"),
    ])
    def test_by_how_they_are_made(self, shop: Shop, now: str, code: str, says: str) -> None:
        shop.model("users/profile", STAR)
        found = shop.impacts(*change(USERS, now))
        assert says in found[code]
        assert CODES[code] == "resends"

    @pytest.mark.parametrize("now", [
        USERS.replace("select ", "SELECT\n  -- all of them\n  "),
        USERS.replace("select", "{{ config(materialized='table') }}\nselect"),
        USERS.replace("select", "{# nothing #} select"),
        "with u as (select * from {{ source('app', 'users') }})\nselect u.id as user_id, u.plan, "
        "u.seats::int as seats from u",
        "with renamed as (select id as user_id, plan, seats::int as seats from {{ source('app', 'users') }}) "
        "select user_id, plan, seats from renamed order by plan",
        USERS.replace(" plan,", " region, plan,"),
    ], ids=["layout", "config", "template's comment", "a CTE", "another CTE", "a column that is not read"])
    def test_what_gives_the_same_values_is_no_change(self, shop: Shop, now: str) -> None:
        shop.model("users/profile", "select user_id, plan, seats from {{ ref('dim_users') }}")
        before = now if "order by" in now else USERS
        ended = shop.check(*change(before, now if before is USERS else now.replace("order by plan", "")))
        assert ended.out == "users/profile: ok\n1 dbt node modified: dim_users\n"

    @pytest.mark.parametrize(("before", "now"), [
        # Two uses of one table, one after the other.
        ("select a.id as user_id, a.plan from {{ source('app', 'users') }} a join {{ source('app', 'users') }} b on "
         "a.id = b.parent", "select a.id as user_id, b.plan from {{ source('app', 'users') }} a join "
         "{{ source('app', 'users') }} b on a.id = b.parent"),
        ("select plan as user_id, count(*) as plan from {{ source('app', 'users') }} group by 1",
         "select lower(plan) as user_id, count(*) as plan from {{ source('app', 'users') }} group by 1"),
        ("select id as user_id, plan from {{ source('app', 'users') }} left join {{ ref('stg_users') }} using (id)",
         "select id as user_id, plan from {{ source('app', 'users') }} inner join {{ ref('stg_users') }} using (id)"),
        ("select id as user_id, plan from {{ source('app', 'users') }} {% if is_incremental() %} where a {% endif %}",
         "select id as user_id, plan from {{ source('app', 'users') }} {% if is_incremental() %} where b {% endif %}"),
        ("select id as user_id, plan from {{ source('app', 'users') }}, unnest([1]) x",
         "select id as user_id, plan from {{ source('app', 'users') }}, unnest([1, 2]) x"),
        ("select id as user_id, plan from {{ source('app', 'users') }} tablesample (10 percent)",
         "select id as user_id, plan from {{ source('app', 'users') }} tablesample (20 percent)"),
        ("select 'a' as user_id, 'b' as plan from {{ source('app', 'users') }}",
         "select 'a' as user_id, 'b' as plan, count(*) as n from {{ source('app', 'users') }}"),
        ("select id as user_id, plan, tags from {{ source('app', 'users') }}",
         "select id as user_id, plan, unnest(tags) as tags from {{ source('app', 'users') }}"),
        ("select id as user_id, plan from {{ source('app', 'users') }} qualify row_number() over (partition by id) = 1",
         "select id as user_id, plan from {{ source('app', 'users') }} qualify row_number() over (partition by b) = 1"),
        ("select distinct on (id) id as user_id, plan from {{ source('app', 'users') }} order by id, a",
         "select distinct on (id) id as user_id, plan from {{ source('app', 'users') }} order by id, b"),
        ("select id as user_id, plan from {{ source('app', 'users') }} group by all",
         "select id as user_id, plan, region from {{ source('app', 'users') }} group by all"),
        ("select * replace (upper(plan) as plan), id as user_id from {{ source('app', 'users') }}",
         "select * replace (lower(plan) as plan), id as user_id from {{ source('app', 'users') }}"),
        ("select id as user_id, plan from {{ source('app', 'users') }} where exists (select 1)",
         "select id as user_id, plan from {{ source('app', 'users') }} where exists (select 2)"),
        ("with u as (select id, plan as k from {{ source('app', 'users') }}) select s.id as user_id, s.plan from "
         "{{ source('app', 'users') }} s join u using (id)",
         "with u as (select k as id, plan as k from {{ source('app', 'users') }}) select s.id as user_id, s.plan from "
         "{{ source('app', 'users') }} s join u using (id)"),
        ("select s.id as user_id, s.plan from {{ source('app', 'users') }} s natural join (select id, plan as k from "
         "{{ source('app', 'users') }})", "select s.id as user_id, s.plan from {{ source('app', 'users') }} s natural "
         "join (select id, plan as plan from {{ source('app', 'users') }})"),
        ("with recursive r as (select id as user_id, plan from {{ source('app', 'users') }} union all select * from r) "
         "select * from r", "with recursive r as (select id as user_id, plan from {{ source('app', 'users') }} union "
         "all select * from r where b) select * from r"),
    ], ids=["self join", "group by position", "join", "incremental filter", "unnest", "sample", "aggregate",
            "a function with several rows", "qualify", "distinct on", "group by all", "replace", "exists", "using",
            "natural", "recursive"])
    def test_changes_that_look_small_are_seen(self, shop: Shop, before: str, now: str) -> None:
        shop.model("users/profile", COLUMNS)
        stg = sql("stg_users", "select id from {{ source('app', 'users') }}")
        found = shop.impacts([RAW, stg, sql("dim_users", before)], [RAW, stg, sql("dim_users", now)])
        assert "resends" in {CODES[code] for code in found}
        assert "breaks" not in {CODES[code] for code in found}

    def test_how_a_model_above_is_merged(self, shop: Shop) -> None:
        shop.model("users/profile", COLUMNS)
        dim = sql("dim_users", "select user_id, plan from {{ ref('stg_users') }}")
        stg = [sql("stg_users", USERS, config={"materialized": "incremental", "unique_key": key})
               for key in ("user_id", "plan")]
        assert "rows" in shop.impacts([RAW, stg[0], dim], [RAW, stg[1], dim])

    def test_a_model_put_between_is_no_change(self, shop: Shop) -> None:
        shop.model("users/profile", COLUMNS)
        assert shop.impacts([RAW, sql("dim_users", USERS)], [RAW, sql("stg_users", USERS), sql(
            "dim_users", "select * from {{ ref('stg_users') }}")]) == {}

    def test_the_sql_that_finds_partitions(self, shop: Shop) -> None:
        shop.model("users/profile", f"{COLUMNS} where plan = :partition",
                   "partitions: {dynamic: plans, values: \"select name from {{ ref('dim_plans') }}\"}")
        plans = [sql("dim_plans", f"select plan as name from {{{{ source('app', 'users') }}}}{where}")
                 for where in ("", " where plan <> 'x'")]
        dim = sql("dim_users", USERS)
        assert "rows" in shop.impacts([RAW, dim, plans[0]], [RAW, dim, plans[1]])
        assert "missing_column" in shop.impacts([RAW, dim, plans[0]], [RAW, dim, sql("dim_plans", "select 1 as x")])

    def test_a_change_further_up_is_seen(self, shop: Shop) -> None:
        shop.model("users/profile", COLUMNS)
        dim = sql("dim_users", "select user_id, plan, seats from {{ ref('stg_users') }}")
        found = shop.impacts([RAW, sql("stg_users", USERS), dim],
                             [RAW, sql("stg_users", USERS.replace(" plan,", " lower(plan) as plan,")), dim])
        assert found["values"].startswith("the change of stg_users makes plan in another way")

    def test_a_column_removed_further_up_is_seen_behind_a_star(self, shop: Shop) -> None:
        shop.model("users/profile", STAR)
        dim = sql("dim_users", "select * from {{ ref('stg_users') }}")
        found = shop.impacts([RAW, sql("stg_users", USERS), dim],
                             [RAW, sql("stg_users", USERS.replace(" plan,", "")), dim])
        assert found["lost_trait"].startswith("removes column plan of dim_users: users/profile loses trait plan")

    def test_a_seed_with_other_data(self, shop: Shop) -> None:
        shop.model("users/profile", "select user_id, plan from {{ ref('plans') }}")
        plans = model("plans", resource_type="seed", checksum={"checksum": "1"})
        assert "rows" in shop.impacts([plans], [{**plans, "checksum": {"checksum": "2"}}])

    def test_a_macro_that_a_model_uses(self, shop: Shop) -> None:
        shop.model("users/profile", COLUMNS)
        nodes = [RAW, sql("dim_users", "select id as user_id, {{ tidy('plan') }} as plan from "
                                       "{{ source('app', 'users') }}")]
        nodes[1]["depends_on"]["macros"] = ["macro.shop.tidy"]
        texts = []
        for name, text in ("old", "trim"), ("new", "upper"):
            (shop.folder / name).mkdir()
            path = write(shop.folder / name, *nodes)
            body = json.loads(path.read_text())
            body["macros"] = {
                "macro.shop.inner": {"package_name": "shop", "macro_sql": text},
                "macro.shop.tidy": {"package_name": "shop", "macro_sql": "", "depends_on": {
                    "macros": ["macro.shop.inner"]}}}
            path.write_text(json.dumps(body))
            texts.append(str(path))
        ended = shop.cli("check", "--manifest", texts[1], "--against", texts[0])
        assert "the change of dim_users may change values" in ended.out
        assert "whose SQL has templates that are not run (`dbt compile`" in ended.out


class TestKeysAndRules:
    def test_another_grain_breaks(self, shop: Shop) -> None:
        shop.model("users/profile", COLUMNS)
        found = shop.impacts([RAW, sql("dim_users", USERS, config={"unique_key": "user_id"})],
                             [RAW, sql("dim_users", USERS, config={"unique_key": ["user_id", "day"]})])
        assert found["key"].startswith("changes the unique_key of dim_users from user_id to user_id, day: "
                                       "users/profile may find several rows of one user_id")

    def test_a_test_of_the_key_that_is_gone_is_reported(self, shop: Shop) -> None:
        shop.model("users/profile", COLUMNS)
        found = shop.impacts([RAW, sql("dim_users", USERS, primary_key=["user_id"])], [RAW, sql("dim_users", USERS)])
        assert "it is not known whether users/profile may find several rows of one user_id" in found["untested_key"]

    def test_the_key_of_one_of_several_models(self, shop: Shop) -> None:
        shop.model("users/profile", "select user_id from {{ ref('dim_users') }} join {{ ref('stg_users') }} "
                                    "using (user_id)")
        stg = [sql("stg_users", USERS, primary_key=[key]) for key in ("user_id", "plan")]
        dim = sql("dim_users", USERS)
        assert "key (by dbt's tests and constraints) of stg_users from user_id to plan" in shop.impacts(
            [RAW, dim, stg[0]], [RAW, dim, stg[1]])["untested_key"]

    @pytest.mark.parametrize(("yaml", "before", "says"), [
        ("dbt: {contract: true}", [sql("dim_users", USERS, **contract(user_id="text"))], "a contract: dim_users has"),
        ("dbt: {tests: true}", [sql("dim_users", USERS), data_test("unique", "dim_users")], "dim_users has none"),
    ])
    def test_what_the_yaml_asks_of_dbt_is_gone(
            self, shop: Shop, yaml: str, before: list[dict[str, Any]], says: str) -> None:
        shop.model("users/profile", COLUMNS, yaml)
        assert says in shop.impacts([RAW, *before], [RAW, sql("dim_users", USERS)])["precondition"]

    def test_a_model_that_is_gone(self, shop: Shop) -> None:
        shop.model("users/profile", COLUMNS)
        found = shop.impacts([RAW, sql("dim_users", USERS)], [RAW, sql("dim_user", USERS)])
        assert found["unresolved"] == ("users/profile cannot run: ref('dim_users'): dbt has no model dim_users; did "
                                       "you mean dim_user?")

    def test_a_model_that_becomes_ephemeral(self, shop: Shop) -> None:
        shop.model("users/profile", COLUMNS)
        now = sql("dim_users", USERS, relation_name=None, config={"materialized": "ephemeral"})
        assert "it is ephemeral" in shop.impacts([RAW, sql("dim_users", USERS)], [RAW, now])["unresolved"]


    @pytest.mark.parametrize(("text", "says"), [
        ("select user_id from {{ ref('dim_user') }}", "ref('dim_user'): dbt has no model dim_user"),
        ("select user_id, tier from {{ ref('dim_users') }}", "reads column tier, which no model that it reads has"),
        ("select plan from {{ ref('dim_users') }}", "the model has no column user_id, which a sync of users needs"),
    ])
    def test_what_was_broken_before_is_shown_and_not_blamed_on_the_change(
            self, shop: Shop, text: str, says: str) -> None:
        shop.model("users/profile", text)
        ended = shop.check(*change(USERS, f"{USERS} "))
        assert ended.code == 0
        assert ended.out.startswith("users/profile: not known\n  by the other manifest as well: ")
        assert says in ended.out


def test_every_code_is_on_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "dbt.md").read_text("utf-8")
    assert [code for code in CODES if f"`{code}`" not in page] == []


class TestPlainNames:
    """A sync that names tables without ref."""

    @pytest.mark.parametrize("table", ["dim_users", "main.dim_users", "warehouse.main.dim_users", 'main."DIM_USERS"'])
    def test_the_end_of_the_relation_is_enough(self, shop: Shop, table: str) -> None:
        shop.model("users/profile", f"select * from {table}")
        assert "lost_trait" in shop.impacts(*change(USERS, USERS.replace(" plan,", "")))

    def test_the_schema_may_be_of_the_other_environment(self, shop: Shop) -> None:
        shop.model("users/profile", "select * from main.dim_users")
        old, new = change(USERS, USERS.replace(" plan,", ""))
        new[1]["relation_name"] = '"warehouse"."pr_12"."dim_users"'
        assert "lost_trait" in shop.impacts(old, new)

    def test_deps_name_the_model(self, shop: Shop) -> None:
        shop.model("users/profile", "select * from copies.dim_users", "deps: [dim_users]")
        assert "lost_trait" in shop.impacts(*change(USERS, USERS.replace(" plan,", "")))

    def test_a_relation_that_is_gone(self, shop: Shop) -> None:
        shop.model("users/profile", "select user_id, plan from main.dim_users")
        found = shop.impacts([sql("dim_users", USERS), RAW], [RAW])
        assert found["relation"].startswith("the table main.dim_users is no dbt model's any more")

    def test_a_table_that_nobody_knows_is_not_known(self, shop: Shop) -> None:
        shop.model("users/profile", "select user_id, plan from other.people")
        ended = shop.check(*change(USERS, USERS.replace(" plan,", "")))
        assert "users/profile: not known" in ended.out
        assert "users/profile reads other.people, which is no table that the manifest has" in ended.out
        assert ended.code == 0


class TestNotKnown:
    """Where the manifest does not show it, nothing is claimed."""

    @pytest.mark.parametrize("code", [
        "select * from {{ source('app', 'users') }}",
        "select id as user_id, s.* from {{ source('app', 'users') }} s",
        "select {{ dbt_utils.star(ref('stg_users')) }} from {{ source('app', 'users') }}",
        "select id as user_id, plan || 'x' from {{ source('app', 'users') }}",
        "select this is no SQL (",
        "pivot {{ source('app', 'users') }} on plan using count(*)",
        "select columns('p.*') from {{ source('app', 'users') }}",
    ])
    def test_columns_of_a_modified_model(self, shop: Shop, code: str) -> None:
        shop.model("users/profile", STAR)
        ended = shop.check(*change(code, f"{code} "), "--fail-on", "unknown")
        assert ended.code == 1
        assert "the columns of users/profile are not known in full: " in ended.out

    def test_a_column_that_a_star_may_bring(self, shop: Shop) -> None:
        shop.model("users/profile", "select user_id, region from {{ ref('dim_users') }}")
        code = "select id as user_id, s.* from {{ source('app', 'users') }} s"
        found = shop.impacts(*change(code, code.replace("id as", "upper(id) as")))
        assert "it is not known whether column region, which users/profile reads, is there: " in found["open_column"]
        assert "dbt's YAML may describe only some columns of the source app.users" in found["open_column"]

    def test_a_name_that_the_select_gives_too(self, shop: Shop) -> None:
        """Where it is read before the select, warehouses differ on what it means."""
        shop.model("users/profile", "select user_id, 1 as plan from {{ ref('dim_users') }} where plan = 'pro'")
        found = shop.impacts(*change(USERS, USERS.replace(" plan,", "")))
        assert found["open_column"].endswith("is there: plan is also a name that the select gives")

    @pytest.mark.parametrize("text", ["select (plan from dim_users", "call main.dim_users()", "select 1; select 2"])
    def test_sql_that_cannot_be_read(self, shop: Shop, text: str) -> None:
        """Not even what it reads is known."""
        shop.model("users/profile", text)
        ended = shop.check(*change(USERS, USERS))
        assert "users/profile: not known\n  sqlglot cannot read the SQL of users/profile" in ended.out
        assert ended.err == ""

    def test_a_warehouse_that_sqlglot_does_not_know(self, shop: Shop) -> None:
        shop.model("users/profile", STAR)
        assert "lost_trait" in shop.impacts(*change(USERS, USERS.replace(" plan,", "")), adapter="someones")

    def test_a_source_that_is_a_file(self, shop: Shop) -> None:
        shop.model("users/profile", STAR)
        old, new = change(USERS, USERS.replace(" plan,", ""))
        file = {**RAW, "relation_name": "read_csv_auto('users.csv', header=true)"}
        assert "lost_trait" in shop.impacts([file, *old[1:]], [file, *new[1:]])

    def test_a_model_that_did_not_change_says_nothing(self, shop: Shop) -> None:
        shop.model("users/profile", STAR)
        nodes = [RAW, sql("dim_users", "select * from {{ source('app', 'users') }}")]
        assert shop.check(nodes, nodes).out == "users/profile: ok\n0 dbt nodes modified\n"

    def test_compiled_sql_is_read_where_templates_are_not_run(self, shop: Shop) -> None:
        shop.model("users/profile", STAR)
        code = "select {{ star() }} from {{ source('app', 'users') }}"
        compiled = 'select id as user_id, {} from "warehouse"."app"."users"'
        found = shop.impacts([RAW, sql("dim_users", code, compiled_code=compiled.format("plan"))],
                             [RAW, sql("dim_users", f"{code} ", compiled_code=compiled.format("seats"))])
        assert set(found) == {"lost_trait", "new_trait"}

    def test_a_model_in_python_is_known_by_its_contract(self, shop: Shop) -> None:
        shop.model("users/profile", STAR)
        python = {"language": "python", "raw_code": "def model(dbt, session): ..."}
        old, new = ({**sql("dim_users", str(number), **contract(user_id="text", **types)), **python}
                    for number, types in enumerate(({"plan": "text"}, {})))
        assert "lost_trait" in shop.impacts([old], [new])


class TestOneManifest:
    """Without another one: what is wrong, and what is not known."""

    def test_all_is_well(self, shop: Shop) -> None:
        shop.model("users/profile", COLUMNS)
        ended = shop.cli("check", "--manifest", str(write(shop.folder, RAW, sql("dim_users", USERS))))
        assert (ended.code, ended.out) == (0, "users/profile: ok\n")

    def test_columns_and_what_is_open(self, shop: Shop) -> None:
        shop.model("users/a", "select user_id, region from {{ ref('dim_users') }}")
        shop.model("users/b", "select plan from {{ ref('dim_users') }}")
        shop.model("users/c", "select * from {{ source('app', 'users') }}")
        ended = shop.cli("check", "--manifest", str(write(shop.folder, RAW, sql("dim_users", USERS))), "--json")
        assert ended.code == 1
        assert [(row["sync"], row["effect"], [one["code"] for one in row["impacts"]]) for row in ended.rows] == [
            ("users/a", "breaks", ["missing_column"]), ("users/b", "breaks", ["columns"]),
            ("users/c", "unknown", ["open_columns"])]
        assert ended.rows[0]["traits"] == ["region"]
        assert ended.rows[2]["traits"] is None


class TestDeclaredInMeta:
    META: dict[str, Any] = {"config": {"meta": {"candu": {"kind": "users"}}}}  # noqa: RUF012

    def test_it_is_checked_as_any_other(self, shop: Shop) -> None:
        shop.sql.mkdir()
        found = shop.impacts([RAW, sql("dim_users", USERS, **self.META)],
                             [RAW, sql("dim_users", USERS.replace(" plan,", ""), **self.META)])
        assert "users/dim_users loses trait plan" in found["lost_trait"]

    def test_one_that_is_no_longer_declared(self, shop: Shop) -> None:
        shop.model("users/profile", COLUMNS)
        ended = shop.check([RAW, sql("dim_users", USERS, **self.META)], [RAW, sql("dim_users", USERS)])
        assert ended.code == 1
        assert "model.shop.dim_users declares users/dim_users no longer: nothing is sent for it any more" in ended.out


class TestOutput:
    @pytest.fixture(autouse=True)
    def syncs(self, shop: Shop) -> None:
        shop.model("users/a", STAR)
        shop.model("users/b", COLUMNS)
        shop.model("users/c", "select id as user_id from {{ source('app', 'users') }}")

    CHANGE = change(USERS, USERS.replace(", seats::int as seats", ", 1 as one"))

    def test_state_modified_chooses_what_reads_a_change(self, shop: Shop) -> None:
        ended = shop.check(*self.CHANGE, "state:modified", "--json")
        assert [row["sync"] for row in ended.rows] == ["users/a", "users/b"]
        assert [row["changed"] for row in ended.rows] == [["dim_users"], ["dim_users"]]
        assert [row["sync"] for row in shop.check(*self.CHANGE, "users/c", "--json").rows] == ["users/c"]
        gone = shop.check([RAW, sql("dim_users", USERS)], [RAW], "state:modified")
        assert "users/a: breaks" in gone.out
        assert "1 dbt node modified: dim_users (removed)" in gone.out

    def test_a_comment_for_github(self, shop: Shop) -> None:
        ended = shop.check(*self.CHANGE, "--github")
        assert ended.out.splitlines()[:7] == [
            "<!-- candu-sync check --manifest -->", "### candu-sync: 1 sync breaks", "",
            "| sync | | what the change does |", "|---|---|---|",
            "| `users/a` | **breaks** | removes column seats of dim_users: users/a loses trait seats: users keep in "
            "Candu the value that they have<br>sends rows again: adds column one of dim_users: users/a gets trait one: "
            "each row that has a value is sent again |", ""]
        assert "2 other syncs are not touched, as far as dbt's manifest shows." in ended.out
        assert "<details><summary>Modified in dbt: 1</summary>" in ended.out

    def test_names_in_a_comment_are_shown_as_they_are(self, shop: Shop) -> None:
        shop.model("users/a", 'select user_id, 1 as one from "<b>@all|*"')
        ended = shop.check(*self.CHANGE, "--github")
        assert "users/a reads &lt;b&gt;@<!-- -->all\\|\\*, which is no table" in ended.out

    @pytest.mark.parametrize(("fail_on", "code"), [(None, 0), ("breaks", 0), ("resends", 1), ("unknown", 1)])
    def test_what_ends_with_1_is_chosen(self, shop: Shop, fail_on: str | None, code: int) -> None:
        words = ["--fail-on", fail_on] if fail_on else []
        assert shop.check(*change(USERS, f"{USERS} where plan is null"), *words).code == code

    def test_a_wrong_file_is_said_as_well(self, shop: Shop) -> None:
        shop.model("users/b", COLUMNS, "payload: all")
        ended = shop.check(*change(USERS, USERS), "--github")
        assert ended.code == 2
        assert "users/b.yaml:1: payload: 'all' is not allowed" in ended.err
        assert "- " in ended.out
        assert "payload: 'all' is not allowed" in ended.out

    @pytest.mark.parametrize(("words", "says"), [
        (["--against", "x"], "check --against goes with --manifest FILE"),
        (["--github"], "check --github goes with --manifest FILE"),
        (["--manifest", "none.json"], "--manifest: none.json cannot be read"),
        (["--manifest", "new/manifest.json", "--against", "none.json"], "--against: none.json cannot be read"),
        (["--manifest", "new/manifest.json", "state:modified"], "state:modified needs --against FILE"),
        (["--manifest", "new/manifest.json", "--twice"], "leave one of the two out"),
        (["--manifest", "new/manifest.json", "--json", "--github"], "--json or --github? Leave one of the two out"),
    ])
    def test_wrong_words(self, shop: Shop, words: list[str], says: str) -> None:
        shop.check(*self.CHANGE)
        ended = shop.cli("check", *words)
        assert ended.code == 2
        assert says in ended.err

    def test_without_sqlglot_the_extra_is_named(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "sqlglot", None)
        ended = shop.check(*self.CHANGE)
        assert ended.code == 2
        assert "pip install 'candu-sync[dbt]'" in ended.err
