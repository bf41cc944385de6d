"""The laws of the ``Embedder`` port. Each adapter's test class inherits them and gives an embedder."""

from __future__ import annotations

import numpy as np
import pytest

from shared.ports import Embedder
from tests.support.hammer import in_threads

TEXTS = [
    "A strong earthquake struck the coast of Velmora on Sunday.",
    "The earthquake near the coast of Velmora left twelve people injured.",
    "This recipe for chocolate cake needs three eggs.",
    "x",
    "日本語のテキストと emoji 🌍",
    "long " * 700,
    "",
    "!?",
]


class EmbedderContract:
    """Override ``embedder``."""

    def test_shape_type_and_norm(self, embedder: Embedder) -> None:
        embeddings = embedder.embed(TEXTS)
        assert embeddings.shape == (len(TEXTS), embedder.dimension)
        assert embeddings.dtype == np.float32
        assert np.linalg.norm(embeddings, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)

    def test_no_texts(self, embedder: Embedder) -> None:
        embeddings = embedder.embed([])
        assert embeddings.shape == (0, embedder.dimension)
        assert embeddings.dtype == np.float32
        assert embedder.count_tokens([]) == []

    def test_in_order_whatever_the_batch(self, embedder: Embedder) -> None:
        texts = [f"{text} {number}" for number in range(12) for text in TEXTS[:5]]
        together = embedder.embed(texts)
        for row, text in enumerate(texts[:20]):
            assert float(embedder.embed([text])[0] @ together[row]) > 0.999, text

    def test_deterministic(self, embedder: Embedder) -> None:
        assert np.array_equal(embedder.embed(TEXTS), embedder.embed(TEXTS))

    def test_related_texts_are_closer(self, embedder: Embedder) -> None:
        quake, same_quake, cake = embedder.embed(TEXTS[:3])
        assert float(quake @ same_quake) > float(quake @ cake)

    def test_tokens(self, embedder: Embedder) -> None:
        assert embedder.count_tokens(["", "hello world", "a b c d"]) == [0, 2, 4]
        long = embedder.count_tokens(["word " * 5_000])
        assert long == [5_000], "counts must not be cut where the model cuts"

    def test_embedding_does_not_change_how_tokens_are_counted(self, embedder: Embedder) -> None:
        before = embedder.count_tokens(TEXTS)
        embedder.embed(TEXTS)
        assert embedder.count_tokens(TEXTS) == before

    def test_a_space_has_a_name_and_sizes(self, embedder: Embedder) -> None:
        assert embedder.name
        assert "/" not in embedder.name
        assert embedder.dimension == 384
        assert 200 <= embedder.max_tokens <= 256

    def test_threads(self, embedder: Embedder) -> None:
        expected = embedder.embed(TEXTS[:4])
        counts = embedder.count_tokens(TEXTS)

        def is_the_same() -> bool:
            same = np.allclose(embedder.embed(TEXTS[:4]), expected, atol=1e-5)
            return same and embedder.count_tokens(TEXTS) == counts

        assert in_threads(is_the_same, times=3) == [True] * 12
