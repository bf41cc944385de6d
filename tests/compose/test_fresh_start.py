"""What ./start.sh --docker promises: a stack that works, and a second start that changes nothing."""

from __future__ import annotations

from tests.support.compose_stack import ComposeStack, service_of

_SERVICES = {
    *("kafka", "redis", "producer", "processor", "api", "gateway", "replay", "ollama"),
    *("prometheus", "grafana", "jaeger", "redis-exporter", "kafka-exporter"),
}


def test_every_container_is_healthy_and_the_topics_were_made(stack: ComposeStack) -> None:
    assert {service_of(container) for container in stack.running()} == _SERVICES
    assert {container["State"]["Health"]["Status"] for container in stack.running()} == {"healthy"}
    assert [container["RestartCount"] for container in stack.running()] == [0] * len(_SERVICES)
    topics = stack.one("kafka-topics")["State"]
    assert (topics["Status"], topics["ExitCode"]) == ("exited", 0)


def test_the_smoke_test_passes(stack: ComposeStack) -> None:
    done = stack.script("test.sh")
    assert done.returncode == 0, done.stdout


def test_the_api_could_load_its_own_model(stack: ComposeStack) -> None:
    """As ``--profile lite`` does: with what llama.cpp needs of the system."""
    stack.execute(stack.one("api"), "python", "-c", "import xllamacpp")


def test_a_second_start_changes_nothing(stack: ComposeStack) -> None:
    before = {container["Id"]: container["State"]["StartedAt"] for container in stack.containers()}
    assert "nothing has changed" in stack.start()
    assert {container["Id"]: container["State"]["StartedAt"] for container in stack.containers()} == before
