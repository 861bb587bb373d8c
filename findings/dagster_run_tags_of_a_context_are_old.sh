#!/bin/sh
# dagster 1.13.27: `context.run.tags` stays as it was when the run began, also after `instance.add_run_tags`.
#
# A guess: a step that reads the tags of its run sees those that an earlier step of the same run, or it itself, has added.
# In fact the run of a context is a copy from the start; `instance.get_run_by_id` has the tags of now. A step that adds to
# a list kept in a tag by way of the context overwrites what the others added.
#
# Seen: after the tag was added: the context has None, the instance has 'one'
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet dagster==1.13.27
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from dagster import AssetExecutionContext, DagsterInstance, asset, materialize

seen = {}


@asset
def first(context: AssetExecutionContext) -> None:
    context.instance.add_run_tags(context.run_id, {"my/list": "one"})


@asset(deps=[first])
def second(context: AssetExecutionContext) -> None:
    seen["context"] = context.run.tags.get("my/list")
    seen["instance"] = context.instance.get_run_by_id(context.run_id).tags.get("my/list")


with DagsterInstance.ephemeral() as instance:
    assert materialize([first, second], instance=instance).success
print("context:", seen["context"], "instance:", seen["instance"])
assert seen == {"context": None, "instance": "one"}
PYTHON
