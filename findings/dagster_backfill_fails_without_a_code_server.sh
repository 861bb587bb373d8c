#!/bin/sh
# dagster 1.13.27: a backfill of assets fails for good when its code server is away at a tick of the daemon.
#
# A guess: the backfill waits until the code server is back, as the daemon does with runs in the queue; so a code server
# may be started anew at any time. In fact the daemon finds the asset missing, marks the backfill as failed, and then
# cancels all its runs, queued and started. The daemon waits instead where
# DAGSTER_BACKFILL_RETRY_DEFINITION_CHANGED_ERROR is set in its environment.
#
# Seen: without the variable FAILING after the tick, with it REQUESTED
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet dagster==1.13.27
cd "$folder"
cat > code_location.py <<'PYTHON'
from dagster import Definitions, StaticPartitionsDefinition, asset


@asset(partitions_def=StaticPartitionsDefinition(["a", "b"]))
def orders() -> None: ...


defs = Definitions(assets=[orders])
PYTHON
cat > drill.py <<'PYTHON'
import logging
import socket
import subprocess
import sys
import tempfile
import time

from dagster import AssetKey, DagsterInstance
from dagster._core.execution.backfill import PartitionBackfill
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import GrpcServerTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster._time import get_current_timestamp

logging.disable(logging.CRITICAL)
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
command = [sys.executable, "-m", "dagster", "api", "grpc", "-m", "code_location", "-h", "127.0.0.1", "-p", str(port)]
server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
target = GrpcServerTarget(host="127.0.0.1", port=port, location_name="code", socket=None)


def loaded(instance):
    end = time.monotonic() + 120
    while time.monotonic() < end:
        context = WorkspaceProcessContext(instance, target)
        if not context.create_request_context().get_code_location_entries()["code"].load_error:
            return context
        time.sleep(0.5)
    raise TimeoutError


with tempfile.TemporaryDirectory() as home, DagsterInstance.local_temp(home) as instance:
    try:
        request = loaded(instance).create_request_context()
        instance.add_backfill(PartitionBackfill.from_asset_partitions(
            backfill_id="backfill", asset_graph=request.asset_graph, partition_names=["a", "b"],
            asset_selection=[AssetKey("orders")], backfill_timestamp=get_current_timestamp(), tags={},
            dynamic_partitions_store=instance, all_partitions=False, title=None, description=None, run_config=None))
    finally:
        server.kill()
        server.wait()
    list(execute_backfill_iteration(WorkspaceProcessContext(instance, target), logging.getLogger("daemon")))
    print(instance.get_backfill("backfill").status.value)
PYTHON
without=$("$folder/venv/bin/python" -W ignore drill.py 2>/dev/null)
with=$(DAGSTER_BACKFILL_RETRY_DEFINITION_CHANGED_ERROR=1 "$folder/venv/bin/python" -W ignore drill.py 2>/dev/null)
echo "without the variable: $without, with it: $with"
test "$without" = FAILING
test "$with" = REQUESTED
