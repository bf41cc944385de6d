"""What ``docker-compose.yml`` mounts and builds exists, and fits what runs there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from deploy.local.configuration import ROOT
from tests.support.compose_file import read_compose, services
from tests.support.redis_as_shipped import SHIPPED

GENERATED = {"redis-users"}
SERVICES = services()
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")


def test_every_file_that_it_mounts_is_in_the_repository() -> None:
    config = read_compose()
    files = [Path(each["file"]) for name, each in config["configs"].items() if name not in GENERATED]
    folders = [
        Path(mount["source"])
        for service in SERVICES.values()
        for mount in service.get("volumes", [])
        if mount["type"] == "bind" and mount["target"] != "/files"
    ]
    assert len(files) >= 3
    assert {path.name for path in folders} == {"prometheus", "provisioning", "dashboards"}
    assert all(path.is_file() for path in files)
    assert all(any(path.iterdir()) for path in folders)


def test_a_missing_folder_is_an_error_and_not_made_by_the_engine() -> None:
    """As root it would be made, and be empty."""
    for service in SERVICES.values():
        for mount in service.get("volumes", []):
            if mount["type"] == "bind" and mount["target"] != "/files":
                assert mount["bind"]["create_host_path"] is False


def test_every_config_and_volume_is_used() -> None:
    config = read_compose()
    used = {each["source"] for service in SERVICES.values() for each in service.get("configs", [])}
    assert used == set(config["configs"])
    mounted = {
        mount["source"]
        for service in SERVICES.values()
        for mount in service.get("volumes", [])
        if mount["type"] == "volume"
    }
    assert mounted == set(config["volumes"])


def test_what_is_read_by_others_is_readable_by_all() -> None:
    """Containers run as users of their own."""
    config = read_compose()
    for name, each in config["configs"].items():
        if name not in GENERATED:
            assert Path(each["file"]).stat().st_mode & 0o004


@pytest.mark.parametrize("name", ["producer", "processor", "api"])
def test_it_is_built_from_a_target_of_the_dockerfile(name: str) -> None:
    build = SERVICES[name]["build"]
    assert re.search(rf"^FROM \S+ AS {build['target']}$", DOCKERFILE, re.MULTILINE)
    for argument in build["args"]:
        assert re.search(rf"^ARG {argument}\b", DOCKERFILE, re.MULTILINE), argument


def test_the_others_of_ours_run_images_that_are_built() -> None:
    built = {SERVICES[name]["image"] for name in ("producer", "processor", "api")}
    assert {SERVICES[name]["image"] for name in ("replay", "kafka-topics")} <= built


@pytest.mark.parametrize(
    ("name", "port"),
    [
        ("producer", "METRICS_PORT"),
        ("processor", "METRICS_PORT"),
        ("api", "API_PORT"),
        ("replay", "REPLAY_PORT"),
    ],
)
def test_the_health_check_asks_the_port_that_the_service_has(name: str, port: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"][-2] == port
    assert service["environment"][port].isdigit()
    assert service["healthcheck"]["test"][-3] == "/app/healthcheck.py"


def test_redis_reads_its_own_configuration_and_users() -> None:
    redis = SERVICES["redis"]
    targets = {each["source"]: each["target"] for each in redis["configs"]}
    assert redis["entrypoint"] == ["redis-server", targets["redis"]]
    lines = [
        shlex.split(line, comments=True) for line in (SHIPPED / "redis.conf").read_text("utf-8").splitlines()
    ]
    options = {words[0]: words[1] for words in lines if words}
    assert options["aclfile"] == targets["redis-users"]
    assert options["appendonly"] == "yes"
    assert options["maxmemory-policy"] == "noeviction"
    (data,) = redis["volumes"]
    assert options["dir"] == data["target"]


def test_kafka_keeps_its_data_on_its_volume() -> None:
    kafka = SERVICES["kafka"]
    (data,) = kafka["volumes"]
    assert kafka["environment"]["KAFKA_LOG_DIRS"] == data["target"]
    assert kafka["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert kafka["environment"]["KAFKA_ADVERTISED_LISTENERS"] == "DOCKER://kafka:9092"
    assert "localhost" not in kafka["environment"]["KAFKA_ADVERTISED_LISTENERS"]


def test_no_file_names_a_download_or_the_latest_release() -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    assert ":latest" not in text
    assert "container_name" not in text
