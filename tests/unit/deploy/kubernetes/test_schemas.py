"""What a cluster would take: the published schemas of Kubernetes, KEDA and the Prometheus operator."""

from __future__ import annotations

import copy

import pytest

from tests.support.kubernetes import EXAMPLE, VERSIONS, Manifest, faults, named


@pytest.mark.parametrize("version", VERSIONS)
def test_all_that_is_rendered_keeps_its_schema(manifests: list[Manifest], version: str) -> None:
    found = [
        f"{each['kind']} {each['metadata']['name']}: {fault}"
        for each in manifests
        for fault in faults(each, version)
    ]
    assert not found


def test_every_kind_of_the_design_is_there(rendered: dict[str, list[Manifest]]) -> None:
    kinds = {each["kind"] for manifests in rendered.values() for each in manifests}
    assert kinds == {
        *("ConfigMap", "Deployment", "HorizontalPodAutoscaler", "Ingress", "Namespace", "NetworkPolicy"),
        *("PodDisruptionBudget", "PodMonitor", "ScaledObject", "Secret", "Service", "ServiceAccount"),
        "StatefulSet",
    }


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Deployment", "api"),
        ("StatefulSet", "producer"),
        ("HorizontalPodAutoscaler", "api"),
        ("NetworkPolicy", "source"),
        ("ScaledObject", "processor"),
        ("PodMonitor", "live-rag"),
    ],
)
def test_an_unknown_field_is_a_fault(rendered: dict[str, list[Manifest]], kind: str, name: str) -> None:
    manifest = copy.deepcopy(named(rendered[EXAMPLE], kind, name))
    manifest["spec"]["replicaz"] = 1
    assert any("replicaz" in fault for fault in faults(manifest, VERSIONS[-1]))


def test_a_wrong_type_is_a_fault(rendered: dict[str, list[Manifest]]) -> None:
    scaled = copy.deepcopy(named(rendered[EXAMPLE], "ScaledObject", "processor"))
    scaled["spec"]["maxReplicaCount"] = "twelve"
    assert faults(scaled, VERSIONS[-1])


def test_each_name_is_there_once(manifests: list[Manifest]) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in manifests]
    assert len(names) == len(set(names))
    others = {each["metadata"].get("namespace") for each in manifests if each["kind"] != "Namespace"}
    assert others == {"live-rag"}
