"""Composition root: ``python -m services.api``."""

from __future__ import annotations

import gc
import logging
import random
import sys

from opentelemetry import trace
from prometheus_client import CollectorRegistry

from services.api.answering.question_embedder import QuestionEmbedder
from services.api.answering.reading import Reading
from services.api.answering.service import AnswerService
from services.api.answering.spans import SpanContent
from services.api.app import create_app
from services.api.auth import KeyRing
from services.api.caching.answer_cache import AnswerCache
from services.api.caching.cached_answers import CachedAnswers
from services.api.dependencies import Dependencies, Names
from services.api.news import NewsAnswering
from services.api.publisher import DocumentPublisher
from services.api.readiness import Readiness
from services.api.retrieval.follower import ChangeFollower
from services.api.retrieval.lexical_index import LexicalIndex
from services.api.retrieval.reranking import Reranking
from services.api.retrieval.retriever import Retriever, Tuning
from services.api.server import ApiServer, bind
from services.api.settings import ApiSettings, RetrievalSettings, check_event_limit
from services.api.store_to_come import StoreToCome
from services.api.versions import VersionLedger
from services.api.watching.board import Limits, WatchBoard
from shared.clock import SystemClock
from shared.embedder.factory import build_embedder
from shared.embedder.micro_batches import MicroBatchingEmbedder
from shared.lifecycle import Lifecycle, run_service
from shared.llm.factory import serve_llm
from shared.messaging.factory import build_producer, ensure_topics
from shared.observability.log import configure_logging
from shared.observability.measured_embedder import MeasuredEmbedder
from shared.observability.measured_store import MeasuredStore
from shared.observability.metrics import ApiMetrics
from shared.observability.tracing import configure_tracing
from shared.reader.factory import build_reader
from shared.reranker.factory import build_reranker
from shared.resilience.backoff import Backoff
from shared.resilience.startup import Startup
from shared.settings import (
    EmbedderSettings,
    KafkaSettings,
    LLMSettings,
    ObservabilitySettings,
    ReaderSettings,
    RerankerSettings,
    TracingSettings,
    VectorStoreSettings,
    load_settings,
)
from shared.vector_store.factory import open_vector_store

log = logging.getLogger(__name__)

NAME = "api"
_BROKER_CHECK_SECONDS = 2.0
_FLUSH_SECONDS = 5.0
_SEARCH_THREADS = 2  # one embeds while the other looks up


def main(lifecycle: Lifecycle) -> None:
    configure_logging(NAME, load_settings(ObservabilitySettings))
    clock = SystemClock()
    started = clock.monotonic()
    tracing_settings = load_settings(TracingSettings)
    registry = CollectorRegistry()
    metrics = ApiMetrics(registry)
    tracing = configure_tracing(NAME, tracing_settings, metrics.traces)
    lifecycle.on_close("tracing", tracing.close)
    settings = load_settings(ApiSettings)
    kafka = load_settings(KafkaSettings)
    storage = load_settings(VectorStoreSettings)
    embedding = load_settings(EmbedderSettings)
    generation = load_settings(LLMSettings)
    retrieval = load_settings(RetrievalSettings)
    rereading = load_settings(RerankerSettings)
    answerability = load_settings(ReaderSettings)
    check_event_limit(settings, kafka)
    # What can be wrong in a moment comes before what takes seconds to load.
    keys = KeyRing(settings.keys_path(storage.data_dir))
    listener = bind(settings)
    lifecycle.on_close("listener", listener.close)

    embedder = MicroBatchingEmbedder(
        MeasuredEmbedder(build_embedder(embedding), metrics.llm.operations, embedding.kind),
        on_batch=metrics.embedding_batch_size.observe,
    )
    reranker = build_reranker(rereading)
    reader = build_reader(answerability)
    reading = Reading(reader, answerability.top, answerability.threshold, metrics) if reader else None
    llm = serve_llm(generation, metrics.llm, clock, lifecycle.fail)
    lifecycle.on_close("llm", llm.close)
    store = StoreToCome()
    lifecycle.on_close("vector store", store.close)
    index = LexicalIndex(storage.data_dir / "api" / "lexical.sqlite")
    lifecycle.on_close("lexical index", index.close)
    # With a recency prior, what is best changes by waiting.
    cache = AnswerCache(0 if retrieval.recency_weight else settings.cache_entries, store.embeddings, metrics)
    board = WatchBoard(
        store,
        embedder,
        lambda: follower.reached(),
        Limits(settings.watches, settings.watches_per_key),
        metrics,
        settings.min_confidence,
        reading,
    )
    follower = ChangeFollower(store, index, [cache.take_in, board.take_in])
    lifecycle.on_close("change follower", follower.close)
    with_text = tracing_settings.instrumentation_genai_capture_message_content
    span_content = SpanContent(generation.kind, with_text)
    tuning = Tuning(retrieval.dense_weight, retrieval.recency_weight, retrieval.recency_half_life)
    reranking = Reranking(reranker, rereading.top) if reranker else None
    # A store in this process needs the interpreter; the other one is waited for, long where it is away.
    at_once = settings.threads if storage.vector_store == "redis" else 1
    retriever = Retriever(store, index, follower, tuning, clock, reranking, at_once)
    lifecycle.on_close("retriever", retriever.close)
    producer = build_producer(kafka, NAME)
    lifecycle.on_close("producer", producer.close)
    lifecycle.on_close("producer flush", lambda: producer.flush(_FLUSH_SECONDS))
    if lifecycle.stop.is_set():
        return

    probe = embedder.embed(["ready?"])[0]
    app = create_app(
        Dependencies(
            settings=settings,
            answering=NewsAnswering(
                AnswerService(
                    store=store,
                    retriever=retriever,
                    embedder=embedder,
                    llm=llm,
                    metrics=metrics,
                    max_sentences=generation.max_sentences,
                    min_confidence=settings.min_confidence,
                    reading=reading,
                    cached_answers=CachedAnswers(cache, retriever, metrics),
                    span_content=span_content,
                ),
                store=store,
                retriever=retriever,
                metrics=metrics,
                model=llm.name,
                span_content=span_content,
            ),
            question_embedder=QuestionEmbedder(embedder),
            store=store,
            publisher=DocumentPublisher(
                producer, kafka.topic, settings.publish_timeout_seconds, clock, metrics
            ),
            versions=VersionLedger(clock),
            watches=board,
            readiness=Readiness(
                {
                    # The first search loads what the store keeps in memory, so that no user waits for it.
                    "store": lambda: store.search(probe, 1),
                    "embedder": lambda: embedder.embed(["ready?"]),
                    "lexical index": follower.check,
                    "broker": lambda: ensure_topics(kafka, _BROKER_CHECK_SECONDS),
                },
                clock,
            ),
            names=Names(embedder=embedder.name, llm=llm.name, store=storage.vector_store),
            keys=keys,
            metrics=metrics,
            registry=registry,
            tracer=trace.get_tracer("services.api"),
            clock=clock,
            started=started,
            search_threads=at_once if at_once > 1 else _SEARCH_THREADS,
        )
    )
    log.info(
        "serving",
        extra={
            "host": settings.host,
            "port": settings.port,
            "embedder": embedder.name,
            "reranker": reranker.name if reranker else None,
            "reader": reader.name if reader else None,
            "llm": llm.name,
        },
    )
    server = ApiServer(app, listener, settings)
    board.start()
    server.start(lifecycle)
    # Before the server: it waits for open streams to end.
    lifecycle.on_close("watches", board.close)
    opened = Startup(lifecycle.stop, _new_backoff(), clock, server.check).wait_for(
        "the vector store",
        lambda: open_vector_store(storage, embedder_name=embedder.name, dimension=embedder.dimension),
    )
    if opened is not None:
        store.arrive(MeasuredStore(opened, metrics.store, storage.vector_store))
        follower.start()
        _leave_alone_what_stays()
        server.serve(lifecycle)


def _leave_alone_what_stays() -> None:
    """All that has been loaded is needed to the end. To look through it for garbage, as Python does every
    few hundred answers, would hold up a request for tens of milliseconds."""
    gc.collect()
    gc.freeze()


def _new_backoff() -> Backoff:
    return Backoff(0.2, 5.0, random.Random())  # noqa: S311 - jitter


if __name__ == "__main__":
    sys.exit(run_service(NAME, main))
