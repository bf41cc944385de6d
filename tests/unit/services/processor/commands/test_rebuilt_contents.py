"""What the new index holds in the end, and what of it had to be embedded."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from services.processor.commands.rebuilding import Retained
from shared.domain import WriteOutcome
from shared.events import Operation
from shared.ports import OutgoingRecord
from shared.vector_store.memory_store import MemoryStore
from tests.unit.services.processor.commands.rebuilds import (
    NEW,
    Case,
    a_history,
    an_event,
    apply,
    chunker,
    contents,
    tombstones,
    undisturbed,
)


@pytest.mark.parametrize("origin", ["stored", "kafka"])
@pytest.mark.parametrize("round_number", range(5))
def test_the_new_index_equals_an_undisturbed_run(origin: str, round_number: int) -> None:
    seed = random.randrange(2**32)
    history = a_history(random.Random(seed), documents=60, events=400)
    case = Case()
    case.commit(history[:200])
    taken = case.write_meanwhile(history[200:])
    rebuilt = case.run(origin)
    expected = undisturbed([*history[:200], *taken])
    assert len(taken) > 20, f"seed {seed}: nothing was written meanwhile"
    assert case.rebuild.current is case.target
    assert contents(case.target) == contents(expected), f"seed {seed}"
    assert tombstones(case.target) == tombstones(expected), f"seed {seed}"
    assert rebuilt.stats.documents == len(contents(expected))


@pytest.mark.parametrize("origin", ["stored", "kafka"])
def test_what_is_written_up_to_the_seal_is_copied(origin: str) -> None:
    case = Case()
    case.commit([an_event(1, 1), an_event(2, 1)])
    late = [an_event(1, 2), an_event(2, 2, op=Operation.DELETE), an_event(3, 1)]
    case.before_the_seal(lambda: case.commit(late, to_log=False))
    case.run(origin)
    assert contents(case.target) == contents(undisturbed(late))
    assert tombstones(case.target) == tombstones(case.source)


def test_of_two_events_with_one_version_the_first_counts() -> None:
    case = Case()
    case.commit([an_event(1, 1, "The first."), an_event(1, 1, "The second.")])
    case.run("kafka")
    assert contents(case.target)["test:1"][1] == "The first."


def test_an_embedding_that_is_gone_is_made_again() -> None:
    class Forgetful(MemoryStore):
        """Says that it has every embedding of the page."""

        def content_hashes(self, document_ids: Sequence[str]) -> dict[str, frozenset[str]]:
            chunks = chunker(NEW).chunk(an_event(1, 1).document)
            return {"test:1": frozenset(item.chunk.content_hash for item in chunks)}

    case = Case(target=Forgetful(NEW.dimension))
    case.commit([an_event(1, 1)])
    assert case.run("stored").embedded == 1
    assert contents(case.target).keys() == {"test:1"}


def test_what_a_late_edit_finds_is_the_tombstone() -> None:
    """The log holds the edit, and not the delete."""
    case = Case()
    case.commit([an_event(1, 1)])
    case.commit([an_event(1, 2, op=Operation.DELETE)], to_store=True, to_log=False)
    case.run("kafka")
    assert contents(case.target) == {}
    assert case.target.delete("test:1", an_event(1, 2).document.version) is WriteOutcome.DUPLICATE


def test_events_that_no_processor_has_read_do_no_harm() -> None:
    case = Case()
    case.commit([an_event(1, 1)])
    case.commit([an_event(1, 2), an_event(2, 1)], to_store=False)
    case.run("kafka")
    for event in (an_event(1, 2), an_event(2, 1)):
        apply(case.target, event, NEW)
    assert contents(case.target) == contents(undisturbed([an_event(1, 2), an_event(2, 1)]))


def test_only_the_newest_event_of_a_document_is_embedded() -> None:
    case = Case()
    case.commit([an_event(1, revision) for revision in range(1, 30)])
    assert case.run("kafka").embedded == 1


def test_unchanged_chunks_are_not_embedded_again() -> None:
    case = Case()
    long_text = " ".join(f"Sentence {number} of the page says something new." for number in range(40))
    case.commit([an_event(1, 1, long_text)])
    whole = len(chunker(NEW).chunk(an_event(1, 1, long_text).document))
    later = an_event(1, 2, f"{long_text} One more sentence.")

    def write_once() -> None:
        if contents(case.target) and not case.source.sealed:
            case.commit([later])

    case.source.meanwhile = write_once
    rebuilt = case.run("stored")
    assert contents(case.target)["test:1"][0] == later.document.version
    assert whole < rebuilt.embedded <= whole + 2


def test_what_no_processor_can_read_is_counted() -> None:
    case = Case()
    for value in (b"{", None, b"x" * 200_000, b'{"schema": "document-event/9"}'):
        case.broker.append(OutgoingRecord("documents", b"k", value))
    case.commit([an_event(1, 1)])
    rebuilt = case.run("kafka")
    assert rebuilt.unreadable == 4
    assert contents(case.target).keys() == {"test:1"}


def test_retention_holds_from_the_first_moment() -> None:
    case = Case()
    case.commit([an_event(number, number) for number in range(1, 11)])
    case.rebuilder(Retained(max_chunks=3)).from_log(case.log)
    assert contents(case.target).keys() == {"test:8", "test:9", "test:10"}
