"""The broker of local mode loses everything when it crashes: the producer's rewind brings it back.

The processors are frozen before each kill, so that records are lost for certain which the broker had
acknowledged and which nobody had read.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.chaos.faults import Chaos
from tests.chaos.feeder import Feeder
from tests.chaos.judgement import check_contents, check_stats, contents_of
from tests.chaos.rig import Rig, a_rig, an_oracle
from tests.chaos.stores import opened, store_under_test
from tests.chaos.topics import whole_topic
from tests.support.durable_broker import forgetful_broker
from tests.support.event_history import State
from tests.support.event_server import page_change
from tests.support.oracle import Contents
from tests.support.processes import accepts_connections, free_port, wait_until
from tests.support.stack_processes import killed_at_the_end, service

_RATE = 60
_PAGES = 150
_STREAM = "mediawiki.page_change.v1"
_BEGINNING = datetime(2026, 11, 1, tzinfo=UTC)
_SETTLE_SECONDS = 150
_SENT = "messaging_client_sent_messages_total "
_VERBS = {"edit": "was edited", "undelete": "was restored"}


@dataclass(frozen=True, slots=True)
class SourceEvent:
    event_id: str
    body: dict[str, object]
    state: State | None
    """``None``: poison."""


def a_stream(rng: random.Random, count: int, replay_url: str) -> Iterator[SourceEvent]:
    """Edits, deletes and undeletes of a few pages; one event in fifty is not understood."""
    revisions: dict[int, int] = {}
    deleted: set[int] = set()
    for number in range(count):
        page_id = rng.randrange(1, _PAGES)
        moment = _BEGINNING + timedelta(seconds=number)
        kind = "edit"
        if page_id in deleted:
            kind = "undelete"
            deleted.discard(page_id)
        elif page_id in revisions and rng.random() < 0.2:
            kind = "delete"
            deleted.add(page_id)
        if kind == "edit":
            revisions[page_id] = 1000 + number
        time, event_id = moment.isoformat(), f"event-{number}"
        body = json.loads(
            page_change(
                number,
                page_id,
                kind,
                dt=time,
                meta={"id": event_id, "dt": time, "domain": "wiki.example"},
                revision={"rev_id": revisions[page_id], "comment": f"change {number}"},
            )
        )
        if kind == "edit" and rng.random() < 0.02:
            yield SourceEvent(event_id, body | {"$schema": "/unheard/of/1.0.0"}, None)
            revisions.pop(page_id)
        else:
            state = _state(number, kind, page_id, revisions[page_id], moment, replay_url)
            yield SourceEvent(event_id, body, state)


def _state(number: int, kind: str, page_id: int, revision: int, moment: datetime, replay_url: str) -> State:
    comment = f"change {number}"
    title = f"Page {page_id}"
    return State(
        f"examplesofwiki:{page_id}",
        revision,
        moment,
        title,
        None if kind == "delete" else f"{title} {_VERBS[kind]}: {comment}.",
        {
            "minor": False,
            "user": "Ada",
            "comment": comment,
            "wiki": "examplesofwiki",
            "namespace": 0,
            "page_id": page_id,
            "change_kind": kind,
            "bot": False,
        },
        f"{replay_url}/wiki/Page_{page_id}?oldid={revision}",
    )


def test_one_crash(tmp_path: Path) -> None:
    survive(tmp_path, events=900, crashes=1)


def test_one_crash_when_the_source_has_fallen_silent(tmp_path: Path) -> None:
    """Nothing more is sent, so no refusal can tell the producer."""
    survive(tmp_path, events=300, crashes=1, after_the_last_event=True)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_three_crashes_and_one_of_the_producer(tmp_path: Path) -> None:
    survive(tmp_path, events=8_000, crashes=3, kill_producer=True)


def survive(
    folder: Path,
    *,
    events: int,
    crashes: int,
    kill_producer: bool = False,
    after_the_last_event: bool = False,
) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(10**6))
    rng = random.Random(seed)
    replay_port, metrics_port = free_port(), free_port()
    replay_url = f"http://127.0.0.1:{replay_port}"
    stream = list(a_stream(rng, events, replay_url))
    file = folder / "events.jsonl"
    with file.open("w") as lines:
        for event in stream:
            lines.write(json.dumps({"stream": _STREAM, "data": event.body}) + "\n")
    documents = [event.state for event in stream if event.state is not None]
    expected = an_oracle().contents(documents)
    with ExitStack() as stack:
        broker = stack.enter_context(forgetful_broker(folder))
        store = stack.enter_context(store_under_test("faiss", folder))
        rig = stack.enter_context(a_rig(folder, broker, store))
        source = service(
            "replay",
            "services.replay",
            folder,
            {
                "REPLAY_PORT": str(replay_port),
                "REPLAY_FILE": str(file),
                "REPLAY_RATE": str(_RATE),
                "REPLAY_KEEP_TIMES": "true",
                "LOG_LEVEL": "WARNING",
            },
        )
        producer = service(
            "producer",
            "services.producer",
            folder,
            {
                **rig.environment,
                "SOURCE": "replay",
                "REPLAY_URL": replay_url,
                "SOURCE_REWIND": "15m",
                "ENRICH": "none",
                "METRICS_PORT": str(metrics_port),
            },
        )
        stack.enter_context(killed_at_the_end(source, producer))
        rig.others += [producer]
        chaos = Chaos(rig, Feeder(rig.kafka, (), 1), rng, (1, 1))
        replay = stack.enter_context(httpx.Client(base_url=replay_url, trust_env=False))
        metrics = stack.enter_context(
            httpx.Client(base_url=f"http://127.0.0.1:{metrics_port}", trust_env=False)
        )
        with chaos.told_on_failure(f"CHAOS_SEED={seed}, in {folder}"):
            source.start()
            wait_until(lambda: accepts_connections(replay_port), 30, "replay server")
            producer.start()
            for crash in range(1, crashes + 1):
                wait_for_events(replay, chaos, events * crash // (crashes + 2))
                acknowledged = len(documents) if after_the_last_event else None
                crash_the_broker(rig, chaos, metrics, acknowledged)
                if kill_producer and crash == crashes:
                    producer.kill()
                    chaos.note("kill -9 producer")
                    producer.start()
            wait_for_events(replay, chaos, events)
            settle(rig, chaos, expected)
            check_dead_letters(rig, stream)
            rig.stop_all()
            with opened(store) as port:
                check_contents(contents_of(port), expected)
                check_stats(port, expected)


def crash_the_broker(rig: Rig, chaos: Chaos, metrics: httpx.Client, acknowledged: int | None) -> None:
    """Which holds records that were acknowledged and that no processor has read; it crashes when so many
    were acknowledged, by default about a second's worth more than now."""
    processors = chaos.take_processors(all_of_them=True)
    for processor in processors:
        processor.freeze()
    chaos.note("all processors are frozen")
    wanted = acknowledged or sent_by_the_producer(metrics) + _RATE
    wait_until(lambda: sent_by_the_producer(metrics) >= wanted, 60, "unread records")
    rig.broker.kill()
    chaos.note("kill -9 broker")
    for processor in processors:
        processor.thaw()
    chaos.give_back(*processors)
    rig.broker.start()
    chaos.note("the broker is back, and empty")


def sent_by_the_producer(metrics: httpx.Client) -> int:
    """Documents that were acknowledged since it was started; 0 while it is starting."""
    try:
        lines = metrics.get("/metrics").text.splitlines()
    except httpx.TransportError:
        return 0
    return next(int(float(line.split()[1])) for line in lines if line.startswith(_SENT))


def wait_for_events(replay: httpx.Client, chaos: Chaos, count: int) -> None:
    def published() -> bool:
        chaos.step(more=False)
        return int(replay.get("/replay/status").json()["published"]) >= count

    wait_until(published, count / _RATE + 60, f"{count} events", 0.1)


def settle(rig: Rig, chaos: Chaos, expected: Contents) -> None:
    """The newest event is the last one to arrive only as a rule, so the whole store is looked at."""

    def equal() -> bool:
        chaos.step(more=False)
        with opened(rig.store) as port:
            try:
                return contents_of(port) == expected
            except AssertionError:  # it is being written while it is read
                return False

    try:
        wait_until(equal, _SETTLE_SECONDS, "the store to hold everything", 1.0)
    except AssertionError:
        with opened(rig.store) as port:
            check_contents(contents_of(port), expected)
        raise


def check_dead_letters(rig: Rig, stream: list[SourceEvent]) -> None:
    """The rewind reaches back to the beginning, so the new broker has all of them again."""
    letters = whole_topic(rig.kafka, rig.kafka.dlq_topic)
    found = {json.loads(letter.value or b"")["meta"]["id"] for letter in letters}
    assert found == {event.event_id for event in stream if event.state is None}
    assert {letter.header("dlq.reason") for letter in letters} <= {"unknown_schema"}
