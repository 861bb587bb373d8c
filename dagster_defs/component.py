"""Components for other people's Dagster projects: one sync, or a folder of syncs, by a few lines of YAML.

The settings (``CANDU_API_KEY``, ``CANDU_WAREHOUSE_URL`` …) are those of the command line, from the environment; for
``workspace: eu`` they begin with ``CANDU_EU_``.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from pathlib import Path
from typing import Self, cast

from dagster import (
    AssetKey,
    AssetSpec,
    Component,
    ComponentLoadContext,
    DagsterInvalidDefinitionError,
    Definitions,
    scaffold_with,
)
from pydantic import BaseModel, Field

from candu_sync.dbt import load_catalog
from candu_sync.errors import SettingsError, SpecError
from candu_sync.syncs import Catalog, Kind, Spec, Sync, build_sync, conflicts, load_syncs, read_model
from dagster_defs.attributes import Attributes
from dagster_defs.automation import AUTOMATION
from dagster_defs.build import catalog_definitions
from dagster_defs.dbt import manifest
from dagster_defs.names import Names
from dagster_defs.resources import settings_of
from dagster_defs.scaffold import OneSync, SyncFolder
from dagster_defs.specs import changes_spec, push_spec


class _Syncs(Attributes, Component):
    """What both components have in common."""

    workspace: str | None = Field(
        default=None, description="the workspace of Candu, where there are several: settings of eu begin with "
        "CANDU_EU_, and keys with candu_eu")
    resource_key: str | None = Field(
        default=None, description="the key of the CanduSyncResource that the project defines elsewhere; left out: one "
        "that reads the settings of the environment")

    @property
    def names(self) -> Names:
        """How the syncs are called in Dagster. Raises SettingsError when the workspace cannot have this name."""
        return settings_of(self.workspace).names(self.resource_key)

    @abstractmethod
    def read(self, folder: Path) -> Catalog:
        """The syncs, and what is wrong with files; paths are relative to ``folder``, that of the YAML file."""

    def get_changes_spec(self, sync: Sync) -> AssetSpec:
        """How ``candu/<kind>/<name>_changes`` is shown. Override it to change groups, tags, upstream assets; the key
        stays, since the push, its messages and the sensors name it."""
        return changes_spec(sync, self.names)

    def get_push_spec(self, sync: Sync) -> AssetSpec:
        """How ``candu/<kind>/<name>`` is shown; as ``get_changes_spec``."""
        return push_spec(sync, self.names)

    def build_defs(self, context: ComponentLoadContext) -> Definitions:
        """The assets and sensors. A file that is wrong stops only its own sync.

        Raises:
            SettingsError: there is no such folder, or the workspace cannot have this name.
            DagsterInvalidDefinitionError: an override gave an asset another key.
        """
        folder = context.path if context.path.is_dir() else context.path.parent
        catalog, names = self.read(folder), self.names
        found = catalog_definitions(catalog, names, changes=self._changes_spec, push=self._push_spec,
                                    automation=f"{AUTOMATION}__{_identifier(context, catalog)}")
        if self.resource_key is not None:
            return found
        return Definitions.merge(found, Definitions(resources={names.resource_key: settings_of(self.workspace)}))

    def _changes_spec(self, sync: Sync, names: Names) -> AssetSpec:
        return _with_key(names.changes_key(sync.name), self.get_changes_spec(sync), "get_changes_spec")

    def _push_spec(self, sync: Sync, names: Names) -> AssetSpec:
        return _with_key(names.push_key(sync.name), self.get_push_spec(sync), "get_push_spec")

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """The attributes are the component's own fields."""
        return cls

    @classmethod
    def load(cls, attributes: BaseModel | None, context: ComponentLoadContext) -> Self:
        """The component with its templates (``{{ env.NAME }}``) filled in; pydantic's error where a required
        attribute is missing."""
        if attributes is None:
            return cls()
        given = {name: getattr(attributes, name) for name in attributes.model_fields_set}
        texts = {name: context.resolution_context.at_path("attributes").at_path(name).resolve_value(value)
                 for name, value in given.items() if isinstance(value, str)}
        return cast(Self, attributes.model_copy(update=texts))


@scaffold_with(OneSync)
class CanduSync(Spec, _Syncs):
    """One sync: the rows of a SQL model become users, groups or events in Candu.

    A job, and two assets: candu/<name>_changes (what would be sent) and candu/<name> (sends it), with a guard between
    them. The other keys are those of a sync's YAML file, each of them optional:

        type: dagster_defs.CanduSync
        attributes:
          name: users/profile
          sql: profile.sql
          deps: [dim_users]
          automation: "0 * * * *"
          owners: [team:growth]
    """

    name: str = Field(
        pattern=r"^(users|groups|events)(/[A-Za-z0-9_]+)+$",
        description="users, groups or events, a slash, and a name of letters, digits and _, like users/profile")
    sql: str = Field(description="the file of the model, next to this one, like profile.sql")

    def read(self, folder: Path) -> Catalog:
        """The one sync, or what is wrong with it."""
        path = folder / self.sql
        try:
            return Catalog({self.name: self._sync(path)}, ())
        except SpecError as error:
            return Catalog({}, (error,))

    def _sync(self, path: Path) -> Sync:
        kind = cast(Kind, self.name.split("/")[0])
        wrong = [f"{'.'.join(map(str, where))}: {sentence}" for where, sentence in conflicts(kind, self)]
        if wrong:
            raise SpecError(str(path.with_name("defs.yaml")), "\n".join(wrong), sync=self.name)
        return build_sync(self.name, kind, path, read_model(path, self.name), self)


@scaffold_with(SyncFolder)
class CanduSyncs(_Syncs):
    """A folder of syncs: every SQL file under users/, groups/ and events/, with its YAML file next to it.

    Files whose name starts with . or _ are ignored.

        type: dagster_defs.CanduSyncs
        attributes:
          path: sql
    """

    path: str = Field(default="sql", description="the folder that has users/, groups/ or events/, next to this file")
    dbt_meta: bool = Field(
        default=False, description="true: the syncs that dbt's models declare under meta.candu as well, by "
        "CANDU_DBT_MANIFEST; for one component of a project")

    def read(self, folder: Path) -> Catalog:
        """Every sync of the folder. Raises SettingsError when there is none."""
        models = folder / self.path
        if self.dbt_meta:
            return load_catalog(models, manifest(self.names.workspace), required="path" in self.model_fields_set)
        if not models.is_dir():
            raise SettingsError(f"path: there is no folder {models}; create it with users/, groups/ or events/ in it")
        return load_syncs(models)


def _identifier(context: ComponentLoadContext, catalog: Catalog) -> str:
    """Distinguishes the sensors of several components: the first sync's name, since a sync is in only one component."""
    names = [*catalog.syncs, context.path.name]
    return re.sub(r"[^A-Za-z0-9_]", "_", names[0].replace("/", "__"))


def _with_key(key: AssetKey, spec: AssetSpec, method: str) -> AssetSpec:
    if spec.key != key:
        raise DagsterInvalidDefinitionError(f"{method} gave the key {spec.key.to_user_string()} in place of "
                                            f"{key.to_user_string()}: change anything else of the asset")
    return spec
