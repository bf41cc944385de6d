"""Passages, fusion, recency, diversity."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.retrieval.diversity import diversified
from services.api.retrieval.fusion import fuse
from services.api.retrieval.passages import MAX_CHARACTERS, DocumentPassage, passages_of
from services.api.retrieval.recency import RecencyPrior
from shared.domain import Chunk, Hit
from tests.unit.services.api.retrieval.support import START, a_document, stored_documents

SENTENCES = st.lists(
    st.text(alphabet="abc de", min_size=1, max_size=90).map(str.strip).filter(bool), min_size=1, max_size=60
)


@given(SENTENCES, st.sampled_from([" ", "\n\n", "  \n"]))
def test_every_chunk_is_in_one_passage_and_passages_are_verbatim(sentences: list[str], between: str) -> None:
    text = between.join(f"{sentence}. " for sentence in sentences)
    [stored] = stored_documents(a_document("a", text)).values()
    passages = passages_of(stored)
    assert [passage.first for passage in passages] == [0, *(p.last + 1 for p in passages[:-1])]
    assert passages[-1].last == stored.chunks[-1].ordinal
    cursor = 0
    for passage in passages:
        cursor = text.index(passage.text, cursor) + len(passage.text)
        inside = stored.chunks[passage.first : passage.last + 1]
        assert all(chunk.text in passage.text for chunk in inside)
        assert len(inside) == 1 or len(passage.text) <= MAX_CHARACTERS


def test_repeated_sentences_keep_their_places() -> None:
    text = " ".join(["The same sentence is said again and again by all."] * 60)
    [stored] = stored_documents(a_document("a", text)).values()
    assert " ".join(passage.text for passage in passages_of(stored)) == text


def test_chunks_that_overlap_are_placed_too() -> None:
    """As in an index that an older chunker filled."""
    [stored] = stored_documents(a_document("a", "One two. Three four. Five six.")).values()
    texts = ["One two. Three four.", "Three four. Five six."]
    chunks = tuple(Chunk("a", ordinal, text, "h") for ordinal, text in enumerate(texts))
    assert passages_of(replace(stored, chunks=chunks)) == [
        DocumentPassage(0, 1, "One two. Three four. Five six.")
    ]


def test_fusion_weighs_both_sides_by_their_best() -> None:
    fused = fuse({"a": 0.8, "b": 0.4}, {"b": 12.0, "c": 6.0}, 0.5)
    assert fused == {"a": 0.5, "b": 0.75, "c": 0.25}
    assert fuse({"a": 0.8}, {"c": 6.0}, 1.0) == {"a": 1.0, "c": 0.0}


def test_fusion_of_one_side_is_that_side() -> None:
    assert fuse({"a": 0.8, "b": 0.4}, {}, 0.5) == {"a": 0.5, "b": 0.25}
    assert fuse({}, {}, 0.5) == {}
    assert fuse({"a": -0.1}, {"b": 0.0}, 0.5) == {"a": 0.0, "b": 0.0}


@given(
    st.dictionaries(st.integers(0, 9), st.floats(-1, 1)),
    st.dictionaries(st.integers(0, 9), st.floats(0, 50)),
    st.floats(0, 1),
)
def test_fused_scores_lie_between_0_and_1(
    dense: dict[int, float], lexical: dict[int, float], w: float
) -> None:
    fused = fuse(dense, lexical, w)
    assert fused.keys() == dense.keys() | lexical.keys()
    assert all(0 <= score <= 1 + 1e-9 for score in fused.values())


@pytest.mark.parametrize(
    ("age", "expected"), [(timedelta(0), 1.0), (timedelta(days=2), 0.5), (timedelta(days=-3), 1.0)]
)
def test_the_prior_halves_with_each_half_life(age: timedelta, expected: float) -> None:
    prior = RecencyPrior(weight=1.0, half_life=timedelta(days=2))
    assert prior.apply(0.3, START - age, START) == pytest.approx(expected)
    assert RecencyPrior(0.0, timedelta(days=2)).apply(0.3, START - age, START) == 0.3
    half = RecencyPrior(0.5, timedelta(days=2)).apply(0.3, START - age, START)
    assert half == pytest.approx((0.3 + expected) / 2)


def a_hit(document_id: str, number: int) -> Hit:
    return Hit(f"{document_id}#{number}", document_id, "api", "T", "u", "t", 1, START, 1 - number / 100, {})


def test_a_document_takes_two_places_until_others_have_theirs() -> None:
    hits = [a_hit("a", 0), a_hit("a", 1), a_hit("a", 2), a_hit("b", 3), a_hit("a", 4)]
    assert [hit.chunk_id for hit in diversified(hits, 3)] == ["a#0", "a#1", "b#3"]
    assert [hit.chunk_id for hit in diversified(hits, 9)] == ["a#0", "a#1", "b#3", "a#2", "a#4"]
