"""A second generation of a Redis store, across processes and crashes."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from shared.domain import ChangeKind
from shared.errors import ConfigurationError, CursorExpired, StoreMismatch, StoreUnavailable, WritesLost
from shared.ports import VectorStore
from shared.vector_store.redis_store.rebuild import RedisRebuild, begin_redis_rebuild
from shared.vector_store.redis_store.servers import Servers
from shared.vector_store.redis_store.store import open_redis_store
from tests.contract.vector_store.builders import DIMENSION, axis, embedded, version
from tests.contract.vector_store.checks import APPLIED, DUPLICATE, found, whole_feed
from tests.support.child import ROOT
from tests.support.processes import wait_until
from tests.support.redis_server import WITHOUT_DISK, RedisProcess, redis_server
from tests.support.store_writer import writer
from tests.support.stores import redis_settings, redis_store


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisProcess]:
    with redis_server(tmp_path / "redis", *WITHOUT_DISK) as server:
        yield server


def begin(url: str, embedder: str = "test", dimension: int = DIMENSION, lease: float = 5.0) -> RedisRebuild:
    return begin_redis_rebuild(
        redis_settings(url), embedder_name=embedder, dimension=dimension, lease_seconds=lease
    )


def generations(server: RedisProcess) -> int:
    """How many have documents or an index."""
    with server.client() as client:
        keys = [key for pattern in ("*:v", "*:state", "*:d:*", "*:feed") for key in client.keys(pattern)]
    return len({key.split(b":")[1] for key in keys})


def test_a_switch_is_seen_by_all_and_leaves_nothing_behind(server: RedisProcess) -> None:
    with (
        contextlib.closing(redis_store(server.url)) as reader,
        contextlib.closing(redis_store(server.url)) as store,
        contextlib.closing(begin(server.url)) as rebuild,
    ):
        store.replace([embedded("a", 1), embedded("b", 1)])
        store.delete("gone", version(9))
        store.flush()
        cursor = reader.changes(None, 9).cursor
        for change in whole_feed(rebuild.source):
            if change.kind is ChangeKind.INDEXED:
                rebuild.target.replace([embedded(change.document_id, 1, vectors=[axis(1)])])
        assert store.search(axis(1), 1)[0].score == 0
        rebuild.seal()
        rebuild.switch()
        assert reader.search(axis(1), 1)[0].score == 1
        assert store.replace([embedded("c", 1)]) == [APPLIED]
        assert {hit.document_id for hit in reader.search(axis(0), 9)} == {"a", "b", "c"}
        with pytest.raises(CursorExpired):
            reader.changes(cursor, 9)
    assert generations(server) == 1
    with server.client() as client:
        assert not client.keys("*:sealed")
        assert not client.exists("{rag}:rebuild")
        assert client.hlen("{rag}:generations") == 1


def test_a_seal_holds_all_writers_back_and_no_reader(server: RedisProcess) -> None:
    with contextlib.closing(redis_store(server.url)) as store:
        store.replace([embedded(f"d{number}") for number in range(9)])
        with contextlib.closing(begin(server.url)) as rebuild:
            rebuild.seal()
            for call in (
                lambda: store.replace([embedded(f"d{number}", 2) for number in range(9)]),
                lambda: store.delete("d1", version(2)),
                lambda: store.purge(None, 0),
            ):
                with pytest.raises(StoreUnavailable, match="rebuild"):
                    call()
            assert {hit.revision for hit in store.search(axis(0), 99)} == {1}
            rebuild.target.replace([embedded("new")])
        assert store.replace([embedded("d0", 2)]) == [APPLIED]
        assert len(found(store)) == 9
        store.flush()
    assert generations(server) == 1


def test_what_was_not_flushed_before_a_switch_is_written_again(server: RedisProcess) -> None:
    with contextlib.closing(redis_store(server.url)) as store:
        store.replace([embedded("a", 1)])
        with contextlib.closing(begin(server.url)) as rebuild:
            rebuild.seal()
            rebuild.switch()
        with pytest.raises(WritesLost):
            store.flush()
        store.replace([embedded("a", 1)])
        store.flush()
        assert found(store) == ["a#0"]


def test_a_switch_needs_seals_that_lasted(server: RedisProcess) -> None:
    with contextlib.closing(redis_store(server.url)) as store:
        with contextlib.closing(begin(server.url)) as rebuild:
            with pytest.raises(StoreUnavailable, match="seal"):
                rebuild.switch()
            rebuild.seal()
            with server.client() as client:
                client.delete(client.keys("*:sealed")[0])
            with pytest.raises(StoreUnavailable, match="seals did not last"):
                rebuild.switch()
        store.replace([embedded("a")])
        assert found(store) == ["a#0"]


def test_only_one_rebuild_at_a_time(server: RedisProcess) -> None:
    with contextlib.closing(begin(server.url)), pytest.raises(ConfigurationError, match="another rebuild"):
        begin(server.url)
    begin(server.url).close()


def test_leases_outlast_their_time_while_the_rebuild_lives(server: RedisProcess) -> None:
    with (
        contextlib.closing(redis_store(server.url)) as store,
        contextlib.closing(begin(server.url, lease=3.0)) as rebuild,
        server.client() as client,
    ):
        rebuild.seal()

        def renewals() -> int:
            calls: int = client.info("commandstats").get("cmdstat_pexpire", {"calls": 0})["calls"]
            return calls

        wait_until(lambda: renewals() >= 4 * 4, 60, "four renewals of three seals and the lock")
        with pytest.raises(StoreUnavailable):
            store.replace([embedded("a")])
        rebuild.switch()


def test_another_embedder_takes_over(server: RedisProcess) -> None:
    with contextlib.closing(redis_store(server.url)) as store:
        store.replace([embedded("a", 1)])
        with contextlib.closing(begin(server.url, "other", 4)) as rebuild:
            assert len(rebuild.source.get_many(["a"])["a"].chunks) == 1
            assert np.array_equal(rebuild.source.embeddings(["a"])["a"], axis(0)[np.newaxis])
            vector = axis(2, 4)
            rebuild.target.replace([embedded("a", 1, vectors=[vector])])
            rebuild.seal()
            rebuild.switch()
        with pytest.raises(StoreMismatch, match=r"EMBEDDER_MODEL=test.*rebuild$"):
            store.search(axis(0), 1)
    other = open_redis_store(redis_settings(server.url), embedder_name="other", dimension=4)
    with contextlib.closing(other):
        assert other.search(vector, 1)[0].document_id == "a"


def test_a_rebuild_where_there_is_no_store(server: RedisProcess) -> None:
    with contextlib.closing(begin(server.url)) as rebuild:
        assert rebuild.source.stats().documents == 0
        rebuild.target.replace([embedded("a")])
        rebuild.seal()
        rebuild.switch()
    with contextlib.closing(redis_store(server.url)) as store:
        assert found(store) == ["a#0"]


def texts_by_id(store: VectorStore) -> dict[str, str]:
    return {hit.document_id: hit.text for hit in store.search(axis(0), 99)}


_CRASHING = """
import sys, os
from shared.vector_store.redis_store import rebuild as module
from tests.integration.test_redis_rebuild import begin
from tests.contract.vector_store.builders import embedded

rebuild = begin(sys.argv[1], lease=2.0)
rebuild.target.replace([embedded(f"d{number}", 7) for number in range(50)])
rebuild.seal()
if sys.argv[2] == "after the pointer moved":
    module._SWITCH_LEASE_SECONDS = 5.0
    module.drop = module.confirm = lambda *_: os._exit(9)
    rebuild.switch()
os._exit(9)
"""


@pytest.mark.parametrize("moment", ["before the switch", "after the pointer moved"])
def test_a_crash_leaves_a_store_that_works(
    server: RedisProcess, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        contextlib.closing(redis_store(server.url)) as store,
        contextlib.closing(redis_store(server.url)) as reader,
    ):
        store.replace([embedded("old", 1)])
        crashed = subprocess.run(
            [sys.executable, "-c", _CRASHING, server.url, moment], cwd=ROOT, timeout=120, check=False
        )
        assert crashed.returncode == 9

        def accepted() -> bool:
            try:
                return store.replace([embedded("after", 1)]) in ([APPLIED], [DUPLICATE])
            except StoreUnavailable:
                return False

        if moment == "after the pointer moved":
            with monkeypatch.context() as patched:
                patched.setattr("shared.vector_store.redis_store.store._LOOK_SECONDS", 1e9)
                assert accepted(), "who meets a seal looks at the pointer at once"
        wait_until(accepted, 60, "the seals' end")
        kept = {"old"} if moment == "before the switch" else {f"d{number}" for number in range(50)}
        assert {hit.document_id for hit in store.search(axis(0), 99)} == {*kept, "after"}
        wait_until(lambda: "after" in texts_by_id(reader), 60, "a reader that looks now and then")
        with contextlib.closing(redis_store(server.url)) as other:
            assert {hit.document_id for hit in other.search(axis(0), 99)} == {*kept, "after"}

        def begun() -> bool:
            try:
                begin(server.url, lease=1.0).close()
            except ConfigurationError:
                return False
            return True

        wait_until(begun, 90, "the lease's end")
        assert generations(server) == 1
        assert {hit.document_id for hit in store.search(axis(0), 99)} == {*kept, "after"}


def test_a_switch_that_never_heard_of_its_success_is_completed(
    server: RedisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pointer moved, and the connection broke before the answer."""
    with contextlib.closing(redis_store(server.url)) as store:
        store.replace([embedded("old")])
        rebuild = begin(server.url)
        rebuild.target.replace([embedded("new")])
        rebuild.seal()
        one = Servers.one

        def broken(self: Servers, key: str, command: tuple[str | bytes | int, ...]) -> object:
            reply = one(self, key, command)
            if str(command[1]).endswith("_swap"):
                raise StoreUnavailable("no answer")
            return reply

        with monkeypatch.context() as patched:
            patched.setattr(Servers, "one", broken)
            with pytest.raises(StoreUnavailable):
                rebuild.switch()
        rebuild.close()
        assert found(store) == ["new#0"]
    assert generations(server) == 1


def test_processes_follow_a_switch_in_the_middle_of_writing(server: RedisProcess) -> None:
    """What was written to the old generation before the seal is copied; the rest goes to the new one."""
    with (
        contextlib.closing(redis_store(server.url)) as store,
        writer("revise", server.url) as process,
        contextlib.closing(begin(server.url)) as rebuild,
    ):
        for _ in range(30):
            process.line()
        rebuild.target.replace([embedded("marker", vectors=[axis(3)])])
        rebuild.seal()
        process.kill()
        rebuild.switch()
        assert found(store) == ["marker#0"]
        with writer("revise", server.url) as second:
            second.line()
            assert {hit.document_id for hit in store.search(axis(0), 99)} == {"m", "marker"}
