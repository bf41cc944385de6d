"""Who can reach whom, and what the machine publishes."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any

import pytest
import yaml

from deploy.local.configuration import ROOT
from tests.support.compose_file import ALWAYS, PROFILES, read_compose, services

SERVICES = services()
INTERNAL = {"kafka", "kafka-topics", "redis", "replay", "redis-exporter", "kafka-exporter"}
DOORS = {
    "gateway": ("API_PORT", 8000, 8000),
    "grafana": ("GRAFANA_PORT", 3000, 3000),
    "prometheus": ("PROMETHEUS_PORT", 9090, 9090),
    "jaeger": ("JAEGER_PORT", 16686, 16686),
}
COMBINATIONS = [chosen for size in range(len(PROFILES) + 1) for chosen in combinations(PROFILES, size)]
OF_PROFILE = {
    "gpu": {"ollama-gpu"},
    "observability": {"grafana", "jaeger", "kafka-exporter", "prometheus", "redis-exporter"},
    "ollama": {"ollama"},
    "replay": {"replay"},
}

every_combination = pytest.mark.parametrize(
    "profiles", COMBINATIONS, ids=lambda chosen: "+".join(chosen) or "core"
)


def published(found: dict[str, dict[str, Any]]) -> set[tuple[str, str, str, int]]:
    return {
        (name, port["host_ip"], port["published"], port["target"])
        for name, service in found.items()
        for port in service.get("ports", [])
    }


@every_combination
def test_a_profile_brings_its_services_and_no_others(profiles: tuple[str, ...]) -> None:
    assert set(services(profiles)) == ALWAYS.union(*(OF_PROFILE[profile] for profile in profiles))


@every_combination
def test_only_the_documented_ports_are_published_and_only_here(profiles: tuple[str, ...]) -> None:
    found = services(profiles)
    assert published(found) == {
        (name, "127.0.0.1", str(port), inside) for name, (_, port, inside) in DOORS.items() if name in found
    }


@pytest.mark.parametrize("name", DOORS)
def test_a_published_port_can_be_changed(name: str) -> None:
    variable, _, inside = DOORS[name]
    ports = published(services(environment={variable: "7777"}))
    assert (name, "127.0.0.1", "7777", inside) in ports
    assert len(ports) == len(DOORS)


def test_the_api_is_reachable_from_elsewhere_only_when_that_is_said() -> None:
    everywhere = {
        entry for entry in published(services(environment={"API_HOST": "0.0.0.0"})) if entry[1] != "127.0.0.1"
    }
    assert everywhere == {("gateway", "0.0.0.0", "8000", 8000)}


@pytest.mark.parametrize("name", sorted(INTERNAL))
def test_what_holds_the_data_can_be_reached_from_inside_alone(name: str) -> None:
    assert set(SERVICES[name]["networks"]) == {"backend"}
    assert "ports" not in SERVICES[name]


def test_only_doors_are_on_the_network_with_published_ports() -> None:
    assert {name for name, service in SERVICES.items() if "edge" in service["networks"]} == set(DOORS)


def test_only_who_fetches_something_has_a_way_out() -> None:
    assert {name for name, service in SERVICES.items() if "egress" in service["networks"]} == {
        "producer",
        "ollama",
        "ollama-gpu",
    }
    networks = read_compose()["networks"]
    assert networks["backend"]["internal"] is True
    assert not networks["edge"].get("internal")
    assert not networks["egress"].get("internal")


def test_the_services_with_models_get_a_way_out_only_when_a_setting_needs_it() -> None:
    assert {name for name, service in SERVICES.items() if "outbound" in service["networks"]} == {
        "api",
        "processor",
    }
    assert read_compose()["networks"]["outbound"]["internal"] is True
    opened = read_compose(environment={"API_OFFLINE": "false"})["networks"]
    assert not opened["outbound"].get("internal")
    assert opened["backend"]["internal"] is True


def test_whichever_ollama_runs_has_the_address_that_the_api_asks() -> None:
    assert SERVICES["api"]["environment"]["OLLAMA_URL"] == "http://ollama:11434"
    assert SERVICES["ollama-gpu"]["networks"]["backend"]["aliases"] == ["ollama"]
    (device,) = SERVICES["ollama-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]


def test_every_service_is_on_the_network_of_the_stack() -> None:
    assert all("backend" in service["networks"] for service in SERVICES.values())


def test_prometheus_watches_services_that_are_in_the_stack() -> None:
    config = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text("utf-8"))
    hosts = {
        *(
            name
            for job in config["scrape_configs"]
            for each in job.get("dns_sd_configs", [])
            for name in each["names"]
        ),
        *(
            target.partition(":")[0]
            for job in config["scrape_configs"]
            for each in job.get("static_configs", [])
            for target in each["targets"]
        ),
    }
    assert hosts - {"localhost"} == {
        "api",
        "producer",
        "processor",
        "redis-exporter",
        "kafka-exporter",
        "jaeger",
    }
    assert hosts - {"localhost"} <= set(SERVICES)


def test_replicas_are_found_by_name() -> None:
    """With one address in a static configuration only one of them would be watched, or asked."""
    config = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text("utf-8"))
    found = {
        job["job_name"]: each for job in config["scrape_configs"] for each in job.get("dns_sd_configs", [])
    }
    ports = {
        "api": SERVICES["api"]["environment"]["API_PORT"],
        "producer": SERVICES["producer"]["environment"]["METRICS_PORT"],
        "processor": SERVICES["processor"]["environment"]["METRICS_PORT"],
    }
    assert {name: (each["type"], str(each["port"])) for name, each in found.items()} == {
        name: ("A", port) for name, port in ports.items()
    }
    gateway = (ROOT / "deploy" / "docker" / "haproxy" / "haproxy.cfg").read_text("utf-8")
    templates = re.findall(r"server-template \S+ (\d+) (\S+)", gateway)
    assert templates == [("10", f"api:{ports['api']}")] * 2


def test_the_datasources_of_grafana_are_services_of_the_stack() -> None:
    text = (ROOT / "grafana" / "provisioning" / "datasources" / "live-rag.yml").read_text("utf-8")
    urls = {source["url"] for source in yaml.safe_load(text)["datasources"]}
    assert urls == {"http://prometheus:9090", "http://jaeger:16686"}


@every_combination
def test_nobody_waits_for_a_service_that_is_not_there(profiles: tuple[str, ...]) -> None:
    found = services(profiles)
    for service in found.values():
        for name, how in service.get("depends_on", {}).items():
            assert name in found or not how["required"]


@pytest.mark.parametrize("name", SERVICES)
def test_who_depends_on_another_waits_until_it_works(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        done = "service_completed_successfully" if other == "kafka-topics" else "service_healthy"
        assert how["condition"] == done


def test_the_one_that_ends_is_waited_for() -> None:
    """``up --wait`` fails on a container that has ended, unless a running one depends on its success."""
    waiting = {name for name, service in SERVICES.items() if "kafka-topics" in service.get("depends_on", {})}
    assert waiting == {"producer", "processor", "api"}
