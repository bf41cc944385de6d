"""``python -m deploy.pin > constraints.txt``: pin what this virtual environment holds.

A version is written without its local part (``+cpu``): which build of a version is installed is the
choice of the machine's package index.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import distributions

HEADER = """\
# Every package that the project runs and is tested with, at one version.
# Made by `python -m deploy.pin > constraints.txt` in a virtual environment with the `dev` extra.
"""
_NOT_PINNED = frozenset({"live-rag", "pip"})


def pins(installed: Iterable[tuple[str, str]]) -> list[str]:
    """``name==version`` lines, sorted, from (name, version) pairs."""
    by_name = {re.sub(r"[-_.]+", "-", name).lower(): version.partition("+")[0] for name, version in installed}
    return [f"{name}=={version}" for name, version in sorted(by_name.items()) if name not in _NOT_PINNED]


def main() -> None:
    found = pins((item.metadata["Name"], item.version) for item in distributions())
    print(HEADER + "\n".join(found))


if __name__ == "__main__":
    main()
