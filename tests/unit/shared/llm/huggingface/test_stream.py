"""What comes out of a model, and when it stops."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer, PreTrainedModel

from shared.domain import Prompt, TokenUsage
from shared.errors import LLMRefused, LLMUnavailable
from shared.llm import huggingface
from shared.llm.huggingface import HuggingFaceLLM
from tests.support.tiny_models import WINDOW, save_scripted_model

ANSWER = "Łódź 北京\n — 52 hurt: ☂ 🧑‍🚒 façade.\n Ωμέγα"


def a_prompt(user: str, tokens: int = 40) -> Prompt:
    return Prompt("Use the passages.", user, "", (), tokens)


@contextmanager
def opened(folder: Path, *, silence: float = 60.0, context: int = WINDOW) -> Iterator[HuggingFaceLLM]:
    llm = HuggingFaceLLM(str(folder), "cpu", context, silence, 1)
    try:
        yield llm
    finally:
        llm.close()


@pytest.fixture
def llm(tiny_model: Path) -> Iterator[HuggingFaceLLM]:
    with opened(tiny_model) as built:
        yield built


def read(stream: Generator[str, None, TokenUsage]) -> tuple[list[str], TokenUsage]:
    pieces: list[str] = []
    while True:
        try:
            pieces.append(next(stream))
        except StopIteration as end:
            return pieces, end.value


class Steps:
    """Counts the tokens that models compute, and lets them compute no more than is allowed."""

    def __init__(self) -> None:
        self._allowed = threading.Semaphore(0)
        self.taken = 0

    def allow(self, number: int) -> None:
        self._allowed.release(number)

    def __call__(self, module: torch.nn.Module, *_: Any) -> None:
        if isinstance(module, PreTrainedModel) and module.can_generate():
            assert self._allowed.acquire(timeout=60)
            self.taken += 1


@pytest.fixture
def steps() -> Iterator[Steps]:
    counter = Steps()
    hook = torch.nn.modules.module.register_module_forward_hook(counter)
    yield counter
    hook.remove()


def test_the_pieces_are_the_answer_and_no_character_is_broken(tmp_path: Path) -> None:
    question = "How many?"
    folder = save_scripted_model(tmp_path, f"Use the passages.\n\n{question}", ANSWER)
    with opened(folder) as llm:
        pieces, usage = read(llm.stream(a_prompt(question, tokens=200)))
        tokens = AutoTokenizer.from_pretrained(folder)(ANSWER).input_ids
        assert "".join(pieces) == ANSWER
        assert len(tokens) > len(ANSWER), "several tokens for some characters, or this shows nothing"
        assert len(pieces) > len(ANSWER.split())
        assert usage.output_tokens == len(tokens) + 1


def test_it_writes_what_the_model_writes_without_a_stream(tiny_model: Path, llm: HuggingFaceLLM) -> None:
    """Random weights write broken characters too: those at the very end may be left out."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    kind = AutoModelForSeq2SeqLM if "t5" in tiny_model.name else AutoModelForCausalLM
    model = kind.from_pretrained(tiny_model)
    for number in range(15):
        prompt = a_prompt(f"Question {number}: how many people?", tokens=15)
        pieces, usage = read(llm.stream(prompt))
        if tokenizer.chat_template:
            messages = [
                {"role": "system", "content": prompt.system},
                {"role": "user", "content": prompt.user},
            ]
            inputs = tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
            )
        else:
            inputs = tokenizer(f"{prompt.system}\n\n{prompt.user}", return_tensors="pt")
        written = model.generate(
            **inputs, do_sample=False, max_new_tokens=15, pad_token_id=0, eos_token_id=tokenizer.eos_token_id
        )
        answer = written[0][1 if "t5" in tiny_model.name else inputs["input_ids"].shape[1] :]
        assert "".join(pieces) == tokenizer.decode(answer, skip_special_tokens=True).rstrip("�"), number
        assert usage == TokenUsage(inputs["input_ids"].shape[1], len(answer))


def test_closing_stops_the_generation(
    tiny_model: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface, "_STOP_TIMEOUT", 0.05)
    with opened(tiny_model) as llm:
        stream = llm.stream(a_prompt("one", tokens=400))
        steps.allow(30)
        next(stream)
        stream.close()
        steps.allow(1000)
        list(llm.stream(a_prompt("two", tokens=1)))
        assert steps.taken <= 30 + 1 + 1, "the one that was under way, and one of the second answer"


def test_who_waits_too_long_leaves_the_queue(
    tiny_model: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface, "_STOP_TIMEOUT", 0.05)
    with opened(tiny_model, silence=0.2) as llm:
        with pytest.raises(LLMUnavailable, match=r"said nothing for 0\.2 s"):
            list(llm.stream(a_prompt("one")))
        with pytest.raises(LLMUnavailable, match=r"said nothing for 0\.2 s"):
            list(llm.stream(a_prompt("two")))
        steps.allow(1000)
        monkeypatch.setattr(llm, "_timeout", 60.0)
        list(llm.stream(a_prompt("three", tokens=1)))
        assert steps.taken == 1 + 1, "the first one's that was under way, and the third one's"


def test_closing_the_model_ends_what_is_under_way_with_an_error(tiny_model: Path, steps: Steps) -> None:
    """An answer that was cut short must not pass for a whole one."""
    llm = HuggingFaceLLM(str(tiny_model), "cpu", WINDOW, 60.0, 1)
    stream = llm.stream(a_prompt("one", tokens=400))
    steps.allow(30)
    next(stream)
    closer = threading.Thread(target=llm.close)
    closer.start()

    def read_on() -> None:
        for _ in stream:
            steps.allow(1)

    with pytest.raises(LLMUnavailable, match="closed"):
        read_on()
    closer.join()
    llm.close()
    with pytest.raises(LLMUnavailable, match="closed"):
        next(llm.stream(a_prompt("two")))


def test_a_failure_is_told_and_the_next_answer_works(llm: HuggingFaceLLM) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("out of memory")

    hook = torch.nn.modules.module.register_module_forward_hook(fail)
    try:
        with pytest.raises(LLMUnavailable, match="out of memory"):
            list(llm.stream(a_prompt("one")))
    finally:
        hook.remove()
    assert list(llm.stream(a_prompt("one")))


def test_several_threads_get_their_own_answers(llm: HuggingFaceLLM) -> None:
    prompts = [a_prompt("the earthquake " * number + "killed people") for number in range(1, 9)]
    alone = [list(llm.stream(prompt)) for prompt in prompts]
    counts = [llm.count_tokens(prompt.user) for prompt in prompts]
    ready = threading.Barrier(len(prompts))

    def ask(prompt: Prompt) -> tuple[list[str], int]:
        ready.wait()
        return list(llm.stream(prompt)), llm.count_tokens(prompt.user)

    with ThreadPoolExecutor(len(prompts)) as pool:
        assert list(pool.map(ask, prompts)) == list(zip(alone, counts, strict=True))


def test_the_context_is_used_to_the_last_token(tiny_model: Path, llm: HuggingFaceLLM) -> None:
    """An encoder's window holds the prompt alone; any other's holds the answer too."""
    prompt = a_prompt("how many people? " * 20, tokens=10)
    _, usage = read(llm.stream(prompt))
    needed = usage.input_tokens + (0 if "t5" in tiny_model.name else 10)
    with opened(tiny_model, context=needed) as just_enough:
        assert list(just_enough.stream(prompt)) == list(llm.stream(prompt))
    refusal = pytest.raises(LLMRefused, match=f"prompt of {usage.input_tokens} tokens .* LLM_CONTEXT_TOKENS")
    with opened(tiny_model, context=needed - 1) as too_small, refusal:
        list(too_small.stream(prompt))


def test_what_every_prompt_has_is_taken_off_the_context(tiny_model: Path, llm: HuggingFaceLLM) -> None:
    window = 512 if "t5" in tiny_model.name else WINDOW
    question = "how many people?"
    _, usage = read(llm.stream(Prompt("", question, "", (), 1)))
    assert window - llm.context_tokens == usage.input_tokens - llm.count_tokens(question)
