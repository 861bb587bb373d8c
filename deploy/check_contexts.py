"""Read dagster-plus/container_context.yaml as the agents do. Needs dagster-k8s, dagster-aws and dagster-docker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from dagster_aws.ecs.container_context import EcsContainerContext
from dagster_docker.container_context import DockerContainerContext
from dagster_k8s.container_context import K8sContainerContext

READERS: dict[str, Any] = {"k8s": K8sContainerContext, "ecs": EcsContainerContext, "docker": DockerContainerContext}

contexts = yaml.safe_load((Path(__file__).parent / "dagster-plus" / "container_context.yaml").read_text("utf-8"))
for name, body in contexts.items():
    READERS[name].create_from_config({name: body})
