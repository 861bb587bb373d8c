#!/usr/bin/env bash
# The layers of the Dockerfile, without Docker: its Python commands in a new virtual environment.
#
#   deploy/layers.sh PYTHON FOLDER
set -euo pipefail
python=$1 folder=$2
cd "$(dirname "$0")/.."
extras=$(sed -n 's/^ARG EXTRAS="\(.*\)"$/\1/p' deploy/Dockerfile)
mkdir -p "$folder/build/deploy"
"$python" -m venv "$folder/venv"
"$folder/venv/bin/python" deploy/requirements.py "$extras" > "$folder/build/requirements.txt"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --constraint constraints.txt --requirement "$folder/build/requirements.txt"
cp -r pyproject.toml README.md LICENSE candu_sync dagster_defs "$folder/build"
"$folder/venv/bin/python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$folder/wheels" "$folder/build"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-index "$folder"/wheels/*.whl
du --summarize --human-readable "$folder/venv"
