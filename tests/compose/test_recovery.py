"""What outlives what: kills, a stop and a start, a changed setting, another version of the images."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from tests.support.compose_stack import ComposeStack, Inspected, answered, service_of

_DOCUMENT = {
    "document_id": "compose:kept",
    "title": "Tower of Wendmoor",
    "text": "The tower of Wendmoor is 61 metres high. It was built of grey stone.",
}
_QUESTION = "How high is the tower of Wendmoor?"
_PARTITIONS = 4
_COMMITTED_WITHIN = 3.0
"""Seconds; the processor commits every second."""
_CONSUMED = "messaging_client_consumed_messages_total"
_OFFSETS = "kafka_consumergroup_current_offset{"
_SENT = "messaging_client_sent_messages_total"


@pytest.fixture
def kept(stack: ComposeStack) -> dict[str, Any]:
    """What must still be there afterwards: a document, how far the consumer is, the secrets."""
    assert stack.api.post("/v1/documents", json=_DOCUMENT).status_code == 202
    _wait_for_answer(stack)
    return {"committed": _committed(stack), "secrets": _secrets(stack)}


def _wait_for_answer(stack: ComposeStack) -> None:
    def right() -> bool:
        response = stack.api.post("/v1/ask", json={"question": _QUESTION})
        return response.is_success and "61" in response.json()["answer"]

    stack.wait(right, "the answer is right")


def _secrets(stack: ComposeStack) -> dict[str, bytes]:
    folder = stack.data_dir / "docker" / "secrets"
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _committed(stack: ComposeStack) -> dict[str, float]:
    """Where each partition will be read from next, once all that was read is committed. The ends of the
    partitions are of no use here: the broker that stands in is behind with them."""

    def nothing_waits() -> bool:
        (lag,) = stack.metric("processor", "rag_consumer_lag_messages")
        before = _offsets_of_the_group(stack)
        time.sleep(_COMMITTED_WITHIN)
        return lag == 0 and len(before) == _PARTITIONS and before == _offsets_of_the_group(stack)

    stack.wait(nothing_waits, "the group has committed what it read")
    return _offsets_of_the_group(stack)


def _offsets_of_the_group(stack: ComposeStack) -> dict[str, float]:
    text = stack.execute(stack.one("kafka-exporter"), "wget", "-qO-", "http://127.0.0.1:9308/metrics").stdout
    lines = (line.rpartition(" ") for line in text.splitlines())
    return {name: float(value) for name, _, value in lines if name.startswith(_OFFSETS)}


def _is_as_before(stack: ComposeStack, kept: dict[str, Any]) -> None:
    _wait_for_answer(stack)
    assert _secrets(stack) == kept["secrets"]
    document = answered(stack.api.get(f"/v1/documents/{_DOCUMENT['document_id']}"))
    assert document["text"] == _DOCUMENT["text"]
    after = _committed(stack)
    assert all(after[partition] >= offset for partition, offset in kept["committed"].items())
    # It read what was sent since, and nothing again. (A replay server that was started again has its history
    # from the beginning, and the producer sends it once more.)
    (consumed,) = stack.metric("processor", _CONSUMED)
    sent = sum(stack.metric("producer", _SENT) + stack.metric("api", _SENT))
    assert consumed <= sent


def _kill(containers: list[Inspected]) -> dict[str, str]:
    """As the kernel does where memory runs out; `docker kill` would count as a wish that they stay away.
    Returns since when they had run."""
    for container in containers:
        os.kill(container["State"]["Pid"], signal.SIGKILL)
    return {container["Id"]: container["State"]["StartedAt"] for container in containers}


def test_a_stack_that_was_killed_comes_back_by_itself(stack: ComposeStack, kept: dict[str, Any]) -> None:
    """All containers at once, as in a power cut."""
    stack.wait_healthy(since=_kill(stack.running()))
    _is_as_before(stack, kept)


@pytest.mark.soak
@pytest.mark.parametrize(
    "service",
    [
        *("kafka", "redis", "producer", "processor", "api", "gateway", "replay", "ollama"),
        *("prometheus", "grafana", "jaeger", "redis-exporter", "kafka-exporter"),
    ],
)
def test_each_container_comes_back_alone(stack: ComposeStack, kept: dict[str, Any], service: str) -> None:
    stack.wait_healthy(since=_kill([stack.one(service)]))
    _wait_for_answer(stack)
    assert stack.one(service)["RestartCount"] >= 1
    # The group that lost its broker forms anew, and Prometheus looks every ten seconds.
    stack.wait(lambda: stack.script("test.sh").returncode == 0, "the smoke test passes")


def test_a_stop_and_a_start_keep_everything(stack: ComposeStack, kept: dict[str, Any]) -> None:
    stack.stop()
    assert stack.containers() == []
    stack.start()
    _is_as_before(stack, kept)


@pytest.mark.soak
def test_a_changed_setting_is_applied_to_those_that_it_concerns(
    stack: ComposeStack, kept: dict[str, Any]
) -> None:
    before = {service_of(container): container["Id"] for container in stack.containers()}
    stack.start(LOG_LEVEL="DEBUG")
    after = {service_of(container): container["Id"] for container in stack.containers()}
    changed = {service for service, container in after.items() if before[service] != container}
    assert changed == {"producer", "processor", "api", "replay", "kafka-topics"}
    assert "LOG_LEVEL=DEBUG" in stack.one("api")["Config"]["Env"]
    _is_as_before(stack, kept)


@pytest.mark.soak
def test_another_version_of_the_images_finds_the_data(stack: ComposeStack, kept: dict[str, Any]) -> None:
    version = "test-next"
    stack.start(LIVE_RAG_VERSION=version)
    for service in ("producer", "processor", "api"):
        container = stack.one(service)
        assert container["Config"]["Image"] == f"live-rag/{service}:{version}"
        assert container["Config"]["Labels"]["org.opencontainers.image.version"] == version
    _is_as_before(stack, kept)
    stack.start()
