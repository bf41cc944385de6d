"""Reading a model's stream no further than it is worth. Pure."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

from shared.text import sentences, terms

_LEAST_TERMS = 2


def first_statement(deltas: Generator[str, None, None]) -> str:
    """What the model says up to the end of its first sentence of substance; the stream is closed then.

    The prompt asks for one sentence. A small model goes on all the same, and every further token costs
    time.
    """
    text = ""
    with closing(deltas) as stream:
        for delta in stream:
            text += delta
            *complete, _unfinished = sentences(text) or [""]
            if any(len(terms(sentence)) >= _LEAST_TERMS for sentence in complete):
                return " ".join(complete)
    return text.strip()
