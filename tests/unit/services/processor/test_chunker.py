from __future__ import annotations

import re
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from services.processor.chunker import Chunker
from shared.embedder.hashing import HashingEmbedder
from shared.text import sentences
from tests.unit.services.processor.support import an_event

count_tokens = HashingEmbedder().count_tokens


def chunk_texts(text: str, *, title: str = "Title", max_tokens: int = 32, overlap: int = 8) -> list[str]:
    chunks = Chunker(count_tokens, max_tokens, overlap).chunk(an_event(text=text, title=title).document)
    assert [item.chunk.ordinal for item in chunks] == list(range(len(chunks)))
    return [item.chunk.text for item in chunks]


def numbered(count: int, words: int = 9) -> str:
    """Sentences of ``words`` + 2 tokens, each starting with its number."""
    return " ".join(f"S{number} " + " ".join(["word"] * words) + "." for number in range(count))


def test_a_short_text_is_one_chunk_as_written() -> None:
    assert chunk_texts("  One.\n\nTwo  words. ") == ["One.\n\nTwo  words."]


def test_chunks_end_at_sentences_and_repeat_whole_ones() -> None:
    texts = chunk_texts(numbered(6, words=3), max_tokens=17, overlap=5)  # the title takes one token
    assert [re.findall(r"S\d", text) for text in texts] == [
        ["S0", "S1", "S2"],
        ["S2", "S3", "S4"],
        ["S4", "S5"],
    ]
    assert all(text.endswith(".") for text in texts)


def test_an_overlap_longer_than_its_limit_is_left_out() -> None:
    texts = chunk_texts(numbered(6, words=3), max_tokens=17, overlap=4)
    assert [re.findall(r"S\d", text) for text in texts] == [["S0", "S1", "S2"], ["S3", "S4", "S5"]]


def test_a_sentence_that_is_too_long_is_split_between_words() -> None:
    words = [f"w{number}" for number in range(200)]
    texts = chunk_texts(" ".join(words), max_tokens=33, overlap=0)
    assert " ".join(texts).split() == words
    assert all(count <= 32 for count in count_tokens(texts))


def test_a_text_without_spaces_is_split_too() -> None:
    text = "地" * 1000
    texts = chunk_texts(text, max_tokens=33)
    assert set("".join(texts)) == {"地"}

    def by_character(items: Sequence[str]) -> list[int]:
        return [len(item) for item in items]

    chunks = Chunker(by_character, 100, 0).chunk(an_event(text=text, title="T").document)
    assert "".join(item.chunk.text for item in chunks) == text
    assert all(len(item.chunk.text) <= 99 for item in chunks)


def test_a_long_title_leaves_room_for_text() -> None:
    title = " ".join(["title"] * 500)
    chunks = Chunker(count_tokens, 32, 8).chunk(an_event(title=title, text="Some text.").document)
    [item] = chunks
    assert item.text.endswith("\nSome text.")
    assert count_tokens([item.text])[0] <= 32


def test_the_content_hash_covers_title_and_text() -> None:
    def content_hash(title: str, text: str) -> str:
        [item] = Chunker(count_tokens, 32, 8).chunk(an_event(title=title, text=text).document)
        assert item.text == f"{title}\n{text}"
        return item.chunk.content_hash

    assert content_hash("A", "Same.") == content_hash("A", "Same.")
    assert len({content_hash("A", "Same."), content_hash("B", "Same."), content_hash("A", "Other.")}) == 3


TEXT = st.text(
    alphabet=st.one_of(st.sampled_from("ab c.!? \n。、地"), st.characters(exclude_categories=["Cs"])),
    max_size=400,
).filter(lambda text: bool(text.strip()))


@given(text=TEXT, title=TEXT, max_tokens=st.integers(32, 64), overlap=st.integers(0, 16))
def test_nothing_is_lost_and_nothing_is_too_long(
    text: str, title: str, max_tokens: int, overlap: int
) -> None:
    document = an_event(text=text, title=title).document
    chunker = Chunker(count_tokens, max_tokens, overlap)
    chunks = chunker.chunk(document)
    assert chunks == chunker.chunk(document)
    cursor = 0
    for item in chunks:
        assert count_tokens([item.text])[0] <= max_tokens
        start = text.find(item.chunk.text, max(0, cursor - len(item.chunk.text)))
        assert start >= 0
        cursor = max(cursor, start + len(item.chunk.text))
    joined = "\n".join(item.chunk.text for item in chunks)
    for sentence in sentences(text):
        if count_tokens([sentence])[0] <= max_tokens // 2:
            assert sentence in joined
    assert set("".join(joined.split())) == set("".join(text.split()))


@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=60), overlap=st.integers(0, 16))
def test_every_word_is_in_a_chunk_in_order(lengths: list[int], overlap: int) -> None:
    words = iter(range(10_000))
    text = " ".join(" ".join(f"W{next(words)}" for _ in range(length)) + "." for length in lengths)
    seen: list[str] = []
    for chunk in chunk_texts(text, overlap=overlap):
        found = re.findall(r"W\d+", chunk)
        repeated = seen.index(found[0]) if found[0] in seen else len(seen)
        assert seen[repeated:] == found[: len(seen) - repeated]
        seen += found[len(seen) - repeated :]
    assert seen == re.findall(r"W\d+", text)
