"""``python -m bench.throughput``: documents a second through the processor, against the bare encoder.

The same texts, the same model and settings, in turn, round by round: once encoded by the encoder alone in
this process, once sent through Kafka to a real processor process until its counter says that all are
indexed. The ratio of each round is what counts: absolute times drift on shared machines.
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
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import httpx
import psutil

from bench.stack import free_port
from deploy.local.broker import broker_command
from deploy.local.configuration import LOCAL_DEFAULTS
from shared.domain import Document, truncate_to_milliseconds
from shared.embedder.factory import build_embedder
from shared.events import DocumentEvent, Operation
from shared.messaging.document_record import document_record
from shared.messaging.factory import build_producer, ensure_topics
from shared.ports import Producer
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


def _indexed(port: int) -> float:
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    return sum(
        float(line.rsplit(" ", 1)[1])
        for line in text.splitlines()
        if line.startswith('rag_ingest_documents_total{result="indexed"}')
    )


def _ready(port: int) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"http://127.0.0.1:{port}/health/ready", trust_env=False).is_success
    return False


def _send(producer: Producer, topic: str, batch: list[str]) -> None:
    now = truncate_to_milliseconds(datetime.now(UTC))
    for text in batch:
        document = Document(f"bench:{uuid.uuid4()}", "bench", "Bench", text, "", 1, now)
        producer.send(
            document_record(topic, DocumentEvent(Operation.UPSERT, str(uuid.uuid4()), now, document))
        )
    producer.flush(60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--documents", type=int, default=400, help="documents in each round (default 400)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("--words", type=int, default=60, help="words in each text (default 60)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    port, broker_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        environment = {
            **LOCAL_DEFAULTS,
            "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{broker_port}",
            "DATA_DIR": folder,
            "METRICS_PORT": str(port),
        }
        os.environ.update(environment)
        kafka = KafkaSettings()
        stack.enter_context(_process(broker_command(broker_port), Path(folder) / "broker.log", {}))
        ensure_topics(kafka, 30)
        embedder = build_embedder(EmbedderSettings())
        processor = stack.enter_context(
            _process(
                [sys.executable, "-m", "services.processor"], Path(folder) / "processor.log", environment
            )
        )
        producer = build_producer(kafka, "bench")
        stack.callback(producer.close)
        while not _ready(port):
            time.sleep(0.1)
        _send(producer, kafka.topic, ["warm up " * 5] * 8)
        ratios = []
        print(f"seed {arguments.seed}; {arguments.documents} documents of {arguments.words} words a round")
        print("round  encoder/s  processor/s  ratio")
        for number in range(arguments.rounds):
            batch = texts(arguments.seed + number, arguments.documents, arguments.words)
            begun = time.perf_counter()
            embedder.embed([f"Bench\n{text}" for text in batch])
            encoder = arguments.documents / (time.perf_counter() - begun)
            before = _indexed(port)
            begun = time.perf_counter()
            _send(producer, kafka.topic, batch)
            while _indexed(port) < before + arguments.documents:
                time.sleep(0.2)
            through = arguments.documents / (time.perf_counter() - begun)
            ratios.append(through / encoder)
            print(f"{number + 1:5}  {encoder:9.1f}  {through:11.1f}  {ratios[-1]:5.2f}", flush=True)
        memory = processor.memory_info().rss / 2**20
    print(f"processor/encoder: median {median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}")
    print(f"processor's resident memory {memory:.0f} MiB")


if __name__ == "__main__":
    main()
