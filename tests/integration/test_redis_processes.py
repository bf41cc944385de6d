"""One Redis store, several real processes."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.vector_store.redis_store.store import RedisStore
from tests.contract.vector_store.builders import axis
from tests.contract.vector_store.writer import NEWEST_REVISION, SHUFFLED_IDS, chunks_of, revision_of
from tests.support.redis_server import WITHOUT_DISK, RedisProcess, redis_server
from tests.support.redis_writer import line_of, open_store, writer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisProcess]:
    with redis_server(tmp_path / "redis", *WITHOUT_DISK) as server:
        yield server


def check_whole_revisions(store: RedisStore) -> dict[str, int]:
    """Each document's revision, as one search sees it."""
    found: dict[str, list[int]] = {}
    for hit in store.search(axis(0), 1_000):
        assert hit.text.startswith(f"{hit.document_id} r{hit.revision} ")
        found.setdefault(hit.document_id, []).append(hit.revision)
    for document_id, revisions in found.items():
        assert len(set(revisions)) == 1, f"{document_id}: a mix of {revisions}"
        assert len(revisions) == chunks_of(revisions[0]), f"{document_id}: {revisions}"
    return {document_id: revisions[0] for document_id, revisions in found.items()}


def test_the_next_search_finds_what_another_process_wrote(server: RedisProcess) -> None:
    with contextlib.closing(open_store(server.url)) as store, writer("obey", server.url) as process:
        assert process.stdin
        for revision in range(1, 30):
            process.stdin.write(f"a {revision}\n")
            process.stdin.flush()
            line_of(process)
            assert check_whole_revisions(store) == {"a": revision}


def test_a_reader_never_sees_a_mix_of_revisions(server: RedisProcess) -> None:
    """``VSIM`` works beside the writer's functions; and a page that is always there is never missing."""
    problems: list[BaseException] = []
    searches = [0, 0]
    stop = threading.Event()

    def hammer(number: int, store: RedisStore) -> None:
        newest = 1
        try:
            while not stop.is_set():
                found = check_whole_revisions(store)
                assert len(found) == 201, f"{201 - len(found)} documents are missing"
                assert found["m"] >= newest, f"went back from {newest} to {found['m']}"
                newest = found["m"]
                searches[number] += 1
        except BaseException as error:  # noqa: BLE001 - raised again by the test's own thread
            problems.append(error)

    with contextlib.closing(open_store(server.url)) as store, writer("revise", server.url) as process:
        store.replace([revision_of(f"still{number}", 1) for number in range(200)])
        line_of(process)
        threads = [threading.Thread(target=hammer, args=(number, store)) for number in range(2)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 90
        revision = 0
        while (revision < 200 or min(searches) < 50) and not problems and time.monotonic() < deadline:
            revision = int(line_of(process))
        stop.set()
        for thread in threads:
            thread.join()
    if problems:
        raise problems[0]
    assert revision >= 200
    assert min(searches) >= 50


def test_concurrent_writers_end_in_the_newest_versions(server: RedisProcess) -> None:
    with (
        writer("shuffle", server.url, "seed-1") as first,
        writer("shuffle", server.url, "seed-2") as second,
        contextlib.closing(open_store(server.url)) as store,
    ):
        while first.poll() is None or second.poll() is None:
            check_whole_revisions(store)
        assert (first.wait(60), second.wait(60)) == (0, 0)
        assert check_whole_revisions(store) == dict.fromkeys(SHUFFLED_IDS, NEWEST_REVISION)
        stats = store.stats()
        assert stats.documents == len(SHUFFLED_IDS)
        assert stats.chunks == len(SHUFFLED_IDS) * chunks_of(NEWEST_REVISION)


def test_processes_may_create_the_store_together(server: RedisProcess) -> None:
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(writer("obey", server.url)) for _ in range(4)]
        for number, process in enumerate(processes):
            assert process.stdin
            process.stdin.write(f"d{number} 1\n")
            process.stdin.flush()
        for process in processes:
            line_of(process)
        store = stack.enter_context(contextlib.closing(open_store(server.url)))
        assert store.stats().documents == 4
        client = stack.enter_context(server.client())
        assert len(client.keys("*:state")) == 3
