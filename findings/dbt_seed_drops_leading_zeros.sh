#!/bin/sh
# dbt-core 1.11.16 with dbt-duckdb 1.11.1: a seed's text of digits becomes a number.
#
# A guess: a CSV's `007` stays text, or the quotes around it keep it. In fact types are guessed from the values: 007 is 7
# and 1e3 is 1000, both INTEGER, with or without quotes. `column_types` in the seed's configuration keeps them.
#
# Seen: code 7 (INTEGER), size 1000 (INTEGER)
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
Path("seeds").mkdir()
Path("seeds/products.csv").write_text('code,size\n"007",1e3\n')
dbt = Path(sys.executable).with_name("dbt")
subprocess.run([dbt, "--no-send-anonymous-usage-stats", "seed", "--profiles-dir", "."], check=True)
with duckdb.connect("shop.duckdb") as connection:
    found = connection.execute("select code, typeof(code), size, typeof(size) from products").fetchall()
print(found)
assert found == [(7, "INTEGER", 1000, "INTEGER")]
PYTHON
