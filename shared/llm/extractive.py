"""No model: the sentence that best matches the question, quoted. Deterministic; always there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from math import log

from shared.domain import Prompt
from shared.text import sentences, terms, words

_UNLIMITED = 1_000_000


class ExtractiveLLM:
    name = "extractive"
    context_tokens = _UNLIMITED

    def count_tokens(self, text: str) -> int:
        return len(words(text))

    def stream(self, prompt: Prompt) -> Generator[str, None, None]:
        best = best_sentence(prompt)
        if best is not None:
            marker, sentence = best
            yield f"{sentence} [{marker}]"

    def close(self) -> None:
        pass


def best_sentence(prompt: Prompt) -> tuple[int, str] | None:
    """The marker and the sentence that covers the question's rarer terms best; the earlier passage wins
    a tie. ``None`` where no sentence shares a term with the question."""
    candidates = [
        (passage.marker, sentence, frozenset(terms(f"{passage.hit.title} {sentence}")))
        for passage in prompt.passages
        for sentence in sentences(passage.hit.text)
    ]
    frequency = Counter(term for _, _, found in candidates for term in found)
    wanted = frozenset(terms(prompt.question))

    def weight(found: frozenset[str]) -> float:
        return sum(log(1 + len(candidates) / frequency[term]) for term in found & wanted)

    best = max(candidates, key=lambda candidate: weight(candidate[2]), default=None)
    return None if best is None or not best[2] & wanted else (best[0], best[1])
