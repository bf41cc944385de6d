"""``.env.example`` is complete, and tells the truth."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic_settings import BaseSettings

from deploy.local.configuration import LOCAL_DEFAULTS, ROOT
from deploy.settings_catalogue import settings_classes, variable_names

TEXT = (ROOT / ".env.example").read_text(encoding="utf-8")
DOCUMENTED = dict(re.findall(r"^#([A-Z0-9_]+)=(.*)$", TEXT, re.MULTILINE))
CLASSES = settings_classes()


def test_every_setting_is_documented_and_nothing_else_is() -> None:
    declared = {name for cls in CLASSES for name in variable_names(cls)}
    assert set(DOCUMENTED) == declared


def test_every_service_that_has_settings_is_covered() -> None:
    modules = {cls.__module__ for cls in CLASSES}
    files = {path.parent.name for path in (ROOT / "services").glob("*/settings.py")}
    assert {f"services.{name}.settings" for name in files} <= modules
    assert {"shared.settings", "deploy.local.settings"} <= modules


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_the_documented_values_are_the_defaults(
    cls: type[BaseSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in variable_names(cls):
        monkeypatch.delenv(name, raising=False)
    defaults = values(cls)
    for name in variable_names(cls):
        if DOCUMENTED[name]:
            monkeypatch.setenv(name, DOCUMENTED[name])
    assert values(cls) == defaults


@pytest.mark.parametrize(("name", "value"), LOCAL_DEFAULTS.items())
def test_what_local_mode_sets_differently_is_said(name: str, value: str) -> None:
    if name not in DOCUMENTED or DOCUMENTED[name] == value:
        return
    comment = re.search(rf"((?:^# .*\n)+)#{name}=", TEXT, re.MULTILINE)
    assert comment is not None
    assert re.search(rf"local mode[^:]*: {re.escape(value)}\b", comment[1])


def values(cls: type[BaseSettings]) -> dict[str, Any]:
    return cls(_env_file=None).model_dump()  # type: ignore[call-arg]
