"""From signal to exit: stop, drain, flush, commit, close; each bounded.

``run_service`` is the outermost frame of every process.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

from shared.errors import RagError

log = logging.getLogger(__name__)

EXIT_FAILED = 1
EXIT_CONFIGURATION = 2
_LEAST_SECONDS_EACH = 0.5


class Heartbeat:
    """Liveness means that the loop turns: the loop beats, the health server asks."""

    def __init__(self, max_silence: float = 60.0) -> None:
        self._max_silence = max_silence
        self._last = time.monotonic()

    def beat(self) -> None:
        self._last = time.monotonic()

    @property
    def alive(self) -> bool:
        return time.monotonic() - self._last <= self._max_silence


class Lifecycle:
    """Owns the stop event and closes what was opened, newest first.

    The whole close is bounded by ``close_timeout`` seconds (half a second each for those left by then);
    what does not finish is abandoned and named in the log, and the process exits with a failure.
    """

    def __init__(self, close_timeout: float = 25.0) -> None:
        self.stop = threading.Event()
        self._close_timeout = close_timeout
        self._closers: list[tuple[str, Callable[[], object]]] = []
        self._failure: BaseException | None = None

    def install_signal_handlers(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        # In a thread of its own: the main thread may hold the event's lock at this very moment.
        threading.Thread(target=self.stop.set, name="signal").start()

    def fail(self, error: BaseException) -> None:
        """From any thread: stop, and end the process as if ``main`` had raised ``error``. The first one
        counts."""
        self._failure = self._failure or error
        self.stop.set()

    def check(self) -> None:
        """:raises BaseException: what ``fail`` was told."""
        if self._failure is not None:
            raise self._failure

    def on_close(self, name: str, close: Callable[[], object]) -> None:
        self._closers.append((name, close))

    def close(self) -> bool:
        """Whether everything closed cleanly and in time."""
        self.stop.set()
        clean = True
        deadline = time.monotonic() + self._close_timeout
        while self._closers:
            name, close = self._closers.pop()
            clean &= _close_one(name, close, deadline)
        return clean


def _close_one(name: str, close: Callable[[], object], deadline: float) -> bool:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            close()
        except Exception as error:  # noqa: BLE001 - reported below; the others must still be closed
            errors.append(error)

    thread = threading.Thread(target=run, name=f"close-{name}", daemon=True)
    thread.start()
    thread.join(max(_LEAST_SECONDS_EACH, deadline - time.monotonic()))
    if thread.is_alive():
        log.error("did not close in time", extra={"component": name})
        return False
    if errors:
        log.error("failed to close", extra={"component": name, "error": str(errors[0])})
        return False
    return True


def run_service(name: str, main: Callable[[Lifecycle], None]) -> int:
    """Run ``main`` until it returns or a signal arrives, then close; the process's exit code.

    What a user can cure is one line on stderr, never a traceback.
    """
    lifecycle = Lifecycle()
    lifecycle.install_signal_handlers()
    code = EXIT_FAILED
    try:
        main(lifecycle)
        lifecycle.check()
        code = 0
    except RagError as error:
        print(f"{name}: {error}", file=sys.stderr)  # noqa: T201 - logging may not be set up yet
        code = EXIT_CONFIGURATION
    except OSError as error:
        print(f"{name}: {_describe(error)}", file=sys.stderr)  # noqa: T201
    finally:
        if not lifecycle.close():
            code = code or EXIT_FAILED
        log.info("stopped", extra={"exit_code": code})
    return code


def _describe(error: OSError) -> str:
    path = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror or error}{path}"
