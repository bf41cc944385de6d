from __future__ import annotations

import threading

import pytest

from shared.errors import LLMLoading
from shared.llm.loading import DeferredLLM
from tests.unit.shared.llm.scripted import PROMPT, ScriptedLLM

_PATIENCE = 60.0


def test_a_deferred_model_is_the_model_once_it_is_made() -> None:
    made: list[ScriptedLLM] = []

    def make() -> ScriptedLLM:
        made.append(ScriptedLLM())
        return made[-1]

    llm = DeferredLLM("to come", 7, make)
    assert (llm.name, llm.context_tokens, made) == ("to come", 7, [])
    for call in (lambda: llm.count_tokens("a b"), lambda: llm.stream(PROMPT)):
        with pytest.raises(LLMLoading):
            call()
    for _ in range(2):
        llm.load(threading.Event())
    assert (llm.name, llm.context_tokens, len(made)) == ("scripted", 100, 1)
    assert llm.count_tokens("a b") == 2
    assert list(llm.stream(PROMPT)) == ["fine"]
    llm.close()
    assert made[0].closed


def test_closing_waits_for_a_model_that_is_being_made() -> None:
    """Were it left alone, it would never be closed."""
    making, may_finish = threading.Event(), threading.Event()
    made = ScriptedLLM()

    def make() -> ScriptedLLM:
        making.set()
        assert may_finish.wait(_PATIENCE)
        return made

    llm = DeferredLLM("to come", 7, make)
    loading = threading.Thread(target=llm.load, args=(threading.Event(),))
    loading.start()
    assert making.wait(_PATIENCE)
    closing = threading.Thread(target=llm.close)
    closing.start()
    may_finish.set()
    for thread in (loading, closing):
        thread.join(_PATIENCE)
    assert made.closed


def test_nothing_is_made_after_the_end() -> None:
    stop = threading.Event()
    stop.set()
    llm = DeferredLLM("to come", 7, lambda: pytest.fail("made"))
    llm.load(stop)
    llm.close()
