"""Whatever comes between, the index is wholly the old one or wholly the new one."""

from __future__ import annotations

import random
from contextlib import closing
from datetime import timedelta

import pytest

from services.processor.commands.stopping import Stopped
from shared.errors import CursorExpired, RetryableError, StoreDamaged, StoreUnavailable
from shared.events import Operation
from shared.vector_store.memory_store import MemoryStore
from tests.unit.services.processor.commands.rebuilds import (
    NEW,
    Case,
    a_history,
    an_event,
    contents,
    tombstones,
    undisturbed,
)


@pytest.mark.parametrize("origin", ["stored", "kafka"])
def test_tombstones_that_expire_meanwhile_do_not_undo_the_work(origin: str) -> None:
    """As they do every minute, while a large index is copied for hours."""
    case = Case()
    case.commit(an_event(number, 1) for number in range(100))
    case.commit([an_event(100, 1, op=Operation.DELETE)])
    case.commit(an_event(number, 1) for number in range(101, 120))

    def expire() -> None:
        if case.filler.embedded:
            case.source.expire_tombstones(timedelta(0))

    case.source.meanwhile = expire
    case.run(origin)
    assert len(contents(case.target)) == 119
    assert tombstones(case.source) == {}


def test_a_store_that_is_away_for_a_moment_is_asked_again() -> None:
    case = Case()
    case.commit([an_event(1, 1)])
    case.source.failures = [StoreUnavailable("busy"), StoreUnavailable("busy")]
    case.run("stored")
    assert contents(case.target).keys() == {"test:1"}


def test_a_flush_that_is_refused_for_a_moment_does_not_undo_the_work() -> None:
    class Away(MemoryStore):
        failures = 2

        def flush(self) -> None:
            if self.failures:
                self.failures -= 1
                raise StoreUnavailable("away")

    case = Case(target=Away(NEW.dimension))
    case.commit([an_event(1, 1)])
    case.run("stored")
    assert case.rebuild.current is case.target


@pytest.mark.parametrize("error", [StoreUnavailable("away"), CursorExpired("forgotten")])
def test_an_error_leaves_the_old_index(error: Exception) -> None:
    case = Case(patience_seconds=0.05)
    case.commit([an_event(1, 1)])
    case.source.failures = [error] * 10_000
    with closing(case.rebuild), pytest.raises((RetryableError, CursorExpired)):
        case.run("stored")
    assert case.rebuild.current is case.source
    assert not case.source.sealed


@pytest.mark.parametrize("origin", ["stored", "kafka"])
def test_a_signal_leaves_the_old_index(origin: str) -> None:
    case = Case()
    case.commit(an_event(number, 1) for number in range(300))
    case.source.meanwhile = lambda: case.stop.set() if case.filler.embedded > 100 else None
    if origin == "kafka":
        case.stop.set()
    with closing(case.rebuild), pytest.raises(Stopped):
        case.run(origin)
    assert case.rebuild.current is case.source
    assert not case.source.sealed


def test_a_damaged_index_is_made_anew_from_the_log() -> None:
    case = Case()
    history = a_history(random.Random(7), documents=20, events=100)
    case.commit(history[:60])
    case.source.failures = [StoreDamaged("checksum")] * 1_000
    case.before_the_seal(lambda: case.commit(history[60:]))
    case.run("kafka")
    assert contents(case.target) == contents(undisturbed(history))
    assert "cannot be read (checksum)" in case.said[0]


def test_a_damaged_index_cannot_be_copied() -> None:
    case = Case()
    case.source.failures = [StoreDamaged("checksum")] * 1_000
    case.source.stats()
    with closing(case.rebuild), pytest.raises(StoreDamaged):
        case.run("stored")
    assert case.rebuild.current is case.source
