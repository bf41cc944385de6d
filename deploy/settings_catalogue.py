"""Every setting that the software reads, found where it is declared."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from types import ModuleType

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

import deploy
import services
import shared.settings
from shared.settings import declared_settings


def settings_classes() -> list[type[BaseSettings]]:
    """The settings classes of ``shared``, of each service and of the deployment, in that order."""
    modules = [shared.settings, *_settings_modules(services), *_settings_modules(deploy)]
    return [cls for module in modules for cls in declared_settings(module)]


def variable_names(cls: type[BaseSettings]) -> list[str]:
    """The environment variables of one class, in its order."""
    prefix = str(cls.model_config.get("env_prefix", ""))
    return [_variable(prefix, name, field) for name, field in cls.model_fields.items()]


def _variable(prefix: str, name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    return (alias if isinstance(alias, str) else prefix + name).upper()


def _settings_modules(package: ModuleType) -> list[ModuleType]:
    return [
        importlib.import_module(f"{package.__name__}.{part.name}.settings")
        for part in pkgutil.iter_modules(package.__path__)
        if part.ispkg and importlib.util.find_spec(f"{package.__name__}.{part.name}.settings")
    ]
