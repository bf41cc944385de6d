"""How a script shows what a user can cure."""

from __future__ import annotations


def printed(command: str, error: Exception) -> str:
    """Several problems are a line each; what is indented belongs to the line before."""
    return "\n".join(
        line if line.startswith(" ") else f"{command}: {line}" for line in str(error).splitlines()
    )
