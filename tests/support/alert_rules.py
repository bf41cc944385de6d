"""The rules of ``prometheus/rules`` and the cases of ``prometheus/tests``, as they are written."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from deploy.local.configuration import ROOT
from deploy.local.prometheus import RULES

CASES = RULES.with_name("tests")
RUNBOOK = ROOT / "docs" / "runbook"


def read_yaml(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


@cache
def groups() -> list[dict[str, Any]]:
    return [group for path in sorted(RULES.glob("*.yml")) for group in read_yaml(path)["groups"]]


def rules() -> list[dict[str, Any]]:
    return [rule for group in groups() for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def recorded() -> set[str]:
    """The names of the recording rules."""
    return {rule["record"] for rule in rules() if "record" in rule}


def case_files() -> list[Path]:
    """What ``promtool test rules`` takes."""
    return sorted(CASES.glob("*.yml"))
