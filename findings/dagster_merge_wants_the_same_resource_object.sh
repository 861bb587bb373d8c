#!/bin/sh
# dagster 1.13.27: Definitions.merge takes one resource object twice, and refuses two equal ones.
#
# A guess: two resources of one class with equal settings are the same resource; == says so, and building one for each
# package's Definitions is the usual way. In fact merge compares identity, so packages must share the object.
#
# Seen: the two are equal; merging them raises DagsterInvariantViolationError; merging one with itself succeeds
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet dagster==1.13.27
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import dagster as dg


class Warehouse(dg.ConfigurableResource):
    url: str = "duckdb:///shop.duckdb"


def merged(first, second):
    try:
        dg.Definitions.merge(dg.Definitions(resources={"w": first}), dg.Definitions(resources={"w": second}))
    except dg.DagsterInvariantViolationError:
        return False
    return True


one, twin = Warehouse(), Warehouse()
print("equal:", one == twin, "two merge:", merged(one, twin), "one merges:", merged(one, one))
assert one == twin
assert not merged(one, twin)
assert merged(one, one)
PYTHON
