"""One vector space, whatever runs the model; what one backend does that the others need not."""

from __future__ import annotations

import random

import numpy as np
import pytest

from shared.embedder.factory import build_embedder
from shared.ports import Embedder
from shared.settings import EmbedderSettings
from tests.contract.embedder.contract import TEXTS

_WORDS = (
    "river harbour council bridge station museum Straße 東京 élection don't 3.14 e-mail naïve ☃ \u200b".split(
        " "
    )
)


def random_texts(seed: int, count: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(_WORDS, k=rng.randrange(1, 90))) for _ in range(count)]


@pytest.fixture(params=["onnx", "openvino"])
def quantised(request: pytest.FixtureRequest) -> Embedder:
    embedder: Embedder = request.getfixturevalue(f"{request.param}_embedder")
    return embedder


def test_the_backends_can_be_changed_without_a_rebuild(torch_embedder: Embedder, quantised: Embedder) -> None:
    texts = [text for text in TEXTS if text] + random_texts(1, 40)
    cosines = np.sum(torch_embedder.embed(texts) * quantised.embed(texts), axis=1)
    assert cosines.min() > 0.99
    assert cosines.mean() > 0.997
    assert quantised.name == torch_embedder.name
    assert quantised.max_tokens == torch_embedder.max_tokens


def test_tokens_are_counted_alike(torch_embedder: Embedder, quantised: Embedder) -> None:
    texts = [*TEXTS, *random_texts(2, 200)]
    assert quantised.count_tokens(texts) == torch_embedder.count_tokens(texts)


def test_what_else_is_in_the_call_hardly_matters(quantised: Embedder) -> None:
    texts = [*TEXTS, *random_texts(3, 60)]
    together = quantised.embed(texts)
    alone = np.vstack([quantised.embed([text]) for text in texts])
    assert np.sum(together * alone, axis=1).min() > 0.999


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
@pytest.mark.parametrize(("batch_size", "threads"), [(1, 1), (3, 2), (64, 4)])
def test_sizes_and_threads_do_not_change_results(
    openvino_embedder: Embedder, backend: str, batch_size: int, threads: int
) -> None:
    texts = random_texts(4, 30)
    embedder = build_embedder(EmbedderSettings(backend=backend, batch_size=batch_size, threads=threads))  # type: ignore[arg-type]
    assert np.sum(embedder.embed(texts) * openvino_embedder.embed(texts), axis=1).min() > 0.99
