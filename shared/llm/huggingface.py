"""A model of the Hugging Face hub in this process, by torch and transformers."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait

from shared.domain import Prompt, TokenUsage
from shared.errors import LLMRefused, LLMUnavailable
from shared.llm.huggingface_loading import DEFAULT_MODEL, load_model

__all__ = ["DEFAULT_MODEL", "HuggingFaceLLM"]

_STOP_TIMEOUT = 5.0
_CLOSED = "the Hugging Face model was closed"


class HuggingFaceLLM:
    """Greedy decoding; one generation at a time, in the order of asking.

    An encoder-decoder's window takes the prompt alone; any other's takes the answer too.
    """

    def __init__(self, model: str, device: str, context_tokens: int, timeout: float, threads: int) -> None:
        """Loading, and fetching what is not in the cache, happens here. ``timeout``: the longest silence
        of the model, in seconds.

        :raises ModelMissing: there is no such model, or it cannot be used.
        :raises ConfigurationError: the packages are not installed, or there is no such device.
        :raises LLMUnavailable: it is to be fetched, but the hub does not answer.
        """
        loaded = load_model(model, device, context_tokens, threads)
        # These import torch and transformers, whose absence load_model has explained by now.
        from shared.llm.huggingface_generation import GreedyGenerator
        from shared.llm.huggingface_prompt import PromptEncoder

        self.name = loaded.name
        self._prompts = PromptEncoder(model, loaded.tokenizer, use_chat_template=not loaded.is_seq2seq)
        self._generator = GreedyGenerator(
            loaded.model,
            self._prompts.tokenizer,
            loaded.tokenizer.pad_token_id,
            loaded.tokenizer.eos_token_id,
        )
        self._is_seq2seq = loaded.is_seq2seq
        self._window = loaded.window
        self._timeout = timeout
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="huggingface")
        self._closing = threading.Event()

    @property
    def context_tokens(self) -> int:
        """What is left beside the tokens that every prompt has: its chat template, its end."""
        return self._window - self._prompts.own_tokens

    def count_tokens(self, text: str) -> int:
        return self._prompts.count(text)

    def stream(self, prompt: Prompt) -> Generator[str, None, TokenUsage]:
        token_ids = self._prompts.encode(prompt)
        self._require_room(len(token_ids), prompt.max_output_tokens)
        deltas: queue.Queue[str | Exception | int] = queue.Queue()
        cancelled = threading.Event()

        def generate() -> int:
            return self._generator.generate(
                token_ids,
                prompt.max_output_tokens,
                deltas.put,
                lambda: cancelled.is_set() or self._closing.is_set(),
            )

        try:
            job = self._worker.submit(generate)
        except RuntimeError:
            raise LLMUnavailable(_CLOSED) from None
        job.add_done_callback(lambda done: deltas.put(self._ending(done)))
        try:
            while True:
                try:
                    delta = deltas.get(timeout=self._timeout)
                except queue.Empty:
                    raise LLMUnavailable(
                        f"the Hugging Face model said nothing for {self._timeout:g} s"
                    ) from None
                if isinstance(delta, Exception):
                    raise delta
                if isinstance(delta, int):
                    return TokenUsage(len(token_ids), delta)
                yield delta
        finally:
            cancelled.set()
            if not job.cancel():
                wait([job], _STOP_TIMEOUT)

    def close(self) -> None:
        """Stops what is being generated. Calling it again does nothing."""
        self._closing.set()
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _require_room(self, prompt_tokens: int, max_output_tokens: int) -> None:
        needed = prompt_tokens if self._is_seq2seq else prompt_tokens + max_output_tokens
        if needed > self._window:
            raise LLMRefused(
                f"the prompt of {prompt_tokens} tokens with up to {max_output_tokens} of the answer exceeds "
                f"the model's context of {self._window}: raise LLM_CONTEXT_TOKENS, or set LLM_MODEL to a "
                "model that reads more"
            )

    def _ending(self, job: Future[int]) -> Exception | int:
        if self._closing.is_set() or job.cancelled():
            return LLMUnavailable(_CLOSED)
        error = job.exception()
        if error is not None:
            return LLMUnavailable(f"the Hugging Face model failed: {str(error) or type(error).__name__}")
        return job.result()
