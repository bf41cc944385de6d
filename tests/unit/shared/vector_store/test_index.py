from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from shared.domain import Document, SearchFilter, epoch_milliseconds
from shared.vector_store.faiss_store.index import SLOT, ChunkIndex, Selection, View
from shared.vector_store.faiss_store.recipe import IndexRecipe

DIMENSION = 8
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def an_index() -> ChunkIndex:
    nothing = np.empty((0, DIMENSION), dtype=np.float32)
    return ChunkIndex(IndexRecipe("Flat", DIMENSION).create(nothing), DIMENSION)


def unit_rows(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def slots_of(document_keys: list[int], first_chunk_key: int = 0) -> np.ndarray:
    slots = np.zeros(len(document_keys), dtype=SLOT)
    slots["document_key"] = document_keys
    slots["chunk_key"] = np.arange(first_chunk_key, first_chunk_key + len(document_keys))
    return slots


def live_keys(index: ChunkIndex) -> list[int]:
    return keys_among(index.view(), index.view().matching(None))


def keys_among(view: View, among: Selection) -> list[int]:
    return view.chunk_keys(np.flatnonzero(among.mask)).tolist()


def test_a_document_may_be_split_between_blocks() -> None:
    index = an_index()
    index.add(slots_of([1, 2, 2], 0), unit_rows(3))
    index.add(slots_of([2, 2, 3], 3), unit_rows(3))
    index.remove(2)
    assert live_keys(index) == [0, 5]
    assert index.live == 2


def test_removing_an_unknown_document_does_nothing() -> None:
    index = an_index()
    index.add(slots_of([1]), unit_rows(1))
    index.remove(9)
    index.remove(1)
    index.remove(1)
    assert index.live == 0


def test_many_dead_are_wasteful() -> None:
    index = an_index()
    index.add(slots_of([number // 3 for number in range(9_000)]), unit_rows(9_000))
    for document_key in range(0, 3_000, 2):
        index.remove(document_key)
    assert index.wasteful
    assert index.live == 4_500
    assert index.document_keys() == set(range(1, 3_000, 2))


def test_new_and_old_embeddings_are_found_alike() -> None:
    """Whether they are still kept apart or not."""
    rows = unit_rows(3_000)
    index = an_index()
    for start in range(0, 3_000, 100):
        index.add(slots_of(list(range(start, start + 100)), start), rows[start : start + 100])
        view = index.view()
        for row in (0, start // 2, start, start + 99):
            positions, scores = view.nearest(rows[row], 5, view.matching(None))
            truth = rows[: start + 100] @ rows[row]
            assert positions.tolist() == np.argsort(-truth, kind="stable")[:5].tolist()
            assert scores == pytest.approx(np.sort(truth)[::-1][:5], abs=1e-5)


def test_a_view_knows_whose_its_chunks_are_and_their_embeddings() -> None:
    rows = unit_rows(3_000)
    index = an_index()
    for start in range(0, 3_000, 100):
        slots = slots_of(list(range(start, start + 100)), start)
        slots["document_id"] = [f"d{number}" for number in range(start, start + 100)]
        slots["ordinal"] = np.arange(start, start + 100) % 7
        index.add(slots, rows[start : start + 100])
    positions = np.array([2_999, 0, 1_500, 2_000, 2_047, 2_048])  # new ones and old ones
    view = index.view()
    assert np.array_equal(view.embeddings(positions), rows[positions])
    assert list(view.identities(positions)) == [(f"d{number}", number % 7) for number in positions.tolist()]


def test_a_view_stays_as_it_was() -> None:
    rows = unit_rows(9_000)
    index = an_index()
    index.add(slots_of(list(range(100))), rows[:100])
    before = index.view()
    index.remove(7)
    for start in range(100, 9_000, 890):  # grows the columns, and moves the new ones to the old
        index.add(slots_of(list(range(start, start + 890)), start), rows[start : start + 890])
    everything = before.matching(None)
    assert keys_among(before, everything) == list(range(100))
    assert before.nearest(rows[7], 1, everything)[0].tolist() == [7]
    keys, _ = before.nearest(rows[5_000], 9_000, everything)
    assert sorted(keys.tolist()) == list(range(100))
    after = index.view()
    assert 7 not in keys_among(after, after.matching(None))
    assert after.nearest(rows[5_000], 1, after.matching(None))[0].tolist() == [5_000]


def test_few_dead_are_not_worth_compacting() -> None:
    index = an_index()
    index.add(slots_of(list(range(1_000))), unit_rows(1_000))
    for document_key in range(900):
        index.remove(document_key)
    assert not index.wasteful


@pytest.mark.parametrize("seed", range(20))
def test_filters_are_the_domains(seed: int) -> None:
    """The columns give the same truth as ``SearchFilter.matches``, for odd attributes too."""
    random = np.random.default_rng(seed)
    values = ["enwiki", "dewiki", "", "0", 0, 1, True, False, -5, 2**70, None]

    def pick(options: list[object]) -> object:
        return options[random.integers(len(options))]

    index = an_index()
    documents = []
    for number in range(40):
        attributes = {
            name: value for name in ("wiki", "namespace", "bot") if (value := pick(values)) is not None
        }
        moment = NOON + timedelta(milliseconds=int(random.integers(-3, 4)))
        source = str(pick(["wikimedia", "api"]))
        documents.append(Document(str(number), source, "", "", "", 1, moment, attributes))  # type: ignore[arg-type]
        slot = slots_of([number], number)
        slot["updated_at"] = epoch_milliseconds(moment)
        slot["wiki"] = index.codes.wikis.code(attributes.get("wiki"))
        slot["namespace"] = index.codes.namespaces.code(attributes.get("namespace"))
        slot["source"] = index.codes.sources.code(source)
        slot["bot"] = attributes.get("bot") is True
        index.add(slot, unit_rows(1))
    for _ in range(60):
        where = SearchFilter(
            wikis=frozenset(v for v in ("enwiki", "dewiki", "nowiki") if random.random() < 0.3),
            namespaces=frozenset(v for v in (0, 1, 2, 2**70) if random.random() < 0.3),
            sources=frozenset(v for v in ("wikimedia", "api", "none") if random.random() < 0.3),
            exclude_bots=bool(random.random() < 0.3),
            since=pick([None, NOON - timedelta(microseconds=1_500), NOON]),  # type: ignore[arg-type]
            until=pick([None, NOON + timedelta(microseconds=1_500), NOON]),  # type: ignore[arg-type]
        )
        expected = [int(document.document_id) for document in documents if where.matches(document)]
        view = index.view()
        assert keys_among(view, view.matching(where)) == expected, f"seed {seed}: {where}"
        assert view.matching(where).matches == len(expected)
