"""The stages, each on threads of its own: compose, embed, write."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain

from opentelemetry import trace

from services.processor.batch import Batch, Waiting
from services.processor.composer import Composer
from services.processor.encoder import Encoder
from services.processor.limit import DeadLetterLimit, Halt
from services.processor.reading import Reading, read
from services.processor.spans import note_embeddings, note_held_back, start_batch_span
from services.processor.work import Poison, Ticket, Work
from services.processor.writer import Writer
from shared.domain import WriteOutcome
from shared.errors import RetryableError, WritesLost
from shared.observability.exemplars import exemplar
from shared.observability.metrics import ProcessorMetrics
from shared.ports import Clock, TopicPartition
from shared.resilience.backoff import Backoff

log = logging.getLogger(__name__)

_COMPOSE_AT_ONCE = 32
_ENCODERS = 2  # while one call ends, or its texts become tokens, another keeps the model busy
_OUTBOX = _ENCODERS + 2


@dataclass(frozen=True, slots=True)
class PipelinePolicy:
    """``max_records`` bounds memory, ``max_tokens`` the work of one call of the model."""

    max_records: int
    max_tokens: int
    max_event_bytes: int


class Pipeline:
    """Takes tickets and marks them done. Between the stages stand short queues, so that each can work
    while the others do; a batch is taken as soon as the encoder is free, full or not. Batches are written in
    the order in which they were taken.

    A stage whose dependency is away waits and tries again, for as long as its tickets are wanted.
    """

    def __init__(
        self,
        composer: Composer,
        encoder: Encoder,
        writer: Writer,
        limit: DeadLetterLimit,
        metrics: ProcessorMetrics,
        clock: Clock,
        new_backoff: Callable[[], Backoff],
        policy: PipelinePolicy,
    ) -> None:
        self._composer = composer
        self._encoder = encoder
        self._writer = writer
        self._limit = limit
        self._metrics = metrics
        self._clock = clock
        self._new_backoff = new_backoff
        self._policy = policy
        self._changed = threading.Condition()
        self._intake: deque[Ticket] = deque()
        self._waiting = Waiting()
        self._outbox: deque[Batch] = deque()
        self._writing: Batch | None = None
        self._held: set[str] = set()
        self._busy_since: dict[str, float] = {}
        self._halt: Halt | None = None
        self._lost: WritesLost | None = None
        self._stopping = False
        self._threads = ThreadPoolExecutor(max_workers=2 + _ENCODERS, thread_name_prefix="stage")
        self._stages: list[Future[None]] = []

    def start(self) -> None:
        stages = (self._compose_all, *[self._embed_all] * _ENCODERS, self._write_all)
        self._stages = [self._threads.submit(stage) for stage in stages]

    def close(self, seconds: float) -> None:
        """What is not through by then is left where it is."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        wait(self._stages, seconds)
        self._threads.shutdown(wait=False)

    def check(self) -> None:
        """:raises Exception: what ended a stage.
        :raises WritesLost: once; forget what is in flight and read it again."""
        for stage in self._stages:
            if stage.done():
                stage.result()
        with self._changed:
            lost, self._lost = self._lost, None
        if lost is not None:
            raise lost

    @property
    def held(self) -> bool:
        """A stage waits for a dependency."""
        return bool(self._held)

    @property
    def halt(self) -> Halt | None:
        return self._halt

    def put(self, tickets: Iterable[Ticket]) -> None:
        with self._changed:
            self._intake.extend(tickets)
            self._changed.notify_all()

    def room(self) -> int:
        """Records that may be put."""
        return max(0, self._policy.max_records - len(self._intake))

    def wait_for_change(self, seconds: float) -> None:
        """Until a stage takes or passes on something."""
        with self._changed:
            self._changed.wait(seconds)

    def is_stuck(self, seconds: float) -> bool:
        """A stage has been in one step for longer than that."""
        now = self._clock.monotonic()
        return any(now - since > seconds for since in self._busy_since.copy().values())

    def drop_abandoned(self) -> None:
        """Tickets were abandoned: do not begin with them; what they would leave may never be stored."""
        self._composer.forget()
        with self._changed:
            self._changed.notify_all()

    def holds(self, partitions: Collection[TopicPartition] | None) -> bool:
        """Whether records of these (``None``: any) are in the encoder or being written."""
        with self._changed:
            return any(
                partitions is None or ticket.record.topic_partition in partitions
                for batch in (*self._outbox, *([self._writing] if self._writing else []))
                for ticket in batch.tickets()
            )

    def wait_until_released(self, partitions: Collection[TopicPartition] | None, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self.holds(partitions), seconds)

    def _compose_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or (self._intake and self._has_room()))
                if self._stopping:
                    return
                tickets = [self._intake.popleft() for _ in range(min(_COMPOSE_AT_ONCE, len(self._intake)))]
                self._changed.notify_all()
            self._compose([ticket for ticket in tickets if not ticket.abandoned])
            if self._halt is not None:
                return

    def _has_room(self) -> bool:
        policy = self._policy
        return len(self._waiting) < policy.max_records and self._waiting.tokens < 2 * policy.max_tokens

    def _compose(self, tickets: Sequence[Ticket]) -> None:
        reading = read(tickets, self._policy.max_event_bytes)
        poison = self._judge(reading)
        works: list[Work] = []
        if not self._persist("compose", lambda: works.extend(self._composer.compose(reading)), tickets):
            return
        with self._changed:
            lost = [self._waiting.add(work) for work in works]
            for item in poison:
                self._waiting.add_poison(item)
            self._changed.notify_all()
        for ticket in chain(reading.duplicates, reading.stale):
            ticket.done = True
        lost += [WriteOutcome.DUPLICATE] * len(reading.duplicates) + [WriteOutcome.STALE] * len(reading.stale)
        self._writer.count(outcome for outcome in lost if outcome is not None)

    def _judge(self, reading: Reading) -> list[Poison]:
        """The poison that may be buried. After a halt nothing more is taken in."""
        self._limit.good(len(reading.events) + len(reading.duplicates) + len(reading.stale))
        for number, item in enumerate(reading.poison):
            halt = self._limit.bad(item.reason)
            if halt is not None:
                self._halt = halt
                return reading.poison[:number]
        return reading.poison

    def _embed_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._stopping or (len(self._waiting) and len(self._outbox) < _OUTBOX)
                )
                if self._stopping:
                    return
                batch = self._waiting.take(self._policy.max_tokens, self._policy.max_records)
                self._outbox.append(batch)  # its place in the order of writes
                self._changed.notify_all()
            is_ready = self._embed(batch)
            with self._changed:
                if is_ready:
                    batch.is_ready = True
                else:
                    self._outbox.remove(batch)
                self._changed.notify_all()

    def _embed(self, batch: Batch) -> bool:
        """Whether it is to be written."""
        tickets = batch.tickets()
        if not tickets:
            return False
        batch.started = self._clock.monotonic()
        batch.span = start_batch_span(tickets)
        started = time.time_ns()
        with trace.use_span(batch.span), self._step(f"embed {id(batch)}"):
            embedded = self._encoder.embed(batch.upserts)
        if embedded is None:
            batch.span.end()
            return False
        batch.embedded = embedded
        note_embeddings(batch.upserts, self._encoder.model, batch.span, started)
        return True

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or (self._outbox and self._outbox[0].is_ready))
                if self._stopping:
                    return
                batch = self._writing = self._outbox.popleft()
                self._changed.notify_all()
            with trace.use_span(batch.span, end_on_exit=True):
                if self._persist("write", partial(self._writer.write, batch), batch.tickets()):
                    seconds = self._clock.monotonic() - batch.started
                    self._metrics.batch_duration.observe(seconds, exemplar())
            with self._changed:
                self._writing = None
                self._changed.notify_all()

    def _persist(self, stage: str, step: Callable[[], None], tickets: Sequence[Ticket]) -> bool:
        """Try until it succeeds; false where that has become pointless."""
        backoff = self._new_backoff()
        try:
            while True:
                try:
                    with self._step(stage):
                        step()
                except WritesLost as error:
                    self._lost = error
                    return False
                except RetryableError as error:
                    self._held.add(stage)
                    self._metrics.retries.inc()
                    note_held_back(stage, error)
                    log.warning(
                        "a dependency is away; the batch waits", extra={"stage": stage, "error": str(error)}
                    )
                    if self._is_pointless_after(backoff.next_delay(), tickets):
                        return False
                else:
                    return True
        finally:
            self._held.discard(stage)

    @contextmanager
    def _step(self, stage: str) -> Iterator[None]:
        self._busy_since[stage] = self._clock.monotonic()
        try:
            yield
        finally:
            del self._busy_since[stage]

    def _is_pointless_after(self, seconds: float, tickets: Sequence[Ticket]) -> bool:
        with self._changed:
            self._changed.notify_all()
            return bool(
                self._changed.wait_for(
                    lambda: self._stopping or all(ticket.abandoned for ticket in tickets), seconds
                )
            )
