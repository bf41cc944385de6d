"""The engines without the stores around them: what any software on top of them can reach at best."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.embeddings import Corpus
from bench.stores import StorePlace, redis_client
from shared.vector_store.faiss_store.engine import Chosen
from shared.vector_store.faiss_store.plan import IndexPlan

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
    """The same kind of index over the same embeddings, without rows, ties or exact scores."""
    count = len(corpus.embeddings)
    recipe = IndexPlan(place.settings.faiss_index, place.dimension).recipe_for(count)
    index = recipe.create(corpus.embeddings[:: max(1, count // max(1, recipe.sample_size))])
    index.add(corpus.embeddings)
    everything = Chosen(np.ones(count, dtype=np.bool_), 1.0)
    return lambda query: index.search(query, top_k, everything)


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
