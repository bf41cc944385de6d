"""How far long work is: a bar on a terminal, else a line every few seconds. On stderr."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from tqdm import tqdm

from services.processor.commands.terminal import say_error

_LINE_SECONDS = 5.0


class Progress:
    """``unit`` is what is counted, in the plural."""

    def __init__(self, what: str, unit: str, line_seconds: float = _LINE_SECONDS) -> None:
        self._what = what
        self._unit = unit
        self._line_seconds = line_seconds
        self._next_line = time.monotonic() + line_seconds
        self._bar = (
            tqdm(desc=what, unit=f" {unit}", leave=False, dynamic_ncols=True) if _on_terminal() else None
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, done: int, total: int | None) -> None:
        """``total`` may grow; ``None`` where it is unknown."""
        if self._bar is not None:
            self._bar.total = None if total is None else max(total, done)
            self._bar.update(done - self._bar.n)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + self._line_seconds
            say_error(f"{self._what}: {done:,}{'' if total is None else f' of {total:,}'} {self._unit}")


def _on_terminal() -> bool:
    return sys.stderr.isatty()
