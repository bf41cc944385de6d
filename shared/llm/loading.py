"""Language models take their time: they are loaded beside the service, and again when they are gone."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Generator
from typing import Protocol

from shared.domain import Prompt, TokenUsage
from shared.errors import LLMLoading
from shared.ports import LLM, Clock
from shared.resilience.backoff import Backoff
from shared.resilience.startup import Startup

log = logging.getLogger(__name__)

_LONGEST_PAUSE = 30.0
_CLOSE_SECONDS = 20.0


class LoadableLLM(LLM, Protocol):
    """Made in a moment, and so without what takes long."""

    def load(self, stop: threading.Event) -> None:
        """Make it able to answer; may take minutes, but ends early after ``stop`` where it can.

        :raises ConfigurationError: it never will, as things are configured.
        :raises LLMUnavailable: not now; call it again later.
        """


class DeferredLLM:
    """A model that is loaded by making it."""

    def __init__(self, name: str, context_tokens: int, make: Callable[[], LLM]) -> None:
        """``name`` and ``context_tokens`` stand in for the model's own until it is there."""
        self._name = name
        self._context_tokens = context_tokens
        self._make = make
        self._making = threading.Lock()
        self._llm: LLM | None = None

    @property
    def name(self) -> str:
        return self._llm.name if self._llm else self._name

    @property
    def context_tokens(self) -> int:
        return self._llm.context_tokens if self._llm else self._context_tokens

    def load(self, stop: threading.Event) -> None:
        with self._making:
            if self._llm is None and not stop.is_set():
                self._llm = self._make()

    def count_tokens(self, text: str) -> int:
        return self._made().count_tokens(text)

    def stream(self, prompt: Prompt) -> Generator[str, None, TokenUsage | None]:
        return self._made().stream(prompt)

    def close(self) -> None:
        """Waits for a model that is being made: native code that still runs while the interpreter exits
        aborts the process."""
        if self._making.acquire(timeout=_CLOSE_SECONDS):
            self._making.release()
        llm, self._llm = self._llm, None
        if llm is not None:
            llm.close()

    def _made(self) -> LLM:
        if self._llm is None:
            raise LLMLoading(f"{self._name} is being loaded")
        return self._llm


class BackgroundLoading:
    """Calls ``load`` in a thread until it succeeds. Safe to call from several threads."""

    def __init__(
        self,
        load: Callable[[threading.Event], None],
        clock: Clock,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        """``on_failure`` is told, in that thread, what no further attempt would cure."""
        self._load = load
        self._clock = clock
        self._on_failure = on_failure
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loaded = False

    @property
    def loaded(self) -> bool:
        return self._loaded

    @property
    def stop(self) -> threading.Event:
        """Set by ``close``."""
        return self._stop

    def start(self) -> None:
        """It is not loaded (any more): load it, unless that is under way."""
        with self._lock:
            if self._stop.is_set() or (self._thread is not None and self._thread.is_alive()):
                return
            self._loaded = False
            self._thread = threading.Thread(target=self._run, name="llm-loading", daemon=True)
            self._thread.start()

    def close(self) -> None:
        self._stop.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        backoff = Backoff(0.5, _LONGEST_PAUSE, random.Random())  # noqa: S311 - jitter
        waiting = Startup(self._stop, backoff, self._clock, lambda: None)
        try:
            began = self._clock.monotonic()
            self._loaded = waiting.wait_for("the language model", self._attempt) is True
            if self._loaded:
                log.info(
                    "language model loaded", extra={"seconds": round(self._clock.monotonic() - began, 1)}
                )
        except BaseException as error:  # noqa: BLE001 - told to who can end the process
            self._on_failure(error)

    def _attempt(self) -> bool:
        self._load(self._stop)
        return not self._stop.is_set()
