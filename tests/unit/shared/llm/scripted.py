"""A language model whose every answer a test writes beforehand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator

from shared.domain import Prompt, TokenUsage

Step = str | Exception | Callable[[], object]
PROMPT = Prompt("system", "user", "question", (), 20)


class ScriptedLLM:
    """``answers``: for each call of ``stream`` its pieces, errors to raise and functions to call; the last
    one is used again. ``loads``: for each call of ``load`` an error to raise or a function to call."""

    name = "scripted"
    context_tokens = 100

    def __init__(self, *answers: list[Step], usage: TokenUsage | None = None) -> None:
        self.answers = list(answers) or [["fine"]]
        self.loads: list[Step] = []
        self.counts: list[Step] = []
        self.usage = usage
        self.asked = 0
        self.loaded = 0
        self.finished = 0
        self.closed = False
        # Nothing but being closed ends them, as it is with a connection.
        self._answers_kept: list[Generator[str, None, TokenUsage | None]] = []

    def load(self, _stop: threading.Event) -> None:
        self.loaded += 1
        _run(self.loads.pop(0) if self.loads else "")

    def count_tokens(self, text: str) -> int:
        _run(self.counts.pop(0) if self.counts else "")
        return len(text.split())

    def stream(self, _prompt: Prompt) -> Generator[str, None, TokenUsage | None]:
        answer = self._answer()
        self._answers_kept.append(answer)
        return answer

    def _answer(self) -> Generator[str, None, TokenUsage | None]:
        self.asked += 1
        steps = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        try:
            for step in steps:
                if isinstance(step, str):
                    yield step
                else:
                    _run(step)
        finally:
            self.finished += 1
        return self.usage

    def close(self) -> None:
        self.closed = True


def _run(step: Step) -> None:
    if isinstance(step, Exception):
        raise step
    if callable(step):
        step()
