"""What the engine itself says of every container: each item of the hardening, on each of them."""

from __future__ import annotations

import json

import pytest

from tests.support.compose_stack import ONE_SHOT, ComposeStack, Inspected, service_of

_OURS, _NOBODY = "10001:10001", "65534:65534"
_USERS = {
    **dict.fromkeys(("producer", "processor", "api", "replay", "kafka-topics"), _OURS),
    **dict.fromkeys(("grafana", "redis-exporter"), _OURS),
    **dict.fromkeys(("prometheus", "kafka-exporter"), _NOBODY),
    **{"kafka": "appuser", "redis": "999:999", "gateway": "99:99"},
    **{"ollama": "1000:1000", "jaeger": "10001:10001"},
}
"""Where the tests run as root; elsewhere ours and Grafana run as who started them."""
_NETWORKS = {
    **{key: {"backend"} for key in ("kafka", "kafka-topics", "redis", "replay")},
    **{key: {"backend"} for key in ("redis-exporter", "kafka-exporter")},
    **{key: {"backend", "egress"} for key in ("producer", "ollama")},
    **{key: {"backend", "outbound"} for key in ("processor", "api")},
    **{key: {"backend", "edge"} for key in ("gateway", "prometheus", "grafana", "jaeger")},
}
_PORTS = {
    "gateway": ("8000/tcp", "API_PORT"),
    "grafana": ("3000/tcp", "GRAFANA_PORT"),
    "prometheus": ("9090/tcp", "PROMETHEUS_PORT"),
    "jaeger": ("16686/tcp", "JAEGER_PORT"),
}


def _wrong(stack: ComposeStack, expected: object, path: str) -> dict[str, object]:
    """Of each container whose value at ``path`` is another one."""
    found = {}
    for container in stack.containers():
        value: object = container
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if value != expected:
            found[service_of(container)] = value
    return found


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("HostConfig.ReadonlyRootfs", True),
        ("HostConfig.Privileged", False),
        ("HostConfig.CapDrop", ["ALL"]),
        ("HostConfig.CapAdd", None),
        ("HostConfig.SecurityOpt", ["no-new-privileges:true"]),
        ("HostConfig.Init", True),
        ("HostConfig.LogConfig", {"Type": "json-file", "Config": {"max-size": "5m", "max-file": "2"}}),
        ("HostConfig.PidMode", ""),
        ("HostConfig.UTSMode", ""),
        ("HostConfig.UsernsMode", ""),
        ("HostConfig.IpcMode", "private"),
        ("HostConfig.Devices", None),
        ("HostConfig.PublishAllPorts", False),
    ],
)
def test_a_setting_that_all_have(stack: ComposeStack, path: str, expected: object) -> None:
    assert _wrong(stack, expected, path) == {}


def test_every_container_has_limits(stack: ComposeStack) -> None:
    for container in stack.containers():
        limits = container["HostConfig"]
        assert 0 < limits["PidsLimit"] <= 512, container["Name"]
        assert 0 < limits["MemoryReservation"] <= limits["Memory"] <= 4 << 30 or (
            service_of(container) == ONE_SHOT and 0 < limits["Memory"] <= 1 << 30
        ), container["Name"]
        assert container["Config"]["StopTimeout"] >= 15, container["Name"]


def test_every_container_is_restarted_but_the_one_that_ends(stack: ComposeStack) -> None:
    for container in stack.containers():
        expected = "no" if service_of(container) == ONE_SHOT else "unless-stopped"
        assert container["HostConfig"]["RestartPolicy"]["Name"] == expected, container["Name"]


def test_nothing_runs_as_root(stack: ComposeStack) -> None:
    assert {service_of(found): found["Config"]["User"] for found in stack.containers()} == _USERS
    for container in stack.running():
        real, effective, saved, files = _status(stack, container)["Uid"].split()
        assert "0" not in (real, effective, saved, files), container["Name"]


def test_no_process_has_a_capability_or_gains_one(stack: ComposeStack) -> None:
    for container in stack.running():
        status = _status(stack, container)
        sets = {name: int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
        assert not any(sets.values()), (container["Name"], sets)
        assert status["NoNewPrivs"] == "1", container["Name"]


def test_nobody_can_write_to_the_image(stack: ComposeStack) -> None:
    """Not even root, which could where the file system alone is not read-only."""
    for container in stack.running():
        for folder in ("/", "/usr/bin"):
            written = stack.engine.run(
                *("exec", "--user", "0", container["Id"], "sh", "-c", f"echo > {folder}/written"), check=False
            )
            assert written.returncode != 0, (container["Name"], folder)
            assert "Read-only file system" in written.stderr, (container["Name"], written.stderr)


def test_what_is_mounted_from_the_host_cannot_be_changed(stack: ComposeStack) -> None:
    for container in stack.containers():
        for mount in container["Mounts"]:
            assert mount["Type"] == "volume" or not mount["RW"], (container["Name"], mount)
            assert "docker.sock" not in mount["Source"], container["Name"]


def test_containers_are_on_the_networks_that_they_need(stack: ComposeStack) -> None:
    found = {
        service_of(container): {
            name.removeprefix(f"{stack.name}_") for name in container["NetworkSettings"]["Networks"]
        }
        for container in stack.containers()
    }
    assert found == _NETWORKS
    internal = {
        name: json.loads(stack.engine.run("network", "inspect", f"{stack.name}_{name}").stdout)[0]["Internal"]
        for name in ("backend", "outbound", "egress", "edge")
    }
    assert internal == {"backend": True, "outbound": True, "egress": False, "edge": False}


def test_only_documented_ports_are_published_and_only_on_loopback(stack: ComposeStack) -> None:
    found = {
        service_of(container): container["HostConfig"]["PortBindings"]
        for container in stack.containers()
        if container["HostConfig"]["PortBindings"]
    }
    assert found == {
        service: {port: [{"HostIp": "127.0.0.1", "HostPort": stack.environment[setting]}]}
        for service, (port, setting) in _PORTS.items()
    }


def _status(stack: ComposeStack, container: Inspected) -> dict[str, str]:
    lines = stack.execute(container, "cat", "/proc/1/status").stdout.splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
