from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from services.api.retrieval.follower import ChangeFollower
from services.api.retrieval.lexical_index import LexicalHit, LexicalIndex
from services.api.retrieval.retriever import Retriever, Tuning
from shared.domain import Hit, Match, SearchFilter
from shared.errors import StoreUnavailable
from shared.vector_store.memory_store import MemoryStore
from tests.unit.services.api.retrieval.support import (
    EMBEDDER,
    START,
    FixedClock,
    a_document,
    numbered,
    put,
    remove,
)


class Bench:
    def __init__(self, folder: Path, *, dense_weight: float = 0.5, recency_weight: float = 0.0) -> None:
        self.store = MemoryStore(EMBEDDER.dimension)
        self.index = LexicalIndex(folder / "lexical.sqlite")
        self.follower = ChangeFollower(self.store, self.index)
        tuning = Tuning(dense_weight, recency_weight, timedelta(hours=1))
        self.retriever = Retriever(self.store, self.index, self.follower, tuning, FixedClock())

    def ask(
        self,
        question: str,
        top_k: int = 5,
        where: SearchFilter | None = None,
        recency_weight: float | None = None,
    ) -> list[Hit]:
        embedding = EMBEDDER.embed([question])[0]
        return self.retriever.retrieve(question, embedding, top_k, where or SearchFilter(), recency_weight)

    def close(self) -> None:
        self.index.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with closing(Bench(tmp_path)) as bench:
        yield bench


def ids(hits: list[Hit]) -> list[str]:
    return [hit.document_id for hit in hits]


def test_a_committed_document_is_found_by_the_next_question(bench: Bench) -> None:
    put(bench.store, a_document("a", "The bridge of Velmora is open."))
    [hit] = bench.ask("Is the bridge of Velmora open?")
    assert (hit.document_id, hit.text, hit.score) == ("a", "The bridge of Velmora is open.", 1.0)
    remove(bench.store, "a", 2)
    assert bench.ask("Is the bridge of Velmora open?") == []


def test_a_hit_is_read_as_its_whole_passage(bench: Bench) -> None:
    text = (
        "Alpha came first of all in that long year. Beta was second, and nobody knows why. Gamma was third."
    )
    put(bench.store, a_document("a", text))
    [hit] = bench.ask("Who was second, Beta?")
    assert hit.text == text
    assert hit.chunk_id == "a#1", "the window that matched"


def test_each_side_finds_what_the_other_misses(tmp_path: Path) -> None:
    for weight, best in ((1.0, "dense"), (0.0, "lexical")):
        with closing(Bench(tmp_path / str(weight), dense_weight=weight)) as bench:
            put(
                bench.store,
                a_document("dense", "river river river river", title="river"),
                a_document("lexical", "A river near Quillon, with fish, boats, mills, wharves and locks."),
                *(a_document(f"d{number}", "Something else entirely.") for number in range(5)),
            )
            assert ids(bench.ask("river Quillon"))[0] == best


def test_filters_hold_on_both_sides_and_against_the_newest_version(bench: Bench) -> None:
    put(
        bench.store,
        a_document("a", "The river is high.", attributes={"bot": True}),
        a_document("b", "The river is low.", attributes={"bot": False}),
    )
    assert ids(bench.ask("river", where=SearchFilter(exclude_bots=True))) == ["b"]
    late = SearchFilter(since=START + timedelta(hours=1))
    assert bench.ask("river", where=late) == []


def test_never_fewer_than_there_are(bench: Bench) -> None:
    """One document with a thousand windows must not hide the others."""
    put(bench.store, a_document("long", numbered(["river"] * 1_000)))
    put(bench.store, *(a_document(f"d{number}", "A river, a boat.") for number in range(9)))
    hits = bench.ask("The river stands here in the year.", top_k=20)
    assert len(hits) == 20
    assert len(set(ids(hits))) == 10


def test_of_one_document_two_passages_at_most_while_others_have_some(bench: Bench) -> None:
    put(bench.store, a_document("long", numbered(["river"] * 200)), a_document("b", "A river, a boat."))
    assert ids(bench.ask("The river stands here in the year.", top_k=3)) == ["long", "long", "b"]


def test_a_document_that_changed_after_it_was_found_is_read_as_it_is_now(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bench.store, a_document("a", "The river is high."), a_document("b", "The river is low."))
    nearest = bench.store.nearest

    def search_and_change(*args: object) -> list[Match]:
        matches = nearest(*args)  # type: ignore[arg-type]
        put(bench.store, a_document("a", "All of it was rewritten.", revision=2))
        remove(bench.store, "b", 2)
        return matches

    monkeypatch.setattr(bench.store, "nearest", search_and_change)
    assert all(hit.text == "All of it was rewritten." for hit in bench.ask("river"))


def test_the_recency_prior_is_a_setting_that_a_request_can_change(tmp_path: Path) -> None:
    with closing(Bench(tmp_path, recency_weight=0.6)) as bench:
        put(
            bench.store,
            a_document("old", "The river Quillon is high.", updated_at=START - timedelta(days=3)),
            a_document("new", "The river is high and wide.", updated_at=START),
        )
        assert ids(bench.ask("river Quillon")) == ["new", "old"]
        assert ids(bench.ask("river Quillon", recency_weight=0.0)) == ["old", "new"]
        assert ids(bench.ask("river Quillon", recency_weight=1.0)) == ["new", "old"]


def test_questions_at_the_same_time_are_answered_as_one_by_one(tmp_path: Path) -> None:
    with closing(Bench(tmp_path)) as bench:
        for number in range(30):
            put(bench.store, a_document(f"d{number}", f"The bridge number {number} of Velmora is open."))
        questions = [f"Is bridge number {number} open?" for number in range(30)] * 4
        expected = [ids(bench.ask(question)) for question in questions]
        with ThreadPoolExecutor(16) as threads:
            assert [ids(hits) for hits in threads.map(bench.ask, questions)] == expected


def begin_and_ask(bench: Bench, question: str, top_k: int = 5) -> list[Hit]:
    begun = bench.retriever.begin(question, top_k, SearchFilter())
    assert begun is not None
    embedding = EMBEDDER.embed([question])[0]
    return bench.retriever.retrieve(question, embedding, top_k, SearchFilter(), begun=begun)


def test_a_search_by_words_that_began_before_finds_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bench.store, *(a_document(f"d{number}", f"The river {number} is high.") for number in range(9)))
    asked = bench.ask("Is the river 7 high?")
    searched: list[str] = []
    search = bench.index.search

    def counted(question: str, limit: int, where: SearchFilter) -> list[LexicalHit]:
        searched.append(question)
        return search(question, limit, where)

    monkeypatch.setattr(bench.index, "search", counted)
    assert begin_and_ask(bench, "Is the river 7 high?") == asked
    assert searched == ["Is the river 7 high?"]


def test_what_was_committed_before_it_began_is_found(bench: Bench) -> None:
    put(bench.store, a_document("a", "The bridge of Velmora is open."))
    assert ids(begin_and_ask(bench, "Is the bridge of Velmora open?")) == ["a"]


def test_one_that_began_before_never_finds_fewer_than_there_are(bench: Bench) -> None:
    put(bench.store, a_document("long", numbered(["river"] * 1_000)))
    put(bench.store, *(a_document(f"d{number}", "A river, a boat.") for number in range(9)))
    hits = begin_and_ask(bench, "The river stands here in the year.", top_k=20)
    assert len(set(ids(hits))) == 10


def test_what_went_wrong_meanwhile_is_raised_where_the_hits_are_asked_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> list[LexicalHit]:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(bench.index, "search", fail)
    with pytest.raises(StoreUnavailable, match="the disk is full"):
        begin_and_ask(bench, "river")


def test_none_begins_beside_a_question_that_is_looked_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bench.store, a_document("a", "The river is high."))
    begun: list[object] = []
    nearest = bench.store.nearest

    def begin_another(*args: object) -> list[Match]:
        begun.append(bench.retriever.begin("another", 5, SearchFilter()))
        return nearest(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(bench.store, "nearest", begin_another)
    assert ids(bench.ask("river")) == ["a"]
    assert begun == [None]
