"""What happens while a question is answered, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from services.api.answering.events import Abandoned, AnswerEvent, AskResult, Done, Piece, Sources
from services.api.retrieval.scope import Scope
from shared.domain import Chunk, Document, Outcome, Prompt, TokenUsage, Version
from shared.embedder.hashing import HashingEmbedder
from shared.errors import LLMUnavailable
from shared.llm.extractive import ExtractiveLLM
from shared.ports import EmbeddedDocument
from shared.vector_store.memory_store import MemoryStore
from tests.support.answering import answering

QUESTION = "What has the earthquake in Velmora done to people?"
KILLED = "The earthquake in Velmora has killed 41 people."
HURT = "The earthquake in Velmora has hurt 120 people."
MADE_UP = "The earthquake in Velmora has killed 99 people."
MOMENT = datetime(2026, 11, 22, tzinfo=UTC)
EMBEDDER = HashingEmbedder()

Deltas = Callable[[], Iterator[str]]


class ScriptedLLM(ExtractiveLLM):
    """Says what the script yields, and notes whether its stream was closed."""

    def __init__(self, script: Deltas) -> None:
        self._script = script
        self.prompts: list[Prompt] = []
        self.closed = 0
        self.usage: TokenUsage | None = None

    @property
    def asked(self) -> int:
        return len(self.prompts)

    def stream(self, prompt: Prompt) -> Generator[str, None, TokenUsage | None]:
        self.prompts.append(prompt)
        try:
            yield from self._script()
            return self.usage
        finally:
            self.closed += 1


class Scene:
    """A store with one page of two sentences, and a model that follows ``script``."""

    def __init__(self, stack: ExitStack, script: Deltas, max_sentences: int) -> None:
        self.store = MemoryStore()
        self.put(KILLED, HURT, revision=1)
        self.llm = ScriptedLLM(script)
        bench = stack.enter_context(
            answering(self.store, self.llm, cache_entries=0, max_sentences=max_sentences)
        )
        self.registry, self.service = bench.registry, bench.service

    def put(self, *texts: str, revision: int) -> None:
        document = Document("w:1", "wikimedia", "Velmora", " ".join(texts), "", revision, MOMENT)
        chunks = tuple(Chunk("w:1", number, text, text) for number, text in enumerate(texts))
        self.store.replace([EmbeddedDocument(document, chunks, tuple(EMBEDDER.embed(list(texts))))])

    def stream(
        self, question: str = QUESTION, is_abandoned: Callable[[], bool] = lambda: False
    ) -> Generator[AnswerEvent, None, None]:
        return self.service.stream(question, Scope(5), is_abandoned=is_abandoned)

    def count(self, outcome: str) -> float | None:
        return self.registry.get_sample_value("rag_requests_total", {"outcome": outcome})


MakeScene = Callable[..., Scene]


@pytest.fixture
def make_scene() -> Iterator[MakeScene]:
    """``make_scene(script, max_sentences)``."""
    with ExitStack() as stack:

        def make(script: Deltas, max_sentences: int = 3) -> Scene:
            return Scene(stack, script, max_sentences)

        yield make


def said(*deltas: str) -> Deltas:
    return lambda: iter(deltas)


def pieces(events: list[AnswerEvent]) -> list[Piece]:
    return [event for event in events if isinstance(event, Piece)]


def result_of(events: list[AnswerEvent]) -> AskResult:
    assert isinstance(events[0], Sources)
    assert isinstance(events[-1], Done)
    assert len([event for event in events if isinstance(event, Sources | Done)]) == 2
    return events[-1].result


def test_sources_come_before_the_model_is_asked(make_scene: MakeScene) -> None:
    scene = make_scene(said(KILLED))
    with_first = scene.stream()
    sources = next(with_first)
    assert isinstance(sources, Sources)
    assert [item.hit.document_id for item in sources.evidence] == ["w:1"]
    assert sources.as_of == MOMENT
    assert scene.llm.asked == 0
    with_first.close()


def test_each_sentence_comes_once_it_is_grounded(make_scene: MakeScene) -> None:
    scene = make_scene(
        said("The earthquake in Velmora", " has killed 41 people. The", f"{HURT[3:]} More", " text")
    )
    events = list(scene.stream())
    first, second = pieces(events)
    assert first.text == "The earthquake in Velmora has killed 41 people [1]."
    assert second.text == " The earthquake in Velmora has hurt 120 people [2]."
    assert [[citation.marker for citation in piece.citations] for piece in (first, second)] == [[1], [2]]
    result = result_of(events)
    assert result.answer.text == first.text + second.text
    assert result.answer.citations == first.citations + second.citations
    assert result.answer.outcome is Outcome.ANSWERED


def test_a_sentence_is_shown_while_the_model_still_writes(make_scene: MakeScene) -> None:
    shown: list[str] = []

    def script() -> Iterator[str]:
        yield f"{KILLED} "
        yield "The earth"
        assert shown == ["The earthquake in Velmora has killed 41 people [1]."]
        yield "quake in Velmora has hurt 120 people."

    for event in make_scene(script).stream():
        if isinstance(event, Piece):
            shown.append(event.text)
    assert len(shown) == 2


def test_what_no_source_supports_is_never_shown(make_scene: MakeScene) -> None:
    events = list(make_scene(said(f"{MADE_UP} ", KILLED)).stream())
    assert [piece.text for piece in pieces(events)] == ["The earthquake in Velmora has killed 41 people [1]."]


def test_where_nothing_is_supported_the_piece_is_a_quote(make_scene: MakeScene) -> None:
    (only,) = pieces(list(make_scene(said(MADE_UP)).stream()))
    assert only.text == f"“{KILLED}” [1]"


def test_the_model_may_say_no_more_than_it_is_let(make_scene: MakeScene) -> None:
    scene = make_scene(said(f"{KILLED} ", f"{HURT} ", "And"), max_sentences=1)
    assert [piece.text for piece in pieces(list(scene.stream()))] == [
        "The earthquake in Velmora has killed 41 people [1]."
    ]
    assert scene.llm.closed == 1


def test_the_model_is_told_how_much_it_may_say(make_scene: MakeScene) -> None:
    scene = make_scene(said(KILLED), max_sentences=2)
    list(scene.stream())
    assert "at most 2 short sentences" in scene.llm.prompts[0].system


def test_tokens_are_counted_by_the_model_where_it_says(make_scene: MakeScene) -> None:
    scene = make_scene(said(KILLED))
    counted = result_of(list(scene.stream()))
    assert (counted.input_tokens, counted.output_tokens) == (
        scene.llm.count_tokens(scene.llm.prompts[0].system + scene.llm.prompts[0].user),
        scene.llm.count_tokens(KILLED),
    )
    scene.llm.usage = TokenUsage(1234, 56)
    told = result_of(list(scene.stream()))
    assert (told.input_tokens, told.output_tokens) == (1234, 56)


@pytest.mark.parametrize("script", [said(), said("  "), said("41"), said(MADE_UP), said(KILLED)])
def test_the_pieces_are_the_answer(make_scene: MakeScene, script: Deltas) -> None:
    events = list(make_scene(script).stream())
    assert "".join(piece.text for piece in pieces(events)) == result_of(events).answer.text


def test_without_evidence_the_model_is_not_asked(make_scene: MakeScene) -> None:
    scene = make_scene(said(KILLED))
    events = list(scene.stream("Who won the chess final in Quorl?"))
    assert isinstance(events[0], Sources)
    assert events[0].evidence == ()
    assert [piece.text for piece in pieces(events)] == [result_of(events).answer.text]
    assert "41" not in result_of(events).answer.text
    assert result_of(events).answer.outcome is Outcome.NO_CONTEXT
    assert scene.llm.asked == 0


def test_collected_it_is_the_same(make_scene: MakeScene) -> None:
    scene = make_scene(said(f"{KILLED} {HURT}"))
    streamed = result_of(list(scene.stream()))
    asked = scene.service.ask(QUESTION, Scope(5))
    assert (asked.answer, asked.as_of, asked.input_tokens, asked.output_tokens) == (
        streamed.answer, streamed.as_of, streamed.input_tokens, streamed.output_tokens,
    )  # fmt: skip
    assert asked.output_tokens > 0


def breaks_off(*deltas: str) -> Deltas:
    def script() -> Iterator[str]:
        yield from deltas
        raise LLMUnavailable("cut")

    return script


def test_a_model_that_breaks_off_leaves_what_was_grounded(make_scene: MakeScene) -> None:
    events = list(make_scene(breaks_off(f"{KILLED} ", "The")).stream())
    answer = result_of(events).answer
    assert (answer.text, answer.outcome) == (
        "The earthquake in Velmora has killed 41 people [1].",
        Outcome.DEGRADED,
    )
    assert [piece.text for piece in pieces(events)] == [answer.text]


@pytest.mark.parametrize("script", [breaks_off(), breaks_off(f"{MADE_UP} ", "The")])
def test_a_model_that_breaks_off_too_early_is_replaced_by_a_quote(
    make_scene: MakeScene, script: Deltas
) -> None:
    answer = result_of(list(make_scene(script).stream())).answer
    assert (answer.text, answer.outcome) == (f"“{KILLED}” [1]", Outcome.DEGRADED)


def test_a_source_that_changes_before_its_sentence_is_shown_is_read_again(make_scene: MakeScene) -> None:
    scene: Scene

    def script() -> Iterator[str]:
        scene.put("The earthquake in Velmora has killed 47 people.", revision=2)
        yield KILLED

    scene = make_scene(script)
    events = list(scene.stream())
    assert [piece.text for piece in pieces(events)] == [
        "“The earthquake in Velmora has killed 47 people.” [1]"
    ]
    assert [citation.revision for citation in result_of(events).answer.citations] == [2]


def test_the_answer_wins_over_pieces_of_a_source_that_changed_later(make_scene: MakeScene) -> None:
    scene: Scene

    def script() -> Iterator[str]:
        yield f"{KILLED} "
        yield HURT  # the first sentence is complete only now
        scene.put("The earthquake in Velmora has killed 47 people.", revision=2)
        yield " And"

    scene = make_scene(script)
    events = list(scene.stream())
    assert [piece.text for piece in pieces(events)] == ["The earthquake in Velmora has killed 41 people [1]."]
    answer = result_of(events).answer
    assert answer.text == "“The earthquake in Velmora has killed 47 people.” [1]"
    assert [citation.revision for citation in answer.citations] == [2]


def test_a_deleted_source_leaves_nothing(make_scene: MakeScene) -> None:
    scene: Scene

    def script() -> Iterator[str]:
        scene.store.delete("w:1", Version(2, MOMENT))
        yield KILLED

    scene = make_scene(script)
    events = list(scene.stream())
    assert [piece.text for piece in pieces(events)] == [result_of(events).answer.text]
    assert "41" not in result_of(events).answer.text
    assert result_of(events).answer.outcome is Outcome.NO_CONTEXT


def test_closing_it_stops_the_model(make_scene: MakeScene) -> None:
    scene = make_scene(said(f"{KILLED} ", "The ", "more"))
    events = scene.stream()
    while not isinstance(next(events), Piece):
        pass
    assert (scene.llm.asked, scene.llm.closed) == (1, 0)
    events.close()
    assert scene.llm.closed == 1
    assert (scene.count("abandoned"), scene.count("answered"), scene.count("error")) == (1, 0, 0)


def test_an_abandoned_answer_stops_the_model_in_mid_sentence(make_scene: MakeScene) -> None:
    given = 0

    def endless() -> Iterator[str]:
        nonlocal given
        while given < 1000:
            given += 1
            yield "word "

    scene = make_scene(endless)
    with pytest.raises(Abandoned):
        list(scene.stream(is_abandoned=lambda: given >= 5))
    assert (given, scene.llm.closed) == (5, 1)
    assert (scene.count("abandoned"), scene.count("error")) == (1, 0)


def test_an_answer_abandoned_before_the_model_is_asked_costs_nothing(make_scene: MakeScene) -> None:
    scene = make_scene(said(KILLED))
    with pytest.raises(Abandoned):
        scene.service.ask(QUESTION, Scope(5), is_abandoned=lambda: True)
    assert scene.llm.asked == 0
