"""Document → chunks: whole sentences up to a number of tokens, with overlap. Pure and deterministic."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.domain import Chunk, Document
from shared.text import Span, sentence_spans

CountTokens = Callable[[Sequence[str]], list[int]]

_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A sentence, a part of one that is too long, or several in a row; never split again."""

    span: Span
    tokens: int


@dataclass(frozen=True, slots=True)
class EmbeddableChunk:
    """A chunk, and the text that its embedding and its content hash are made of, of ``tokens`` tokens."""

    chunk: Chunk
    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Chunker:
    """``max_tokens`` bounds the embedded text, title included; up to ``overlap_tokens`` of whole
    sentences are repeated from the chunk before. A title takes at most half of ``max_tokens``."""

    count_tokens: CountTokens
    max_tokens: int
    overlap_tokens: int

    def chunk(self, document: Document) -> tuple[EmbeddableChunk, ...]:
        """Together the chunks hold everything of the text but white space between sentences."""
        title, text = document.title, document.text.strip()
        title_tokens, text_tokens = self.count_tokens([title, text])
        if title_tokens > self.max_tokens // 2:
            title, title_tokens = self._first_part(title, self.max_tokens // 2)
        budget = self.max_tokens - title_tokens
        if text_tokens <= budget:
            chunks = [_Piece(Span(0, len(text)), text_tokens)] if text else []
        else:
            chunks = self._pack(self._pieces(text, budget), budget)
        return tuple(
            _embeddable(
                document.document_id, ordinal, title, chunk.span.of(text), title_tokens + chunk.tokens
            )
            for ordinal, chunk in enumerate(chunks)
        )

    def _pieces(self, text: str, budget: int) -> list[_Piece]:
        spans = sentence_spans(text)
        pieces: list[_Piece] = []
        for span, count in zip(spans, self.count_tokens([span.of(text) for span in spans]), strict=True):
            pieces += self._split(text, _Piece(span, count), budget)
        return pieces

    def _first_part(self, text: str, budget: int) -> tuple[str, int]:
        [whole] = self.count_tokens([text])
        first = self._split(text, _Piece(Span(0, len(text)), whole), budget)[0]
        return first.span.of(text), first.tokens

    def _split(self, text: str, piece: _Piece, budget: int) -> list[_Piece]:
        """Halve what is too long: at the white space nearest to the middle, else in the middle."""
        if piece.tokens <= budget or piece.span.end - piece.span.start < 2:
            return [piece]
        halves = _halve(text, piece.span)
        counts = self.count_tokens([half.of(text) for half in halves])
        parts: list[_Piece] = []
        for half, count in zip(halves, counts, strict=True):
            parts += self._split(text, _Piece(half, count), budget)
        return parts

    def _pack(self, pieces: Sequence[_Piece], budget: int) -> list[_Piece]:
        packed: list[_Piece] = []
        current: list[_Piece] = []
        used = 0
        for piece in pieces:
            if current and used + piece.tokens > budget:
                packed.append(_joined(current, used))
                current = self._overlap(current, budget - piece.tokens)
                used = sum(kept.tokens for kept in current)
            current.append(piece)
            used += piece.tokens
        if current:
            packed.append(_joined(current, used))
        return packed

    def _overlap(self, previous: Sequence[_Piece], room: int) -> list[_Piece]:
        """The last whole pieces that fit."""
        room = min(room, self.overlap_tokens)
        kept: list[_Piece] = []
        for piece in reversed(previous):
            room -= piece.tokens
            if room < 0:
                break
            kept.append(piece)
        return kept[::-1]


def _joined(pieces: Sequence[_Piece], tokens: int) -> _Piece:
    return _Piece(Span(pieces[0].span.start, pieces[-1].span.end), tokens)


def _embeddable(document_id: str, ordinal: int, title: str, text: str, tokens: int) -> EmbeddableChunk:
    whole = f"{title}\n{text}"
    content_hash = hashlib.sha256(whole.encode()).hexdigest()[:32]
    return EmbeddableChunk(Chunk(document_id, ordinal, text, content_hash), whole, tokens)


def _halve(text: str, span: Span) -> tuple[Span, Span]:
    middle = (span.start + span.end) // 2
    gaps = [match.span() for match in _SPACE.finditer(text, span.start + 1, span.end - 1)]
    end, start = min(gaps, key=lambda gap: abs(gap[0] - middle), default=(middle, middle))
    return Span(span.start, end), Span(start, span.end)
