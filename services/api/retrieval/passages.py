"""Small to big: a window of a sentence or two is matched, the passage around it is read. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from shared.domain import Chunk, Hit, Match, StoredDocument

MAX_CHARACTERS = 1_200


@dataclass(frozen=True, slots=True)
class DocumentPassage:
    """The chunks ``first`` to ``last`` (ordinals, inclusive) of one document; ``text`` is verbatim what the
    document has from the start of the first to the end of the last."""

    first: int
    last: int
    text: str


def passages_of(stored: StoredDocument) -> list[DocumentPassage]:
    """The document in order, every chunk in exactly one passage of at most ``MAX_CHARACTERS``, but for a
    single chunk that is longer."""
    text = stored.document.text
    return [
        DocumentPassage(group[0].ordinal, group[-1].ordinal, text[group[0].start : group[-1].end])
        for group in _groups(_placed(text, stored.chunks))
    ]


def hit_of(
    stored: StoredDocument, passage: DocumentPassage, score: float = 1.0, window: Match | None = None
) -> Hit:
    """``passage`` of ``stored`` as something found. ``window``: the chunk in it that matched; without one,
    ``chunk_id`` names the passage's first."""
    document = stored.document
    return Hit(
        chunk_id=window.chunk_id if window else f"{document.document_id}#{passage.first}",
        document_id=document.document_id,
        source=document.source,
        title=document.title,
        url=document.url,
        text=passage.text,
        revision=document.revision,
        updated_at=document.updated_at,
        score=score,
        attributes=document.attributes,
        ingest_trace_id=document.ingest_trace_id,
    )


@dataclass(frozen=True, slots=True)
class _Placed:
    ordinal: int
    start: int
    end: int


def _placed(text: str, chunks: Sequence[Chunk]) -> Iterator[_Placed]:
    """Each behind the one before, or, in an index of an older chunker, overlapping it."""
    start = end = 0
    for chunk in chunks:
        behind = text.find(chunk.text, end)
        start = behind if behind >= 0 else text.index(chunk.text, start)
        end = start + len(chunk.text)
        yield _Placed(chunk.ordinal, start, end)


def _groups(chunks: Iterable[_Placed]) -> Iterator[list[_Placed]]:
    group: list[_Placed] = []
    for chunk in chunks:
        if group and chunk.end - group[0].start > MAX_CHARACTERS:
            yield group
            group = []
        group.append(chunk)
    if group:
        yield group
