"""Fixtures that every suite may use. Servers listen on free ports and are stopped afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.broker import GROUP_SETTINGS, broker_command
from tests.support.processes import accepts_connections, free_port, running, wait_until
from tests.support.redis_server import WITHOUT_DISK, redis_cluster, redis_server

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The project's test data, beside the checkout; a test that needs it skips where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("../shared/data is absent")
    return SHARED_DATA


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real broker process; its bootstrap servers. Shared: use topics and groups of your own."""
    port = free_port()
    log = tmp_path_factory.mktemp("broker") / "broker.log"
    with running(broker_command(port), log):
        wait_until(lambda: accepts_connections(port), 60, f"broker on port {port} (log: {log})")
        yield f"127.0.0.1:{port}"


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Redis server. Shared: use a ``REDIS_PREFIX`` of your own."""
    with redis_server(tmp_path_factory.mktemp("redis"), *WITHOUT_DISK) as server:
        yield server.url


@pytest.fixture(scope="session")
def redis_cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One node of a real Redis Cluster, of six. Shared: use a ``REDIS_PREFIX`` of your own."""
    with redis_cluster(tmp_path_factory.mktemp("redis-cluster"), *WITHOUT_DISK) as cluster:
        yield cluster.url


@pytest.fixture
def local_group_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The consumer group settings that the embedded broker needs."""
    for name, value in GROUP_SETTINGS.items():
        monkeypatch.setenv(name, value)
