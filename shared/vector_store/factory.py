"""Settings to vector store."""

from __future__ import annotations

from shared.errors import ConfigurationError
from shared.ports import Rebuild, VectorStore
from shared.settings import VectorStoreSettings


def open_vector_store(settings: VectorStoreSettings, *, embedder_name: str, dimension: int) -> VectorStore:
    """Open the store that ``VECTOR_STORE`` names, creating it where there is none.

    :raises ConfigurationError: FAISS_PATH, FAISS_INDEX or the server behind REDIS_URL cannot be used, or
        the store was built with another embedder (``StoreMismatch``).
    :raises StoreDamaged: the file is not a healthy store, or keys of it are gone from the server.
    :raises StoreUnavailable: the disk is full, the file stays locked, or the server does not answer.
    """
    if settings.vector_store == "memory":
        from shared.vector_store.memory_store import MemoryStore

        return MemoryStore(dimension)
    if settings.vector_store == "redis":
        from shared.vector_store.redis_store.store import open_redis_store

        return open_redis_store(settings, embedder_name=embedder_name, dimension=dimension)
    from shared.vector_store.faiss_store.store import FaissStore

    return FaissStore(
        settings.faiss_file,
        embedder_name=embedder_name,
        dimension=dimension,
        index_description=settings.faiss_index,
    )


def begin_rebuild(settings: VectorStoreSettings, *, embedder_name: str, dimension: int) -> Rebuild:
    """Start a second generation of the store that ``VECTOR_STORE`` names, for this embedder.

    :raises ConfigurationError: another rebuild of the store is running, or its kind has none.
    :raises StoreDamaged: the store is not healthy.
    :raises StoreUnavailable: the disk is full, the file stays locked, or the server does not answer.
    """
    if settings.vector_store == "memory":
        raise ConfigurationError(
            "VECTOR_STORE=memory: ends with its process; set VECTOR_STORE to faiss or redis to rebuild"
        )
    if settings.vector_store == "redis":
        from shared.vector_store.redis_store.rebuild import begin_redis_rebuild

        return begin_redis_rebuild(settings, embedder_name=embedder_name, dimension=dimension)
    from shared.vector_store.faiss_store.rebuild import begin_faiss_rebuild

    return begin_faiss_rebuild(settings, embedder_name=embedder_name, dimension=dimension)
