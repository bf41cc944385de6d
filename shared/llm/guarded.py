"""Around any language model: it may load, fail, hang or be asked too much, and nobody waits long for that."""

from __future__ import annotations

import contextlib
import functools
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, stop_before_delay
from tenacity.nap import sleep_using_event

from shared.domain import Prompt, TokenUsage
from shared.errors import LLMBusy, LLMLoading, LLMRefused, LLMUnavailable
from shared.llm.loading import BackgroundLoading, LoadableLLM
from shared.llm.measuring import Deltas, measured
from shared.observability.metrics import LLM_STATES, LLMMetrics
from shared.ports import Clock
from shared.resilience.bulkhead import Bulkhead, BulkheadFull
from shared.resilience.circuit_breaker import CircuitBreaker, CircuitOpen, Permit

Result = TypeVar("Result")

_JITTER_SECONDS = 0.2
_LOADING = "loading"


@dataclass(frozen=True, slots=True)
class Limits:
    """As ``LLMSettings`` describes them."""

    timeout_seconds: float
    max_concurrent: int
    max_queue: int
    queue_seconds: float
    retries: int
    retry_seconds: float
    breaker_failures: int
    breaker_seconds: float


class GuardedLLM:
    """The port of ``llm``, which is loaded in the background from ``start`` on.

    Whatever keeps it from answering is ``LLMUnavailable``, at once where that is known beforehand. The
    adapter bounds its own silence; this bounds the time that a whole answer takes it, seen at its next
    piece. An answer holds its place until its generator is at its end or closed.
    """

    def __init__(
        self,
        llm: LoadableLLM,
        limits: Limits,
        metrics: LLMMetrics,
        clock: Clock,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        """``on_failure`` is told, in another thread, why the model can never be loaded."""
        self._llm = llm
        self._limits = limits
        self._metrics = metrics
        self._clock = clock
        self._loading = BackgroundLoading(self._load, clock, on_failure)
        self._breaker = CircuitBreaker(limits.breaker_failures, limits.breaker_seconds, clock)
        self._bulkhead = Bulkhead(limits.max_concurrent, limits.max_queue, limits.queue_seconds)
        metrics.in_flight.set_function(lambda: self._bulkhead.active)
        metrics.waiting.set_function(lambda: self._bulkhead.waiting)
        for state in LLM_STATES:
            metrics.state.labels(state).set_function(functools.partial(self._is_in, state))

    def start(self) -> None:
        self._loading.start()

    @property
    def state(self) -> str:
        """``loading``, or the circuit breaker's state."""
        return self._breaker.state.value if self._loading.loaded else _LOADING

    @property
    def name(self) -> str:
        return self._llm.name

    @property
    def context_tokens(self) -> int:
        return self._llm.context_tokens

    def count_tokens(self, text: str) -> int:
        self._require_hope()
        # A count is no proof that the model writes: only its failures are held against it.
        with self._judged(self._breaker.watch()):
            return self._retrying(lambda: self._llm.count_tokens(text))

    def stream(self, prompt: Prompt) -> Deltas:
        started = self._clock.monotonic()
        self._require_hope()
        with self._slot(), self._judged(self._enter()) as permit:
            usage = yield from measured(self._bounded(prompt), self._metrics, self._clock, started)
            permit.succeeded()
        return usage

    def close(self) -> None:
        self._loading.stop.set()
        self._llm.close()
        self._loading.close()

    def _load(self, stop: threading.Event) -> None:
        began = self._clock.monotonic()
        self._llm.load(stop)
        self._metrics.load_duration.observe(self._clock.monotonic() - began)

    def _bounded(self, prompt: Prompt) -> Deltas:
        """The time that the reader takes between two pieces is not the model's."""
        limit = left = self._limits.timeout_seconds
        asked = self._clock.monotonic()
        step, deltas = self._retrying(lambda: _begin(self._llm.stream(prompt)))
        with closing(deltas):
            while not step.ended:
                left -= self._clock.monotonic() - asked
                if left < 0:
                    raise LLMUnavailable(f"{self.name} was not done within LLM_TIMEOUT_SECONDS={limit:g}")
                yield step.delta
                asked = self._clock.monotonic()
                step = _next(deltas)
        return step.usage

    def _retrying(self, attempt: Callable[[], Result]) -> Result:
        return Retrying(
            retry=retry_if_exception(_is_worth_another_attempt),
            wait=_pause,
            stop=stop_after_attempt(1 + self._limits.retries) | stop_before_delay(self._limits.retry_seconds),
            sleep=sleep_using_event(self._loading.stop),
            before_sleep=lambda _: self._metrics.retries.inc(),
            reraise=True,
        )(attempt)

    @contextmanager
    def _judged(self, permit: Permit) -> Iterator[Permit]:
        """What the body's end says about the model's health."""
        try:
            yield permit
        except LLMLoading:
            self._failed("loading")
            self._loading.start()
            raise
        except LLMRefused:
            self._failed("refused")
            permit.succeeded()
            raise
        except LLMUnavailable:
            self._failed("unavailable")
            permit.failed()
            raise
        except GeneratorExit:  # who leaves has read a piece
            permit.succeeded()
            raise
        finally:
            permit.abandoned()

    @contextmanager
    def _slot(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self._bulkhead.slot())
            except BulkheadFull as full:
                self._failed(full.reason.value)
                raise LLMBusy(
                    f"{self.name} has too much to do ({full.reason}); LLM_MAX_CONCURRENT, LLM_MAX_QUEUE and "
                    "LLM_QUEUE_SECONDS say how much it may have"
                ) from full
            yield

    def _require_hope(self) -> None:
        """Before anybody waits for anything."""
        if not self._loading.loaded:
            self._failed("loading")
            raise LLMLoading(f"{self.name} is being loaded")
        try:
            self._breaker.check()
        except CircuitOpen as error:
            raise self._left_alone(error) from error

    def _enter(self) -> Permit:
        try:
            return self._breaker.enter()
        except CircuitOpen as error:
            raise self._left_alone(error) from error

    def _left_alone(self, error: CircuitOpen) -> LLMUnavailable:
        self._failed("circuit_open")
        return LLMUnavailable(f"{self.name}: {error}")

    def _failed(self, reason: str) -> None:
        self._metrics.failures.labels(reason).inc()

    def _is_in(self, state: str) -> float:
        return float(self.state == state)


@dataclass(frozen=True, slots=True)
class _Step:
    """Of a stream: a piece, or its end."""

    delta: str = ""
    ended: bool = False
    usage: TokenUsage | None = None


def _begin(deltas: Deltas) -> tuple[_Step, Deltas]:
    return _next(deltas), deltas


def _next(deltas: Deltas) -> _Step:
    try:
        return _Step(next(deltas))
    except StopIteration as end:
        return _Step(ended=True, usage=end.value)


def _is_worth_another_attempt(error: BaseException) -> bool:
    return isinstance(error, LLMUnavailable) and error.retry_after is not None


def _pause(call: RetryCallState) -> float:
    """What the server asks for, and a little more, so that not all come back at once."""
    error = call.outcome.exception() if call.outcome else None
    asked = error.retry_after if isinstance(error, LLMUnavailable) else None
    return (asked or 0.0) + random.uniform(0.0, _JITTER_SECONDS)  # noqa: S311
