"""A process that searches the configured store all the time, and prints how many hits each search had.

Ends with status 1 at the first search that fails or finds nothing.
"""

from __future__ import annotations

import sys
import time
from contextlib import closing

from shared.embedder.hashing import HashingEmbedder
from shared.settings import VectorStoreSettings
from shared.vector_store.factory import open_vector_store

_SECONDS_BETWEEN = 0.005


def main() -> int:
    embedder = HashingEmbedder()
    [query] = embedder.embed([sys.argv[1]])
    store = open_vector_store(
        VectorStoreSettings(), embedder_name=embedder.name, dimension=embedder.dimension
    )
    with closing(store):
        while hits := store.search(query, 5):
            print(len(hits), hits[0].document_id, flush=True)
            time.sleep(_SECONDS_BETWEEN)
    print("a search found nothing", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
