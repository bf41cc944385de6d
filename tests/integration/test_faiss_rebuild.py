"""A second generation of a FAISS store: real processes follow it, and a rebuild may die anywhere."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from shared.domain import WriteOutcome
from shared.errors import ConfigurationError, CursorExpired, StoreMismatch, StoreUnavailable
from shared.ports import Rebuild
from shared.settings import VectorStoreSettings
from shared.vector_store.factory import begin_rebuild
from shared.vector_store.faiss_store.store import FaissStore
from tests.contract.vector_store.builders import DIMENSION, axis, embedded, version
from tests.support.faiss_rebuilder import BEFORE_THE_SWITCH, rebuilder
from tests.support.hammer import hammering
from tests.support.store_writer import writer
from tests.support.stores import faiss_store

COMMAND = "python -m services.processor rebuild"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


def begun(file: Path, embedder_name: str = "test", dimension: int = DIMENSION) -> Rebuild:
    settings = VectorStoreSettings(faiss_path=file)
    return begin_rebuild(settings, embedder_name=embedder_name, dimension=dimension)


def rebuild(file: Path, *names: str, **changed: object) -> None:
    with contextlib.closing(begun(file, **changed)) as running:  # type: ignore[arg-type]
        running.target.replace([embedded(name) for name in names])
        running.seal()
        running.switch()


def names_in(store: FaissStore) -> set[str]:
    return {hit.document_id for hit in store.search(axis(0), 1_000)}


def files_beside(file: Path) -> set[str]:
    """Without what SQLite keeps beside a file that is open."""
    names = {path.name for path in file.parent.iterdir()}
    return {name for name in names if not name.endswith(("-wal", "-shm"))}


def test_every_call_goes_to_the_new_generation(file: Path) -> None:
    with contextlib.closing(faiss_store(file)) as store, contextlib.closing(faiss_store(file)) as idle:
        store.replace([embedded("old"), embedded("both", 3)])
        cursor = store.changes(None, 9).cursor
        rebuild(file, "new", "both")
        assert names_in(store) == {"new", "both"}
        assert "old" not in store.get_many(["old"])
        assert store.content_hashes(["old", "new"]).keys() == {"new"}
        assert store.stats().documents == 2
        with pytest.raises(CursorExpired):
            store.changes(cursor, 9)
        assert store.replace([embedded("both", 2)]) == [WriteOutcome.APPLIED]
        store.flush()
        assert idle.delete("new", version(2)) is WriteOutcome.APPLIED
        assert names_in(idle) == {"both"}
        assert {hit.revision for hit in store.search(axis(0), 9)} == {2}
    with contextlib.closing(faiss_store(file)) as store:
        assert names_in(store) == {"both"}


FIRST_CALLS: dict[str, Callable[[FaissStore], object]] = {
    "search": lambda store: names_in(store) == {"new"},
    "get_many": lambda store: store.get_many(["old", "new"]).keys() == {"new"},
    "embeddings": lambda store: store.embeddings(["old", "new"]).keys() == {"new"},
    "content_hashes": lambda store: store.content_hashes(["old", "new"]).keys() == {"new"},
    "changes": lambda store: [change.document_id for change in store.changes(None, 9).changes] == ["new"],
    "stats": lambda store: store.stats().documents == 1,
    "replace": lambda store: store.replace([embedded("old")]) == [WriteOutcome.APPLIED],
    "delete": lambda store: store.delete("new", version(2)) is WriteOutcome.APPLIED,
    "purge": lambda store: store.purge(None, 0) == 1,
    "expire_tombstones": lambda store: store.expire_tombstones(timedelta(0)) == 0,
    "flush": lambda store: store.flush() is None and store.current_file.name.endswith(".g1"),  # type: ignore[func-returns-value]
}


@pytest.mark.parametrize("name", FIRST_CALLS)
def test_the_first_call_after_the_switch_follows(file: Path, name: str) -> None:
    with contextlib.closing(faiss_store(file)) as store:
        store.replace([embedded("old")])
        assert names_in(store) == {"old"}
        rebuild(file, "new")
        assert FIRST_CALLS[name](store)


def test_generation_after_generation_leaves_one_behind(file: Path) -> None:
    with contextlib.closing(faiss_store(file)) as store:
        store.replace([embedded(f"d{number}", vectors=[axis(0)] * 20) for number in range(500)])
    big = file.stat().st_size
    for number in range(1, 4):
        rebuild(file, f"g{number}")
        assert files_beside(file) == {file.name, f"{file.name}.g{number}", f"{file.name}.rebuild-lock"}
        with contextlib.closing(faiss_store(file)) as store:
            assert names_in(store) == {f"g{number}"}
    assert file.stat().st_size < big / 4


def test_who_slept_through_several_generations_finds_the_newest(file: Path) -> None:
    with contextlib.closing(faiss_store(file)) as first:
        rebuild(file, "g1")
        with contextlib.closing(faiss_store(file)) as second:
            assert names_in(second) == {"g1"}
            rebuild(file, "g2")
            rebuild(file, "g3")
            assert names_in(first) == {"g3"}
            with contextlib.ExitStack() as stack:  # a connection that must be opened: its file is gone
                for _ in range(3):
                    with contextlib.suppress(Exception):
                        stack.enter_context(second._generation._readers.borrowed())
                assert second.stats().documents == 1
            assert names_in(second) == {"g3"}


def test_processes_follow_the_switch_and_lose_no_write(file: Path) -> None:
    with contextlib.closing(faiss_store(file)) as store, writer("obey", file) as process:
        process.obey("before 1")
        with rebuilder(file, "wait") as other:
            assert other.line() == "sealed"
            assert names_in(store) == {"before"}  # readers go on
            process.tell("during 1")  # waits for the seal to end
            other.tell("go on")
            assert other.status() == 0
        assert process.line() == "during 1"
        assert names_in(store) == {"new", "during"}
        process.obey("after 1")
        assert names_in(store) == {"new", "during", "after"}


def test_a_seal_stops_writers_and_ends_by_itself(file: Path) -> None:
    with contextlib.closing(faiss_store(file, busy_timeout=0.2)) as store:
        store.replace([embedded("old")])
        with contextlib.closing(begun(file)) as running:
            with pytest.raises(StoreUnavailable, match="seal"):
                running.switch()
            running.seal()
            running.seal()
            with pytest.raises(StoreUnavailable, match="locked"):
                store.replace([embedded("a")])
            assert names_in(store) == {"old"}
        assert store.replace([embedded("a")]) == [WriteOutcome.APPLIED]
        running.close()
        with rebuilder(file, "wait") as process:
            assert process.line() == "sealed"
            with pytest.raises(StoreUnavailable):
                store.replace([embedded("b")])
            process.kill()
        assert store.replace([embedded("b")]) == [WriteOutcome.APPLIED]
        assert names_in(store) == {"old", "a", "b"}


@pytest.mark.parametrize(
    ("death", "generations"),
    [
        *((death, generations) for death in BEFORE_THE_SWITCH for generations in (0, 1)),
        *(("committed", generations) for generations in (0, 1, 2)),
        ("signpost", 0),
        *((death, generations) for death in ("emptied", "unlinked") for generations in (1, 2)),
    ],
)
def test_a_rebuild_may_die_anywhere(file: Path, death: str, generations: int) -> None:
    """From then on the store is wholly the old one or wholly the new one, for all; the next rebuild
    clears up."""
    faiss_store(file).close()
    for _ in range(generations):
        rebuild(file)
    with contextlib.closing(faiss_store(file)) as store:
        store.replace([embedded("old")])
        assert names_in(store) == {"old"}
        with rebuilder(file, death) as process:
            assert process.status() == -signal.SIGKILL
        kept = {"old"} if death in BEFORE_THE_SWITCH else {"new"}
        with contextlib.closing(faiss_store(file)) as another:
            assert names_in(another) == kept
            another.replace([embedded("more")])
            assert names_in(store) == names_in(another) == kept | {"more"}
        store.replace([embedded("and more")])
        with contextlib.closing(faiss_store(file)) as another:
            assert names_in(another) == kept | {"more", "and more"}
        rebuild(file, "newest")
        assert names_in(store) == {"newest"}
    with contextlib.closing(faiss_store(file)) as store:
        assert names_in(store) == {"newest"}
        current = store.current_file.name
    assert files_beside(file) == {file.name, current, f"{file.name}.rebuild-lock"}
    assert len([path for path in file.parent.iterdir() if path.name.endswith("-wal")]) == 0


def test_one_at_a_time(file: Path) -> None:
    with contextlib.closing(begun(file)):
        with pytest.raises(ConfigurationError, match=r"FAISS_PATH=.*another rebuild"):
            begun(file)
        with rebuilder(file, "nowhere") as process:
            assert process.status() == 1
    with contextlib.closing(begun(file)) as running:
        assert running.target.stats().documents == 0


def test_closing_without_a_switch_changes_nothing(file: Path) -> None:
    with contextlib.closing(faiss_store(file)) as store:
        store.replace([embedded("old")])
        running = begun(file)
        running.target.replace([embedded("new")])
        running.seal()
        running.close()
        running.close()
        assert names_in(store) == {"old"}
        assert files_beside(file) == {file.name, f"{file.name}.rebuild-lock"}
        store.replace([embedded("more")])


def test_another_embedder_takes_over(file: Path) -> None:
    with contextlib.closing(faiss_store(file)) as store:
        store.replace([embedded("a", vectors=[axis(0), axis(1)])])
        with pytest.raises(StoreMismatch) as refused:
            faiss_store(file, embedder_name="other", dimension=4)
        assert str(refused.value).endswith(COMMAND)
        with contextlib.closing(begun(file, "other", 4)) as running:
            assert len(running.source.get_many(["a"])["a"].chunks) == 2
            assert np.array_equal(running.source.embeddings(["a"])["a"], np.stack([axis(0), axis(1)]))
            assert [change.document_id for change in running.source.changes(None, 9).changes] == ["a"]
            running.target.replace([embedded("a", vectors=[axis(0, 4), axis(1, 4)])])
            running.seal()
            running.switch()
        for call in (
            store.stats,
            lambda: store.get_many(["a"]),
            lambda: store.search(axis(0), 1),
            store.flush,
        ):
            with pytest.raises(StoreMismatch) as caught:
                call()
            assert str(caught.value).endswith(COMMAND)
    with contextlib.closing(faiss_store(file, embedder_name="other", dimension=4)) as store:
        assert store.search(axis(1, 4), 1)[0].chunk_id == "a#1"
        assert store.stats().chunks == 2


def test_threads_search_on_through_switches(file: Path) -> None:
    """Each search sees one generation, and never an older one than before."""

    def reader() -> Callable[[], None]:
        newest = 0

        def read() -> None:
            nonlocal newest
            [name] = names_in(store)
            assert int(name) >= newest
            newest = int(name)
            store.stats()

        return read

    with contextlib.closing(faiss_store(file)) as store:
        store.replace([embedded("0")])
        with hammering(*(reader() for _ in range(3))):
            for number in range(1, 6):
                rebuild(file, str(number))
                assert names_in(store) == {str(number)}
