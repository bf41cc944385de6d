from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta

from services.api.answering.prompt import PassageUse
from services.api.retrieval.scope import Scope
from shared.domain import Chunk, Document, Outcome, Prompt, StoreStats, Version
from shared.llm.extractive import ExtractiveLLM
from shared.ports import EmbeddedDocument
from shared.vector_store.memory_store import MemoryStore
from tests.support.answering import answering
from tests.unit.services.api.retrieval.support import EMBEDDER

QUESTION = "How many people has the earthquake in Velmora killed?"
MOMENT = datetime(2026, 11, 22, tzinfo=UTC)


class SlowLLM(ExtractiveLLM):
    """Something happens to the store while it writes."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        self._meanwhile = meanwhile

    def stream(self, prompt: Prompt) -> Generator[str, None, None]:
        self._meanwhile()
        yield from super().stream(prompt)


class CountingStore(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.reports = 0

    def stats(self) -> StoreStats:
        self.reports += 1
        return super().stats()


def _put(store: MemoryStore, toll: int, revision: int) -> None:
    text = f"The earthquake in Velmora has killed {toll} people."
    document = Document("w:1", "wikimedia", "Velmora earthquake", text, "", revision, _moment(revision))
    store.replace([EmbeddedDocument(document, (Chunk("w:1", 0, text, text),), tuple(EMBEDDER.embed([text])))])


def _moment(revision: int) -> datetime:
    return MOMENT + timedelta(minutes=revision)


def _ask(store: MemoryStore, meanwhile: Callable[[], object]) -> tuple[Outcome, str, list[int]]:
    with answering(store, SlowLLM(meanwhile)) as bench:
        answer = bench.service.ask(QUESTION, Scope(5)).answer
    return answer.outcome, answer.text, [citation.revision for citation in answer.citations]


def test_a_page_that_is_deleted_while_the_model_writes_is_not_quoted() -> None:
    store = MemoryStore()
    _put(store, 41, 1)
    outcome, text, revisions = _ask(store, lambda: store.delete("w:1", Version(2, MOMENT)))
    assert (outcome, revisions) == (Outcome.NO_CONTEXT, [])
    assert "41" not in text


def test_a_page_that_changes_while_the_model_writes_is_read_again() -> None:
    store = MemoryStore()
    _put(store, 41, 1)
    assert _ask(store, lambda: _put(store, 47, 2)) == (
        Outcome.ANSWERED,
        "“The earthquake in Velmora has killed 47 people.” [1]",
        [2],
    )


def test_the_store_is_asked_once_how_far_an_answer_looks() -> None:
    store = CountingStore()
    _put(store, 41, 1)
    with answering(store, ExtractiveLLM()) as bench:
        for cached in (False, True):
            before = store.reports
            result = bench.service.ask(QUESTION, Scope(5))
            assert (result.cached, result.as_of, store.reports - before) == (cached, _moment(1), 1)


def test_an_answer_that_was_read_again_looks_further() -> None:
    store = MemoryStore()
    _put(store, 41, 1)
    with answering(store, SlowLLM(lambda: _put(store, 47, 2))) as bench:
        assert bench.service.ask(QUESTION, Scope(5)).as_of == _moment(2)


def test_an_answer_tells_how_many_passages_the_model_was_shown() -> None:
    store = MemoryStore()
    for number in range(3):
        text = f"The earthquake in Velmora has killed {number + 40} people."
        document = Document(f"w:{number}", "wikimedia", "Velmora earthquake", text, "", 1, MOMENT)
        chunk = Chunk(f"w:{number}", 0, text, text)
        store.replace([EmbeddedDocument(document, (chunk,), tuple(EMBEDDER.embed([text])))])
    with answering(store, ExtractiveLLM()) as bench:
        passages = bench.service.ask(QUESTION, Scope(5)).passages
    assert passages == PassageUse(used=2, dropped=1, shortened=0)


def test_what_has_not_changed_is_the_model_s_answer() -> None:
    store = MemoryStore()
    _put(store, 41, 1)
    assert _ask(store, lambda: None) == (
        Outcome.ANSWERED,
        "The earthquake in Velmora has killed 41 people [1].",
        [1],
    )


def test_more_certainty_can_be_asked_for_than_there_is() -> None:
    store = MemoryStore()
    _put(store, 41, 1)
    for min_confidence, expected in ((0.0, Outcome.ANSWERED), (1.0, Outcome.NO_CONTEXT)):
        with answering(store, ExtractiveLLM(), min_confidence=min_confidence) as bench:
            assert bench.service.ask(QUESTION, Scope(5)).answer.outcome is expected
