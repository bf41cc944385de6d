"""What an answer leaves in the metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from opentelemetry.sdk.trace import TracerProvider

from services.api.answering.events import Abandoned
from services.api.retrieval.scope import Scope
from shared.domain import SearchFilter, TokenUsage
from shared.embedder.hashing import HashingEmbedder
from tests.support.exposition import exemplars, openmetrics
from tests.unit.services.api.answering.test_service_stream import (
    HURT,
    KILLED,
    MADE_UP,
    QUESTION,
    Scene,
    said,
)

MODEL = {
    "gen_ai_operation_name": "chat",
    "gen_ai_provider_name": "unknown",
    "gen_ai_request_model": "unknown",
}

MakeScene = Callable[..., Scene]


@pytest.fixture
def make_scene() -> Iterator[MakeScene]:
    """``make_scene(*deltas, max_sentences=3)``."""
    with ExitStack() as stack:

        def make(*deltas: str, max_sentences: int = 3) -> Scene:
            return Scene(stack, said(*deltas), max_sentences)

        yield make


def total(scene: Scene, name: str, **labels: str) -> float | None:
    return scene.registry.get_sample_value(name, labels)


def tokens(scene: Scene, kind: str) -> float | None:
    return total(scene, "gen_ai_client_token_usage_sum", **MODEL, gen_ai_token_type=kind)


def test_what_was_found_and_how_old_the_cited_is(make_scene: MakeScene) -> None:
    scene = make_scene(KILLED)
    list(scene.stream())
    assert total(scene, "rag_retrieved_documents_sum") == total(scene, "rag_retrieved_documents_count") == 1
    assert total(scene, "rag_retrieval_empty_total") == 0
    assert total(scene, "rag_context_age_seconds_count") == 1, "of one document, however often it is cited"
    assert (total(scene, "rag_context_age_seconds_sum") or 0) > 0


def test_a_search_is_a_retrieval_too(make_scene: MakeScene) -> None:
    scene = make_scene()
    embedding = HashingEmbedder().embed([QUESTION])[0]
    scene.service.search(QUESTION, embedding, Scope(5))
    scene.service.search(QUESTION, embedding, Scope(5, SearchFilter(wikis=frozenset({"nowhere"}))))
    assert total(scene, "rag_retrieved_documents_count") == 2
    assert total(scene, "rag_retrieval_empty_total") == 1
    assert total(scene, "rag_context_age_seconds_count") == 0


def test_how_much_of_it_a_source_supports(make_scene: MakeScene) -> None:
    scene = make_scene(f"{KILLED} {MADE_UP} {HURT}")
    list(scene.stream())
    assert total(scene, "rag_groundedness_ratio_count") == 1
    assert total(scene, "rag_groundedness_ratio_sum") == pytest.approx(2 / 3)
    assert total(scene, "rag_answer_sentences_replaced_total") == 1


def test_a_model_that_says_nothing_has_no_share(make_scene: MakeScene) -> None:
    scene = make_scene()
    list(scene.stream())
    assert total(scene, "rag_groundedness_ratio_count") == 0


def test_passages_that_the_model_was_not_shown(make_scene: MakeScene) -> None:
    scene = make_scene("The earthquake in Velmora has killed 41 people [1][9].")
    list(scene.stream())
    assert total(scene, "rag_citations_invalid_total", reason="unknown_passage") == 1
    assert total(scene, "rag_citations_invalid_total", reason="source_changed") == 0


def test_a_source_that_changes_while_the_model_writes(make_scene: MakeScene) -> None:
    scene = make_scene()

    def change_it() -> Iterator[str]:
        scene.put("The earthquake in Velmora has killed 60 people.", revision=2)
        yield KILLED

    scene.llm._script = change_it
    list(scene.stream())
    assert total(scene, "rag_citations_invalid_total", reason="source_changed") == 1


def test_tokens_as_the_model_counts_them_or_else_its_tokenizer(make_scene: MakeScene) -> None:
    scene = make_scene(KILLED)
    scene.llm.usage = TokenUsage(120, 9)
    list(scene.stream())
    [prompt] = scene.llm.prompts
    counted = scene.llm.count_tokens(prompt.system + prompt.user)
    assert total(scene, "rag_context_tokens_sum") == counted
    assert (tokens(scene, "input"), tokens(scene, "output")) == (120, 9)
    scene.llm.usage = None
    list(scene.stream())
    assert tokens(scene, "input") == 120 + counted
    assert tokens(scene, "output") == 9 + scene.llm.count_tokens(KILLED)


def test_what_was_written_counts_though_nobody_waits_for_it(make_scene: MakeScene) -> None:
    scene = make_scene(KILLED, f" {HURT}", f" {HURT}")
    asked = iter((False, False, True))
    with pytest.raises(Abandoned):
        list(scene.stream(is_abandoned=lambda: next(asked)))
    assert (tokens(scene, "output") or 0) > 0
    assert total(scene, "rag_request_duration_seconds_count") == 0


def test_an_answer_leads_to_its_trace(make_scene: MakeScene) -> None:
    scene = make_scene(KILLED)
    with TracerProvider().get_tracer("test").start_as_current_span("ask") as span:
        list(scene.stream())
    text = openmetrics(scene.registry)
    traced = {f"{span.get_span_context().trace_id:032x}"}
    assert exemplars(text, "rag_request_duration_seconds") == traced
    assert exemplars(text, "rag_stage_duration_seconds") == traced
