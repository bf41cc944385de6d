"""One Redis store, several real processes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.redis_server import WITHOUT_DISK, RedisProcess, redis_server
from tests.support.revisions import (
    NEWEST_REVISION,
    SHUFFLED_IDS,
    chunks_of,
    read_while_it_is_revised,
    revision_of,
    whole_revisions,
)
from tests.support.store_writer import writer
from tests.support.stores import redis_store


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisProcess]:
    with redis_server(tmp_path / "redis", *WITHOUT_DISK) as server:
        yield server


def test_the_next_search_finds_what_another_process_wrote(server: RedisProcess) -> None:
    with contextlib.closing(redis_store(server.url)) as store, writer("obey", server.url) as process:
        for revision in range(1, 30):
            process.obey(f"a {revision}")
            assert whole_revisions(store) == {"a": revision}


def test_a_reader_never_sees_a_mix_of_revisions(server: RedisProcess) -> None:
    """``VSIM`` works beside the writer's functions; and a page that is always there is never missing."""
    with contextlib.closing(redis_store(server.url)) as store, writer("revise", server.url) as process:
        store.replace([revision_of(f"still{number}", 1) for number in range(200)])
        read_while_it_is_revised(store, process, documents=201)


def test_concurrent_writers_end_in_the_newest_versions(server: RedisProcess) -> None:
    with (
        writer("shuffle", server.url, "seed-1") as first,
        writer("shuffle", server.url, "seed-2") as second,
        contextlib.closing(redis_store(server.url)) as store,
    ):
        while first.runs() or second.runs():
            whole_revisions(store)
        assert (first.status(), second.status()) == (0, 0)
        assert whole_revisions(store) == dict.fromkeys(SHUFFLED_IDS, NEWEST_REVISION)
        stats = store.stats()
        assert stats.documents == len(SHUFFLED_IDS)
        assert stats.chunks == len(SHUFFLED_IDS) * chunks_of(NEWEST_REVISION)


def test_processes_may_create_the_store_together(server: RedisProcess) -> None:
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(writer("obey", server.url)) for _ in range(4)]
        for number, process in enumerate(processes):
            process.tell(f"d{number} 1")
        for process in processes:
            process.line()
        store = stack.enter_context(contextlib.closing(redis_store(server.url)))
        assert store.stats().documents == 4
        client = stack.enter_context(server.client())
        assert len(client.keys("*:state")) == 3
