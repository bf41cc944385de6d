"""Compares what the stack ended with, and what it answered on the way, with what is right."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from shared.domain import Change, ChangeKind
from shared.embedder.hashing import HashingEmbedder
from shared.ports import VectorStore
from tests.chaos.searcher import SeenAnswer, SeenHit
from tests.chaos.topics import KeptRecord, Offsets
from tests.support.event_history import Message, State
from tests.support.oracle import Contents, LiveDocument, Oracle, embedded_texts

_SHOWN = 5
_SAMPLE = 400
_LEAST_RECALL = 0.98
_IN_FLIGHT = 1_000
"""Records of a partition that a processor may have taken in and not committed."""

Key = TypeVar("Key")
Value = TypeVar("Value")
DeadLetter = tuple[str, str, bytes | None]
"""Origin, reason, bytes."""


@dataclass(frozen=True, slots=True)
class DeadLetterCount:
    different: int
    repeated: int


def contents_of(store: VectorStore) -> Contents:
    """All of a store, read through its port.

    :raises AssertionError: an order, an id or a hash of its chunks is wrong.
    """
    newest = {change.document_id: change for change in _all_changes(store)}
    live = store.get_many(list(newest))
    hashes = store.content_hashes(list(newest))
    assert hashes.keys() == live.keys()
    documents: dict[str, LiveDocument] = {}
    for document_id, change in newest.items():
        stored = live.get(document_id)
        assert (stored is not None) == (change.kind is ChangeKind.INDEXED), f"{change} against {stored}"
        if stored is None:
            continue
        assert [chunk.ordinal for chunk in stored.chunks] == list(range(len(stored.chunks)))
        document = stored.document
        assert document.version == change.version, f"{change} against {document.version}"
        assert hashes[document_id] == frozenset(chunk.content_hash for chunk in stored.chunks)
        documents[document_id] = LiveDocument(
            document.revision,
            document.updated_at,
            document.title,
            document.text,
            document.url,
            dict(document.attributes),
            tuple(chunk.text for chunk in stored.chunks),
        )
    tombstones = {
        document_id: (change.version.revision, change.version.updated_at)
        for document_id, change in newest.items()
        if change.kind is ChangeKind.REMOVED
    }
    return Contents(documents, tombstones)


def check_contents(found: Contents, expected: Contents) -> None:
    _check_equal("documents", found.documents, expected.documents)
    _check_equal("tombstones", found.tombstones, expected.tombstones)


def check_stats(store: VectorStore, expected: Contents) -> None:
    stats = store.stats()
    assert (stats.documents, stats.chunks, stats.tombstones) == (
        len(expected.documents),
        expected.chunks,
        len(expected.tombstones),
    )
    times = [document.updated_at for document in expected.documents.values()]
    times += [moment for _, moment in expected.tombstones.values()]
    assert stats.as_of == max(times)


def check_embeddings(store: VectorStore, expected: Contents, rng: random.Random, *, exact: bool) -> None:
    """A chunk's own text finds it, or one with the same words."""
    embedder = HashingEmbedder()
    chunks = list(embedded_texts(expected).items())
    sample = rng.sample(chunks, min(_SAMPLE, len(chunks)))
    missed = [
        chunk_id
        for (chunk_id, _), embedding in zip(sample, embedder.embed([text for _, text in sample]), strict=True)
        if not any(hit.chunk_id == chunk_id and hit.score > 0.98 for hit in store.search(embedding, 5))
    ]
    allowed = 0 if exact else round(len(sample) * (1 - _LEAST_RECALL))
    assert len(missed) <= allowed, f"{len(missed)} of {len(sample)} are not found, such as {missed[:_SHOWN]}"


def check_dead_letters(
    letters: Iterable[KeptRecord], topic: str, records: Iterable[KeptRecord], poison: Iterable[Message]
) -> DeadLetterCount:
    """Exactly the poison, each with its place in the topic, its reason and its bytes.

    A processor that is killed between the broker's confirmation and its own commit leaves a letter twice.
    """
    reasons = {message.key: message.reason for message in poison}
    expected: set[DeadLetter] = set()
    for record in records:
        reason = reasons.get(record.key or b"")
        if reason is not None:
            expected.add((f"{topic}/{record.partition}@{record.offset}", reason.value, record.value))
    found = Counter(
        (letter.header("dlq.origin"), letter.header("dlq.reason"), letter.value) for letter in letters
    )
    assert found.keys() == expected, (
        f"missing: {sorted(map(_short, expected - found.keys()))[:_SHOWN]}, "
        f"wrong: {sorted(map(_short, found.keys() - expected))[:_SHOWN]}"
    )
    return DeadLetterCount(len(found), found.total() - len(found))


def check_topic(records: Sequence[KeptRecord], messages: Iterable[Message]) -> None:
    """The broker kept what it had acknowledged, and nothing else."""
    kept = {(record.key, record.value) for record in records}
    _check_same_keys("records in the topic", kept, {(message.key, message.value) for message in messages})


def check_answers(
    answers: Sequence[SeenAnswer],
    records: Iterable[KeptRecord],
    messages: Iterable[Message],
    oracle: Oracle,
) -> None:
    """Every hit is a passage, word for word, of a version that was sent; all hits of a document in one
    answer are of one version; and nothing is older than what had been committed before the question."""
    states = {message.value: message.state for message in messages if message.state is not None}
    places: dict[tuple[str, object], tuple[State, int, int]] = {}
    for record in records:
        state = states.get(record.value)
        if state is not None:
            places.setdefault((state.document_id, state.version), (state, record.partition, record.offset))
    history: dict[str, list[tuple[State, int, int]]] = defaultdict(list)
    for place in places.values():
        history[place[0].document_id].append(place)
    for answer in answers:
        versions: dict[str, object] = {}
        for hit in answer.hits:
            state = places[hit.document_id, hit.version][0]
            _check_hit(hit, state, oracle)
            assert versions.setdefault(hit.document_id, hit.version) == hit.version, f"a mix: {answer.hits}"
            _check_age(hit, history[hit.document_id], answer.committed)


def _check_age(hit: SeenHit, history: Sequence[tuple[State, int, int]], committed: Offsets) -> None:
    """Of several versions under way a processor writes only the newest, and the others' offsets may be
    committed before it: should it be lost, it is read again. So a hit may be outdated while a version
    that is newer than the committed ones is still under way."""
    newest = max(
        (state.version for state, partition, offset in history if offset < committed.get(partition, 0)),
        default=hit.version,
    )
    under_way = any(
        state.version > newest and 0 <= offset - committed.get(partition, 0) < _IN_FLIGHT
        for state, partition, offset in history
    )
    assert newest <= hit.version or under_way, f"{hit} although {newest} was committed: {committed}"


def _check_hit(hit: SeenHit, state: State, oracle: Oracle) -> None:
    live = oracle.live(state)
    ordinal = int(hit.chunk_id.rpartition("#")[2])
    assert hit.title == live.title, f"{hit} of {state}"
    assert ordinal < len(live.chunk_texts), f"{hit} of {state}"
    assert live.chunk_texts[ordinal] in hit.text, f"not the passage around what matched: {hit} of {state}"
    assert hit.text in (state.text or ""), f"{hit} of {state}"


def _all_changes(store: VectorStore) -> Iterable[Change]:
    cursor = None
    while True:
        page = store.changes(cursor, 1_000)
        if not page.changes:
            return
        yield from page.changes
        cursor = page.cursor


def _check_equal(what: str, found: Mapping[Key, Value], expected: Mapping[Key, Value]) -> None:
    _check_same_keys(what, set(found), set(expected))
    wrong = [key for key, value in expected.items() if found[key] != value]
    examples = "\n".join(f"{key}: found {found[key]}, expected {expected[key]}" for key in wrong[:_SHOWN])
    assert not wrong, f"{len(wrong)} of {len(expected)} {what} are wrong:\n{examples}"


def _check_same_keys(what: str, found: set[Key], expected: set[Key]) -> None:
    missing, surplus = expected - found, found - expected
    assert not missing | surplus, (
        f"{what}: {len(missing)} are missing, such as {list(missing)[:_SHOWN]}; "
        f"{len(surplus)} should not be there, such as {list(surplus)[:_SHOWN]}"
    )


def _short(letter: DeadLetter) -> str:
    origin, reason, value = letter
    return f"{origin} {reason} {(value or b'')[:60]!r}"
