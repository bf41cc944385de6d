"""What is in the vector sets: the newest vector of each chunk, put in once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.vector_store.builders import at, axis, embedded
from tests.support.redis_server import RedisProcess, redis_server
from tests.support.stores import redis_store


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisProcess]:
    with redis_server(tmp_path / "redis") as server:
        yield server


def test_a_changed_chunk_keeps_its_new_vector_over_a_restart(server: RedisProcess) -> None:
    """Exact scores would hide a vector of the text before; recall would not."""
    with contextlib.closing(redis_store(server.url)) as store:
        store.replace([embedded("a", 1, vectors=[axis(0)])])
        store.replace([embedded("a", 2, vectors=[axis(1)])])
        store.flush()
        server.restart()
        key = f"{store._shards.tag_of('a')}:v"
        with server.client() as client:
            vector = client.execute_command("VEMB", key, "a#0")
    assert [float(number) for number in vector] == pytest.approx(axis(1).tolist(), abs=0.02)


def test_an_unchanged_chunk_is_not_indexed_again(server: RedisProcess) -> None:
    """Putting one into the graph costs a millisecond; most edits touch one chunk of many."""
    with contextlib.closing(redis_store(server.url)) as store, server.client() as client:
        vectors = [axis(0), axis(1), axis(2)]
        store.replace([embedded("a", 1, vectors=vectors, hashes=["x", "y", "z"])])
        before = client.info("commandstats")["cmdstat_VADD"]["calls"]
        store.replace([embedded("a", 2, 5, vectors=[None, axis(3), axis(2)], hashes=["x", "new", "z"])])
        assert client.info("commandstats")["cmdstat_VADD"]["calls"] == before + 1
        assert {hit.updated_at for hit in store.search(axis(0), 9)} == {at(5)}
