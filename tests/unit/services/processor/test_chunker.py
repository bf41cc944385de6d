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


def chunk_texts(text: str, *, title: str = "Title", max_tokens: int = 64, window: int = 16) -> list[str]:
    chunks = Chunker(count_tokens, max_tokens, window).chunk(an_event(text=text, title=title).document)
    assert [item.chunk.ordinal for item in chunks] == list(range(len(chunks)))
    return [item.chunk.text for item in chunks]


def numbered(count: int, words: int = 9) -> str:
    """Sentences of ``words`` + 2 tokens, each starting with its number."""
    return " ".join(f"S{number} " + " ".join(["word"] * words) + "." for number in range(count))


def test_a_short_text_is_one_chunk_as_written() -> None:
    assert chunk_texts("  One.\n\nTwo  words. ") == ["One.\n\nTwo  words."]


def test_sentences_are_joined_up_to_the_window() -> None:
    texts = chunk_texts(numbered(5, words=3), window=11)
    assert [re.findall(r"S\d", text) for text in texts] == [["S0", "S1"], ["S2", "S3"], ["S4"]]
    assert all(text.endswith(".") for text in texts)


def test_a_sentence_longer_than_the_window_is_a_chunk_of_its_own() -> None:
    texts = chunk_texts(f"{numbered(1, words=3)} {numbered(1, words=20)} {numbered(2, words=3)}", window=11)
    assert [len(text.split()) for text in texts] == [4, 21, 8]


def test_changing_one_sentence_changes_one_chunk() -> None:
    before, after = chunk_texts(numbered(9), window=1), chunk_texts(numbered(9).replace("S4", "T4"), window=1)
    assert [number for number in range(9) if before[number] != after[number]] == [4]


def test_a_sentence_that_is_too_long_is_split_between_words() -> None:
    words = [f"w{number}" for number in range(200)]
    texts = chunk_texts(" ".join(words), max_tokens=33)
    assert " ".join(texts).split() == words
    assert all(count <= 32 for count in count_tokens(texts))


def test_a_text_without_spaces_is_split_too() -> None:
    text = "地" * 1000
    texts = chunk_texts(text, max_tokens=33)
    assert set("".join(texts)) == {"地"}

    def by_character(items: Sequence[str]) -> list[int]:
        return [len(item) for item in items]

    chunks = Chunker(by_character, 100, 20).chunk(an_event(text=text, title="T").document)
    assert "".join(item.chunk.text for item in chunks) == text
    assert all(len(item.chunk.text) <= 99 for item in chunks)


def test_a_long_title_leaves_room_for_text() -> None:
    title = " ".join(["title"] * 500)
    chunks = Chunker(count_tokens, 32, 16).chunk(an_event(title=title, text="Some text.").document)
    [item] = chunks
    assert item.text.endswith("\nSome text.")
    assert count_tokens([item.text])[0] <= 32


def test_the_content_hash_covers_title_and_text() -> None:
    def content_hash(title: str, text: str) -> str:
        [item] = Chunker(count_tokens, 32, 16).chunk(an_event(title=title, text=text).document)
        assert item.text == f"{title}\n{text}"
        return item.chunk.content_hash

    assert content_hash("A", "Same.") == content_hash("A", "Same.")
    assert len({content_hash("A", "Same."), content_hash("B", "Same."), content_hash("A", "Other.")}) == 3


TEXT = st.text(
    alphabet=st.one_of(st.sampled_from("ab c.!? \n。、地"), st.characters(exclude_categories=["Cs"])),
    max_size=400,
).filter(lambda text: bool(text.strip()))


@given(text=TEXT, title=TEXT, max_tokens=st.integers(32, 64), window=st.integers(1, 64))
def test_nothing_is_lost_and_nothing_is_too_long(text: str, title: str, max_tokens: int, window: int) -> None:
    document = an_event(text=text, title=title).document
    chunker = Chunker(count_tokens, max_tokens, window)
    chunks = chunker.chunk(document)
    assert chunks == chunker.chunk(document)
    cursor = 0
    for item in chunks:
        assert count_tokens([item.text])[0] <= max_tokens
        start = text.index(item.chunk.text, cursor)
        assert not text[cursor:start].strip()
        cursor = start + len(item.chunk.text)
    assert not text[cursor:].strip()
    for sentence in sentences(text):
        if count_tokens([sentence])[0] <= max_tokens // 2:
            assert any(sentence in item.chunk.text for item in chunks)


@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=60), window=st.integers(1, 64))
def test_every_word_is_in_one_chunk_in_order(lengths: list[int], window: int) -> None:
    words = iter(range(10_000))
    text = " ".join(" ".join(f"W{next(words)}" for _ in range(length)) + "." for length in lengths)
    assert re.findall(r"W\d+", " ".join(chunk_texts(text, window=window))) == re.findall(r"W\d+", text)
