"""What ``./start.sh --docker`` says and refuses, on a real engine."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bench.stack import free_port, run_script
from tests.support.compose_stack import ComposeStack, service_of
from tests.support.stand_ins import OVERRIDE

Script = subprocess.CompletedProcess[str]


@pytest.fixture
def elsewhere(stack: ComposeStack, tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """The environment of another stack, from the same images, that nothing was started of."""
    ports = {f"{part}_PORT": str(free_port()) for part in ("API", "GRAFANA", "PROMETHEUS", "JAEGER")}
    other = {"DATA_DIR": str(tmp_path / "data"), "COMPOSE_PROJECT_NAME": f"{stack.name}-other"}
    environment = {**stack.environment, **ports, **other, "LLM": "extractive", "COMPOSE_PROFILES": ""}
    yield environment
    with contextlib.suppress(FileNotFoundError):
        run_script("stop.sh", "--clean", "--yes", environment=environment)


def start(environment: Mapping[str, str], *options: str, override: Path = OVERRIDE) -> Script:
    command = ("start.sh", "--docker", "--override", str(OVERRIDE))
    further = () if override == OVERRIDE else ("--override", str(override))
    return run_script(*command, *further, *options, environment=environment, timeout=900)


def complaints(done: Script) -> list[str]:
    """The lines that say what is wrong."""
    assert done.returncode == 1, done.stdout
    return [line for line in done.stdout.splitlines() if line.startswith("start: ")]


def test_all_that_stands_in_the_way_is_named_at_once_with_its_setting(
    stack: ComposeStack, elsewhere: Mapping[str, str], tmp_path: Path
) -> None:
    taken = stack.environment["API_PORT"]
    environment = {**elsewhere, "API_PORT": taken, "API_KEYS_FILE": str(tmp_path / "none")}
    port, scale, file = complaints(start(environment, "--scale", "processor=5"))
    assert port == (
        f"start: port {taken} (gateway) is in use by the container {stack.name}-gateway-1:"
        " stop that, or set API_PORT"
    )
    assert scale.startswith("start: --scale processor=5: KAFKA_PARTITIONS=4 feeds at most 4")
    assert file.startswith(f"start: API_KEYS_FILE={tmp_path / 'none'}: there is no such file")
    assert not (tmp_path / "data" / "docker" / "secrets").exists()


def test_the_services_themselves_check_the_settings_before_anything_starts(
    stack: ComposeStack, elsewhere: Mapping[str, str]
) -> None:
    environment = {**elsewhere, "KAFKA_PARTITIONS": "many", "API_CACHE_ENTRIES": "-1", "SOURCE": "nowhere"}
    found = complaints(start(environment))
    assert sorted(line.split(": ")[1] for line in found) == [
        "API_CACHE_ENTRIES=-1",
        "KAFKA_PARTITIONS=many",
        "SOURCE=nowhere",
    ]
    name = elsewhere["COMPOSE_PROJECT_NAME"]
    label = f"label=com.docker.compose.project={name}"
    assert stack.engine.run("ps", "--all", "--quiet", "--filter", label).stdout == ""


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("echo it broke; exit 3", "it ended with exit code 3"),
        (
            "echo it broke; exit 137",
            "it was killed (exit code 137): nearly always because it needed more memory",
        ),
    ],
    ids=["exit", "killed"],
)
def test_a_container_that_cannot_live_is_named_with_the_end_of_its_log(
    elsewhere: Mapping[str, str], tmp_path: Path, command: str, expected: str
) -> None:
    broken = tmp_path / "broken.yml"
    entry = f"{{entrypoint: [sh, -c, '{command}'], command: [], init: false}}"
    broken.write_text(f"services:\n  redis: {entry}\n")
    done = start({**elsewhere, "SOURCE": "wikimedia"}, override=broken)
    (first, *_) = complaints(done)
    assert first.startswith("start: redis keeps stopping ("), done.stdout
    assert expected in first
    assert "    it broke" in done.stdout.splitlines()
    assert "producer" not in done.stdout.partition("Starting:")[2]
    left = run_script("logs.sh", "redis", "-n", "1", "--no-follow", environment=elsewhere)
    assert "it broke" in left.stdout


def test_credentials_are_shown_on_request_alone(stack: ComposeStack) -> None:
    secrets = [stack.secret("api_keys").strip(), stack.secret("grafana_admin_password")]
    hidden = stack.start()
    assert not [secret for secret in secrets if secret in hidden]
    assert all(secret in stack.start("--show-credentials") for secret in secrets)


def test_logs_lists_every_container_and_shows_one(stack: ComposeStack) -> None:
    listed = stack.script("logs.sh").stdout
    assert {line.split()[0] for line in listed.splitlines()} == {
        service_of(container) for container in stack.containers()
    }
    shown = stack.script("logs.sh", "kafka-topics", "-n", "3", "--no-follow")
    assert shown.returncode == 0
    unknown = stack.script("logs.sh", "web")
    assert (unknown.returncode, "no log of 'web'" in unknown.stdout) == (1, True)


def test_the_mode_that_runs_is_recognised(stack: ComposeStack) -> None:
    refused = stack.script("start.sh", "--local")
    assert refused.returncode == 1
    assert "a stack runs in docker mode" in refused.stdout
    again = stack.script("start.sh")
    assert "Mode: docker (a stack runs so" in again.stdout
    assert "nothing has changed" in again.stdout


def test_a_changed_setting_is_applied_to_what_reads_it(stack: ComposeStack) -> None:
    before = {container["Name"]: container["Id"] for container in stack.containers()}
    changed = stack.start(API_CACHE_ENTRIES="7")
    after = {container["Name"]: container["Id"] for container in stack.containers()}
    assert {name for name in before if before[name] != after[name]} == {f"/{stack.name}-api-1"}
    assert "  api              its settings changed" in changed
    assert "API_CACHE_ENTRIES=7" in stack.one("api")["Config"]["Env"]
    stack.start()
    assert "API_CACHE_ENTRIES=7" not in stack.one("api")["Config"]["Env"]
