"""Check a generated answer against the evidence, sentence by sentence. Pure.

A sentence stays only if one source sentence supports it; otherwise strong evidence is quoted instead.
A wrong fluent answer is worse than a short quote.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.api.answering.evidence import Evidence
from services.api.answering.question import expected_kind, offers
from services.api.answering.support import supports
from services.api.answering.untrusted import without_markers
from shared.domain import Citation
from shared.text import sentences, terms

_MARKER = re.compile(r"\s*\[\d+(?:\s*,\s*\d+)*\]")
_NUMBER = re.compile(r"\d+")
_MARGIN_BELOW_BEST = 0.12


@dataclass(frozen=True, slots=True)
class GroundedAnswer:
    """``supported`` counts the generated sentences that stand in ``text``, ``replaced`` those that no source
    supported; ``quoted``: none is left, so the evidence speaks instead. ``markers``: the passages that the
    model itself named, by their numbers."""

    text: str
    citations: tuple[Citation, ...]
    replaced: int
    quoted: bool
    supported: int = 0
    markers: tuple[int, ...] = ()


def ground(generated: str, question: str, evidence: Sequence[Evidence]) -> GroundedAnswer:
    """``evidence`` strongest first, not empty. Markers of the model's own are dropped: attribution is
    ours."""
    usable = [item for item in evidence if item.weight >= evidence[0].weight - _MARGIN_BELOW_BEST]
    kept: list[tuple[str, Evidence]] = []
    replaced = 0
    for sentence in sentences(_MARKER.sub("", generated)):
        source = next((item for item in usable if supports(item, sentence)), None)
        if source is None:
            replaced += 1
        elif sentence not in (text for text, _ in kept):
            kept.append((sentence, source))
    answering = [item for item in evidence if item.answer is not None]
    if not any(
        offers(expected_kind(question), text, question) and _holds_an_answer(text, answering)
        for text, _ in kept
    ):
        replaced += len(kept)
        grounded = _assemble([(None, _pointed_at(generated, question, answering or usable))], replaced)
    else:
        grounded = replace(_assemble(kept, replaced), supported=len(kept))
    return replace(grounded, markers=_markers(generated))


def _holds_an_answer(sentence: str, answering: Sequence[Evidence]) -> bool:
    """Where a reader has found answers, one of them."""
    said = frozenset(terms(sentence))
    return not answering or any(
        said.issuperset(terms(item.answer.of(item.hit.text))) for item in answering if item.answer
    )


def _markers(generated: str) -> tuple[int, ...]:
    return tuple(int(number) for marker in _MARKER.findall(generated) for number in _NUMBER.findall(marker))


def _pointed_at(generated: str, question: str, usable: Sequence[Evidence]) -> Evidence:
    """Of evidence that is about equally strong, the one with most of what the model adds to the
    question: its words were not good enough to keep, but they tell which sentence it read."""
    added = frozenset(terms(generated)) - frozenset(terms(question))
    return max(usable, key=lambda item: len(added & frozenset(terms(item.text))))


def quote(evidence: Sequence[Evidence], at_most: int = 1) -> GroundedAnswer:
    """The strongest evidence, verbatim."""
    return _assemble([(None, item) for item in evidence[:at_most]], 0)


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
    quoted = all(sentence is None for sentence, _ in parts)
    return GroundedAnswer(" ".join(texts), tuple(citations), replaced, quoted)


def _with_marker(sentence: str | None, source: Evidence, marker: int) -> str:
    if sentence is None:
        return f"“{without_markers(source.text)}” [{marker}]"
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
        ingest_trace_id=hit.ingest_trace_id,
    )
