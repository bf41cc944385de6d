from __future__ import annotations

from services.processor.batch import Waiting
from services.processor.chunker import Chunker
from services.processor.work import Poison, Work
from shared.domain import WriteOutcome
from shared.embedder.hashing import HashingEmbedder
from shared.errors import InvalidReason
from shared.events import Operation
from tests.unit.services.processor.support import a_ticket, a_work, an_event

CHUNKER = Chunker(HashingEmbedder().count_tokens, 32, 8)


def work(
    document_id: str,
    revision: int = 1,
    text: str = "Some text.",
    op: Operation = Operation.UPSERT,
    known: frozenset[str] | None = frozenset(),
) -> Work:
    return a_work(an_event(document_id, revision, text, op), CHUNKER, known)


def hashes(item: Work) -> frozenset[str]:
    return frozenset(embeddable.chunk.content_hash for embeddable in item.chunks)


def test_a_batch_is_the_first_works_up_to_a_number_of_tokens() -> None:
    waiting = Waiting()
    works = [work(f"d{number}") for number in range(5)]
    for item in works:
        waiting.add(item)
    each = works[0].fresh_tokens
    assert waiting.tokens == 5 * each
    assert waiting.take(2 * each, 100).upserts == works[:2]
    assert waiting.take(2 * each - 1, 100).upserts == works[2:3]
    assert waiting.take(100 * each, 100).upserts == works[3:]
    assert (len(waiting), waiting.tokens) == (0, 0)


def test_what_is_larger_than_a_batch_goes_alone() -> None:
    waiting = Waiting()
    large, small = work("large", text="Many words. " * 50), work("small")
    waiting.add(large)
    waiting.add(small)
    assert waiting.take(10, 100).upserts == [large]
    assert waiting.take(10, 100).upserts == [small]


def test_what_needs_no_model_counts_as_a_record_only() -> None:
    waiting = Waiting()
    works = [work(f"d{number}") for number in range(10)]
    for item in works:
        item.known = hashes(item)
        waiting.add(item)
    deletes = [work(f"gone{number}", op=Operation.DELETE) for number in range(2)]
    for item in deletes:
        waiting.add(item)
    batch = waiting.take(1, 11)
    assert (batch.upserts, batch.deletes) == (works, deletes[:1])
    assert waiting.take(1, 11).deletes == deletes[1:]


def test_a_newer_version_takes_the_place_of_the_one_that_waits() -> None:
    waiting = Waiting()
    first, other, second = work("a", 1, "One."), work("b"), work("a", 2, "Two.")
    first.known, second.known = frozenset({"stored"}), hashes(first)
    assert waiting.add(first) is None
    assert waiting.add(other) is None
    assert waiting.add(second) is WriteOutcome.STALE
    assert first.ticket.done
    assert not second.ticket.done
    assert second.known == {"stored"}
    assert waiting.take(100, 100).upserts == [second, other]
    assert waiting.tokens == 0


def test_an_older_or_equal_version_gives_way() -> None:
    waiting = Waiting()
    newest, equal, older = work("a", 2, op=Operation.DELETE), work("a", 2), work("a", 1)
    waiting.add(newest)
    assert waiting.add(equal) is WriteOutcome.DUPLICATE
    assert waiting.add(older) is WriteOutcome.STALE
    assert equal.ticket.done
    assert older.ticket.done
    assert not newest.ticket.done
    batch = waiting.take(100, 100)
    assert (batch.upserts, batch.deletes) == ([], [newest])


def test_what_was_abandoned_is_dropped() -> None:
    waiting = Waiting()
    gone, stays = work("a", 2), work("b")
    poison = Poison(a_ticket(b"{"), a_ticket(b"{").record, InvalidReason.MALFORMED_JSON, "")
    waiting.add(gone)
    waiting.add(stays)
    waiting.add_poison(poison)
    gone.ticket.abandoned = poison.ticket.abandoned = True
    batch = waiting.take(100, 100)
    assert (batch.upserts, batch.poison) == ([stays], [])
    assert (len(waiting), waiting.tokens) == (0, 0)
    assert not gone.ticket.done


def test_what_comes_after_an_abandoned_version_is_not_measured_by_it() -> None:
    waiting = Waiting()
    gone, again = work("a", 2), work("a", 2)
    waiting.add(gone)
    gone.ticket.abandoned = True
    assert waiting.add(again) is None
    assert waiting.take(100, 100).upserts == [again]
    assert not gone.ticket.done
