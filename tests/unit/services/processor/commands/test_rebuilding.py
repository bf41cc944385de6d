"""The rebuild against everything that can happen meanwhile."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from services.processor.chunker import Chunker
from services.processor.commands.document_log import DocumentLog
from services.processor.commands.filling import Filler
from services.processor.commands.patience import Patience
from services.processor.commands.rebuilding import Rebuilder, Rebuilt, Retained
from services.processor.commands.stopping import Stopped
from shared.clock import SystemClock
from shared.domain import ChangePage, Document, StoredDocument, Version, WriteOutcome
from shared.embedder.hashing import HashingEmbedder
from shared.errors import CursorExpired, RetryableError, StoreDamaged, StoreUnavailable
from shared.events import DocumentEvent, Operation, encode_event
from shared.messaging.memory_broker import MemoryBroker
from shared.ports import EmbeddedDocument, OutgoingRecord, VectorStore
from shared.resilience.backoff import Backoff
from shared.vector_store.memory_store import MemoryStore
from tests.support.memory_rebuild import MemoryRebuild, SealableStore
from tests.support.memory_topic import MemoryTopic

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
OLD, NEW = HashingEmbedder(384), HashingEmbedder(64)
WORDS = ("river", "bridge", "council", "votes", "opens", "harbour", "storm", "2026")

Contents = dict[str, tuple[Version, str, tuple[str, ...]]]


def chunker(embedder: HashingEmbedder) -> Chunker:
    return Chunker(embedder.count_tokens, 40, 8)


def an_event(number: int, revision: int, text: str = "", op: Operation = Operation.UPSERT) -> DocumentEvent:
    document = Document(
        document_id=f"test:{number}",
        source="test",
        title=f"Page {number}",
        text=text or f"Text {revision} of page {number}.",
        url="",
        revision=revision,
        updated_at=EPOCH + timedelta(seconds=revision),
    )
    return DocumentEvent(op, f"event-{number}-{revision}", EPOCH, document)


def apply(store: VectorStore, event: DocumentEvent, embedder: HashingEmbedder = OLD) -> None:
    """As a processor would."""
    document = event.document
    if event.op is Operation.DELETE:
        store.delete(document.document_id, document.version)
        return
    chunks = chunker(embedder).chunk(document)
    rows = embedder.embed([item.text for item in chunks])
    store.replace([EmbeddedDocument(document, tuple(item.chunk for item in chunks), tuple(rows))])


def contents(store: VectorStore) -> Contents:
    found: Contents = {}
    for change in store.changes(None, 100_000).changes:
        stored = store.get(change.document_id)
        if stored is not None:
            texts = tuple(chunk.text for chunk in stored.chunks)
            found[change.document_id] = (stored.document.version, stored.document.text, texts)
    return found


def tombstones(store: VectorStore) -> dict[str, Version]:
    changes = store.changes(None, 100_000).changes
    return {change.document_id: change.version for change in changes if change.kind.value == "removed"}


def a_history(rng: random.Random, documents: int, events: int) -> list[DocumentEvent]:
    history = []
    for revision in range(1, events + 1):
        text = " ".join(" ".join(rng.choices(WORDS, k=9)) + "." for _ in range(rng.randrange(1, 12)))
        op = Operation.DELETE if rng.random() < 0.2 else Operation.UPSERT
        history.append(an_event(rng.randrange(documents), revision, text, op))
    return history


class BusyStore(SealableStore):
    """Calls ``meanwhile`` before each look at its feed: that is when other processes write."""

    def __init__(self) -> None:
        super().__init__(OLD.dimension)
        self.meanwhile: Callable[[], None] = lambda: None
        self.failures: list[Exception] = []

    def changes(self, after: str | None, limit: int) -> ChangePage:
        if self.failures:
            raise self.failures.pop(0)
        self.meanwhile()
        return super().changes(after, min(limit, 17))

    def get(self, document_id: str) -> StoredDocument | None:
        self.meanwhile()
        return super().get(document_id)


@dataclass
class Case:
    source: BusyStore = field(default_factory=BusyStore)
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    stop: threading.Event = field(default_factory=threading.Event)
    said: list[str] = field(default_factory=list)
    target: MemoryStore = field(default_factory=lambda: MemoryStore(NEW.dimension))

    def __post_init__(self) -> None:
        self.rebuild = MemoryRebuild(self.source, self.target)
        clock = SystemClock()
        patience = Patience(self.stop, clock, Backoff(0.001, 0.002, random.Random(1)), seconds=0.2)
        self.filler = Filler(chunker(NEW), NEW, self.target, 200, patience, self.stop)
        self.patience = patience
        self.clock = clock

    def rebuilder(self, retained: Retained | None = None) -> Rebuilder:
        return Rebuilder(
            self.rebuild,
            self.filler,
            self.patience,
            self.clock,
            self.stop,
            self.said.append,
            retained or Retained(),
        )

    def before_the_seal(self, action: Callable[[], None]) -> None:
        seal = self.rebuild.seal

        def seal_late() -> None:
            action()
            seal()

        self.rebuild.seal = seal_late  # type: ignore[method-assign]

    @property
    def log(self) -> DocumentLog:
        return DocumentLog(MemoryTopic(self.broker, "documents"), 100_000, self.stop)

    def commit(self, events: Iterable[DocumentEvent], *, to_log: bool = True, to_store: bool = True) -> None:
        for event in events:
            if to_log:
                key = event.document.document_id.encode()
                self.broker.append(OutgoingRecord("documents", key, encode_event(event)))
            if to_store:
                apply(self.source, event)

    def write_meanwhile(self, events: Sequence[DocumentEvent]) -> list[DocumentEvent]:
        """Half of it reaches the log late, or never; all that the store took while it could is returned."""
        left, taken = list(events), []

        def write() -> None:
            if left and not self.source.sealed:
                event = left.pop(0)
                self.commit([event], to_log=event.document.revision % 2 == 0)
                taken.append(event)

        self.source.meanwhile = write
        return taken

    def run(self, origin: str) -> Rebuilt:
        rebuilder = self.rebuilder()
        return rebuilder.from_stored() if origin == "stored" else rebuilder.from_log(self.log)


def undisturbed(events: Iterable[DocumentEvent]) -> MemoryStore:
    store = MemoryStore(NEW.dimension)
    for event in events:
        apply(store, event, NEW)
    return store


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


def test_what_the_log_no_longer_holds_is_kept_and_said() -> None:
    case = Case()
    case.commit([an_event(1, 1), an_event(2, 1)])
    case.commit([an_event(2, 5, "Newer than the log."), an_event(3, 1)], to_log=False)
    rebuilt = case.run("kafka")
    assert contents(case.target) == contents(
        undisturbed([an_event(1, 1), an_event(2, 5, "Newer than the log."), an_event(3, 1)])
    )
    assert (rebuilt.kept, rebuilt.dropped) == (2, 0)
    [line] = case.said
    assert "2 documents of the index are not in the log" in line
    assert "--drop-missing" in line


def test_it_is_left_out_where_that_is_agreed_to() -> None:
    case = Case()
    case.commit([an_event(1, 1)])
    case.commit([an_event(3, 1)], to_log=False)
    case.source.meanwhile = lambda: None
    asked: list[int] = []

    def agree(count: int) -> bool:
        asked.append(count)
        case.commit([an_event(4, 1)], to_log=False)  # written meanwhile: never left out
        return True

    rebuilt = case.rebuilder().from_log(case.log, agree)
    assert asked == [1]
    assert (rebuilt.kept, rebuilt.dropped) == (0, 1)
    assert contents(case.target).keys() == {"test:1", "test:4"}


def test_nothing_changes_where_it_is_not_agreed_to() -> None:
    case = Case()
    case.commit([an_event(3, 1)], to_log=False)
    with closing(case.rebuild), pytest.raises(Stopped, match="nothing was changed"):
        case.rebuilder().from_log(case.log, lambda _count: False)
    assert case.rebuild.current is case.source


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
    case = Case()
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
