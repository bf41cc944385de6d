from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from shared.domain import Document, SearchFilter, epoch_milliseconds
from shared.vector_store.faiss_store.index import SLOT, ChunkIndex
from shared.vector_store.faiss_store.recipe import IndexRecipe

DIMENSION = 8
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def an_index() -> ChunkIndex:
    return ChunkIndex(IndexRecipe("Flat", DIMENSION).create())


def unit_rows(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def slots_of(document_keys: list[int], first_chunk_key: int = 0) -> np.ndarray:
    slots = np.zeros(len(document_keys), dtype=SLOT)
    slots["document_key"] = document_keys
    slots["chunk_key"] = np.arange(first_chunk_key, first_chunk_key + len(document_keys))
    slots["live"] = True
    return slots


def live_keys(index: ChunkIndex) -> list[int]:
    return index.chunk_keys(index.matching(None)).tolist()


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


def test_compacting_keeps_what_is_live() -> None:
    rows = unit_rows(9_000)
    index = an_index()
    index.add(slots_of([number // 3 for number in range(9_000)]), rows)
    for document_key in range(0, 3_000, 2):
        index.remove(document_key)
    assert index.wasteful
    index.compact()
    assert not index.wasteful
    assert index.live == 4_500
    for row in (3, 4, 8_999):
        keys, scores = index.nearest(rows[row], 1, index.matching(None))
        assert keys.tolist() == [row]
        assert scores[0] == pytest.approx(1, abs=1e-5)
    index.remove(1)
    assert live_keys(index)[0] == 9
    index.add(slots_of([7_000], 9_000), rows[:1])
    assert index.nearest(rows[0], 1, index.matching(None))[0].tolist() == [9_000]


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
        slot["wiki"] = index.wikis.code(attributes.get("wiki"))
        slot["namespace"] = index.namespaces.code(attributes.get("namespace"))
        slot["source"] = index.sources.code(source)
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
        assert index.chunk_keys(index.matching(where)).tolist() == expected, f"seed {seed}: {where}"
