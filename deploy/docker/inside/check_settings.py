"""In a container of one service: are its settings valid, and (producer) which stream can it reach?

Writes one JSON object: ``{"problems": [line, …], "source": "wikimedia" | "replay" | null, "why": …}``.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys

import shared.settings
from shared.settings import declared_settings, load_settings, settings_problems


def main(service: str) -> None:
    modules = [shared.settings]
    if importlib.util.find_spec(f"services.{service}.settings"):
        modules.append(importlib.import_module(f"services.{service}.settings"))
    problems = settings_problems(cls for module in modules for cls in declared_settings(module))
    source, why = _source() if service == "producer" and not problems else (None, "")
    print(json.dumps({"problems": problems, "source": source, "why": why}))


def _source() -> tuple[str, str]:
    from services.producer.settings import ProducerSettings
    from services.producer.sources.choice import usable_source

    return usable_source(load_settings(ProducerSettings))


if __name__ == "__main__":
    main(sys.argv[1])
