"""The Prometheus of local mode: which program, and what it is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local.configuration import ROOT, Stack
from deploy.local.prometheus import prometheus_command, prometheus_config, prometheus_executable
from deploy.local.settings import LocalStackSettings
from shared.errors import ConfigurationError

COMPOSE = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))


def stack_in(data_dir: Path, processors: int = 1) -> Stack:
    settings = LocalStackSettings(
        _env_file=None,  # type: ignore[call-arg]
        data_dir=data_dir,
        api_port=7001,
        producer_metrics_port=7002,
        processor_metrics_port=7003,
        prometheus_port=7009,
    )
    return Stack(settings, processors, prometheus=True)


def rendered(stack: Stack) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(prometheus_config(stack, "replay"))
    return config


def test_a_missing_program_is_one_line_that_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        ConfigurationError, match=r"^--with prometheus: .*apt-get install prometheus"
    ) as caught:
        prometheus_executable()
    assert "\n" not in str(caught.value)


def test_the_installed_program_is_found_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "prometheus").write_text("#!/bin/sh\n")
    (tmp_path / "prometheus").chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert prometheus_executable() == str(tmp_path / "prometheus")


def test_it_listens_on_loopback_and_keeps_a_week_in_the_data_folder(tmp_path: Path) -> None:
    command = prometheus_command("/usr/bin/prometheus", stack_in(tmp_path))
    assert command[0] == "/usr/bin/prometheus"
    assert set(command[1:]) == {
        f"--config.file={tmp_path}/run/prometheus.json",
        f"--storage.tsdb.path={tmp_path}/prometheus",
        "--storage.tsdb.retention.time=7d",
        "--web.listen-address=127.0.0.1:7009",
        "--enable-feature=exemplar-storage",
    }


def test_every_process_is_a_target_under_its_own_name(tmp_path: Path) -> None:
    targets = {
        (job["job_name"], group["labels"]["instance"], *group["targets"])
        for job in rendered(stack_in(tmp_path, 2))["scrape_configs"]
        for group in job["static_configs"]
    }
    assert targets == {
        ("api", "api", "127.0.0.1:7001"),
        ("producer", "producer", "127.0.0.1:7002"),
        ("processor", "processor", "127.0.0.1:7003"),
        ("processor", "processor-2", "127.0.0.1:7004"),
        ("prometheus", "prometheus", "127.0.0.1:7009"),
    }


def test_it_differs_from_that_of_containers_only_in_what_there_is_to_watch(tmp_path: Path) -> None:
    local = rendered(stack_in(tmp_path))
    only_in_containers = {"redis", "kafka", "jaeger"}
    assert {job["job_name"] for job in local["scrape_configs"]} | only_in_containers == {
        job["job_name"] for job in COMPOSE["scrape_configs"]
    }
    for part in ("global", "storage"):
        assert local[part] == COMPOSE[part]
    assert local["rule_files"] == [f"{ROOT}/prometheus/{pattern}" for pattern in COMPOSE["rule_files"]]
