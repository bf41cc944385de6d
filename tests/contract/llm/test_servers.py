"""What goes wrong between an adapter and its server, with real servers and a network that is told to fail."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest
from prometheus_client import CollectorRegistry

from shared.clock import SystemClock
from shared.domain import Prompt
from shared.errors import LLMRefused, LLMUnavailable
from shared.llm.guarded import GuardedLLM, Limits
from shared.llm.loading import LoadableLLM
from shared.observability.metrics import LLMMetrics
from tests.contract.llm.conftest import PATIENT, Served
from tests.support.llama_server import KEY
from tests.support.processes import free_port, wait_until
from tests.support.streams import read_to_end

SHORT = 0.5
"""Seconds of silence that are too long; only where nothing else than silence is to come."""
PROMPT = Prompt(
    "Answer from the passage.",
    "[1] The earthquake in Velmora killed 47 people.\n\nQuestion: How many people died?\nAnswer:",
    "How many people died?",
    (),
    12,
)
STORY = Prompt("", "Tell a very long story about a fox.", "", (), 1500)


@contextmanager
def guarded(llm: LoadableLLM, retries: int = 2) -> Iterator[GuardedLLM]:
    limits = Limits(
        timeout_seconds=PATIENT,
        max_concurrent=2,
        max_queue=2,
        queue_seconds=PATIENT,
        retries=retries,
        retry_seconds=PATIENT,
        breaker_failures=3,
        breaker_seconds=0.2,
    )
    failures: list[BaseException] = []
    guard = GuardedLLM(llm, limits, LLMMetrics(CollectorRegistry()), SystemClock(), failures.append)
    guard.start()
    try:
        wait_until(lambda: guard.state != "loading", PATIENT, "the model is loaded")
        yield guard
    finally:
        guard.close()
    assert not failures


def _fails(llm: LoadableLLM, *words: str) -> LLMUnavailable:
    with pytest.raises(LLMUnavailable) as caught:
        list(llm.stream(PROMPT))
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value


def _address_setting(served: Served) -> str:
    return "OPENAI_BASE_URL=" if served.kind == "openai" else "OLLAMA_URL="


def test_the_server_says_how_many_tokens_it_read_and_wrote(served: Served) -> None:
    llm = served.direct()
    pieces, usage = read_to_end(llm.stream(PROMPT))
    assert "47" in "".join(pieces)
    assert usage is not None
    assert 20 < usage.input_tokens < 100
    assert len(pieces) <= usage.output_tokens <= PROMPT.max_output_tokens


def test_a_server_that_is_not_there_can_be_tried_again(served: Served) -> None:
    llm = served.make(f"http://127.0.0.1:{free_port()}", PATIENT)
    served.stack.callback(llm.close)
    with pytest.raises(LLMUnavailable) as caught:
        llm.load(threading.Event())
    assert _address_setting(served) in str(caught.value)
    assert caught.value.retry_after is not None


def test_a_connection_that_ends_without_an_answer_is_tried_again(served: Served) -> None:
    with guarded(served.make(served.proxy.root, PATIENT)) as guard:
        served.proxy.do("drop 2")
        assert "47" in "".join(guard.stream(PROMPT))
        assert served.proxy.count() == 3


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_to_come_back_is_asked_again(served: Served, status: int) -> None:
    with guarded(served.make(served.proxy.root, PATIENT)) as guard:
        served.proxy.do(f"status {status} 2 0")
        assert "47" in "".join(guard.stream(PROMPT))
        assert served.proxy.count() == 3


@pytest.mark.parametrize("fault", ["status 503 9", "status 500 9 0", "status 401 9 0"])
def test_any_other_refusal_is_final(served: Served, fault: str) -> None:
    with guarded(served.make(served.proxy.root, PATIENT)) as guard:
        served.proxy.do(fault)
        with pytest.raises(LLMUnavailable, match=fault.split()[1]):
            list(guard.stream(PROMPT))
        assert served.proxy.count() == 1


def test_an_answer_that_breaks_off_is_an_error_and_not_asked_again(served: Served) -> None:
    with guarded(served.make(served.proxy.root, PATIENT)) as guard:
        served.proxy.do("cut 900")
        pieces = []
        with pytest.raises(LLMUnavailable, match="broke off"):
            pieces.extend(guard.stream(PROMPT))
        assert served.proxy.count() == 1


@pytest.mark.parametrize("fault", ["hang", "stall 900"])
def test_silence_has_an_end_and_the_server_sees_us_leave(served: Served, fault: str) -> None:
    llm = served.through_proxy(SHORT)
    served.proxy.do(fault)
    _fails(llm, "LLM_SILENCE_SECONDS=0.5", _address_setting(served))
    assert served.proxy.process.line() == "left"


def test_signs_of_life_without_content_are_silence(served: Served) -> None:
    llm = served.through_proxy(SHORT)
    served.proxy.do("ping")
    _fails(llm, "LLM_SILENCE_SECONDS=0.5")
    assert served.proxy.process.line() == "left"


@pytest.mark.parametrize(
    "body",
    [
        "text/html <html>Welcome to nginx</html>",
        "application/json []",
        "application/x-ndjson {no json",
        "text/event-stream data: {no json",
        'text/event-stream data: ["no", "object"]',
        'text/event-stream data: {"choices": [7]}\\n\\n',
        'application/x-ndjson {"message": 7}',
        "text/plain Sorry.",
    ],
)
def test_what_makes_no_sense_is_an_error(served: Served, body: str) -> None:
    llm = served.through_proxy()
    served.proxy.do(f"body {body}")
    error = _fails(llm, _address_setting(served))
    assert error.retry_after is None


@pytest.mark.parametrize(
    "body",
    [
        'text/event-stream data: {"error": {"message": "out of memory"}}',
        'application/x-ndjson {"error": "out of memory"}',
    ],
)
def test_an_error_in_the_middle_is_told(served: Served, body: str) -> None:
    llm = served.through_proxy()
    served.proxy.do(f"body {body}")
    is_its_own = ("ndjson" in body) == (served.kind == "ollama")
    _fails(llm, "out of memory" if is_its_own else _address_setting(served))


def test_a_line_without_end_is_not_read_for_ever(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.llm.server._LONGEST_LINE", 1000)
    llm = served.through_proxy()
    served.proxy.do(f"body text/event-stream data: {'x' * 2000}")
    _fails(llm, "1000 bytes")


def test_a_prompt_that_does_not_fit_is_refused_and_the_model_not_blamed(served: Served) -> None:
    with guarded(served.make(served.root, PATIENT)) as guard:
        too_long = Prompt("", "fox " * 2500, "", (), 10)
        for _ in range(4):
            with pytest.raises(LLMRefused, match="context"):
                list(guard.stream(too_long))
        assert "47" in "".join(guard.stream(PROMPT))


def test_who_leaves_early_stops_the_server(served: Served, request: pytest.FixtureRequest) -> None:
    stream = served.direct().stream(STORY)
    assert next(stream)
    stream.close()
    if served.kind == "ollama":
        word, pieces = request.getfixturevalue("ollama").process.line().split()
        assert word == "left"
        assert int(pieces) < STORY.max_output_tokens / 2
    else:
        with httpx.Client(base_url=served.root, headers={"Authorization": f"Bearer {KEY}"}) as server:

            def slot() -> dict[str, object]:
                [only] = server.get("/slots").json()
                assert isinstance(only, dict)
                return only

            wait_until(lambda: not slot()["is_processing"], PATIENT, "the server stops writing")
            # Of the task that it last worked on: not all that it was asked for was written.
            [state] = slot()["next_token"]  # type: ignore[misc]
            assert state["n_decoded"] < STORY.max_output_tokens / 2


def test_a_server_that_dies_is_left_alone_and_found_again(served: Served) -> None:
    with guarded(served.make(served.proxy.root, PATIENT), retries=0) as guard:
        assert "47" in "".join(guard.stream(PROMPT))
        served.proxy.do("drop 3")
        for _ in range(3):
            with pytest.raises(LLMUnavailable):
                list(guard.stream(PROMPT))
        assert guard.state in ("open", "half_open")
        answers: list[str] = []

        def answers_again() -> bool:
            with suppress(LLMUnavailable):
                answers.append("".join(guard.stream(PROMPT)))
            return bool(answers)

        wait_until(answers_again, PATIENT, "it answers again")
        assert "47" in answers[0]
        assert guard.state == "closed"
