from __future__ import annotations

import numpy as np
import pytest

from bench.embeddings import Corpus
from bench.search import TOP_K, Truth
from bench.stores import CASES, documents_of, revised


def a_corpus(count: int) -> Corpus:
    rows = np.random.default_rng(5).standard_normal((count + 5, 16)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return Corpus([f"Page {number}\nedit" for number in range(count)], rows[5:], rows[:5])


def test_the_filters_let_their_shares_through() -> None:
    documents = documents_of(a_corpus(20_000))
    assert sum(len(item.chunks) for item in documents) == 20_000
    shares = {
        case: sum(where is None or where.matches(item.document) for item in documents) / len(documents)
        for case, where in CASES.items()
    }
    assert shares == pytest.approx(
        {"all": 1, "10% filter": 0.1, "1% filter": 0.01, "newest 10%": 0.1, "newest 1%": 0.01}, rel=0.3
    )


def test_recall_counts_what_is_as_near_as_the_best() -> None:
    corpus = a_corpus(500)
    truth = Truth(corpus, documents_of(corpus))
    query = corpus.queries[0]
    exact = np.sort(corpus.embeddings @ query)[::-1]
    best = [round(float(score), 6) for score in exact[:TOP_K]]
    assert truth.share_found("all", 0, best) == 1
    missed_three = [*best[3:], *(float(score) for score in exact[TOP_K : TOP_K + 3])]
    assert truth.share_found("all", 0, missed_three) == pytest.approx(0.7)
    assert truth.share_found("all", 0, best[:4]) == pytest.approx(0.4)


def test_recall_of_a_filter_is_against_what_it_lets_through() -> None:
    corpus = a_corpus(500)
    documents = documents_of(corpus)
    where = CASES["10% filter"]
    assert where is not None
    owners = [item.document for item in documents for _ in item.chunks]
    mask = np.array([where.matches(owner) for owner in owners])
    query = corpus.queries[1]
    best = np.sort(corpus.embeddings[mask] @ query)[::-1][:TOP_K]
    assert Truth(corpus, documents).share_found("10% filter", 1, best.tolist()) == 1


def test_a_revision_keeps_texts_and_embeddings() -> None:
    item = next(item for item in documents_of(a_corpus(50)) if len(item.chunks) > 1)
    newer = revised(item, 9)
    assert newer.document.revision == 9
    assert newer.document.attributes["wiki"] == item.document.attributes["wiki"]
    assert [chunk.text for chunk in newer.chunks] == [chunk.text for chunk in item.chunks]
    assert all(np.array_equal(a, b) for a, b in zip(newer.embeddings, item.embeddings, strict=True))  # type: ignore[arg-type]
