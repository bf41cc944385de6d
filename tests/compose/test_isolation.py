"""Who gets in: nobody from outside, nobody without a password, and nobody further than meant."""

from __future__ import annotations

import json
import socket
import subprocess

import httpx
import pytest
import redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError
from redis.retry import Retry

from tests.support.compose_stack import ComposeStack, Inspected, service_of
from tests.support.engine_images import ROOT
from tests.support.stand_ins import stand_in

_INSIDE = {"kafka": 9092, "redis": 6379, "ollama": 11434, "replay": 8090, "processor": 9102, "producer": 9101}
_CONNECT = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor

def reaches(address):
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
    except OSError:
        return False
    return True

with ThreadPoolExecutor() as pool:
    answers = list(pool.map(reaches, sys.argv[1:]))
print(*(address for address, reached in zip(sys.argv[1:], answers) if reached))
"""


def _reached(stack: ComposeStack, network: str, addresses: list[str]) -> list[str]:
    """Of ``addresses``, those to which a container on ``network`` can connect."""
    return stack.engine.run(
        *("run", "--rm", "--network", network, stand_in("kafka"), "python", "-c", _CONNECT, *addresses)
    ).stdout.split()


@pytest.fixture(scope="module")
def inside(stack: ComposeStack) -> list[str]:
    return [f"{stack.address(service)}:{port}" for service, port in _INSIDE.items()]


def test_a_container_of_another_network_reaches_nothing(stack: ComposeStack, inside: list[str]) -> None:
    assert _reached(stack, f"{stack.name}_backend", inside) == inside, "the probe itself fails"
    assert _reached(stack, "bridge", inside) == []
    assert _reached(stack, f"{stack.name}_edge", inside) == []
    assert (
        _reached(stack, f"{stack.name}_egress", [i for i in inside if not i.endswith((":11434", ":9101"))])
        == []
    )


def test_what_is_published_is_not_on_the_addresses_of_this_machine(stack: ComposeStack) -> None:
    names = ("API_PORT", "GRAFANA_PORT", "PROMETHEUS_PORT", "JAEGER_PORT")
    ports = [int(stack.environment[name]) for name in names]
    assert _accepting("127.0.0.1", ports) == ports, "the probe itself fails"
    own = stack.one("gateway")["NetworkSettings"]["Networks"][f"{stack.name}_edge"]["Gateway"]
    assert _accepting(own, ports) == []
    assert _reached(stack, f"{stack.name}_edge", [f"{own}:{port}" for port in ports]) == []


def _accepting(host: str, ports: list[int]) -> list[int]:
    found = []
    for port in ports:
        with socket.socket() as probe:
            probe.settimeout(2)
            if probe.connect_ex((host, port)) == 0:
                found.append(port)
    return found


def _redis(stack: ComposeStack, user: str | None = None, password: str | None = None) -> redis.Redis:
    return redis.Redis(stack.address("redis"), username=user, password=password, retry=Retry(NoBackoff(), 0))


def test_redis_refuses_who_gives_no_password_or_a_wrong_one(stack: ComposeStack) -> None:
    with _redis(stack) as client, pytest.raises(AuthenticationError):
        client.ping()
    for user in ("default", "rag", "exporter"):
        with _redis(stack, user, "wrong") as client, pytest.raises(AuthenticationError):
            client.ping()


_NOT_FOR_ANYBODY = [
    *(
        "FLUSHALL",
        "FLUSHDB",
        "CONFIG GET *",
        "CONFIG SET dir /tmp",
        "KEYS *",
        "ACL LIST",
        "SHUTDOWN",
        "MONITOR",
    ),
    *(
        "SCRIPT FLUSH",
        "EVAL return 0",
        "MODULE LIST",
        "SAVE",
        "REPLICAOF no one",
        "CLIENT LIST",
    ),
    *("SWAPDB 0 1", "GET other", "SET other 1", "DEL other", "FUNCTION FLUSH", "PUBLISH channel text"),
]


@pytest.mark.parametrize("user", ["rag", "exporter", "health"])
def test_no_user_of_redis_may_do_more_than_it_must(stack: ComposeStack, user: str) -> None:
    passwords = {
        "rag": stack.secret("redis_password"),
        "exporter": next(iter(json.loads(stack.secret("redis_exporter_password")).values())),
        "health": "any",
    }
    allowed = []
    with _redis(stack, user, passwords[user]) as client:
        assert client.ping()
        for command in _NOT_FOR_ANYBODY:
            words = [*command.split(), *(["0"] if command.startswith("EVAL") else [])]
            try:
                client.execute_command(*words)
            except NoPermissionError:
                continue
            allowed.append(command)
        if user != "rag":
            with pytest.raises(NoPermissionError):
                client.get("rag:{0}:schema")
        if user == "health":
            with pytest.raises(NoPermissionError):
                client.info()
    assert allowed == []


def test_grafana_knows_no_default_password(stack: ComposeStack) -> None:
    url = stack.facts["urls"]["grafana"]
    right = stack.secret("grafana_admin_password")

    def status(password: str) -> int:
        body = {"user": "admin", "password": password}
        return httpx.post(f"{url}/login", json=body, trust_env=False).status_code

    assert status(right) == 200
    assert [status(password) for password in ("admin", "", "grafana")] == [401, 401, 401]
    assert httpx.get(f"{url}/api/datasources", trust_env=False).status_code == 401


def test_no_secret_is_where_others_can_read_it(stack: ComposeStack) -> None:
    """Not in what the engine shows of containers and images, in no log, and in no file of the project."""
    secrets = {
        "API key": stack.secret("api_keys").split()[-1],
        "password of Redis": stack.secret("redis_password"),
        "exporter's password": next(iter(json.loads(stack.secret("redis_exporter_password")).values())),
        "password of Grafana": stack.secret("grafana_admin_password"),
    }
    assert all(len(value) >= 20 for value in secrets.values())
    for where, text in _readable(stack).items():
        assert [name for name, value in secrets.items() if value in text] == [], where
    for name, value in secrets.items():
        found = subprocess.run(
            ["git", "grep", "--untracked", "-lF", "-e", value],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == 1, (name, found.stdout, found.stderr)


def _readable(stack: ComposeStack) -> dict[str, str]:
    containers = stack.containers()
    texts = {
        "inspect": json.dumps(containers),
        "stack.env": (stack.data_dir / "docker" / "stack.env").read_text(),
    }
    for container in containers:
        logs = stack.engine.run("logs", container["Id"])
        texts[f"log of {service_of(container)}"] = logs.stdout + logs.stderr
        image = container["Image"]
        texts[f"image of {service_of(container)}"] = (
            stack.engine.run("history", "--no-trunc", image).stdout
            + stack.engine.run("image", "inspect", image).stdout
        )
        texts[f"processes of {service_of(container)}"] = _processes(stack, container)
    return texts


def _processes(stack: ComposeStack, container: Inspected) -> str:
    return stack.engine.run("top", container["Id"], check=False).stdout


def test_secrets_are_for_one_user_alone(stack: ComposeStack) -> None:
    folder = stack.data_dir / "docker" / "secrets"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
