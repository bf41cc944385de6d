"""The manifests against the services' own code: settings, ports, paths, times, versions."""

from __future__ import annotations

import inspect
import re
import tomllib
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry

from deploy.local.configuration import ROOT
from deploy.settings_catalogue import settings_classes, variable_names
from services.api.auth import read_key_digests
from services.api.routes.operations import operations_router
from services.api.settings import ApiSettings
from services.processor.settings import ProcessorSettings
from services.producer.settings import ProducerSettings
from shared.lifecycle import Heartbeat, Lifecycle
from shared.observability.health_server import HealthServer
from shared.settings import KafkaSettings, load_settings
from tests.support.kubernetes import (
    EXAMPLE,
    Manifest,
    bytes_of,
    container,
    named,
    of_kind,
    pod,
    settings,
    workloads,
)

PORTS = {
    "producer": ProducerSettings.model_fields["metrics_port"].default,
    "processor": ProcessorSettings.model_fields["metrics_port"].default,
    "api": ApiSettings.model_fields["port"].default,
}
PROBES = {"startupProbe": "/health/live", "livenessProbe": "/health/live", "readinessProbe": "/health/ready"}
MEASURED_MIB = {
    name: int(figure)
    for name, figure in re.findall(
        r"^\| (producer|processor|api) \| (\d+) \|$", (ROOT / "docs" / "scaling.md").read_text(), re.MULTILINE
    )
}


@pytest.fixture(params=sorted(PORTS))
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_setting_exists_and_its_value_is_taken(
    manifests: list[Manifest], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    given = settings(manifests)
    classes = [cls for cls in settings_classes() if not cls.__module__.startswith("deploy.")]
    known = {name for cls in classes for name in variable_names(cls)}
    assert given.keys() <= known
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    for cls in classes:
        load_settings(cls)


def test_a_setting_that_a_service_link_would_set_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Why ``enableServiceLinks`` is off."""
    monkeypatch.setenv("API_PORT", "tcp://10.0.0.1:80")
    with pytest.raises(Exception, match="API_PORT"):
        load_settings(ApiSettings)


def test_probes_go_to_the_port_that_the_service_listens_on(manifests: list[Manifest], service: str) -> None:
    spec = container(workloads(manifests)[service])
    ports = {port["name"]: port["containerPort"] for port in spec["ports"]}
    for probe, path in PROBES.items():
        request = spec[probe]["httpGet"]
        assert (request["path"], ports[request["port"]]) == (path, PORTS[service])
    assert not {"API_PORT", "METRICS_PORT"} & settings(manifests).keys()
    assert settings(manifests)["API_HOST"] == settings(manifests)["METRICS_HOST"] == "0.0.0.0"


def test_the_api_has_the_paths_that_are_probed() -> None:
    assert set(PROBES.values()) | {"/metrics"} <= {
        route.path for route in operations_router().routes if isinstance(route, APIRoute)
    }


def test_the_loops_have_the_paths_that_are_probed() -> None:
    server = HealthServer(
        "127.0.0.1", 0, CollectorRegistry(), Heartbeat(), lambda: None
    )  # port 0: a free one
    server.start()
    with closing(server):
        for path in sorted(set(PROBES.values())):
            with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=30) as answer:
                assert answer.status == 200


def test_a_starting_service_is_not_killed_before_its_loop_may_be_called_silent(
    manifests: list[Manifest], service: str
) -> None:
    probe = container(workloads(manifests)[service])["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 120


def test_a_pod_may_end_as_slowly_as_its_service(manifests: list[Manifest], service: str) -> None:
    """What it does before it closes, by its own constants: see each ``__main__``."""
    workload = workloads(manifests)[service]
    before_close = {"api": 0, "processor": 10, "producer": 30}[service]
    close = inspect.signature(Lifecycle).parameters["close_timeout"].default
    asleep = container(workload).get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    assert pod(workload)["terminationGracePeriodSeconds"] >= asleep + before_close + close
    assert close > ApiSettings.model_fields["shutdown_seconds"].default
    assert (asleep > 0) == (service == "api")


def test_key_files_are_mounted_as_the_api_demands(manifests: list[Manifest], tmp_path: Path) -> None:
    [volume] = [each["secret"] for each in pod(workloads(manifests)["api"])["volumes"] if "secret" in each]
    mount = next(
        each["mountPath"]
        for each in container(workloads(manifests)["api"])["volumeMounts"]
        if each["name"] == "secrets"
    )
    assert settings(manifests)["API_KEYS_FILE"] == f"{mount}/api-keys"
    assert settings(manifests)["REDIS_PASSWORD_FILE"] == f"{mount}/redis-password"
    file = tmp_path / "api-keys"
    file.write_text("a-key-of-the-test-0123456789abcdef\n")
    file.chmod(volume["defaultMode"])
    assert len(read_key_digests(file)) == 1


def test_what_a_service_writes_is_on_a_volume(manifests: list[Manifest]) -> None:
    for service in ("producer", "api"):
        mounts = {mount["mountPath"] for mount in container(workloads(manifests)[service])["volumeMounts"]}
        assert settings(manifests)["DATA_DIR"] in mounts


def test_one_producer_keeps_its_cursor(manifests: list[Manifest]) -> None:
    producer = workloads(manifests)["producer"]
    assert (producer["kind"], producer["spec"]["replicas"]) == ("StatefulSet", 1)
    [claim] = producer["spec"]["volumeClaimTemplates"]
    [mount] = [
        each for each in container(producer)["volumeMounts"] if each["name"] == claim["metadata"]["name"]
    ]
    assert mount["mountPath"] == settings(manifests)["DATA_DIR"]


def test_no_rollout_waits_for_a_processor_without_a_partition(manifests: list[Manifest]) -> None:
    strategy = workloads(manifests)["processor"]["spec"]["strategy"]["rollingUpdate"]
    assert (strategy["maxSurge"], strategy["maxUnavailable"]) == (0, 1)


def test_no_more_processors_than_partitions(rendered: dict[str, list[Manifest]]) -> None:
    default = KafkaSettings.model_fields["partitions"].default
    for overlay, partitions in (("hpa", default), ("keda", default), (EXAMPLE, 12)):
        manifests = rendered[overlay]
        assert settings(manifests)["KAFKA_PARTITIONS"] == str(partitions)
        if overlay == "hpa":
            limit = named(manifests, "HorizontalPodAutoscaler", "processor")["spec"]["maxReplicas"]
        else:
            limit = named(manifests, "ScaledObject", "processor")["spec"]["maxReplicaCount"]
        assert limit == partitions


def test_keda_asks_for_what_the_processor_reads(rendered: dict[str, list[Manifest]]) -> None:
    for overlay in ("keda", EXAMPLE):
        [trigger] = named(rendered[overlay], "ScaledObject", "processor")["spec"]["triggers"]
        asked = {name: value for name, value in trigger["metadata"].items() if name.endswith("FromEnv")}
        assert asked == {
            "bootstrapServersFromEnv": "KAFKA_BOOTSTRAP_SERVERS",
            "consumerGroupFromEnv": "KAFKA_GROUP_ID",
            "topicFromEnv": "KAFKA_TOPIC",
        }
        assert set(asked.values()) <= settings(rendered[overlay]).keys()


def test_autoscalers_point_at_what_exists_and_are_not_overruled(manifests: list[Manifest]) -> None:
    scalers = [*of_kind(manifests, "HorizontalPodAutoscaler"), *of_kind(manifests, "ScaledObject")]
    targets = [scaler["spec"]["scaleTargetRef"]["name"] for scaler in scalers]
    assert sorted(targets) == ["api", "processor"]
    for target in targets:
        assert "replicas" not in workloads(manifests)[target]["spec"]


def test_selectors_find_their_pods(manifests: list[Manifest]) -> None:
    labels = {
        name: each["spec"]["template"]["metadata"]["labels"] for name, each in workloads(manifests).items()
    }
    selectors = {name: each["spec"]["selector"]["matchLabels"] for name, each in workloads(manifests).items()}
    for budget in of_kind(manifests, "PodDisruptionBudget"):
        assert budget["spec"]["selector"]["matchLabels"] == selectors[budget["metadata"]["name"]]
    service = named(manifests, "Service", "api")["spec"]
    assert service["selector"].items() <= labels["api"].items()
    for name, workload in workloads(manifests).items():
        for constraint in pod(workload).get("topologySpreadConstraints", ()):
            assert constraint["labelSelector"]["matchLabels"] == selectors[name]


def test_limits_leave_room_above_what_was_measured(manifests: list[Manifest], service: str) -> None:
    resources = container(workloads(manifests)[service])["resources"]
    measured = MEASURED_MIB[service] * 2**20
    assert bytes_of(resources["requests"]["memory"]) >= measured
    assert bytes_of(resources["limits"]["memory"]) >= 1.5 * measured


def test_images_have_the_version_of_the_project_and_of_compose(
    manifests: list[Manifest], service: str
) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    image = container(workloads(manifests)[service])["image"]
    assert image.endswith(f"live-rag/{service}:{version}")
    compose = (ROOT / "docker-compose.yml").read_text()
    defaults = re.findall(rf"live-rag/{service}:\$\{{LIVE_RAG_VERSION:-([^}}]+)\}}", compose)
    assert set(defaults) == {version}
