from __future__ import annotations

import pytest

from deploy.local.preflight import (
    duplicate_port_problems,
    port_problems,
    scale_problems,
    shorten,
    store_problems,
)
from deploy.settings_catalogue import settings_classes
from shared.settings import VectorStoreSettings, settings_problems
from tests.support.processes import free_port


def test_two_services_cannot_share_a_port() -> None:
    ports = {"api": ("API_PORT", 8000), "replay": ("REPLAY_PORT", 8000), "broker": ("KAFKA", 9092)}
    assert duplicate_port_problems(ports) == [
        "port 8000 is given to API_PORT and REPLAY_PORT: choose different ones"
    ]


def test_different_ports_are_fine() -> None:
    assert duplicate_port_problems({"api": ("API_PORT", 1), "replay": ("REPLAY_PORT", 2)}) == []


def test_ports_after_the_last_one_are_refused() -> None:
    ports = {"processor-2": ("PROCESSOR_METRICS_PORT+1", 65_536)}
    assert port_problems("127.0.0.1", ports) == [
        "PROCESSOR_METRICS_PORT+1=65536 (processor-2): ports end at 65535; choose a lower"
        " PROCESSOR_METRICS_PORT"
    ]


def test_every_processor_needs_a_partition() -> None:
    assert scale_problems(4, 4) == []
    assert scale_problems(5, 4) == [
        "--scale processor=5: KAFKA_PARTITIONS=4 feeds at most 4; give KAFKA_PARTITIONS=5 or more"
    ]


def test_a_wrong_setting_is_one_line_however_many_services_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_PORT", "eighty")
    monkeypatch.setenv("SOURCE", "nowhere")
    found = settings_problems(settings_classes())
    assert [line.partition(":")[0] for line in found] == ["API_PORT=eighty", "SOURCE=nowhere"]
    assert "'auto', 'wikimedia' or 'replay'" in found[1]


def test_a_redis_that_does_not_answer_is_one_line_that_names_it() -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    settings = VectorStoreSettings(vector_store="redis", redis_url=url, redis_timeout_seconds=0.2)
    (line,) = store_problems(settings)
    assert f"REDIS_URL={url}" in line
    assert "is the server running?" in line


def test_stores_that_are_there_are_fine(redis_url: str) -> None:
    assert store_problems(VectorStoreSettings(vector_store="redis", redis_url=redis_url)) == []
    assert store_problems(VectorStoreSettings(vector_store="faiss")) == []


def test_shorten_keeps_what_fits() -> None:
    assert shorten("abc", 3) == "abc"
    assert shorten("abcd", 3) == "ab…"
