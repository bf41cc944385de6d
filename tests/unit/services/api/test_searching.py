from __future__ import annotations

import contextvars
import json
from unittest import mock

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from services.api.dependencies import Dependencies
from services.api.inquiry import Inquiry
from services.api.line import Waiting
from services.api.retrieval.scope import Scope
from services.api.searching import Searches
from shared.domain import Hit
from shared.observability.past_spans import PastSpans
from tests.unit.services.api.conftest import NOW, Api

HIT = Hit("a#0", "a", "wikimedia", "A", "", "Text.", 1, NOW, 1.0, {}, None)


def _asked(*questions: str) -> list[Waiting[Inquiry]]:
    return [Waiting(Inquiry(question, Scope(5)), contextvars.copy_context()) for question in questions]


def _dependencies(api: Api) -> Dependencies:
    dependencies: Dependencies = api.client.app.state.dependencies  # type: ignore[attr-defined]
    return dependencies


def test_questions_of_a_batch_are_looked_up_in_order_after_one_catching_up(api: Api) -> None:
    api.answering.hits = [HIT]
    answers = Searches(_dependencies(api)).answer(_asked("One?", "Two?", "Three?"))
    assert [json.loads(str(answer))["hits"][0]["document_id"] for answer in answers] == ["a", "a", "a"]
    assert api.answering.searches == ["caught up", "One? in batch", "Two? in batch", "Three? in batch"]


def test_a_question_alone_catches_up_by_itself(api: Api) -> None:
    Searches(_dependencies(api)).answer(_asked("One?"))
    assert api.answering.searches == ["One?"]


def test_an_error_of_one_question_is_not_the_others_error(api: Api) -> None:
    def fail_at_the_second() -> None:
        api.answering.error = LookupError() if len(api.answering.asked) == 2 else None

    api.answering.on_ask = fail_at_the_second
    first, second, third = Searches(_dependencies(api)).answer(_asked("One?", "Two?", "Three?"))
    assert isinstance(first, str)
    assert isinstance(second, LookupError)
    assert isinstance(third, str)


def test_each_request_has_its_span_of_the_common_embedding(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = mock.Mock()
    monkeypatch.setattr(PastSpans, "record", recorded)
    asked, parents = [], []
    for question in ("One?", "Two?"):
        span = _dependencies(api).tracer.start_span(question)
        context = contextvars.copy_context()
        context.run(trace.use_span(span).__enter__)
        asked.append(Waiting(Inquiry(question, Scope(5)), context))
        parents.append(span.get_span_context())
    Searches(_dependencies(api)).answer(asked)
    assert [call.args[:3] for call in recorded.call_args_list] == [
        ("embeddings hashing-2", parent, SpanKind.CLIENT) for parent in parents
    ]
