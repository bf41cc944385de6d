from __future__ import annotations

from services.processor.chunker import Chunker
from services.processor.recent import Made, RecentDocuments, text_key
from shared.embedder.hashing import HashingEmbedder
from tests.unit.services.processor.support import an_event

CHUNKER = Chunker(HashingEmbedder().count_tokens, 32, 8)


def made(document_id: str, revision: int = 1, text: str = "Some text.") -> Made:
    document = an_event(document_id, revision, text).document
    return Made(document.version, text_key(document), CHUNKER.chunk(document))


def test_the_oldest_go_first_when_it_is_full() -> None:
    recent = RecentDocuments(max_bytes=10_000)
    for number in range(100):
        recent.put(f"d{number}", made(f"d{number}"))
    kept = [number for number in range(100) if recent.get(f"d{number}")]
    assert kept == list(range(kept[0], 100))
    assert 5 <= len(kept) <= 10


def test_a_document_stands_once() -> None:
    recent = RecentDocuments(max_bytes=10_000)
    for revision in range(100):
        recent.put("a", made("a", revision))
    recent.put("b", made("b"))
    latest = recent.get("a")
    assert latest is not None
    assert latest.version.revision == 99


def test_one_that_is_larger_than_all_is_not_kept() -> None:
    recent = RecentDocuments(max_bytes=10_000)
    recent.put("a", made("a", text="Many words. " * 2_000))
    assert recent.get("a") is None


def test_title_and_text_make_the_key() -> None:
    same = [text_key(an_event("a", revision, "Text.").document) for revision in (1, 2)]
    assert same[0] == same[1]
    assert text_key(an_event("a", 1, "Other.").document) != same[0]
    assert text_key(an_event("a", 1, "Text.", title="Other").document) != same[0]
