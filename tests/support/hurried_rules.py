"""The alert rules in a hurry: every duration divided, so that a test need not wait for minutes."""

from __future__ import annotations

import re
from pathlib import Path

from deploy.local.prometheus import RULES

_DURATION = re.compile(r"(?<=\[)\d+[smhd](?=\])|(?<=for: )\d+[smhd]$|(?<=offset )\d+[smhd]\b", re.MULTILINE)
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def hurried(rules: str, factor: int) -> str:
    """The same rules, with time ``factor`` times as fast: windows, ``for`` and ``offset``.

    Bounds that are times (``> 300`` seconds) stay as they are.
    """

    def divided(found: re.Match[str]) -> str:
        amount, unit = int(found[0][:-1]), found[0][-1]
        return f"{amount * _SECONDS[unit] * 1_000 // factor}ms"

    return _DURATION.sub(divided, rules)


def write_hurried_rules(folder: Path, factor: int) -> str:
    """Write all of them into ``folder``; the pattern that finds them."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in RULES.glob("*.yml"):
        (folder / path.name).write_text(hurried(path.read_text(encoding="utf-8"), factor), encoding="utf-8")
    return str(folder / "*.yml")
