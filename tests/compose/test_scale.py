"""Three processors and two apis: nothing is lost, everybody works, and a killed replica is not noticed."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.support.compose_stack import ComposeStack, answered

_DOCUMENTS = 120
_REST_SECONDS = 5.0
_CONSUMED = "messaging_client_consumed_messages_total"
_SENT = "messaging_client_sent_messages_total"
_LAG = "rag_consumer_lag_messages"
_WINDOW_SECONDS = 15.0
"""In which the gateway may take a dead api for one that lives: two checks, of which each has its timeout."""


@pytest.fixture(scope="module")
def scaled(stack: ComposeStack) -> Iterator[ComposeStack]:
    stack.start("--scale", "processor=3", "--scale", "api=2")
    yield stack
    stack.start("--scale", "processor=1", "--scale", "api=1")


def test_three_processors_share_the_partitions_and_lose_nothing(scaled: ComposeStack) -> None:
    scaled.wait(lambda: sorted(_assigned(scaled)) == [1, 1, 2], "each processor has a partition")
    scaled.wait(lambda: _at_rest(scaled), "the producer has sent its history, and it is read")
    before = scaled.metric("processor", _CONSUMED)
    lines = "\n".join(json.dumps(_document(number)) for number in range(_DOCUMENTS))
    kind = {"Content-Type": "application/x-ndjson"}
    accepted = scaled.api.post("/v1/documents", content=lines, headers=kind)
    assert answered(accepted)["accepted"] == _DOCUMENTS
    scaled.wait(lambda: not _missing(scaled), "every document can be read")
    after = scaled.metric("processor", _CONSUMED)
    assert all(now > then for then, now in zip(before, after, strict=True)), (before, after)
    assert sum(after) - sum(before) == _DOCUMENTS


def _at_rest(stack: ComposeStack) -> bool:
    def moved() -> list[float]:
        return stack.metric("producer", _SENT) + stack.metric("processor", _CONSUMED)

    before = moved()
    time.sleep(_REST_SECONDS)
    return sum(stack.metric("processor", _LAG)) == 0 and moved() == before


def _document(number: int) -> dict[str, str]:
    text = f"The bridge number {number} was opened in {1800 + number}."
    return {"document_id": f"compose:bridge-{number}", "title": f"Bridge {number}", "text": text}


def _missing(stack: ComposeStack) -> list[int]:
    return [
        number
        for number in range(_DOCUMENTS)
        if stack.api.get(f"/v1/documents/compose:bridge-{number}").status_code != httpx.codes.OK
    ]


def _assigned(stack: ComposeStack) -> list[int]:
    """How many partitions each processor has."""
    counts = []
    for container in stack.containers("processor"):
        lines = stack.metrics(container).splitlines()
        counts.append(sum(line.startswith(f"{_LAG}{{") for line in lines))
    return counts


def test_the_gateway_gives_each_api_its_share(scaled: ComposeStack) -> None:
    before = scaled.metric("api", "http_server_request_duration_seconds_count")
    for _ in range(40):
        scaled.search("When was the bridge number 7 opened?")
    after = scaled.metric("api", "http_server_request_duration_seconds_count")
    grown = [now - then for then, now in zip(before, after, strict=True)]
    assert min(grown) >= 10, grown


def test_a_killed_api_is_not_noticed_once_the_gateway_has_seen_it(scaled: ComposeStack) -> None:
    scaled.wait_healthy()
    victim = scaled.containers("api")[0]
    os.kill(victim["State"]["Pid"], signal.SIGKILL)
    killed = time.monotonic()
    failures = []
    while (since := time.monotonic() - killed) < 2 * _WINDOW_SECONDS:
        try:
            status = scaled.api.post("/v1/search", json={"question": "When was bridge 7 opened?"}).status_code
        except httpx.TransportError as error:
            failures.append((since, repr(error)))
            continue
        if status != httpx.codes.OK:
            failures.append((since, str(status)))
    assert [failure for failure in failures if failure[0] > _WINDOW_SECONDS] == []
    scaled.wait_healthy(since={victim["Id"]: victim["State"]["StartedAt"]})
