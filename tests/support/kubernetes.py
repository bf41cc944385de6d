"""The manifests as kustomize renders them, and the published schemas that they must keep."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from cloudcoil.models.keda.v1alpha1 import ScaledObject
from cloudcoil.models.prometheus_operator.v1 import PodMonitor
from jsonschema import Draft202012Validator
from kubernetes_validate import validate
from kubernetes_validate.utils import ValidationError

from deploy.local.configuration import ROOT

Manifest = dict[str, Any]

FOLDER = ROOT / "deploy" / "kubernetes"
EXAMPLE = "example"
OVERLAYS = ("hpa", "keda", EXAMPLE)
SECRET_FILES = ("api-keys", "redis-password")
VERSIONS = ("1.30", "1.37")
"""Of Kubernetes: the oldest that knows all fields, and the newest that the package has schemas of."""

_MODELS = {"keda.sh/v1alpha1": ScaledObject, "monitoring.coreos.com/v1": PodMonitor}
"""Made of the resource definitions that KEDA 2.16.1 and the Prometheus operator 0.80.1 publish."""


def render(folder: Path) -> list[Manifest]:
    """What ``kubectl kustomize`` makes of it; skips where the package has no kubectl for this system."""
    program = Path(sysconfig.get_path("scripts")) / "kubectl"
    if not program.exists():
        pytest.skip("kubectl is not in .venv: its package has programs for Linux only")
    done = subprocess.run(
        [str(program), "kustomize", str(folder)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def copied(folder: Path) -> Path:
    """A copy of all manifests in ``folder``, with the files that the example makes its Secret from."""
    copy = folder / "kubernetes"
    shutil.copytree(FOLDER, copy)
    secrets = copy / "overlays" / EXAMPLE / "secrets"
    secrets.mkdir(exist_ok=True)
    for name in SECRET_FILES:
        (secrets / name).write_text(f"not-secret-{name}")
    return copy


def faults(manifest: Manifest, version: str) -> list[str]:
    """Where it breaks its schema; a field that the schema does not know is a fault."""
    model = _MODELS.get(manifest["apiVersion"])
    if model is not None:
        return [
            f"{error.json_path}: {error.message}"
            for error in _validator(model).iter_errors(manifest)
            if manifest["kind"] == model.__name__
        ] or _other_kind(manifest, model.__name__)
    try:
        validate(manifest, version, strict=True)
    except ValidationError as error:
        return [f"{error.json_path}: {error.message}"]
    return []


def _other_kind(manifest: Manifest, kind: str) -> list[str]:
    return [] if manifest["kind"] == kind else [f"kind {manifest['kind']}: no schema of it"]


@cache
def _validator(model: type[Any]) -> Draft202012Validator:
    schema = model.model_json_schema(by_alias=True)
    for part in _parts(schema):
        if "properties" in part:
            part["additionalProperties"] = False
    return Draft202012Validator(schema)


def _parts(schema: object) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from _parts(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _parts(value)


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    [found] = [each for each in manifests if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    return [each for each in manifests if each["kind"] == kind]


def workloads(manifests: list[Manifest]) -> dict[str, Manifest]:
    """By service."""
    return {
        each["metadata"]["name"]: each for each in manifests if each["kind"] in ("Deployment", "StatefulSet")
    }


def pod(workload: Manifest) -> Manifest:
    spec: Manifest = workload["spec"]["template"]["spec"]
    return spec


def container(workload: Manifest) -> Manifest:
    [only] = pod(workload)["containers"]
    return only


def settings(manifests: list[Manifest]) -> dict[str, str]:
    [config] = of_kind(manifests, "ConfigMap")
    return dict(config["data"])


def bytes_of(quantity: str) -> int:
    """``512Mi`` → 536870912."""
    for suffix, factor in (("Ki", 2**10), ("Mi", 2**20), ("Gi", 2**30)):
        if quantity.endswith(suffix):
            return int(quantity.removesuffix(suffix)) * factor
    return int(quantity)
