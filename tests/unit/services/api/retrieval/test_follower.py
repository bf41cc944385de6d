"""The lexical index follows the store, whatever happens in between."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.api.retrieval import follower as follower_module
from services.api.retrieval.follower import Applied, ChangeFollower
from services.api.retrieval.lexical_index import LexicalIndex
from shared.domain import ChangeKind, ChangePage, SearchFilter
from shared.errors import CursorExpired, StoreUnavailable
from shared.vector_store.memory_store import MemoryStore
from tests.support.processes import wait_until
from tests.unit.services.api.retrieval.support import EMBEDDER, a_document, put, remove

TIMEOUT = 30.0


class ScriptedStore(MemoryStore):
    """A store whose feed can be made to fail or to wait."""

    def __init__(self) -> None:
        super().__init__(EMBEDDER.dimension)
        self.errors: list[Exception] = []
        self.calls = 0
        self.gate = threading.Event()
        self.gate.set()

    def changes(self, after: str | None, limit: int) -> ChangePage:
        self.calls += 1
        assert self.gate.wait(TIMEOUT)
        if self.errors:
            raise self.errors.pop()
        return super().changes(after, limit)


@pytest.fixture
def store() -> ScriptedStore:
    return ScriptedStore()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[LexicalIndex]:
    with closing(LexicalIndex(tmp_path / "lexical.sqlite")) as index:
        yield index


def found(index: LexicalIndex, question: str) -> list[str]:
    return sorted(hit.document_id for hit in index.search(question, 1000, SearchFilter()))


def test_what_was_committed_before_is_found_after(store: ScriptedStore, index: LexicalIndex) -> None:
    follower = ChangeFollower(store, index)
    with pytest.raises(StoreUnavailable, match="being filled: 0 passages"):
        follower.check()
    put(store, *(a_document(f"d{number}", f"Text number {number}.") for number in range(1_200)))
    assert follower.catch_up(TIMEOUT)
    follower.check()
    assert len(found(index, "text")) == 1_000
    put(store, a_document("d7", "Changed.", revision=2))
    remove(store, "d8", 2)
    assert follower.catch_up(TIMEOUT)
    assert found(index, "changed") == ["d7"]
    assert index.passages() == 1_199


def test_following_that_hangs_is_not_readiness(
    store: ScriptedStore, index: LexicalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower_module, "_STUCK_SECONDS", 0.2)
    follower = ChangeFollower(store, index)

    def is_ready() -> bool:
        try:
            follower.check()
        except StoreUnavailable:
            return False
        return True

    follower.start()
    with closing(follower):
        wait_until(is_ready, TIMEOUT, "readiness")
        store.gate.clear()
        try:
            wait_until(lambda: not is_ready(), TIMEOUT / 2, "a follower that is not ready")
            with pytest.raises(StoreUnavailable, match="hangs"):
                follower.check()
            assert follower.reached()
        finally:
            store.gate.set()
        wait_until(is_ready, TIMEOUT, "readiness again")


def test_it_goes_on_where_it_was(store: ScriptedStore, index: LexicalIndex) -> None:
    put(store, a_document("a", "Some text."))
    ChangeFollower(store, index).catch_up(TIMEOUT)
    seen: list[Applied] = []
    put(store, a_document("b", "More text."))
    ChangeFollower(store, index, [seen.append]).catch_up(TIMEOUT)
    [applied] = seen
    assert [change.document_id for change in applied.changes] == ["b"]
    assert (list(applied.documents), applied.restarted) == (["b"], False)


def test_a_cursor_that_expired_starts_it_over(store: ScriptedStore, index: LexicalIndex) -> None:
    put(store, a_document("a", "Some text."), a_document("b", "More text."))
    seen: list[Applied] = []
    follower = ChangeFollower(store, index, [seen.append])
    follower.catch_up(TIMEOUT)
    remove(store, "a", 2)
    store.errors = [CursorExpired("too old")]
    assert follower.catch_up(TIMEOUT)
    assert found(index, "text") == ["b"]
    assert [applied.restarted for applied in seen] == [False, True]
    put(store, a_document("c", "Text."))
    follower.catch_up(TIMEOUT)
    assert [applied.restarted for applied in seen] == [False, True, False]


def test_a_store_that_is_away_is_the_caller_s_problem(store: ScriptedStore, index: LexicalIndex) -> None:
    store.errors = [StoreUnavailable("away")]
    follower = ChangeFollower(store, index)
    with pytest.raises(StoreUnavailable):
        follower.catch_up(TIMEOUT)
    put(store, a_document("a", "Some text."))
    assert follower.catch_up(TIMEOUT)
    assert found(index, "text") == ["a"]


def test_its_thread_outlives_a_store_that_is_away_and_says_so(
    store: ScriptedStore, index: LexicalIndex, caplog: pytest.LogCaptureFixture
) -> None:
    store.errors = [StoreUnavailable("away")] * 2
    put(store, a_document("a", "Some text."))
    with closing(ChangeFollower(store, index)) as follower:
        follower.start()
        wait_until(lambda: len(caplog.records) == 2, TIMEOUT, "both lines")
    assert found(index, "text") == ["a"]
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "the store or the lexical index cannot be reached"),
        ("WARNING", "the store or the lexical index is reached again"),
    ]
    assert caplog.records[0].__dict__["error"] == "away"


def test_its_thread_outlives_a_listener_that_fails(store: ScriptedStore, index: LexicalIndex) -> None:
    told: list[str] = []
    again = threading.Event()

    def listen(applied: Applied) -> None:
        told.extend(change.document_id for change in applied.changes)
        if told == ["a"]:
            put(store, a_document("b", "More text."))
            raise ZeroDivisionError
        again.set()

    put(store, a_document("a", "Some text."))
    with closing(ChangeFollower(store, index, [listen])) as follower:
        follower.start()
        assert again.wait(TIMEOUT)
    assert told == ["a", "b"]


def test_who_waited_for_another_s_turn_does_not_read_again(store: ScriptedStore, index: LexicalIndex) -> None:
    follower = ChangeFollower(store, index)
    store.gate.clear()
    results: list[bool] = []
    threads = [threading.Thread(target=lambda: results.append(follower.catch_up(TIMEOUT))) for _ in range(8)]
    threads[0].start()
    wait_until(lambda: store.calls == 1, TIMEOUT, "the first to read")
    waiting = threading.Event()
    turn: Any = follower._turn

    class Counted:
        """The lock, which tells when the other seven wait for it."""

        count = 0

        def acquire(self, timeout: float) -> bool:
            Counted.count += 1
            if Counted.count == 7:
                waiting.set()
            return bool(turn.acquire(timeout=timeout))

        def release(self) -> None:
            turn.release()

    follower._turn = Counted()  # type: ignore[assignment]
    for thread in threads[1:]:
        thread.start()
    assert waiting.wait(TIMEOUT)
    store.gate.set()
    for thread in threads:
        thread.join()
    assert results == [True] * 8
    assert store.calls == 2, "one turn that began after all had asked serves them all"


def test_a_turn_that_does_not_come_is_told(store: ScriptedStore, index: LexicalIndex) -> None:
    follower = ChangeFollower(store, index)
    store.gate.clear()
    thread = threading.Thread(target=follower.catch_up, args=[TIMEOUT])
    thread.start()
    wait_until(lambda: store.calls == 1, TIMEOUT, "the first to read")
    assert not follower.catch_up(0.01)
    store.gate.set()
    thread.join()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    history=st.lists(
        st.tuples(
            st.sampled_from(["put", "remove", "purge", "read", "restart", "crash", "expire"]),
            st.integers(0, 5),
            st.sampled_from(["red green", "green blue", "blue red. " * 30]),
        ),
        max_size=40,
    )
)
def test_it_equals_an_index_made_anew(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[str, int, str]]
) -> None:
    folder = tmp_path_factory.mktemp("history")
    store = ScriptedStore()
    index = LexicalIndex(folder / "lexical.sqlite")
    follower = ChangeFollower(store, index)
    for revision, (action, number, text) in enumerate(history, start=1):
        if action == "put":
            put(store, a_document(f"d{number}", text, revision=revision))
        elif action == "remove":
            remove(store, f"d{number}", revision)
        elif action == "purge":
            store.purge(None, 3)
        elif action == "expire":
            store.expire_tombstones(timedelta(0))
        elif action == "read":
            follower.catch_up(TIMEOUT)
        elif action == "crash":  # after the store was read, before the batch was written
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(index, "apply", _crash)
                with suppress(_CrashError):
                    follower.catch_up(TIMEOUT)
        else:
            index.close()
            index = LexicalIndex(folder / "lexical.sqlite")
        if action in ("restart", "crash"):
            follower = ChangeFollower(store, index)
    follower.catch_up(TIMEOUT)
    fresh = LexicalIndex(folder / "fresh.sqlite")
    ChangeFollower(store, fresh).catch_up(TIMEOUT)
    with closing(index), closing(fresh):
        for question in ("red", "green", "blue"):
            assert found(index, question) == found(fresh, question)
        live = {
            change.document_id
            for change in store.changes(None, 1000).changes
            if change.kind is ChangeKind.INDEXED
        }
        assert set(found(index, "red green blue")) == live


class _CrashError(Exception):
    pass


def _crash(*_: object) -> None:
    raise _CrashError
