"""The Rebuild port over two memory stores."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain import Version, WriteOutcome
from shared.errors import StoreUnavailable
from shared.ports import Clock, EmbeddedDocument
from shared.vector_store.memory_store import MemoryStore


class SealableStore(MemoryStore):
    """Refuses writes while ``sealed``."""

    def __init__(self, dimension: int = 384, clock: Clock | None = None) -> None:
        super().__init__(dimension, clock)
        self.sealed = False

    def replace(self, documents: Sequence[EmbeddedDocument]) -> list[WriteOutcome]:
        self._require_unsealed()
        return super().replace(documents)

    def delete(self, document_id: str, version: Version) -> WriteOutcome:
        self._require_unsealed()
        return super().delete(document_id, version)

    def _require_unsealed(self) -> None:
        if self.sealed:
            raise StoreUnavailable("sealed for a rebuild")


class MemoryRebuild:
    def __init__(self, source: SealableStore, target: MemoryStore) -> None:
        self.source = source
        self.target = target
        self.current: MemoryStore = source
        self.closed = False

    def seal(self) -> None:
        self.source.sealed = True

    def switch(self) -> None:
        if not self.source.sealed:
            raise StoreUnavailable("not sealed")
        self.current = self.target

    def close(self) -> None:
        self.closed = True
        self.source.sealed = False
