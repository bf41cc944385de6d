from __future__ import annotations

import pytest

from shared.embedder.hashing import HashingEmbedder


def test_the_space_never_changes() -> None:
    """Stores built by an earlier version of this software must stay readable."""
    embedding = HashingEmbedder(16).embed(["The toll rose to twelve"])[0]
    assert embedding.round(3).tolist() == pytest.approx(
        [
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
            0.204,
            0.0,
            -0.408,
            -0.408,
            0.204,
            0.0,
            -0.204,
            -0.408,
            -0.408,
            0.408,
            -0.204,
        ]
    )


def test_case_and_punctuation_do_not_count() -> None:
    first, second = HashingEmbedder().embed(["Breaking: toll rises!", "breaking toll RISES"])
    assert float(first @ second) > 0.9999


def test_word_order_counts_a_little() -> None:
    same, swapped, other = HashingEmbedder().embed(["dog bites man", "man bites dog", "cat eats fish"])
    assert 0.5 < float(same @ swapped) < 0.99
    assert abs(float(same @ other)) < 0.3
