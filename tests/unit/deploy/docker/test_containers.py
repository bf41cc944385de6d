from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from deploy.docker.containers import (
    Container,
    Wanted,
    compare,
    container_from_inspect,
    explain_exit,
    memory_setting,
)
from deploy.docker.logs import logs_arguments
from deploy.docker.staged_start import stages
from shared.errors import ConfigurationError

API = Container("1", "x-api-1", "api", 1, "running", "healthy", 0, 0, False, "h", "i")
TOPICS = replace(API, service="kafka-topics", state="exited", health="", exit_code=0)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "ready"),
        ({"health": ""}, "ready"),
        ({"health": "starting"}, "waiting"),
        ({"state": "created"}, "waiting"),
        ({"state": "restarting", "restarts": 1}, "waiting"),
        ({"state": "restarting", "health": "unhealthy"}, "waiting"),
        ({"restarts": 5}, "ready"),
        ({"health": "unhealthy"}, "failed"),
        ({"state": "exited"}, "failed"),
        ({"state": "dead"}, "failed"),
    ],
)
def test_what_a_state_means_for_a_service(changes: dict[str, Any], verdict: str) -> None:
    assert replace(API, **changes).verdict == verdict


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [({}, "ready"), ({"exit_code": 1}, "failed"), ({"state": "running"}, "waiting")],
)
def test_a_job_is_ready_once_it_has_ended_well(changes: dict[str, Any], verdict: str) -> None:
    assert replace(TOPICS, **changes).verdict == verdict


def test_a_job_that_runs_is_not_called_unhealthy() -> None:
    """Its image has a health check, that of a service."""
    assert replace(TOPICS, state="running", health="starting").description == "running"
    assert replace(API, health="starting").description == "running, not healthy yet"


def test_137_is_explained_as_memory_and_names_the_limit() -> None:
    killed = replace(API, state="exited", exit_code=137)
    assert "exit code 137" in explain_exit(killed)
    assert "API_MEMORY" in explain_exit(killed)
    assert "memory" not in explain_exit(replace(killed, exit_code=1))


@pytest.mark.parametrize(
    ("service", "setting"),
    [
        ("kafka", "KAFKA_MEMORY"),
        ("kafka-topics", "KAFKA_MEMORY"),
        ("ollama-gpu", "OLLAMA_MEMORY"),
        ("redis-exporter", "EXPORTER_MEMORY"),
    ],
)
def test_the_limit_of_each_service_has_a_setting(service: str, setting: str) -> None:
    assert memory_setting(service) == setting


def test_docker_inspect_is_understood() -> None:
    raw = {
        "Id": "abc",
        "Name": "/x-processor-2",
        "Image": "sha256:1",
        "RestartCount": 2,
        "State": {"Status": "exited", "ExitCode": 137, "OOMKilled": True},
        "Config": {
            "Labels": {
                "com.docker.compose.service": "processor",
                "com.docker.compose.container-number": "2",
                "com.docker.compose.config-hash": "h",
            }
        },
    }
    found = container_from_inspect(raw)
    assert (found.label, found.state, found.health, found.restarts) == ("processor-2", "exited", "", 2)
    assert found.oom_killed


def test_a_stack_as_it_should_be_is_not_touched() -> None:
    wanted = Wanted({"api": "h", "kafka-topics": "h"}, {"api": "i", "kafka-topics": "i"})
    assert not compare([API, TOPICS], wanted, {"api": 1})


@pytest.mark.parametrize(
    ("containers", "scale", "expected"),
    [
        ([], 1, {"api": "new"}),
        ([replace(API, config_hash="old")], 1, {"api": "its settings changed"}),
        ([replace(API, image_id="old")], 1, {"api": "its image changed"}),
        ([API], 2, {"api": "2 instead of 1"}),
        ([API, replace(API, number=2)], 1, {"api": "1 instead of 2"}),
        ([replace(API, state="exited")], 1, {"api": "it was down"}),
        ([replace(API, health="unhealthy")], 1, {"api": "it had failed"}),
        ([API, replace(API, service="jaeger")], 1, {"jaeger": "no longer part of the stack"}),
    ],
)
def test_what_a_start_changes_is_named(
    containers: list[Container], scale: int, expected: dict[str, str]
) -> None:
    assert compare(containers, Wanted({"api": "h"}, {"api": "i"}), {"api": scale}).changed == expected


def test_stages_go_from_the_infrastructure_to_what_watches() -> None:
    services = ["api", "gateway", "grafana", "kafka", "kafka-topics", "ollama", "processor", "redis"]
    assert stages(services) == [
        ["kafka", "redis"],
        ["kafka-topics"],
        ["processor", "api"],
        ["gateway"],
        ["grafana"],
    ]


def test_logs_are_of_a_service_or_of_one_of_its_containers() -> None:
    containers = [API, replace(API, number=2), TOPICS]
    assert logs_arguments(containers, "api", 5, follow=True) == ["logs", "--tail", "5", "--follow", "api"]
    assert logs_arguments(containers, "api-2", 5, follow=False) == [
        "logs",
        "--tail",
        "5",
        "--index",
        "2",
        "api",
    ]
    with pytest.raises(ConfigurationError, match="no log of 'web'; there are api, api-2, kafka-topics"):
        logs_arguments(containers, "web", 5, follow=False)
