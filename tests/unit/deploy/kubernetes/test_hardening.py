"""Pods may do what they need, and nothing else."""

from __future__ import annotations

import pytest

from tests.support.kubernetes import EXAMPLE, Manifest, container, named, of_kind, pod, workloads

SERVICES = ("producer", "processor", "api")


@pytest.fixture(params=SERVICES)
def workload(request: pytest.FixtureRequest, manifests: list[Manifest]) -> Manifest:
    found = workloads(manifests)
    assert sorted(found) == sorted(SERVICES)
    return found[request.param]


def test_pods_are_unprivileged(workload: Manifest) -> None:
    spec = pod(workload)
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "fsGroup": 10001,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container(workload)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    assert all("hostPath" not in volume for volume in spec["volumes"])


def test_no_token_of_the_cluster_is_in_a_pod(workload: Manifest, manifests: list[Manifest]) -> None:
    spec = pod(workload)
    assert spec["automountServiceAccountToken"] is False
    account = named(manifests, "ServiceAccount", spec["serviceAccountName"])
    assert account["automountServiceAccountToken"] is False


def test_names_of_services_are_not_put_into_the_environment(workload: Manifest) -> None:
    """The Service ``api`` would set ``API_PORT=tcp://…``, which no API starts with."""
    assert pod(workload)["enableServiceLinks"] is False


def test_memory_and_what_is_written_are_bounded(workload: Manifest) -> None:
    resources = container(workload)["resources"]
    assert {"cpu", "memory"} <= resources["requests"].keys()
    assert "memory" in resources["limits"]
    assert all(
        "sizeLimit" in volume["emptyDir"] for volume in pod(workload)["volumes"] if "emptyDir" in volume
    )


def test_a_secret_is_mounted_as_files_for_those_who_need_it(manifests: list[Manifest]) -> None:
    needed = {"producer": set(), "processor": {"redis-password"}, "api": {"api-keys", "redis-password"}}
    for service, workload in workloads(manifests).items():
        volumes = [volume["secret"] for volume in pod(workload)["volumes"] if "secret" in volume]
        assert {item["path"] for volume in volumes for item in volume["items"]} == needed[service]
        mounts = [mount for mount in container(workload)["volumeMounts"] if mount["name"] == "secrets"]
        assert all(mount["readOnly"] for mount in mounts)
        assert all("secretRef" not in source for source in container(workload)["envFrom"])
        assert "env" not in container(workload)


def test_only_the_example_makes_a_secret(rendered: dict[str, list[Manifest]]) -> None:
    for overlay, manifests in rendered.items():
        assert bool(of_kind(manifests, "Secret")) == (overlay == EXAMPLE)


def test_everything_is_denied_that_is_not_allowed(manifests: list[Manifest]) -> None:
    deny = named(manifests, "NetworkPolicy", "deny-all")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for policy in of_kind(manifests, "NetworkPolicy"):
        spec = policy["spec"]
        for rule in [*spec.get("ingress", ()), *spec.get("egress", ())]:
            assert rule.get("ports"), policy["metadata"]["name"]


def test_the_producer_reaches_no_private_address_on_the_web_port(manifests: list[Manifest]) -> None:
    [rule] = named(manifests, "NetworkPolicy", "source")["spec"]["egress"]
    blocked = {cidr for peer in rule["to"] for cidr in peer["ipBlock"]["except"]}
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7"} <= blocked


def test_the_namespace_refuses_other_pods(manifests: list[Manifest]) -> None:
    labels = named(manifests, "Namespace", "live-rag")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
