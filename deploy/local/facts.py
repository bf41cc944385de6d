"""``run/stack.json``: what a running stack is, for the scripts and for other programs."""

from __future__ import annotations

import json
from typing import Any

from deploy.local.configuration import Stack
from deploy.local.settings import LocalStackSettings


def write_facts(stack: Stack, facts: dict[str, Any]) -> None:
    """Replace the file in one step, so that a reader sees the old facts or the new ones."""
    temporary = stack.facts_file.with_suffix(".tmp")
    temporary.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(stack.facts_file)


def read_facts(stack: Stack) -> dict[str, Any] | None:
    """``None`` where no stack was started in this data folder, or it was stopped."""
    try:
        facts: dict[str, Any] = json.loads(stack.facts_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return facts


def as_started(stack: Stack) -> Stack:
    """The stack with the ports that it was started with, whatever the settings say now."""
    facts = read_facts(stack)
    if facts is None:
        return stack
    scale, beside = facts.get("scale", {}), facts.get("with", [])  # earlier versions had none
    return Stack(
        LocalStackSettings(**facts["settings"]), scale.get("processor", 1), prometheus="prometheus" in beside
    )
