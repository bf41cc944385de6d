"""What a cluster does to a Redis store: a replica takes over, with or without the last writes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest

from tests.support.redis_server import RedisClusterProcesses, RedisProcess, redis_cluster
from tests.support.stores import redis_store
from tests.support.upstream import Upstream


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisClusterProcesses]:
    with redis_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


def test_a_primary_that_fails_over_in_mid_write(cluster: RedisClusterProcesses) -> None:
    opened = redis_store(cluster.url, redis_wait_replicas=1, redis_prefix="failover")
    with contextlib.closing(opened) as store:
        upstream = Upstream(11, store)
        upstream.write(5)
        tag = store._shards.tags[0]
        killed: list[RedisProcess] = []
        killer = threading.Timer(0.3, lambda: killed.append(cluster.kill_primary(tag)))
        killer.start()
        while killer.is_alive():
            upstream.write(5)
        upstream.write(30)
        killed[0].start()
        cluster.wait_until_healthy()
        upstream.flush()
        assert cluster.primary_of(tag) is not killed[0]
        assert upstream.waits == 0, "the store itself waits for the failover"
        upstream.assert_equal(store)
        with contextlib.closing(redis_store(cluster.url, redis_prefix="failover")) as other:
            upstream.assert_equal(other)


def test_writes_that_a_failover_lost_are_noticed(cluster: RedisClusterProcesses) -> None:
    """The replica stands still while its primary acknowledges writes, and is promoted without them."""
    with contextlib.closing(redis_store(cluster.url, redis_prefix="lost", redis_shards=1)) as store:
        upstream = Upstream(13, store)
        upstream.write(10)
        upstream.flush()
        tag = store._shards.tags[0]
        replica = cluster.replica_of(tag)
        replica.pause()
        with cluster.primary_of(tag).client() as client:
            client.client_kill_filter(_type="replica")  # what is written from here on never arrives there
        upstream.write(20)
        dead = cluster.kill_primary(tag)
        replica.resume()
        upstream.write(20)
        upstream.flush()
        assert upstream.losses == 1
        upstream.assert_equal(store)
        dead.start()
        cluster.wait_until_healthy()
        upstream.assert_equal(store)
