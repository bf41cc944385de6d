"""What every container of ``docker-compose.yml`` is kept from, whatever it runs."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from deploy.docker.settings import ContainerSettings
from deploy.local.configuration import ROOT
from shared.lifecycle import Lifecycle
from tests.support.compose_file import OURS, bytes_of, env_file, seconds_of, services

SERVICES = services()
LITE = env_file(ROOT / "deploy" / "docker" / "lite.env")

ENDS_BY_ITSELF = {"kafka-topics"}
NEEDS_EXEC_IN_TMP = {"kafka"}

every_service = pytest.mark.parametrize("service", SERVICES.values(), ids=list(SERVICES))


@every_service
def test_it_has_no_right_that_it_does_not_need(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"].partition(":")[0] not in ("", "0", "root")
    assert service["init"] is True
    for loosening in ("privileged", "cap_add", "network_mode", "pid", "ipc", "uts", "userns_mode", "devices"):
        assert loosening not in service


@every_service
def test_what_it_may_use_up_is_bounded(service: dict[str, Any]) -> None:
    assert 16 <= service["pids_limit"] <= 512
    assert 0 < int(service["mem_limit"]) <= 8 * 2**30
    assert int(service.get("mem_reservation", 0)) <= int(service["mem_limit"])
    assert service["logging"] == {"driver": "json-file", "options": {"max-size": "5m", "max-file": "2"}}


@pytest.mark.parametrize("name", SERVICES)
def test_it_is_watched_and_started_again(name: str) -> None:
    service = SERVICES[name]
    if name in ENDS_BY_ITSELF:
        assert service["restart"] == "no"
        assert "healthcheck" not in service
        return
    assert service["restart"] == "unless-stopped"
    check = service["healthcheck"]
    assert check["test"][0] in ("CMD", "CMD-SHELL")
    assert seconds_of(check["timeout"]) <= 10
    assert seconds_of(check["interval"]) <= 15
    assert seconds_of(check["start_period"]) >= 30
    assert check["retries"] >= 3


@pytest.mark.parametrize("name", SERVICES)
def test_it_can_write_only_to_named_volumes_and_into_memory(name: str) -> None:
    service = SERVICES[name]
    for mount in service.get("volumes", []):
        if mount["type"] == "bind":
            assert mount["read_only"] is True
            assert "docker.sock" not in mount["source"]
        else:
            assert mount["type"] == "volume"
            assert mount["source"]  # without a name each new container would leave one behind
    for mount in service["tmpfs"]:
        path, _, options = mount.partition(":")
        assert "size=" in options
        assert ("exec" in options.split(",")) is (name in NEEDS_EXEC_IN_TMP and path == "/tmp")


@every_service
def test_several_of_it_can_run(service: dict[str, Any]) -> None:
    assert "container_name" not in service
    assert "hostname" not in service


@every_service
def test_its_image_is_one_release(service: dict[str, Any]) -> None:
    name, _, tag = service["image"].rpartition(":")
    assert name
    assert re.fullmatch(r"v?\d+\.\d+\.\d+(-[a-z]+)?", tag), service["image"]


@pytest.mark.parametrize("name", [name for name in OURS if name in SERVICES])
def test_ours_have_longer_to_stop_than_they_take(name: str) -> None:
    closing = inspect.signature(Lifecycle).parameters["close_timeout"].default
    assert seconds_of(SERVICES[name]["stop_grace_period"]) >= closing + 10


def test_the_gateway_has_longer_to_stop_than_it_takes() -> None:
    text = (ROOT / "deploy" / "docker" / "haproxy" / "haproxy.cfg").read_text("utf-8")
    (hard_stop,) = re.findall(r"^\s*hard-stop-after (\d+)s$", text, re.MULTILINE)
    assert seconds_of(SERVICES["gateway"]["stop_grace_period"]) > int(hard_stop)


@pytest.mark.parametrize("environment", [{}, LITE], ids=["default", "lite"])
def test_what_runs_inside_fits_into_its_limit(environment: dict[str, str]) -> None:
    """Java needs as much again beside its heap, and Redis while it rewrites its append-only file."""
    found = services(environment=environment)
    heap = re.search(r"-Xmx(\S+)", found["kafka"]["environment"]["KAFKA_HEAP_OPTS"])
    assert heap is not None
    assert 2 * bytes_of(heap[1]) <= int(found["kafka"]["mem_limit"])
    command = found["redis"]["command"]
    assert 2 * bytes_of(command[command.index("--maxmemory") + 1]) <= int(found["redis"]["mem_limit"])


def test_lite_takes_less_of_everything() -> None:
    """It runs no Ollama."""
    small, usual = services(("observability",), LITE), services(("observability",))
    assert all(int(small[name]["mem_limit"]) <= int(usual[name]["mem_limit"]) for name in usual)
    totals = [sum(int(each["mem_limit"]) for each in found.values()) for found in (small, usual)]
    assert totals[0] < 0.7 * totals[1]


MEMORY = [name.upper() for name in ContainerSettings.model_fields if name.endswith("_memory")]


@pytest.mark.parametrize("variable", MEMORY)
def test_a_limit_can_be_changed(variable: str) -> None:
    changed = services(environment={variable: "3g"})
    names = [name for name in SERVICES if changed[name]["mem_limit"] != SERVICES[name]["mem_limit"]]
    wanted = variable.removesuffix("_MEMORY").lower()
    assert names
    assert all(name.startswith(wanted) or name.endswith(f"-{wanted}") for name in names)
    assert {changed[name]["mem_limit"] for name in names} == {str(3 * 2**30)}
