"""Document → chunks: windows of whole sentences, small enough that each says one thing. Pure, deterministic.

Small windows match a question far better than whole passages do; who reads a hit gets its neighbours too,
so nothing has to overlap.
"""

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
    """Sentences are joined as long as the window has at most ``window_tokens``; a longer sentence is a
    chunk of its own. ``max_tokens`` bounds the embedded text, title included: a sentence beyond that is
    split. A title takes at most half of ``max_tokens``."""

    count_tokens: CountTokens
    max_tokens: int
    window_tokens: int

    def chunk(self, document: Document) -> tuple[EmbeddableChunk, ...]:
        """In order; together they hold everything of the text but white space between them."""
        title, text = document.title, document.text.strip()
        title_tokens, text_tokens = self.count_tokens([title, text])
        if title_tokens > self.max_tokens // 2:
            title, title_tokens = self._first_part(title, self.max_tokens // 2)
        budget = self.max_tokens - title_tokens
        window = min(self.window_tokens, budget)
        if text_tokens <= window:
            windows = [_Piece(Span(0, len(text)), text_tokens)] if text else []
        else:
            windows = _pack(self._pieces(text, budget), window)
        return tuple(
            _embeddable(
                document.document_id, ordinal, title, piece.span.of(text), title_tokens + piece.tokens
            )
            for ordinal, piece in enumerate(windows)
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


def _pack(pieces: Sequence[_Piece], window: int) -> list[_Piece]:
    packed: list[_Piece] = []
    current: list[_Piece] = []
    used = 0
    for piece in pieces:
        if current and used + piece.tokens > window:
            packed.append(_joined(current, used))
            current, used = [], 0
        current.append(piece)
        used += piece.tokens
    if current:
        packed.append(_joined(current, used))
    return packed


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
