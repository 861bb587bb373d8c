#!/bin/sh
# dbt-core 1.11.16 with dbt-duckdb 1.11.1: a snapshot takes two source rows of one unique_key, and both are current.
#
# A guess: unique_key is enforced, or the second row replaces the first. In fact the first run inserts both with an empty
# dbt_valid_to and ends with success.
#
# Seen: 2 current rows for the key 1
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet dbt-core==1.11.16 dbt-duckdb==1.11.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import subprocess
import sys
from pathlib import Path

import duckdb

Path("dbt_project.yml").write_text("name: shop\nprofile: shop\n")
Path("profiles.yml").write_text("shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n")
Path("models").mkdir()
Path("models/people.sql").write_text("select 1 as id, 'free' as plan union all select 1, 'pro'")
Path("snapshots").mkdir()
Path("snapshots/history.yml").write_text("""
snapshots:
  - name: history
    relation: ref('people')
    config: {unique_key: id, strategy: check, check_cols: [plan]}
""")
dbt = Path(sys.executable).with_name("dbt")
for command in ("run", "snapshot"):
    subprocess.run([dbt, "--no-send-anonymous-usage-stats", command, "--profiles-dir", "."], check=True)
with duckdb.connect("shop.duckdb") as connection:
    found = connection.execute("select id, count(*) from history where dbt_valid_to is null group by id").fetchall()
print(found)
assert found == [(1, 2)]
PYTHON
