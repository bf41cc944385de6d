"""How long a model takes, whoever leaves first."""

from __future__ import annotations

from contextlib import closing
from functools import partial

import pytest
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry

from shared.domain import TokenUsage
from shared.errors import LLMLoading, LLMRefused, LLMUnavailable
from shared.llm.measuring import MeasuredLLM
from shared.observability.metrics import LLMMetrics
from tests.support.exposition import exemplars, openmetrics
from tests.support.hand_clock import HandClock
from tests.support.streams import read_to_end
from tests.unit.shared.llm.scripted import PROMPT, ScriptedLLM, Step

DURATION = "gen_ai_client_operation_duration_seconds"
FIRST = "gen_ai_client_operation_time_to_first_chunk_seconds"
NEXT = "gen_ai_client_operation_time_per_output_chunk_seconds"
MODEL = {
    "gen_ai_operation_name": "chat",
    "gen_ai_provider_name": "ollama",
    "gen_ai_request_model": "scripted",
}


Measured = tuple[float | None, float | None]


class Bench:
    """``steps``: what the model says, and how long it takes for that; an error ends it."""

    def __init__(self, *steps: str | float | Exception, usage: TokenUsage | None = None) -> None:
        self.clock = HandClock()
        self.registry = CollectorRegistry()
        self.metrics = LLMMetrics(self.registry)
        self.metrics.initialise("ollama", "scripted")
        script: list[Step] = [
            partial(self.clock.sleep, step) if isinstance(step, float) else step for step in steps
        ]
        self.llm = MeasuredLLM(ScriptedLLM(script, usage=usage), self.metrics, self.clock)

    def durations(self, error: str = "") -> Measured:
        return self._of(DURATION, {**MODEL, "error_type": error})

    def first(self) -> Measured:
        return self._of(FIRST, MODEL)

    def next(self) -> Measured:
        return self._of(NEXT, MODEL)

    def _of(self, name: str, labels: dict[str, str]) -> Measured:
        """How many there were, and their sum in seconds."""
        count, total = (self.registry.get_sample_value(f"{name}_{part}", labels) for part in ("count", "sum"))
        return count, total


def test_all_is_there_before_the_first_answer() -> None:
    bench = Bench()
    assert bench.durations() == bench.durations("loading") == bench.first() == bench.next() == (0, 0)


def test_the_readers_time_is_not_the_models() -> None:
    usage = TokenUsage(12, 3)
    bench = Bench(2.0, "two ", 0.5, "pieces", 0.25, usage=usage)
    deltas = bench.llm.stream(PROMPT)
    assert next(deltas) == "two "
    bench.clock.sleep(100.0)
    assert read_to_end(deltas) == (["pieces"], usage)
    assert (bench.first(), bench.next()) == ((1, 2.0), (1, 0.5))
    assert bench.durations() == (1, 2.75)


def test_a_reader_who_leaves_has_what_it_wanted() -> None:
    bench = Bench(1.0, "enough", 9.0, "too much")
    with closing(bench.llm.stream(PROMPT)) as deltas:
        next(deltas)
    assert bench.durations() == (1, 1.0)


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (LLMUnavailable("away"), "unavailable"),
        (LLMRefused("too long"), "refused"),
        (LLMLoading("not yet"), "loading"),
    ],
)
def test_an_end_before_its_time_says_why(failure: LLMUnavailable, kind: str) -> None:
    bench = Bench(1.0, "one", 0.5, failure)
    with pytest.raises(type(failure)):
        read_to_end(bench.llm.stream(PROMPT))
    assert (bench.durations(kind), bench.durations()) == ((1, 1.5), (0, 0))
    assert bench.first() == (1, 1.0)


def test_an_empty_answer_has_no_first_piece() -> None:
    bench = Bench(1.0)
    assert read_to_end(bench.llm.stream(PROMPT)) == ([], None)
    assert (bench.first(), bench.durations()) == ((0, 0), (1, 1.0))


def test_an_answer_leads_to_its_trace() -> None:
    bench = Bench("fine")
    with TracerProvider().get_tracer("test").start_as_current_span("ask") as span:
        read_to_end(bench.llm.stream(PROMPT))
    assert exemplars(openmetrics(bench.registry), DURATION) == {f"{span.get_span_context().trace_id:032x}"}


def test_it_is_the_model_behind_it() -> None:
    bench = Bench("fine")
    assert (bench.llm.name, bench.llm.context_tokens, bench.llm.count_tokens("a b")) == ("scripted", 100, 2)


def test_tokens_are_counted_by_their_kind() -> None:
    bench = Bench()
    bench.metrics.used(TokenUsage(12, 3))
    for kind, tokens in (("input", 12), ("output", 3)):
        labels = {**MODEL, "gen_ai_token_type": kind}
        assert bench.registry.get_sample_value("gen_ai_client_token_usage_sum", labels) == tokens
