"""Reading a model's stream no further than it is worth. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shared.text import sentences, terms

_LEAST_TERMS = 2


def statements(deltas: Iterable[str], most: int) -> Iterator[str]:
    """All that the model has said so far, each time another sentence of substance is complete, up to the
    end of the ``most``-th one; no delta is read beyond that.

    The prompt asks for few sentences. A small model goes on all the same, and every further token costs
    time. A stream that ends in the middle of a sentence gives that part too.
    """
    text, found = "", 0
    for delta in deltas:
        text += delta
        *complete, _unfinished = sentences(text) or [""]
        substantial = [at for at, sentence in enumerate(complete) if len(terms(sentence)) >= _LEAST_TERMS]
        while found < len(substantial):
            found += 1
            yield " ".join(complete[: substantial[found - 1] + 1])
            if found == most:
                return
    if text.strip():
        yield text.strip()
