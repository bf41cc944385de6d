"""``python -m bench.throughput``: documents a second through the processor, against the bare encoder.

The same windows of text, the same model and settings (``EMBEDDER_BACKEND`` and the others, from the
environment), in turn, round by round: once encoded by the encoder alone in this process, once read from
Kafka by a real processor process until its counter says that all are indexed. The ratio of each round is
what counts: absolute times drift on shared machines. With ``--repeat`` the texts are sent once, and then
again and again with new revisions: how much faster, and how many chunks were embedded (none should be).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import httpx
import psutil

from bench.stack import free_port
from deploy.local.broker import broker_command
from deploy.local.configuration import LOCAL_DEFAULTS
from services.processor.assembly import build_chunker
from services.processor.settings import ProcessorSettings
from shared.domain import Document, truncate_to_milliseconds
from shared.embedder.factory import build_embedder
from shared.events import DocumentEvent, Operation
from shared.messaging.document_record import document_record
from shared.messaging.factory import build_producer, ensure_topics
from shared.ports import Embedder, OutgoingRecord, Producer
from shared.settings import EmbedderSettings, KafkaSettings

_WORDS = (
    "river harbour council bridge station museum festival election village railway mountain library "
    "storm engineer orchestra ferry vineyard lighthouse archive parliament stadium glacier market "
    "opened closed rebuilt measured recorded announced visited founded repaired elected discovered "
    "northern ancient narrow municipal regional famous broken wooden annual"
).split()


def texts(seed: int, count: int, words: int) -> list[str]:
    """Plain sentences; no two texts alike."""
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        sentences: list[str] = []
        while sum(len(sentence.split()) for sentence in sentences) < words:
            picked = " ".join(rng.choices(_WORDS, k=min(12, words)))
            sentences.append(f"{picked.capitalize()} {rng.randrange(10_000)}.")
        made.append(" ".join(sentences))
    return made


@contextlib.contextmanager
def _environment(changed: dict[str, str]) -> Iterator[None]:
    """This process's own, for the block."""
    before = dict(os.environ)
    os.environ.update(changed)
    try:
        yield
    finally:
        for name in changed:
            if name in before:
                os.environ[name] = before[name]
            else:
                del os.environ[name]


@contextlib.contextmanager
def _process(command: list[str], log: Path, environment: dict[str, str]) -> Iterator[psutil.Process]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **environment}
        )
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(30)


def _ready(port: int) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"http://127.0.0.1:{port}/health/ready", trust_env=False).is_success
    return False


def upserts(batch: list[str], name: str, revision: int = 1) -> list[DocumentEvent]:
    """One for each text, of documents whose ids hold ``name``."""
    now = truncate_to_milliseconds(datetime.now(UTC))
    return [
        DocumentEvent(
            Operation.UPSERT,
            str(uuid.uuid4()),
            now,
            Document(f"bench:{name}:{number}", "bench", "Bench", text, "", revision, now),
        )
        for number, text in enumerate(batch)
    ]


@dataclass(frozen=True)
class Processor:
    """A running processor, and the producer that feeds it with ``record`` of each event."""

    port: int
    topic: str
    producer: Producer
    process: psutil.Process
    record: Callable[[str, DocumentEvent], OutgoingRecord]

    def index(self, events: list[DocumentEvent]) -> float:
        """Seconds until all have an outcome. The processor is stopped until they stand in the topic: to
        make them takes processor time that is not its. To ask it how far it is does as well, so it is asked
        seldom, and more often towards the end."""
        before = self.processed()
        self.process.suspend()
        try:
            for event in events:
                self.producer.send(self.record(self.topic, event))
            self.producer.flush(60)
        finally:
            self.process.resume()
        begun = time.perf_counter()
        while (done := self.processed() - before) < len(events):
            passed = time.perf_counter() - begun
            remaining = passed * (len(events) - done) / max(done, 1.0)
            time.sleep(min(max(remaining / 2, 0.02), 0.5))
        return time.perf_counter() - begun

    def processed(self) -> float:
        return self.metric("rag_ingest_documents_total{")

    def embedded_chunks(self) -> float:
        return self.metric("rag_embedding_batch_size_sum")

    def metric(self, name: str) -> float:
        """The sum of the samples whose name and labels begin with ``name``."""
        text = httpx.get(f"http://127.0.0.1:{self.port}/metrics", trust_env=False).text
        lines = (line for line in text.splitlines() if line.startswith(name))
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def megabytes(self) -> float:
        return float(self.process.memory_info().rss) / 2**20

    def cpu_seconds(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextlib.contextmanager
def started_processor(
    record: Callable[[str, DocumentEvent], OutgoingRecord] = document_record, **settings: str
) -> Iterator[Processor]:
    """With a broker and a store of its own; the environment decides on everything else that ``settings`` do
    not name."""
    port, broker_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        environment = {
            **LOCAL_DEFAULTS,
            "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{broker_port}",
            "DATA_DIR": folder,
            "METRICS_PORT": str(port),
        }
        stack.enter_context(_environment(environment))
        kafka = KafkaSettings()
        stack.enter_context(_process(broker_command(broker_port), Path(folder) / "broker.log", {}))
        ensure_topics(kafka, 30)
        process = stack.enter_context(
            _process(
                [sys.executable, "-m", "services.processor"],
                Path(folder) / "processor.log",
                {**environment, **settings},
            )
        )
        producer = build_producer(kafka, "bench")
        stack.callback(producer.close)
        while not _ready(port):
            assert process.is_running(), (Path(folder) / "processor.log").read_text()
            time.sleep(0.1)
        yield Processor(port, kafka.topic, producer, process, record)


def _compare(processor: Processor, embedder: Embedder, arguments: argparse.Namespace, words: int) -> None:
    ratios = []
    chunker = build_chunker(ProcessorSettings(), embedder)
    print(f"{arguments.documents} documents of {words} words a round, seed {arguments.seed}")
    print("round  encoder/s  processor/s  ratio  CPU ms/document: encoder  processor")
    for number in range(arguments.rounds):
        batch = texts(arguments.seed + number, arguments.documents, words)
        events = upserts(batch, f"{words}-{number}")
        windows = [item.text for event in events for item in chunker.chunk(event.document)]
        begun, own_cpu = time.perf_counter(), time.process_time()
        embedder.embed(windows)
        encoder = len(batch) / (time.perf_counter() - begun)
        own_cpu = 1000 * (time.process_time() - own_cpu) / len(batch)
        cpu = processor.cpu_seconds()
        through = len(batch) / processor.index(events)
        cpu = 1000 * (processor.cpu_seconds() - cpu) / len(batch)
        ratios.append(through / encoder)
        rates = f"{encoder:9.1f}  {through:11.1f}  {ratios[-1]:5.2f}"
        print(f"{number + 1:5}  {rates}  {own_cpu:24.2f}  {cpu:9.2f}", flush=True)
    print(f"processor/encoder: median {median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}")


def _repeat(processor: Processor, arguments: argparse.Namespace, words: int) -> None:
    """``--repeat`` documents once, and then a second revision of each with the same text."""
    batch = texts(arguments.seed + 1_000, arguments.repeat, words)
    name = f"repeat-{words}"
    first = len(batch) / processor.index(upserts(batch, name))
    embedded, cpu = processor.embedded_chunks(), processor.cpu_seconds()
    seconds = processor.index(upserts(batch, name, 2))
    sent = len(batch)
    again = sent / seconds
    cpu = 1000 * (processor.cpu_seconds() - cpu) / sent
    print(
        f"{sent} events that repeat unchanged text of {words} words: {again:.0f}/s, "
        f"{again / first:.1f} times embedding ({first:.1f}/s); chunks embedded: "
        f"{processor.embedded_chunks() - embedded:.0f}; processor's CPU {cpu:.2f} ms/event"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--documents", type=int, default=400, help="documents in each round (default 400)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default 5; 0: none)")
    parser.add_argument(
        "--words",
        type=int,
        nargs="+",
        default=[60],
        help="words in each text; several are run in turn (default 60)",
    )
    parser.add_argument(
        "--repeat", type=int, default=0, help="events that repeat unchanged text (default none)"
    )
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with started_processor() as processor:
        settings = EmbedderSettings()
        print(f"embedder {settings.kind}, backend {settings.backend}")
        processor.index(upserts(["warm up " * 5] * 8, "warm-up"))
        embedder = build_embedder(settings) if arguments.rounds else None
        for words in arguments.words:
            if embedder is not None:
                _compare(processor, embedder, arguments, words)
            if arguments.repeat:
                _repeat(processor, arguments, words)
        memory = processor.megabytes()
    print(f"processor's resident memory {memory:.0f} MiB")


if __name__ == "__main__":
    main()
