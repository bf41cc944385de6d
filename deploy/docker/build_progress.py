"""What a builder is at, from its output. Pure."""

from __future__ import annotations

import re

_CLASSIC = re.compile(r"^Step (\d+)/(\d+) ?: (.+)$")
_CLASSIC_WORKS = re.compile(r"^ ---> Running in ")
_BUILDKIT = re.compile(r"^#(\d+) \[(?:\S+ )*?(?:([\w.-]+) +)?(\d+)/(\d+)\] (.+)$")
_BUILDKIT_WORKS = re.compile(r"^#(\d+) (?:\d+\.\d+ |DONE )")
_SHOWN = 90


class BuildProgress:
    """Of one image: a line of the builder's output in, a line for the user out, or nothing.

    Told are the commands that run; not what the cache had, nor what only names something."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._pending: dict[str, str] = {}

    def take(self, line: str) -> str | None:
        line = line.rstrip()
        if (step := _CLASSIC.match(line)) is not None:
            number, of, what = step.groups()
            self._pending = {"": self._told(f"{number}/{of}", what)} if what.startswith("RUN ") else {}
        elif _CLASSIC_WORKS.match(line):
            return self._pending.pop("", None)
        elif (step := _BUILDKIT.match(line)) is not None:
            vertex, stage, number, of, what = step.groups()
            if what.startswith("RUN "):
                self._pending[vertex] = self._told(f"{stage or ''} {number}/{of}".strip(), what)
        elif (works := _BUILDKIT_WORKS.match(line)) is not None:
            return self._pending.pop(works[1], None)
        return None

    def _told(self, place: str, what: str) -> str:
        what = " ".join(what.split())
        shown = what if len(what) <= _SHOWN else what[: _SHOWN - 1] + "…"
        return f"  {self._service:<12} step {place}: {shown}"
