"""The engines without the stores around them: what any software on top of them can reach at best."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.embeddings import Corpus
from bench.stores import StorePlace, redis_client
from shared.vector_store.faiss_store.recipe import IndexRecipe

BareSearch = Callable[[np.ndarray], object]


@contextlib.contextmanager
def bare_search(place: StorePlace, corpus: Corpus, top_k: int) -> Iterator[BareSearch]:
    """``(dimension,)`` to whatever the engine itself returns. The store must have been filled."""
    if place.settings.vector_store != "redis":
        yield _faiss(place, corpus, top_k)
        return
    with redis_client(place.settings) as client:
        yield _vsim(client, place, top_k)


def _faiss(place: StorePlace, corpus: Corpus, top_k: int) -> BareSearch:
    """The same kind of index over the same embeddings, without filter, rows or ties."""
    recipe = IndexRecipe(place.settings.faiss_index, place.dimension)
    enough = len(corpus.embeddings) >= recipe.training_points
    index = recipe.create(corpus.embeddings) if enough else recipe.flat()
    index.add(corpus.embeddings)
    return lambda query: index.search(query[np.newaxis], top_k)


def _vsim(client: Any, place: StorePlace, top_k: int) -> BareSearch:
    """The store's own vector sets, one after the other."""
    prefix = place.settings.redis_prefix
    keys = list(client.scan_iter(match=f"{{{prefix}:*:v", _type="vectorset"))
    assert keys, f"no vector set under {prefix}"
    options = ("WITHSCORES", "COUNT", top_k, "EF", place.settings.redis_ef)

    def search(query: np.ndarray) -> object:
        blob = query.tobytes()
        return [client.execute_command("VSIM", key, "FP32", blob, *options) for key in keys]

    return search
