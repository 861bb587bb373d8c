"""A sync's ``resources`` reach the pods of its runs, by dagster-k8s' own code."""

from __future__ import annotations

from typing import Any

import pytest
from dagster_k8s.job import DagsterK8sJobConfig, construct_dagster_k8s_job, get_user_defined_k8s_config

from tests.dagster.room import Room, people


def pod(room: Room, yaml: str) -> tuple[dict[str, str], Any]:
    """The tags of the sync's job, and the resources of the container that the launcher asks for."""
    people(room, yaml=yaml)
    tags = dict(room.definitions().resolve_job_def("candu__users__people").tags)
    job = construct_dagster_k8s_job(
        DagsterK8sJobConfig(job_image="image", dagster_home="/home"), ["dagster"], "job",
        user_defined_k8s_config=get_user_defined_k8s_config(tags))
    [container] = job.spec.template.spec.containers
    return tags, container.resources


@pytest.mark.parametrize(("yaml", "resources"), [
    ("resources: {memory: 4Gi, cpu: 2}", {"requests": {"memory": "4Gi", "cpu": "2"}, "limits": {"memory": "4Gi"}}),
    ("resources: {memory: 512Mi}", {"requests": {"memory": "512Mi"}, "limits": {"memory": "512Mi"}}),
    ("resources: {cpu: 500m}", {"requests": {"cpu": "500m"}, "limits": None}),
    ("resources: {cpu: 0.5}", {"requests": {"cpu": "0.5"}, "limits": None})])
def test_a_pod_has_what_the_sync_asks_for(room: Room, yaml: str, resources: dict[str, Any]) -> None:
    _, found = pod(room, yaml)
    assert {"requests": found.requests, "limits": found.limits} == resources


def test_without_them_there_is_no_tag(room: Room) -> None:
    tags, found = pod(room, "")
    assert "dagster-k8s/config" not in tags
    assert (found.requests, found.limits) == (None, None)
