"""``python -m services.processor rebuild`` while real processes write and search; and killed at any time."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis

from deploy.local.broker import GROUP_SETTINGS
from services.processor.chunker import Chunker
from services.processor.settings import ProcessorSettings
from shared.domain import Version
from shared.embedder.hashing import HashingEmbedder
from shared.errors import StoreDamaged, StoreMismatch
from shared.events import decode_event
from shared.messaging.factory import build_producer, ensure_topics
from shared.ports import EmbeddedDocument, OutgoingRecord, VectorStore
from shared.settings import KafkaSettings, VectorStoreSettings
from shared.vector_store.factory import begin_rebuild, open_vector_store
from shared.vector_store.redis_store.keys import pointer_key, registry_key
from tests.support.event_history import MAX_EVENT_BYTES, Message, a_history
from tests.support.oracle import Contents, LiveDocument, Oracle
from tests.support.processes import free_port, running, wait_until

TIMEOUT = 90.0
EMBEDDER = HashingEmbedder()
PROCESSOR = [sys.executable, "-m", "services.processor"]
DEFAULTS = ProcessorSettings()
CHUNKER = Chunker(EMBEDDER.count_tokens, DEFAULTS.chunk_tokens, DEFAULTS.chunk_overlap_tokens)
ORACLE = Oracle(CHUNKER)


@dataclass(frozen=True)
class Stage:
    """One topic, one store, and the processes around them."""

    kafka: KafkaSettings
    store: dict[str, str]
    folder: Path
    started: ExitStack = field(default_factory=ExitStack)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **GROUP_SETTINGS,
            **self.store,
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "KAFKA_TOPIC": self.kafka.topic,
            "KAFKA_DLQ_TOPIC": self.kafka.dlq_topic,
            "KAFKA_GROUP_ID": self.kafka.group_id,
            "EMBEDDER": "hashing",
            "MAX_EVENT_BYTES": str(MAX_EVENT_BYTES),
        }

    @property
    def settings(self) -> VectorStoreSettings:
        return VectorStoreSettings(**{name.lower(): value for name, value in self.store.items()})  # type: ignore[arg-type]

    def processor(self, name: str = "processor") -> int:
        """Start one; its metrics port."""
        port = free_port()
        environment = {**self.environment, "METRICS_PORT": str(port)}
        self.started.enter_context(running(PROCESSOR, self.folder / f"{name}.log", environment))
        return port

    def searcher(self, question: str) -> tuple[subprocess.Popen[bytes], Path]:
        """Start one; it and its log."""
        log = self.folder / "search.log"
        command = [sys.executable, "-m", "tests.support.steady_search", question]
        return self.started.enter_context(running(command, log, self.environment)), log

    def rebuild(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*PROCESSOR, "rebuild", *arguments],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def rebuilt(self, *arguments: str) -> str:
        with self.rebuild(*arguments) as process:
            output, errors = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0, f"{output}\n{errors}"
        return output

    def send(self, messages: Sequence[Message]) -> None:
        with closing(build_producer(self.kafka, "test")) as producer:
            for message in messages:
                producer.send(OutgoingRecord(self.kafka.topic, message.key, message.value))
            assert producer.flush(TIMEOUT) == 0

    def write(self, messages: Sequence[Message], embedder: HashingEmbedder = EMBEDDER) -> None:
        """Straight into the store, as documents that no log holds."""
        with closing(self.opened(embedder)) as store:
            for message in messages:
                write_to(store, message, embedder)
            store.flush()

    def opened(self, embedder: HashingEmbedder = EMBEDDER) -> VectorStore:
        return open_vector_store(self.settings, embedder_name=embedder.name, dimension=embedder.dimension)

    def contents(self) -> Contents:
        documents: dict[str, LiveDocument] = {}
        tombstones = {}
        with closing(self.opened()) as store:
            cursor = None
            while (page := store.changes(cursor, 1_000)).changes:
                cursor = page.cursor
                for change in page.changes:
                    stored = store.get(change.document_id)
                    if stored is None:
                        tombstones[change.document_id] = (change.version.revision, change.version.updated_at)
                        continue
                    document = stored.document
                    documents[change.document_id] = LiveDocument(
                        document.revision,
                        document.updated_at,
                        document.title,
                        document.text,
                        document.url,
                        dict(document.attributes),
                        tuple(chunk.text for chunk in stored.chunks),
                    )
        return Contents(documents, tombstones)


def write_to(store: VectorStore, message: Message, embedder: HashingEmbedder) -> None:
    state = message.state
    assert state is not None
    if state.text is None:
        store.delete(state.document_id, Version(state.revision, state.updated_at))
        return
    document = decode_event(message.value).document
    chunks = Chunker(embedder.count_tokens, DEFAULTS.chunk_tokens, DEFAULTS.chunk_overlap_tokens).chunk(
        document
    )
    rows = embedder.embed([item.text for item in chunks])
    store.replace([EmbeddedDocument(document, tuple(item.chunk for item in chunks), tuple(rows))])


def expected(messages: Sequence[Message]) -> Contents:
    return ORACLE.contents(message.state for message in messages if message.state is not None)


@pytest.fixture(params=["faiss", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    if request.param == "faiss":
        return {"VECTOR_STORE": "faiss", "FAISS_PATH": str(tmp_path / "documents.sqlite")}
    url = request.getfixturevalue("redis_url")
    return {"VECTOR_STORE": "redis", "REDIS_URL": url, "REDIS_PREFIX": f"rag-{uuid.uuid4()}"}


@pytest.fixture
def stage(broker: str, tmp_path: Path, store: dict[str, str]) -> Iterator[Stage]:
    name = f"documents-{uuid.uuid4()}"
    kafka = KafkaSettings(bootstrap_servers=broker, topic=name, dlq_topic=f"{name}.dlq", group_id=name)
    ensure_topics(kafka, 10)
    stage = Stage(kafka, store, tmp_path)
    with stage.started:
        yield stage


def metrics(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as response:
        text: str = response.read().decode()
    return text


@pytest.mark.parametrize("origin", ["kafka", "stored"])
def test_others_write_and_search_all_the_time(stage: Stage, origin: str) -> None:
    seed = random.randrange(2**32)
    history = a_history(seed, events=1_500, poison=30)
    before, during, after = history[:900], history[900:1_400], history[1_400:]
    stage.send(before)
    stage.processor("first")
    stage.processor("second")
    wait_until(lambda: stage.contents() == expected(before), TIMEOUT, f"the start, seed {seed}", 0.3)
    searcher, search_log = stage.searcher("river bridge council")
    wait_until(lambda: search_log.read_text().count("\n") > 10, TIMEOUT, "searches")

    with stage.rebuild("--from", origin) as rebuild:
        for start in range(0, len(during), 25):
            stage.send(during[start : start + 25])
        output, errors = rebuild.communicate(timeout=TIMEOUT)
    assert rebuild.returncode == 0, f"{output}\n{errors}"
    assert "Switched to the new index: " in output
    searches = search_log.read_text().count("\n")
    stage.send(after)
    wait_until(
        lambda: stage.contents() == expected(history), TIMEOUT, f"as an undisturbed run, seed {seed}", 0.3
    )
    wait_until(lambda: search_log.read_text().count("\n") > searches + 10, TIMEOUT, "searches go on")
    assert searcher.poll() is None, search_log.read_text()[-2_000:]


def test_killed_at_any_moment_it_leaves_the_old_index(stage: Stage) -> None:
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    history = a_history(seed, events=1_200, poison=0)
    stage.send(history[:600])
    stage.write(history)
    kills = 4 if stage.store["VECTOR_STORE"] == "faiss" else 1
    for _ in range(kills):
        with stage.rebuild("--from", "stored") as process:
            assert process.stdout is not None
            process.stdout.readline()  # the model is loaded
            delay = rng.uniform(0, 0.6)
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
        assert stage.contents() == expected(history), f"seed {seed}, killed after {delay:.2f} s"
    late = a_history(seed + 1, events=50, poison=0)
    stage.write(late)

    def second_rebuild() -> bool:  # where the store cannot see a death, the dead one's lease has to run out
        with stage.rebuild("--from", "kafka") as process:
            output, errors = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0 or "another rebuild" in errors, f"{output}\n{errors}"
        return process.returncode == 0

    wait_until(second_rebuild, TIMEOUT, "a rebuild after the killed ones", 1.0)
    assert stage.contents() == expected([*history, *late]), f"seed {seed}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_in_one_line(stage: Stage, number: signal.Signals) -> None:
    history = a_history(7, events=3_000, poison=0)
    stage.write(history)
    with stage.rebuild("--from", "stored") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        _, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "rebuild: stopped; nothing was changed, the old index answers on"
    assert stage.contents() == expected(history)
    stage.rebuilt("--from", "stored")


def test_another_model_is_refused_with_the_command_that_cures_it(stage: Stage) -> None:
    history = a_history(11, events=300, poison=0)
    stage.write(history, HashingEmbedder(64))
    environment = {**os.environ, **stage.environment, "METRICS_PORT": str(free_port())}
    refused = subprocess.run(
        PROCESSOR, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].endswith("python -m services.processor rebuild")
    output = stage.rebuilt()
    assert output.startswith("Rebuilding for hashing-384 from the texts in the store: ")
    assert "restart them" in output.splitlines()[-1]
    assert stage.contents() == expected(history)
    port = stage.processor()
    wait_until(lambda: "started" in (stage.folder / "processor.log").read_text(), TIMEOUT, "a processor")
    more = a_history(12, events=40, poison=0)
    stage.send(more)
    wait_until(lambda: stage.contents() == expected([*history, *more]), TIMEOUT, "it goes on", 0.2)
    assert "rag_ingest_documents_total" in metrics(port)


def test_a_running_processor_with_the_old_model_does_not_touch_the_new_index(stage: Stage) -> None:
    with closing(stage.opened(HashingEmbedder(64))) as running_with_the_old:
        history = a_history(13, events=60, poison=0)
        for message in history:
            write_to(running_with_the_old, message, HashingEmbedder(64))
        running_with_the_old.flush()
        stage.rebuilt()
        with pytest.raises(StoreMismatch, match="rebuild"):
            running_with_the_old.stats()
    assert stage.contents() == expected(history)


def test_a_second_rebuild_is_refused_in_one_line(stage: Stage) -> None:
    stage.write(a_history(17, events=20, poison=0))
    with closing(begin_rebuild(stage.settings, embedder_name=EMBEDDER.name, dimension=EMBEDDER.dimension)):
        with stage.rebuild("--from", "stored") as process:
            _, errors = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 2
        [line] = errors.splitlines()
        assert line.startswith("rebuild: ")
        assert "another rebuild" in line
    stage.rebuilt("--from", "stored")


def test_what_the_log_has_forgotten_is_kept_or_dropped_as_asked(stage: Stage) -> None:
    history = a_history(19, events=300, poison=5)
    old, new = history[:100], history[100:]
    stage.send(new)
    stage.write([message for message in history if message.state is not None])
    output = stage.rebuilt("--from", "kafka")
    assert "are not in the log (any more): copying them from their stored texts" in output
    assert stage.contents() == expected(history)
    with stage.rebuild("--from", "kafka", "--drop-missing") as process:
        _, errors = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, errors) == (
        2,
        "rebuild: --drop-missing: without a terminal to ask on, give --yes too\n",
    )
    stage.rebuilt("--from", "kafka", "--drop-missing", "--yes")
    in_log = {message.state.document_id for message in new if message.state is not None}
    assert old
    assert stage.contents().documents.keys() <= in_log


def test_a_broker_that_is_away_is_one_line_with_the_way_out(stage: Stage) -> None:
    stage.write(a_history(23, events=20, poison=0))
    away = stage.kafka.model_copy(update={"bootstrap_servers": f"127.0.0.1:{free_port()}"})
    with Stage(away, stage.store, stage.folder).rebuild() as process:
        _, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1
    [line] = errors.splitlines()
    assert line.startswith("rebuild: no broker answers at KAFKA_BOOTSTRAP_SERVERS=")
    assert line.endswith("start it, or give --from stored")


def test_a_damaged_file_is_refused_with_its_cure_which_works(stage: Stage) -> None:
    if stage.store["VECTOR_STORE"] != "faiss":
        pytest.skip("only the FAISS store is a file that can be cut")
    history = a_history(29, events=200, poison=5)
    stage.send(history)
    stage.write([message for message in history if message.state is not None])
    file = Path(stage.store["FAISS_PATH"])
    with file.open("r+b") as content:
        content.truncate(file.stat().st_size // 2)
    with stage.rebuild() as process:
        _, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1
    [line] = errors.splitlines()
    assert line.endswith("or remove it and run: python -m services.processor rebuild --from kafka")
    for part in file.parent.glob(f"{file.name}*"):
        part.unlink()
    stage.rebuilt("--from", "kafka")
    assert stage.contents() == expected(history)


def test_keys_that_are_gone_come_back_from_the_log(stage: Stage) -> None:
    if stage.store["VECTOR_STORE"] != "redis":
        pytest.skip("only the Redis store consists of keys")
    history = a_history(31, events=200, poison=5)
    stage.send(history)
    stage.write([message for message in history if message.state is not None])
    with closing(redis.Redis.from_url(stage.store["REDIS_URL"])) as client:
        prefix = stage.store["REDIS_PREFIX"]
        known = {pointer_key(prefix).encode(), registry_key(prefix).encode()}
        shards = [key for key in client.scan_iter(f"*{prefix}*") if key not in known]
        assert shards
        client.delete(*shards)
    with pytest.raises(StoreDamaged, match="rebuild"):
        stage.opened()
    output = stage.rebuilt()
    assert "from KAFKA_TOPIC: the store cannot be read" in output
    assert stage.contents() == expected(history)
