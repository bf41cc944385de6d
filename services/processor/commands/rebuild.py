"""``rebuild``: from settings to a new generation of the store."""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass

from services.processor.assembly import build_chunker
from services.processor.chunker import Chunker
from services.processor.commands.document_log import DocumentLog
from services.processor.commands.filling import Filler
from services.processor.commands.patience import Patience
from services.processor.commands.rebuild_origin import Current, CurrentIndex, Origin, choose_origin
from services.processor.commands.rebuilding import Rebuilder, Rebuilt, Retained
from services.processor.commands.stopping import Stopped
from services.processor.commands.terminal import ask, can_ask, say
from services.processor.settings import ProcessorSettings
from shared.clock import SystemClock
from shared.embedder.factory import build_embedder
from shared.errors import (
    BrokerUnavailable,
    ConfigurationError,
    CursorExpired,
    StoreDamaged,
    StoreMismatch,
    WritesLost,
)
from shared.lifecycle import EXIT_FAILED, Lifecycle
from shared.messaging.topic_reader import TopicReader, open_topic
from shared.ports import Embedder, Rebuild
from shared.resilience.backoff import Backoff
from shared.settings import EmbedderSettings, KafkaSettings, VectorStoreSettings, load_settings
from shared.vector_store.factory import begin_rebuild, open_vector_store

_ATTEMPTS = 3


@dataclass(frozen=True)
class _Parts:
    """What one rebuild is made of."""

    processor: ProcessorSettings
    kafka: KafkaSettings
    store: VectorStoreSettings
    embedder: Embedder
    chunker: Chunker
    lifecycle: Lifecycle

    def begin(self) -> Rebuild:
        return begin_rebuild(self.store, embedder_name=self.embedder.name, dimension=self.embedder.dimension)

    def log(self) -> DocumentLog:
        def topic(starts: Mapping[int, int] | None) -> AbstractContextManager[TopicReader]:
            return open_topic(self.kafka, self.kafka.topic, starts)

        return DocumentLog(topic, self.processor.max_event_bytes, self.lifecycle.stop)

    def rebuilder(self, rebuild: Rebuild) -> Rebuilder:
        clock, stop = SystemClock(), self.lifecycle.stop
        patience = Patience(stop, clock, Backoff(0.2, 5.0, random.Random()))  # noqa: S311 - jitter
        filler = Filler(
            self.chunker, self.embedder, rebuild.target, self.processor.batch_max_tokens, patience, stop
        )
        retained = Retained(self.processor.max_age, self.processor.max_chunks)
        return Rebuilder(rebuild, filler, patience, clock, stop, say, retained)


def run_rebuild(arguments: argparse.Namespace, lifecycle: Lifecycle) -> int:
    if arguments.drop_missing and not (arguments.yes or can_ask()):
        raise ConfigurationError("--drop-missing: without a terminal to ask on, give --yes too")
    begun = time.monotonic()
    parts = _assemble(lifecycle)
    current = _look_at_current(parts)
    origin, why = choose_origin(arguments.origin, current)
    if arguments.drop_missing and origin is Origin.STORED:
        raise ConfigurationError("--drop-missing goes with --from kafka: nothing is missing from the store")
    say(f"Rebuilding for {parts.embedder.name} from {origin.described}: {why}.")
    if not arguments.yes and can_ask() and not ask("The old index answers on until the new one is full. Go?"):
        say("Nothing was changed.")
        return EXIT_FAILED
    drop = _agreement(yes=arguments.yes) if arguments.drop_missing else None
    rebuilt = _until_done(parts, origin, drop)
    _say_summary(rebuilt, time.monotonic() - begun, current)
    return 0


def _assemble(lifecycle: Lifecycle) -> _Parts:
    processor = load_settings(ProcessorSettings)
    kafka = load_settings(KafkaSettings)
    store = load_settings(VectorStoreSettings)
    embedder = build_embedder(load_settings(EmbedderSettings))
    chunker = build_chunker(processor, embedder)
    return _Parts(processor, kafka, store, embedder, chunker, lifecycle)


def _look_at_current(parts: _Parts) -> Current:
    """By opening it as a processor would."""
    try:
        open_vector_store(
            parts.store, embedder_name=parts.embedder.name, dimension=parts.embedder.dimension
        ).close()
    except StoreMismatch as error:
        return Current(CurrentIndex.OTHER, str(error).partition("; ")[0])
    except StoreDamaged as error:
        return Current(CurrentIndex.DAMAGED, str(error).partition("; ")[0])
    return Current(CurrentIndex.SAME)


def _until_done(parts: _Parts, origin: Origin, drop: Callable[[int], bool] | None) -> Rebuilt:
    for attempts_left in reversed(range(_ATTEMPTS)):
        try:
            with closing(parts.begin()) as rebuild:
                rebuilder = parts.rebuilder(rebuild)
                if origin is Origin.STORED:
                    return rebuilder.from_stored()
                return rebuilder.from_log(parts.log(), drop)
        except BrokerUnavailable as error:
            raise BrokerUnavailable(f"{error}; start it, or give --from stored") from None
        except (CursorExpired, WritesLost) as error:
            if not attempts_left:
                raise
            say(f"Starting over: {error}.")
        except (Stopped, KeyboardInterrupt):
            raise Stopped("stopped; nothing was changed, the old index answers on") from None
    raise AssertionError("unreachable")


def _agreement(*, yes: bool) -> Callable[[int], bool]:
    return lambda count: yes or ask(f"Leave {count:,} documents out that the log does not hold?")


def _say_summary(rebuilt: Rebuilt, seconds: float, current: Current) -> None:
    stats = rebuilt.stats
    say(
        f"Switched to the new index: {stats.documents:,} documents, {stats.chunks:,} chunks"
        f" ({rebuilt.embedded:,} embedded), {stats.tombstones:,} tombstones, {seconds:.1f} s."
    )
    if rebuilt.kept or rebuilt.dropped:
        say(f"Not in the log: {rebuilt.kept:,} documents were kept, {rebuilt.dropped:,} left out.")
    if rebuilt.unreadable:
        say(f"{rebuilt.unreadable:,} records of the log are no document events; `dlq list` shows them.")
    if current.index is not CurrentIndex.SAME:
        say(
            "Services that were started with the old settings refuse the new index: restart them with the"
            " new ones (./stop.sh && ./start.sh)."
        )
