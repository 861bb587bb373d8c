"""Where a sync's files are, as Dagster's references to code: the asset's page opens them in an editor."""

from __future__ import annotations

import warnings

from dagster import BetaWarning, CodeReferencesMetadataValue, LocalFileCodeReference

from candu_sync.sync import Sync
from dagster_defs.metadata import Metadata

_SETTINGS = (".yaml", ".yml")


def code_references(sync: Sync) -> Metadata:
    """The model and, where there is one, the YAML beside it, as an asset's metadata."""
    model = sync.path.resolve()
    files = [model, *(path for suffix in _SETTINGS if (path := model.with_suffix(suffix)).is_file())]
    # Each of these classes warns, once for every sync, that it is in beta; nothing else happens in this block.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BetaWarning)
        references = [LocalFileCodeReference(file_path=str(path), line_number=1, label=path.name) for path in files]
        value = CodeReferencesMetadataValue(code_references=list(references))
    return {"dagster/code_references": value}
