"""The guard around a language model, with a model that does as it is told."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import pytest
from prometheus_client import CollectorRegistry

from shared.domain import TokenUsage
from shared.errors import (
    LLMBusy,
    LLMLoading,
    LLMRefused,
    LLMUnavailable,
    ModelMissing,
)
from shared.llm.guarded import GuardedLLM, Limits
from shared.observability.metrics import LLMMetrics
from tests.support.hand_clock import HandClock
from tests.support.processes import wait_until
from tests.support.streams import read_to_end
from tests.unit.shared.llm.scripted import PROMPT, ScriptedLLM

_PATIENCE = 60.0
LIMITS = Limits(
    timeout_seconds=60.0,
    max_concurrent=1,
    max_queue=0,
    queue_seconds=0.0,
    retries=2,
    retry_seconds=30.0,
    breaker_failures=3,
    breaker_seconds=10.0,
)
DOWN = LLMUnavailable("down")
MODEL = {
    "gen_ai_operation_name": "chat",
    "gen_ai_provider_name": "unknown",
    "gen_ai_request_model": "unknown",
}


@dataclass
class Rig:
    llm: ScriptedLLM
    limits: Limits = LIMITS
    clock: HandClock = field(default_factory=HandClock)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    failures: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.guard = GuardedLLM(
            self.llm, self.limits, LLMMetrics(self.registry), self.clock, self.failures.append
        )

    def start(self) -> None:
        self.guard.start()
        wait_until(lambda: self.guard.state != "loading", _PATIENCE, "the model is loaded")

    def ask(self) -> str:
        return "".join(self.guard.stream(PROMPT))

    def fail(self, times: int) -> None:
        for _ in range(times):
            with pytest.raises(LLMUnavailable):
                self.ask()

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def failed(self, reason: str) -> float | None:
        return self.metric("rag_llm_failures_total", reason=reason)


@contextlib.contextmanager
def rigged(llm: ScriptedLLM, *, start: bool = True, **limits: float) -> Iterator[Rig]:
    rig = Rig(llm, replace(LIMITS, **limits))  # type: ignore[arg-type]
    try:
        if start:
            rig.start()
        yield rig
    finally:
        rig.guard.close()
    assert llm.closed
    assert llm.finished == llm.asked, "an answer was left open"


def test_an_answer_passes_through_with_its_usage() -> None:
    usage = TokenUsage(12, 3)
    with rigged(ScriptedLLM(["two ", "pieces"], usage=usage)) as rig:
        assert read_to_end(rig.guard.stream(PROMPT)) == (["two ", "pieces"], usage)
        assert rig.metric("gen_ai_client_operation_time_to_first_chunk_seconds_count", **MODEL) == 1
        assert rig.metric("rag_llm_model_load_duration_seconds_count") == 1
        assert (rig.guard.name, rig.guard.context_tokens, rig.guard.count_tokens("a b")) == (
            "scripted",
            100,
            2,
        )


def test_an_empty_answer_is_an_answer() -> None:
    with rigged(ScriptedLLM([])) as rig:
        for _ in range(LIMITS.breaker_failures):
            assert rig.ask() == ""
        assert rig.guard.state == "closed"


def test_until_it_is_loaded_every_call_says_so_at_once() -> None:
    llm = ScriptedLLM()
    may_load = threading.Event()
    llm.loads = [lambda: may_load.wait(_PATIENCE)]
    with rigged(llm, start=False) as rig:
        rig.guard.start()
        for call in (rig.ask, lambda: rig.guard.count_tokens("x")):
            with pytest.raises(LLMLoading):
                call()
        assert rig.metric("rag_llm_state", state="loading") == 1
        assert rig.failed("loading") == 2
        may_load.set()
        wait_until(lambda: rig.guard.state == "closed", _PATIENCE, "the model is loaded")
        assert rig.ask() == "fine"
        assert rig.metric("rag_llm_state", state="loading") == 0
        assert rig.metric("rag_llm_state", state="closed") == 1


def test_loading_is_tried_again_while_the_server_is_away() -> None:
    llm = ScriptedLLM()
    llm.loads = [LLMUnavailable("away"), LLMUnavailable("still away")]
    with rigged(llm) as rig:
        assert llm.loaded == 3
        assert rig.ask() == "fine"
        assert not rig.failures


@pytest.mark.parametrize("error", [ModelMissing("LLM_MODEL=x: no such model"), RuntimeError("a bug")])
def test_what_no_waiting_cures_is_told_once(error: Exception) -> None:
    llm = ScriptedLLM()
    llm.loads = [error]
    with rigged(llm, start=False) as rig:
        rig.guard.start()
        wait_until(lambda: bool(rig.failures), _PATIENCE, "the failure is told")
        assert rig.failures == [error]
        assert llm.loaded == 1


def test_a_model_that_was_put_out_of_memory_is_loaded_again_and_not_blamed() -> None:
    llm = ScriptedLLM([LLMLoading("gone")], ["back"])
    with rigged(llm, breaker_failures=1) as rig:
        with pytest.raises(LLMLoading):
            rig.ask()
        wait_until(lambda: llm.loaded == 2 and rig.guard.state == "closed", _PATIENCE, "it is loaded again")
        assert rig.ask() == "back"


def test_an_attempt_that_did_nothing_is_repeated_before_the_first_piece() -> None:
    llm = ScriptedLLM(
        [LLMUnavailable("refused", retry_after=0.0)], [LLMUnavailable("busy", retry_after=0.01)], ["third"]
    )
    with rigged(llm) as rig:
        assert rig.ask() == "third"
        assert rig.metric("rag_llm_retries_total") == 2
        assert rig.failed("unavailable") == 0


def test_attempts_are_bounded_in_number_and_time() -> None:
    again = LLMUnavailable("refused", retry_after=0.0)
    with rigged(ScriptedLLM([again])) as rig:
        rig.fail(1)
        assert rig.llm.asked == 1 + LIMITS.retries
    with rigged(ScriptedLLM([LLMUnavailable("busy", retry_after=3600.0)])) as rig:
        rig.fail(1)
        assert rig.llm.asked == 1
    with rigged(ScriptedLLM([again]), retries=0) as rig:
        rig.fail(1)
        assert rig.llm.asked == 1


@pytest.mark.parametrize("steps", [[DOWN], ["first ", LLMUnavailable("broke off", retry_after=0.0)]])
def test_what_may_have_done_something_is_not_repeated(steps: list[str | Exception]) -> None:
    with rigged(ScriptedLLM(list(steps))) as rig:
        rig.fail(1)
        assert rig.llm.asked == 1
        assert rig.failed("unavailable") == 1


def test_counting_tokens_is_repeated_too() -> None:
    llm = ScriptedLLM()
    llm.counts = [LLMUnavailable("stale connection", retry_after=0.0)]
    with rigged(llm) as rig:
        assert rig.guard.count_tokens("a b c") == 3


def test_after_failures_in_a_row_it_is_left_alone_and_then_tried_once() -> None:
    llm = ScriptedLLM([DOWN], [DOWN], [DOWN], ["well again"])
    with rigged(llm) as rig:
        rig.fail(3)
        assert rig.metric("rag_llm_state", state="open") == 1
        rig.fail(5)
        with pytest.raises(LLMUnavailable, match="left alone"):
            rig.guard.count_tokens("x")
        assert llm.asked == 3
        assert rig.failed("circuit_open") == 6
        rig.clock.sleep(10.0)
        assert rig.metric("rag_llm_state", state="half_open") == 1
        assert rig.guard.count_tokens("x") == 1
        assert rig.guard.state == "half_open"
        assert rig.ask() == "well again"
        assert rig.guard.state == "closed"


def test_token_counts_that_fail_open_the_circuit() -> None:
    llm = ScriptedLLM()
    llm.counts = [DOWN, DOWN, DOWN]
    with rigged(llm) as rig:
        for _ in range(3):
            with pytest.raises(LLMUnavailable):
                rig.guard.count_tokens("x")
        assert rig.guard.state == "open"


def test_a_refused_prompt_shows_a_healthy_model() -> None:
    llm = ScriptedLLM([DOWN], [DOWN], [LLMRefused("too long")], [DOWN], [DOWN], ["fine"])
    with rigged(llm) as rig:
        rig.fail(5)
        assert rig.guard.state == "closed"
        assert rig.failed("refused") == 1
        assert rig.ask() == "fine"


def test_leaving_in_the_middle_closes_the_answer_and_frees_the_place() -> None:
    llm = ScriptedLLM(["one", "two", "three"])
    with rigged(llm) as rig:
        for _ in range(3):
            stream = rig.guard.stream(PROMPT)
            assert next(stream) == "one"
            assert rig.metric("rag_llm_in_flight") == 1
            stream.close()
            assert rig.metric("rag_llm_in_flight") == 0
        assert llm.finished == 3
        assert rig.guard.state == "closed"


def test_a_whole_answer_has_a_time_limit() -> None:
    clock = HandClock()
    slow = ["a", lambda: clock.sleep(25), "b", lambda: clock.sleep(25), "c", lambda: clock.sleep(25), "d"]
    rig = Rig(ScriptedLLM(slow), clock=clock)
    rig.start()
    pieces: list[str] = []
    with pytest.raises(LLMUnavailable, match="LLM_TIMEOUT_SECONDS=60"):
        pieces.extend(rig.guard.stream(PROMPT))
    assert rig.llm.finished == 1
    assert rig.failed("unavailable") == 1
    rig.guard.close()


def test_the_time_that_the_reader_takes_is_not_the_models() -> None:
    with rigged(ScriptedLLM(["a", "b", "c"])) as rig:
        for _ in rig.guard.stream(PROMPT):
            rig.clock.sleep(50)
        assert rig.failed("unavailable") == 0


def test_beyond_its_queue_a_question_is_turned_away_at_once() -> None:
    leave = threading.Event()
    llm = ScriptedLLM(["a", lambda: leave.wait(_PATIENCE), "b"])
    with rigged(llm, max_queue=1, queue_seconds=_PATIENCE) as rig, ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(rig.ask) for _ in range(2)]
        wait_until(
            lambda: (rig.metric("rag_llm_in_flight"), rig.metric("rag_llm_waiting")) == (1, 1),
            _PATIENCE,
            "one is answered, one waits",
        )
        with pytest.raises(LLMBusy, match="LLM_MAX_QUEUE"):
            rig.ask()
        assert rig.failed("queue_full") == 1
        leave.set()
        assert [each.result(_PATIENCE) for each in asked] == ["ab", "ab"]
        assert rig.guard.state == "closed"


def test_waiting_for_a_place_has_an_end() -> None:
    with rigged(ScriptedLLM(["a", "b"]), max_queue=1, queue_seconds=0.01, breaker_failures=1) as rig:
        stream = rig.guard.stream(PROMPT)
        next(stream)
        with pytest.raises(LLMBusy):
            rig.ask()
        assert rig.failed("queue_timeout") == 1
        assert rig.guard.state == "closed"
        stream.close()


def test_an_error_that_nobody_foresaw_frees_the_place() -> None:
    with rigged(ScriptedLLM([ZeroDivisionError()], ["fine"])) as rig:
        with pytest.raises(ZeroDivisionError):
            rig.ask()
        assert rig.ask() == "fine"


def test_closing_ends_the_attempts_to_load() -> None:
    llm = ScriptedLLM()
    llm.loads = [LLMUnavailable("away")] * 1000
    with rigged(llm, start=False) as rig:
        rig.guard.start()
        wait_until(lambda: llm.loaded > 0, _PATIENCE, "it tries")
    assert not [thread for thread in threading.enumerate() if thread.name == "llm-loading"]
