"""Kill anything at any time: the store ends up equal to an undisturbed run, and never answers wrongly.

``CHAOS_SEED`` repeats a run's events and its draws of faults; their timing is the machine's.
"""

from __future__ import annotations

import os
import random
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.chaos.faults import Chaos
from tests.chaos.feeder import Feeder
from tests.chaos.judgement import (
    check_answers,
    check_contents,
    check_dead_letters,
    check_embeddings,
    check_stats,
    check_topic,
    contents_of,
)
from tests.chaos.rig import Rig, a_rig, an_oracle
from tests.chaos.searcher import Searcher
from tests.chaos.stores import opened, store_under_test
from tests.chaos.topics import CommittedOffsets, whole_topic
from tests.support.durable_broker import durable_broker
from tests.support.event_history import Message, a_history
from tests.support.oracle import Contents, Oracle

_ANSWERS_WHILE_BROKEN = {"200", "503", "no connection"}


@dataclass(frozen=True, slots=True)
class Plan:
    """``rate`` in records a second; a fault after every ``pause`` seconds, from and to."""

    events: int
    poison: int
    rate: float
    pause: tuple[float, float]
    settle_seconds: float


SMALL = Plan(events=1_500, poison=15, rate=100, pause=(1, 2), settle_seconds=90)
FULL = Plan(events=20_000, poison=150, rate=100, pause=(2, 7), settle_seconds=300)


def test_a_small_run_on_faiss(tmp_path: Path) -> None:
    survive("faiss", SMALL, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(1_500)
@pytest.mark.parametrize("kind", ["faiss", "redis", "redis-cluster"])
def test_twenty_thousand_events(kind: str, tmp_path: Path) -> None:
    survive(kind, FULL, tmp_path)


def survive(kind: str, plan: Plan, folder: Path) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(10**6))
    messages = a_history(seed, plan.events, plan.poison)
    states = [message.state for message in messages if message.state is not None]
    oracle = an_oracle()
    expected = oracle.contents(states)
    questions = [state.text[:300] for state in states if state.text]
    with ExitStack() as stack:
        broker = stack.enter_context(durable_broker(folder))
        store = stack.enter_context(store_under_test(kind, folder))
        rig = stack.enter_context(a_rig(folder, broker, store))
        feeder = Feeder(rig.kafka, messages, plan.rate)
        chaos = Chaos(rig, feeder, random.Random(seed), plan.pause)
        with chaos.told_on_failure(f"CHAOS_SEED={seed} {kind}, in {folder}"):
            searcher = Searcher(rig.api_client, rig.kafka, questions, seed)
            feeder.start()
            searcher.start()
            stack.callback(feeder.abandon)
            stack.callback(searcher.stop)
            while feeder.is_alive() or chaos.busy:
                chaos.step(more=feeder.is_alive())
                chaos.breathe()
            assert feeder.failure is None, feeder.failure
            settle(rig, chaos, plan.settle_seconds)
            searcher.stop()
            repeated = judge(rig, messages, expected, oracle, searcher, random.Random(seed))
            judge_the_api(rig, expected)
            rig.stop_all()
            store.check_inside(expected)
            print(
                f"{kind}, seed {seed}: {chaos.counts} faults, {dict(searcher.statuses)} answers, "
                f"{feeder.sent_again} records sent again, {repeated} dead letters repeated, "
                f"{len(rig.unexpected_ends)} ends by themselves, "
                f"{chaos.stalls} restarts of the broker for a group that it had stopped"
            )


def settle(rig: Rig, chaos: Chaos, seconds: float) -> None:
    """Until everything that was sent is committed; only the supervisor still works."""
    rig.store.wait_until_healthy()
    ends: dict[int, int] = {}
    for record in whole_topic(rig.kafka, rig.kafka.topic):
        ends[record.partition] = max(ends.get(record.partition, 0), record.offset + 1)
    deadline = time.monotonic() + seconds
    committed: dict[int, int] | None = None
    with closing(CommittedOffsets(rig.kafka)) as offsets:
        while committed is None or any(committed[partition] < end for partition, end in ends.items()):
            assert time.monotonic() < deadline, f"committed {committed} of {ends} after {seconds} s"
            chaos.step(more=False)
            chaos.breathe()
            committed = offsets.read()
    rig.wait_until_ready()


def judge_the_api(rig: Rig, expected: Contents) -> None:
    response = rig.api_client.get("/v1/stats")
    assert response.status_code == 200, response.text
    stats = response.json()
    assert (stats["documents"], stats["chunks"], stats["tombstones"]) == (
        len(expected.documents),
        expected.chunks,
        len(expected.tombstones),
    )


def judge(
    rig: Rig,
    messages: list[Message],
    expected: Contents,
    oracle: Oracle,
    searcher: Searcher,
    rng: random.Random,
) -> int:
    """How many dead letters are there more than once."""
    records = whole_topic(rig.kafka, rig.kafka.topic)
    check_topic(records, messages)
    with opened(rig.store) as store:
        check_contents(contents_of(store), expected)
        check_stats(store, expected)
        check_embeddings(store, expected, rng, exact=rig.store.exact)
    letters = whole_topic(rig.kafka, rig.kafka.dlq_topic)
    poison = [message for message in messages if message.reason is not None]
    count = check_dead_letters(letters, rig.kafka.topic, records, poison)
    assert count.different >= len(poison)
    assert searcher.statuses.keys() <= _ANSWERS_WHILE_BROKEN, searcher.statuses
    assert searcher.answers
    check_answers(searcher.answers, records, messages, oracle)
    return count.repeated
