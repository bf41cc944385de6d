"""The whole stack under test: broker, store, processors, API; each of them a real process."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from deploy.local.broker import GROUP_SETTINGS
from services.processor.chunker import Chunker
from shared.embedder.hashing import HashingEmbedder
from shared.messaging.factory import ensure_topics
from shared.settings import KafkaSettings
from tests.chaos.stores import StoreUnderTest
from tests.support.durable_broker import RestartableBroker
from tests.support.event_history import MAX_EVENT_BYTES
from tests.support.oracle import Oracle
from tests.support.processes import free_port, wait_until
from tests.support.stack_processes import StackProcess, killed_at_the_end, service

PROCESSORS = 3
_SPARES = 2
_CHUNK_TOKENS = 64
_CHUNK_WINDOW_TOKENS = 32
_PARTITIONS = 4
START_SECONDS = 90.0


@dataclass(slots=True)
class Rig:
    folder: Path
    broker: RestartableBroker
    store: StoreUnderTest
    kafka: KafkaSettings
    api: StackProcess
    api_client: httpx.Client
    processors: list[StackProcess]
    """Those that always come back."""
    spares: list[StackProcess]
    """Those that come and go."""
    environment: Mapping[str, str]
    """What all services are started with."""
    others: list[StackProcess] = field(default_factory=list)
    """Whatever else a test runs."""
    unexpected_ends: list[str] = field(default_factory=list)

    @property
    def services(self) -> list[StackProcess]:
        return [*self.others, *self.processors, *self.spares, self.api]

    def revive(self) -> list[str]:
        """Do what a supervisor does; what it had to do."""
        notes = []
        for process in self.services:
            code = process.revive()
            if code is not None:
                notes.append(f"{process.name} ended by itself with code {code} and was started again")
        self.unexpected_ends += notes
        return notes

    def wait_until_ready(self) -> None:
        wait_until(self._ready, START_SECONDS, f"the API to be ready (logs: {self.folder})", 0.2)

    def stop_all(self) -> None:
        """One after another: the local broker may block a group that two leave together (docs/adr/0002).

        :raises AssertionError: one did not end well, or had an error in its life that nobody expected.
        """
        codes = {process.name: process.stop() for process in self.services if process.alive}
        assert set(codes.values()) == {0}, codes
        for process in self.services:
            assert "Traceback" not in process.output(), f"{process.name}: an error that nobody expected"

    def _ready(self) -> bool:
        self.revive()
        with contextlib.suppress(httpx.TransportError):
            return self.api_client.get("/health/ready").status_code == httpx.codes.OK
        return False


def an_oracle() -> Oracle:
    return Oracle(Chunker(HashingEmbedder().count_tokens, _CHUNK_TOKENS, _CHUNK_WINDOW_TOKENS))


@contextlib.contextmanager
def a_rig(folder: Path, broker: RestartableBroker, store: StoreUnderTest) -> Iterator[Rig]:
    """Started, and the API ready; at the end all is killed that still runs."""
    kafka = KafkaSettings(
        bootstrap_servers=broker.bootstrap_servers,
        partitions=_PARTITIONS,
        **{name.removeprefix("KAFKA_").lower(): value for name, value in GROUP_SETTINGS.items()},
    )
    ensure_topics(kafka, 30)
    key, port = secrets.token_hex(16), free_port()
    key_file = folder / "api-keys"
    key_file.touch(mode=0o600)
    key_file.write_text(key)
    environment = {
        **GROUP_SETTINGS,
        **store.environment,
        "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        "KAFKA_PARTITIONS": str(_PARTITIONS),
        "EMBEDDER": "hashing",
        "CHUNK_TOKENS": str(_CHUNK_TOKENS),
        "CHUNK_WINDOW_TOKENS": str(_CHUNK_WINDOW_TOKENS),
        "MAX_EVENT_BYTES": str(MAX_EVENT_BYTES),
        "DATA_DIR": str(folder / "data"),
        "LLM": "extractive",
        "API_KEYS_FILE": str(key_file),
        "API_PORT": str(port),
    }
    quietly = {"LOG_LEVEL": "WARNING"}
    processors = [
        service(
            f"processor-{number}",
            "services.processor",
            folder,
            {**environment, "METRICS_PORT": str(free_port())},
        )
        for number in range(PROCESSORS + _SPARES)
    ]
    api = service("api", "services.api", folder, {**environment, **quietly})
    with (
        killed_at_the_end(api, *processors),
        httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {key}"},
            timeout=30,
            trust_env=False,
        ) as client,
    ):
        rig = Rig(
            folder,
            broker,
            store,
            kafka,
            api,
            client,
            processors[:PROCESSORS],
            processors[PROCESSORS:],
            environment,
        )
        for process in (api, *rig.processors):
            process.start()
        rig.wait_until_ready()
        yield rig
