"""A kept answer is given again exactly as long as a new look would be answered from the same passages."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterator
from datetime import timedelta

import pytest

from services.api.answering.events import AskResult, Done, Piece, Sources
from services.api.caching import answer_cache
from services.api.retrieval.scope import Scope
from shared.domain import Outcome, Prompt, SearchFilter
from shared.errors import LLMUnavailable, StoreUnavailable
from shared.llm.extractive import ExtractiveLLM
from shared.vector_store.memory_store import MemoryStore
from tests.support.answering import AnsweringBench, answering
from tests.unit.services.api.retrieval.support import EMBEDDER, START, a_document, put, remove

QUESTION = "How many people has the earthquake in Velmora killed?"


class CountingLLM(ExtractiveLLM):
    def __init__(self) -> None:
        self.asked = 0
        self.meanwhile: Callable[[], object] = lambda: None
        self.error: Exception | None = None

    def stream(self, prompt: Prompt) -> Generator[str, None, None]:
        self.asked += 1
        self.meanwhile()
        if self.error is not None:
            raise self.error
        yield from super().stream(prompt)


def put_toll(store: MemoryStore, toll: int, revision: int = 1, document_id: str = "w:1") -> None:
    text = f"The earthquake in Velmora has killed {toll} people."
    put(store, a_document(document_id, text, revision=revision, title="Velmora earthquake"))


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore(EMBEDDER.dimension)
    put_toll(store, 41)
    return store


@pytest.fixture
def llm() -> CountingLLM:
    return CountingLLM()


@pytest.fixture
def bench(store: MemoryStore, llm: CountingLLM) -> Iterator[AnsweringBench]:
    with answering(store, llm) as bench:
        yield bench


def ask(bench: AnsweringBench, question: str = QUESTION, where: SearchFilter | None = None) -> AskResult:
    return bench.service.ask(question, Scope(5, where or SearchFilter()))


def test_a_repeated_question_is_not_put_to_the_model_again(bench: AnsweringBench, llm: CountingLLM) -> None:
    first, second = ask(bench), ask(bench, "  how many PEOPLE has the earthquake in Velmora killed? ")
    assert (first.cached, second.cached, llm.asked) == (False, True, 1)
    assert second.answer == first.answer
    assert second.answer.outcome is Outcome.ANSWERED
    assert (bench.lookups("miss"), bench.lookups("hit"), bench.lookups("invalidated")) == (1, 1, 0)


def test_a_kept_answer_streams_like_a_new_one(bench: AnsweringBench) -> None:
    runs = [list(bench.service.stream(QUESTION, Scope(5))) for _ in range(2)]
    for events in runs:
        assert [type(event) for event in events] == [Sources, Piece, Done]
    assert runs[0][:2] == runs[1][:2]


def test_what_changed_is_answered_anew(bench: AnsweringBench, store: MemoryStore) -> None:
    ask(bench)
    put_toll(store, 47, 2)
    result = ask(bench)
    assert (result.cached, "47" in result.answer.text, "41" in result.answer.text) == (False, True, False)
    assert bench.lookups("invalidated") == 1
    assert ask(bench).cached


def test_what_was_removed_is_not_told_again(bench: AnsweringBench, store: MemoryStore) -> None:
    ask(bench)
    remove(store, "w:1", 2)
    result = ask(bench)
    assert (result.cached, result.answer.outcome) == (False, Outcome.NO_CONTEXT)


def test_that_nothing_is_known_is_kept_until_something_is(
    bench: AnsweringBench, store: MemoryStore, llm: CountingLLM
) -> None:
    remove(store, "w:1", 2)
    assert [ask(bench).cached for _ in range(2)] == [False, True]
    put_toll(store, 41, 3)
    result = ask(bench)
    assert (result.cached, result.answer.outcome) == (False, Outcome.ANSWERED)


def test_a_new_document_that_belongs_among_the_passages_invalidates(
    bench: AnsweringBench, store: MemoryStore
) -> None:
    ask(bench)
    put_toll(store, 50, 1, "w:2")
    assert not ask(bench).cached


def test_what_does_not_concern_the_question_costs_nothing(
    bench: AnsweringBench, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, *(a_document(f"r{number}", "The earthquake in Velmora shook.") for number in range(5)))
    ask(bench)
    put(store, a_document("x", "Chess players met.", title="Chess"))
    monkeypatch.setattr(bench.retriever, "retrieve", None)  # would be an error
    assert ask(bench).cached


def test_a_doubt_that_was_unfounded_is_settled_once(
    bench: AnsweringBench, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_toll(store, 42, 1, "w:2")
    for number in range(5):
        put_toll(store, 43, 1, f"r{number}")
    ask(bench)
    put(store, a_document("x", "Some people.", title="Something about people"))
    assert ask(bench).cached, "it shares a word, but is not among the best five"
    monkeypatch.setattr(bench.retriever, "retrieve", None)
    assert ask(bench).cached


def test_a_change_while_the_model_wrote_is_not_missed(
    bench: AnsweringBench, store: MemoryStore, llm: CountingLLM
) -> None:
    """It concerns the passages, but no citation, so the answer itself stands."""

    def meanwhile() -> None:
        put_toll(store, 50, 1, "w:2")
        bench.retriever.catch_up()

    llm.meanwhile = meanwhile
    ask(bench)
    llm.meanwhile = lambda: None
    assert not ask(bench).cached


def test_a_degraded_answer_is_not_kept(bench: AnsweringBench, llm: CountingLLM) -> None:
    llm.error = LLMUnavailable("loading")
    assert ask(bench).answer.outcome is Outcome.DEGRADED
    llm.error = None
    result = ask(bench)
    assert (result.cached, result.answer.outcome) == (False, Outcome.ANSWERED)


def test_a_stretch_of_time_is_never_answered_from_what_was_kept(bench: AnsweringBench) -> None:
    where = SearchFilter(since=START - timedelta(hours=1))
    assert [ask(bench, where=where).cached for _ in range(2)] == [False, False]


def test_what_is_best_because_it_is_new_is_never_answered_from_what_was_kept(bench: AnsweringBench) -> None:
    scope = Scope(5, recency=0.3)
    assert [bench.service.ask(QUESTION, scope).cached for _ in range(2)] == [False, False]


def test_filters_and_depth_are_part_of_the_question(bench: AnsweringBench) -> None:
    ask(bench)
    assert not ask(bench, where=SearchFilter(sources=frozenset({"wikimedia"}))).cached
    assert not bench.service.ask(QUESTION, Scope(4)).cached


def test_the_least_recently_asked_goes_first(store: MemoryStore, llm: CountingLLM) -> None:
    with answering(store, llm, cache_entries=2) as bench:
        for question in ("Velmora?", "Earthquake?", "Velmora?", "People?"):
            ask(bench, question)
        assert [ask(bench, question).cached for question in ("Velmora?", "People?", "Earthquake?")] == [
            True,
            True,
            False,
        ]


def test_none_are_kept_where_there_is_no_room(store: MemoryStore, llm: CountingLLM) -> None:
    with answering(store, llm, cache_entries=0) as bench:
        assert [ask(bench).cached for _ in range(2)] == [False, False]


def test_without_embeddings_everything_is_in_doubt(
    bench: AnsweringBench, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(bench)

    def away(_: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(bench.cache, "_read_embeddings", away)
    put_toll(store, 50, 1, "w:2")
    assert not ask(bench).cached


def test_a_change_that_could_not_be_matched_leaves_everything_in_doubt(
    bench: AnsweringBench, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(bench)
    monkeypatch.setattr(bench.cache, "_read_embeddings", lambda _: {}["a bug"])
    put_toll(store, 50, 1, "w:2")
    with pytest.raises(KeyError):
        ask(bench)
    assert not ask(bench).cached


def test_an_index_that_lags_is_not_trusted(bench: AnsweringBench, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(bench)
    monkeypatch.setattr(bench.retriever, "catch_up", lambda: False)
    assert not ask(bench).cached


@pytest.mark.parametrize("matched_at_once", [0, 200])
def test_over_a_random_history_kept_answers_equal_new_ones(
    matched_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer_cache, "MATCHED_AT_ONCE", matched_at_once)
    seed = random.SystemRandom().randrange(10**6)
    rng = random.Random(seed)
    store = MemoryStore(EMBEDDER.dimension)
    places = ["Velmora", "Quillon", "Hjorra", "Treval"]
    questions = [f"How many people has the earthquake in {place} killed?" for place in places]
    hits = 0
    with (
        answering(store, ExtractiveLLM()) as cached,
        answering(store, ExtractiveLLM(), cache_entries=0) as plain,
    ):
        for revision in range(1, 400):
            document_id = f"w:{rng.randrange(12)}"
            if rng.random() < 0.2:
                remove(store, document_id, revision)
            elif rng.random() < 0.4:
                place = rng.choice(places)
                text = f"The earthquake in {place} has killed {revision} people."
                put(store, a_document(document_id, text, revision=revision, title=f"{place} earthquake"))
            question = rng.choice(questions)
            kept, new = ask(cached, question), ask(plain, question)
            hits += kept.cached
            assert kept.answer.text == new.answer.text, f"seed {seed}, revision {revision}: {question}"
            assert [(one.document_id, one.revision) for one in kept.answer.citations] == [
                (one.document_id, one.revision) for one in new.answer.citations
            ], f"seed {seed}, revision {revision}"
    assert hits > 50, f"seed {seed}"
