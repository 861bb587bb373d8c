"""What a sync's YAML asks of the dbt models that it reads: ``dbt: {contract: true, tests: true}``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from candu_sync.dbt.manifest import Manifest, ManifestError, read_manifest
from candu_sync.dbt.nodes import Node
from candu_sync.dbt.references import nodes_read
from candu_sync.dbt.run_results import LastRuns
from candu_sync.errors import PreconditionFailed
from candu_sync.naming import counted
from candu_sync.syncs import Sync

__all__ = ["check_preconditions", "without_contract"]

# A warning is what the author of the test wants to let pass.
_GOOD = ("pass", "warn")


def check_preconditions(sync: Sync, manifest: Path | None) -> None:
    """Check what ``dbt`` in the sync's YAML asks; without that key nothing is read.

    Args:
        manifest: ``CANDU_DBT_MANIFEST``. The results of dbt's last run are beside it, or in a folder beside it, as
            dagster-dbt has them.

    Raises:
        PreconditionFailed: what it asks does not hold.
        SpecError: a ref or a source cannot be resolved.
    """
    if not sync.dbt.contract and not sync.dbt.tests:
        return
    nodes = nodes_read(sync, manifest)
    if not nodes or manifest is None:
        raise PreconditionFailed(f"{sync.name}: the YAML has a key `dbt`, and the SQL reads nothing of dbt's: read the "
                                 "model by {{ ref('…') }}, or leave the key out")
    try:
        reasons = [*_without_contract(sync, nodes), *_untested(sync, nodes, manifest)]
    except ManifestError as error:
        reasons = [str(error)]
    if reasons:
        raise PreconditionFailed(f"{sync.name}: not run, since its YAML asks for more of dbt: {'; '.join(reasons)}")


def _without_contract(sync: Sync, nodes: Sequence[Node]) -> Iterator[str]:
    for node in nodes if sync.dbt.contract else ():
        if not node.contract:
            yield without_contract(node)


def without_contract(node: Node) -> str:
    """Why a node does not have the contract that a sync asks for."""
    if node.sort != "model":
        return f"{node.label} is a {node.sort}, which can have no contract"
    return f"{node.label} has no contract that dbt enforces (`contract: {{enforced: true}}` in {node.said_in})"


def _untested(sync: Sync, nodes: Sequence[Node], path: Path) -> Iterator[str]:
    if not sync.dbt.tests:
        return
    manifest, runs = read_manifest(path), LastRuns(path.parent)
    for node in nodes:
        yield from _of_one(node, manifest, runs)


def _of_one(node: Node, manifest: Manifest, runs: LastRuns) -> Iterator[str]:
    tests = {test.id: test.name for test in manifest.tests if node.id in test.about}
    if not tests:
        yield f"{node.label} has no tests"
        return
    results = runs.since_built(node.id, tests)
    missing = [name for id_, name in tests.items() if id_ not in results]
    for id_, result in results.items():
        if result.status not in _GOOD:
            yield f"the test {tests[id_]} of {node.label} ended with `{result.status}` at {result.at}"
    if missing:
        more = f" and {counted(len(missing) - 1, 'other')}" if len(missing) > 1 else ""
        yield (f"the test {missing[0]}{more} of {node.label} did not run since the model was built, by what is in "
               f"{runs.named} (let `dbt build`, or `dbt test` after `dbt run`, be the last command)")
