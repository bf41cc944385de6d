"""What the routes work with, built by the composition root."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Protocol

from fastapi import Depends, Request
from opentelemetry.trace import Tracer
from prometheus_client import CollectorRegistry

from services.api.answering.events import AnswerEvent, AskResult, IsAbandoned
from services.api.answering.question import Turn
from services.api.answering.question_embedder import QuestionEmbedder
from services.api.auth import KeyRing
from services.api.publisher import DocumentPublisher
from services.api.readiness import Readiness
from services.api.retrieval.scope import Scope
from services.api.settings import ApiSettings
from services.api.versions import VersionLedger
from services.api.watching.board import Deliver, Watch
from shared.domain import Hit, SearchFilter
from shared.observability.metrics import ApiMetrics
from shared.ports import Clock, VectorStore

if TYPE_CHECKING:
    from shared.ports import Embedding


class Answering(Protocol):
    """What ``AnswerService`` does; see there."""

    def ask(
        self,
        question: str,
        scope: Scope,
        *,
        history: Sequence[Turn] = (),
        is_abandoned: IsAbandoned,
    ) -> AskResult: ...

    def stream(
        self,
        question: str,
        scope: Scope,
        *,
        history: Sequence[Turn] = (),
        is_abandoned: IsAbandoned,
    ) -> Generator[AnswerEvent, None, None]: ...

    def catch_up(self) -> None: ...

    def search(
        self, question: str, embedding: Embedding, scope: Scope, *, in_batch: bool = False
    ) -> list[Hit]: ...


class Watches(Protocol):
    """What ``WatchBoard`` does; see there."""

    def add(
        self, owner: bytes, text: str, where: SearchFilter, resume_at: str | None, deliver: Deliver
    ) -> Watch: ...

    def remove(self, watch: Watch) -> None: ...


@dataclass(frozen=True, slots=True)
class Names:
    """Which adapters run, for people to see."""

    embedder: str
    llm: str
    store: str


@dataclass(frozen=True, slots=True)
class Dependencies:
    """``versions`` is one for the whole process: what it remembers orders pushes and deletes.
    ``started`` is the clock's monotonic time. ``search_threads`` work on searches."""

    settings: ApiSettings
    answering: Answering
    question_embedder: QuestionEmbedder
    store: VectorStore
    publisher: DocumentPublisher
    versions: VersionLedger
    watches: Watches
    readiness: Readiness
    names: Names
    keys: KeyRing
    metrics: ApiMetrics
    registry: CollectorRegistry
    tracer: Tracer
    clock: Clock
    started: float
    search_threads: int


async def _from_request(request: Request) -> Dependencies:
    dependencies: Dependencies = request.app.state.dependencies
    return dependencies


Deps = Annotated[Dependencies, Depends(_from_request)]
"""The annotation by which a route asks for them."""
