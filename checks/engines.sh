#!/bin/sh
# Row hashes on the engines of ClickHouse (chdb) and Databricks (Spark), which are too large for each run of the tests:
# checks/engines.sh PYTHON FOLDER. Needs the network, and Java 17 for Spark (Debian: openjdk-17-jre-headless).
set -eu
python=$1
folder=$2
root=$(cd "$(dirname "$0")/.." && pwd)
"$python" -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check --constraint "$root/constraints.txt" \
    --editable "$root" hypothesis chdb pyspark
cd "$root"
for engine in clickhouse spark; do
    "$folder/bin/python" -m checks.row_hashes "$engine"
done
