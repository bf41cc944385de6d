"""How long a language model takes, seen by who reads its answer."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

from shared.domain import Prompt, TokenUsage
from shared.errors import LLMLoading, LLMRefused, LLMUnavailable
from shared.observability.metrics import SUCCESS, LLMMetrics
from shared.ports import LLM, Clock

Deltas = Generator[str, None, TokenUsage | None]


def measured(deltas: Deltas, metrics: LLMMetrics, clock: Clock, started: float) -> Deltas:
    """``deltas``; ``started`` is the clock's monotonic time at which they were asked for. The time that the
    reader takes between two pieces is not the model's. A reader who leaves has what it wanted."""
    error = SUCCESS
    asked, spent, is_first = started, 0.0, True
    try:
        with closing(deltas):
            while True:
                try:
                    delta = next(deltas)
                except StopIteration as end:
                    usage: TokenUsage | None = end.value
                    return usage
                finally:
                    seconds = clock.monotonic() - asked
                    spent += seconds
                (metrics.first_chunk if is_first else metrics.next_chunk)(seconds)
                is_first = False
                yield delta
                asked = clock.monotonic()
    except LLMUnavailable as failure:
        error = _kind_of(failure)
        raise
    finally:
        metrics.ended(error, spent)


def _kind_of(failure: LLMUnavailable) -> str:
    if isinstance(failure, LLMLoading):
        return "loading"
    return "refused" if isinstance(failure, LLMRefused) else "unavailable"


class MeasuredLLM:
    """``llm``, which needs no guard."""

    def __init__(self, llm: LLM, metrics: LLMMetrics, clock: Clock) -> None:
        self._llm = llm
        self._metrics = metrics
        self._clock = clock

    @property
    def name(self) -> str:
        return self._llm.name

    @property
    def context_tokens(self) -> int:
        return self._llm.context_tokens

    def count_tokens(self, text: str) -> int:
        return self._llm.count_tokens(text)

    def stream(self, prompt: Prompt) -> Deltas:
        started = self._clock.monotonic()
        return measured(self._llm.stream(prompt), self._metrics, self._clock, started)

    def close(self) -> None:
        self._llm.close()
