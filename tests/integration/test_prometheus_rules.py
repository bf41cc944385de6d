"""The configuration and the rules, judged by ``promtool``."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local.configuration import Stack
from deploy.local.prometheus import RULES, prometheus_config
from deploy.local.settings import LocalStackSettings
from tests.support.alert_rules import case_files
from tests.support.prometheus import promtool


@pytest.mark.parametrize("path", case_files(), ids=lambda path: path.stem)
def test_alerts_fire_where_they_must_and_are_silent_where_they_must_be(path: Path) -> None:
    result = promtool("test", "rules", str(path))
    assert result.returncode == 0, result.stdout


def test_every_rule_is_sound() -> None:
    result = promtool("check", "rules", "--lint=all", "--lint-fatal", *map(str, RULES.glob("*.yml")))
    assert result.returncode == 0, result.stdout


def test_the_configuration_for_containers_is_valid() -> None:
    result = promtool("check", "config", "--lint-fatal", str(RULES.with_name("prometheus.yml")))
    assert result.returncode == 0, result.stdout
    assert f"{len(list(RULES.glob('*.yml')))} rule files found" in result.stdout


def test_the_configuration_of_local_mode_is_valid_wherever_the_data_lie(tmp_path: Path) -> None:
    settings = LocalStackSettings(_env_file=None, data_dir=tmp_path / "my data")  # type: ignore[call-arg]
    stack = Stack(settings, processors=2, prometheus=True)
    stack.run_dir.mkdir(parents=True)
    stack.prometheus_config.write_text(prometheus_config(stack, "replay"))
    result = promtool("check", "config", "--lint-fatal", str(stack.prometheus_config))
    assert result.returncode == 0, result.stdout
    assert f"{len(list(RULES.glob('*.yml')))} rule files found" in result.stdout
