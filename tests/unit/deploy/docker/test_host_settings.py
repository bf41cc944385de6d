from __future__ import annotations

from typing import get_args

import pytest

from deploy.docker.host_settings import PORTS, SIZES, host_setting_problems
from deploy.docker.settings import ContainerSettings, Memory
from deploy.settings_catalogue import variable_names


def test_every_size_and_port_that_compose_reads_is_checked() -> None:
    fields = dict(
        zip(variable_names(ContainerSettings), ContainerSettings.model_fields.values(), strict=True)
    )
    sizes = {name for name, field in fields.items() if field.metadata == get_args(Memory)[1].metadata}
    assert sizes == set(SIZES)
    assert {name for name in fields if name.endswith("_PORT")} <= set(PORTS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_PORT", "eighty"),
        ("GRAFANA_PORT", "0"),
        ("JAEGER_PORT", "65536"),
        ("KAFKA_MEMORY", "1 GB"),
        ("REDIS_MAXMEMORY", "0m"),
        ("LIVE_RAG_VERSION", "a tag"),
        ("COMPOSE_PROJECT_NAME", "Live Rag"),
    ],
)
def test_a_wrong_one_is_a_line_with_its_name_and_value(name: str, value: str) -> None:
    (line,) = host_setting_problems({name: value})
    assert line.startswith(f"{name}={value}: ")


def test_all_of_them_are_named_at_once() -> None:
    assert len(host_setting_problems({"API_PORT": "x", "API_MEMORY": "y"})) == 2


def test_good_ones_and_empty_ones_are_fine() -> None:
    given = {"API_PORT": "8000", "KAFKA_MEMORY": "768m", "REDIS_MEMORY": "", "LIVE_RAG_VERSION": "1.2.3-rc1"}
    assert host_setting_problems(given) == []
