"""Settings to vector store."""

from __future__ import annotations

from shared.ports import VectorStore
from shared.settings import VectorStoreSettings


def open_vector_store(settings: VectorStoreSettings, *, embedder_name: str, dimension: int) -> VectorStore:
    """Open the store that ``VECTOR_STORE`` names, creating it where there is none.

    :raises ConfigurationError: FAISS_PATH or FAISS_INDEX cannot be used, or the store was built with
        another embedder (``StoreMismatch``).
    :raises StoreDamaged: the file is not a healthy store.
    :raises StoreUnavailable: the disk is full, or the file stays locked.
    """
    if settings.vector_store == "memory":
        from shared.vector_store.memory_store import MemoryStore

        return MemoryStore(dimension)
    from shared.vector_store.faiss_store.store import FaissStore

    return FaissStore(
        settings.faiss_file,
        embedder_name=embedder_name,
        dimension=dimension,
        index_description=settings.faiss_index,
    )
