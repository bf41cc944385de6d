"""Check a generated answer against the evidence, sentence by sentence. Pure.

A sentence stays only if one source sentence supports it; otherwise the strongest evidence is quoted
instead. A wrong fluent answer is worse than a short quote.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from services.api.answering.evidence import Evidence
from services.api.answering.question import expected_kind, offers
from shared.domain import Citation
from shared.text import STOP_WORDS, names, normalise_word, numbers, sentences, terms, words

_MARKER = re.compile(r"\s*\[\d+(?:\s*,\s*\d+)*\]")
_NEGATIONS = frozenset({"not", "no", "never", "none", "nobody", "without", "cannot", "n't"})
_MIN_SUPPORT = 0.9
_LEAST_TERMS = 2  # a bare "287." lacks its unit
_MARGIN_BELOW_BEST = 0.12
_REACH = 4


@dataclass(frozen=True, slots=True)
class GroundedAnswer:
    """``replaced`` counts the generated sentences that no source supported."""

    text: str
    citations: tuple[Citation, ...]
    replaced: int


def ground(generated: str, question: str, evidence: Sequence[Evidence]) -> GroundedAnswer:
    """``evidence`` strongest first, not empty. Markers of the model's own are dropped: attribution is
    ours."""
    usable = [item for item in evidence if item.weight >= evidence[0].weight - _MARGIN_BELOW_BEST]
    kept: list[tuple[str, Evidence]] = []
    replaced = 0
    for sentence in sentences(_MARKER.sub("", generated)):
        source = next((item for item in usable if supports(item, sentence, question)), None)
        if source is None:
            replaced += 1
        elif sentence not in (text for text, _ in kept):
            kept.append((sentence, source))
    if not any(offers(expected_kind(question), text, question) for text, _ in kept):
        replaced += len(kept)
        return _assemble([(None, evidence[0])], replaced)
    return _assemble(kept, replaced)


def quote(evidence: Sequence[Evidence]) -> GroundedAnswer:
    """The strongest evidence, verbatim."""
    return _assemble([(None, evidence[0])], 0)


def supports(source: Evidence, sentence: str, question: str) -> bool:
    """Whether this source sentence says what ``sentence`` says: every number stands beside the same
    words, every name occurs, negation agrees, and most terms are the source's."""
    source_text = f"{source.hit.title} {source.text}"
    source_terms = frozenset(terms(source_text))
    if not numbers(sentence) <= numbers(source_text):
        return False
    if not names(sentence) <= {word.lower() for word in words(source_text)}:
        return False
    if _negated(sentence) != _negated(source.text):
        return False
    if not all(_same_meaning(number, sentence, source_text) for number in numbers(sentence)):
        return False
    said = terms(sentence)
    known = source_terms | frozenset(terms(question))
    return len(said) >= _LEAST_TERMS and sum(term in known for term in said) >= _MIN_SUPPORT * len(said)


def _negated(text: str) -> bool:
    return any(
        word.lower() in _NEGATIONS or word.lower().replace("’", "'").endswith("n't") for word in words(text)
    )


def _same_meaning(number: str, sentence: str, source: str) -> bool:
    """Whether what ``sentence`` counts by the number ("47 *people*") stands beside it in the source."""
    said, known = _content(sentence), _content(source)
    return any(
        not (unit := _unit(said, position)) or unit in known[max(0, at - _REACH) : at + _REACH + 1]
        for position, word in enumerate(said)
        if word == number
        for at, source_word in enumerate(known)
        if source_word == number
    )


def _unit(in_order: Sequence[str], position: int) -> str:
    """The next content word, or else the one before."""
    after = [word for word in in_order[position + 1 :] if word]
    before = [word for word in in_order[:position] if word]
    return after[0] if after else before[-1] if before else ""


def _content(text: str) -> list[str]:
    """Normalised words in order, with "" where a stop word stands."""
    return ["" if word.lower() in STOP_WORDS else normalise_word(word) for word in words(text)]


def _assemble(parts: Sequence[tuple[str | None, Evidence]], replaced: int) -> GroundedAnswer:
    """``None`` in place of a sentence stands for the quote of its evidence."""
    markers: dict[tuple[str, int], int] = {}
    citations: list[Citation] = []
    texts = []
    for sentence, source in parts:
        key = (source.hit.chunk_id, source.span.start)
        if key not in markers:
            markers[key] = len(markers) + 1
            citations.append(_cite(markers[key], source))
        texts.append(_with_marker(sentence, source, markers[key]))
    return GroundedAnswer(" ".join(texts), tuple(citations), replaced)


def _with_marker(sentence: str | None, source: Evidence, marker: int) -> str:
    if sentence is None:
        return f"“{source.text}” [{marker}]"
    end = len(sentence.rstrip(".!?"))
    return f"{sentence[:end]} [{marker}]{sentence[end:]}"


def _cite(marker: int, source: Evidence) -> Citation:
    hit = source.hit
    return Citation(
        marker=marker,
        document_id=hit.document_id,
        title=hit.title,
        url=hit.url,
        revision=hit.revision,
        updated_at=hit.updated_at,
        quote=source.text,
        score=hit.score,
    )
