"""Values that are legal and rarely seen: they come back as they went in, and filters tell them apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from shared.domain import Chunk, Document, SearchFilter, Version
from shared.ports import EmbeddedDocument, VectorStore
from tests.contract.vector_store.builders import DIMENSION, axis, embedded, version
from tests.contract.vector_store.checks import APPLIED, DUPLICATE, STALE, found

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

STRINGS = {
    "empty": "",
    "space": " ",
    "single quote": "it's",
    "double quote": 'say "hello"',
    "backslash": "a\\b\\\\",
    "escape": '\\" or true or \\"',
    "operators": ".wiki == 'x' and not (1 in [2]) or true",
    "newline": "a\nb\r\nc\td",
    "nul": "a\x00b",
    "control": "\x01\x1f\x7f",
    "accent": "ö",
    "decomposed accent": "o\u0308",
    "other script": "日本語版",
    "astral": "🌍🧭",
    "markup": "<b>{x}[y]*?%s$1</b>",
    "number": "0",
    "word": "true",
    "long": "w" * 2_000,
}


def dated(document_id: str, moment: datetime, revision: int = 1) -> EmbeddedDocument:
    document = Document(document_id, "api", "t", "x", "", revision, moment)
    return EmbeddedDocument(document, (Chunk(document_id, 0, "x", "h"),), (axis(0),))


class ValueLaws:
    @pytest.mark.parametrize("value", STRINGS.values(), ids=STRINGS.keys())
    def test_any_string_is_kept_and_can_be_filtered_by(self, store: VectorStore, value: str) -> None:
        item = embedded("a", wiki=value, source=value, comment=value)
        store.replace([item, embedded("b", wiki="enwiki"), embedded("c", wiki=value + "x", source="s")])
        stored = store.get_many(["a"])["a"]
        assert stored.document == item.document
        assert store.search(axis(0), 1)[0].attributes == item.document.attributes
        assert found(store, 9, SearchFilter(wikis=frozenset({value}))) == ["a#0"]
        assert found(store, 9, SearchFilter(sources=frozenset({value}))) == ["a#0"]
        assert found(store, 9, SearchFilter(wikis=frozenset({value, "enwiki"}))) == ["a#0", "b#0"]
        assert found(store, 9, SearchFilter(wikis=frozenset({"enwiki"}), sources=frozenset({value}))) == []

    def test_a_document_of_thousands_of_chunks(self, store: VectorStore) -> None:
        rows = np.random.default_rng(5).standard_normal((2_500, DIMENSION)).astype(np.float32)
        vectors = list(rows / np.linalg.norm(rows, axis=1, keepdims=True))
        hashes = [f"h{ordinal}" for ordinal in range(len(vectors))]
        item = embedded("a", 1, vectors=vectors, hashes=hashes)
        assert store.replace([item]) == [APPLIED]
        assert store.content_hashes(["a"]) == {"a": frozenset(hashes)}
        stored = store.get_many(["a"])["a"]
        assert stored.chunks == item.chunks
        assert store.replace([embedded("a", 2, vectors=[None] * 2_500, hashes=hashes)]) == [APPLIED]
        assert store.delete("a", version(3)) is APPLIED
        assert store.stats().chunks == 0

    def test_many_values_in_one_filter(self, store: VectorStore) -> None:
        store.replace([embedded(f"d{i:03}", wiki=f"wiki'{i}", namespace=i) for i in range(60)])
        where = SearchFilter(
            wikis=frozenset(f"wiki'{i}" for i in range(10, 1_000)), namespaces=frozenset(range(-500, 12))
        )
        assert found(store, 99, where) == ["d010#0", "d011#0"]

    @pytest.mark.parametrize(
        ("wanted", "expected"),
        [
            ({0}, ["false", "zero"]),
            ({1}, ["one", "true"]),
            ({-1}, ["minus"]),
            ({-1, 0}, ["false", "minus", "zero"]),
            ({2**53}, ["big"]),
            ({2**53 + 1}, ["bigger"]),
            ({2**63 - 1}, ["biggest"]),
            ({-(2**63)}, ["lowest"]),
            ({7}, []),
        ],
        ids=str,
    )
    def test_namespaces_are_compared_as_python_does(
        self, store: VectorStore, wanted: set[int], expected: list[str]
    ) -> None:
        """``True`` is 1, a string is no number, and no two numbers are the same for being large."""
        namespaces = {
            "zero": 0,
            "one": 1,
            "minus": -1,
            "true": True,
            "false": False,
            "text": "0",
            "minus text": "-1",
            "empty": "",
            "big": 2**53,
            "bigger": 2**53 + 1,
            "biggest": 2**63 - 1,
            "big neighbour": 2**63 - 2,
            "lowest": -(2**63),
        }
        store.replace([embedded(name, namespace=value) for name, value in namespaces.items()])
        store.replace([embedded("none")])
        where = SearchFilter(namespaces=frozenset(wanted))
        assert found(store, 99, where) == [f"{name}#0" for name in expected]

    def test_a_wiki_that_is_no_string_matches_none(self, store: VectorStore) -> None:
        store.replace([embedded("a", wiki=1), embedded("b", wiki=True), embedded("c", wiki="1")])
        assert found(store, 9, SearchFilter(wikis=frozenset({"1", "True", "true"}))) == ["c#0"]

    def test_only_true_is_a_bot(self, store: VectorStore) -> None:
        bots = {"absent": None, "false": False, "one": 1, "text": "true", "true": True, "zero": 0}
        for name, bot in bots.items():
            store.replace([embedded(name) if bot is None else embedded(name, bot=bot)])
        names = [hit.document_id for hit in store.search(axis(0), 9, SearchFilter(exclude_bots=True))]
        assert names == ["absent", "false", "one", "text", "zero"]

    def test_attributes_keep_their_types(self, store: VectorStore) -> None:
        attributes = {
            "yes": True,
            "no": False,
            "one": 1,
            "zero": 0,
            "text": "1",
            "empty": "",
            "big": 2**63 - 1,
            "low": -(2**63),
            "": "no name",
            'a.b "c" \\ \x00': 1,
            "日本": "語",
        }
        document = Document("a", "api", "t", "x", "", 1, _EPOCH, attributes)
        store.replace([EmbeddedDocument(document, (Chunk("a", 0, "x", "h"),), (axis(0),))])
        stored = store.get_many(["a"])["a"]
        for kept in (stored.document.attributes, store.search(axis(0), 1)[0].attributes):
            assert kept == attributes
            assert {name: type(value) for name, value in kept.items()} == {
                name: type(value) for name, value in attributes.items()
            }

    def test_an_attribute_cannot_pass_for_what_a_filter_reads(self, store: VectorStore) -> None:
        """Whatever names a store keeps its own columns under."""
        names = "source updated_at live document_id revision ordinal chunks text s t w n b u d r".split()
        attributes = dict.fromkeys(names, "dewiki") | {"wiki": "enwiki", "namespace": 0, "bot": False}
        document = Document("a", "api", "t", "x", "", 1, _EPOCH, attributes)
        store.replace([EmbeddedDocument(document, (Chunk("a", 0, "x", "h"),), (axis(0),))])
        stored = store.get_many(["a"])["a"]
        assert stored.document == document
        assert found(store, 9, SearchFilter(sources=frozenset({"api"}))) == ["a#0"]
        assert found(store, 9, SearchFilter(sources=frozenset({"dewiki"}))) == []
        assert found(store, 9, SearchFilter(wikis=frozenset({"dewiki"}))) == []
        assert found(store, 9, SearchFilter(exclude_bots=True, namespaces=frozenset({0}))) == ["a#0"]

    @pytest.mark.parametrize(
        "moment",
        [
            _EPOCH,
            _EPOCH - _MILLISECOND,
            _EPOCH + _MILLISECOND,
            datetime(1969, 12, 31, 23, 59, 58, 1_000, tzinfo=UTC),
            datetime(1, 1, 1, tzinfo=UTC),
            datetime(2026, 11, 22, 9, 0, 0, 999_000, tzinfo=UTC),
            datetime(9999, 12, 31, 23, 59, 59, 998_000, tzinfo=UTC),
        ],
        ids=str,
    )
    def test_any_time_is_kept_to_the_millisecond(self, store: VectorStore, moment: datetime) -> None:
        store.replace([dated("a", moment)])
        stored = store.get_many(["a"])["a"]
        assert stored.document.updated_at == moment
        assert store.search(axis(0), 1)[0].updated_at == moment
        assert store.changes(None, 9).changes[0].version == Version(1, moment)
        assert found(store, 9, SearchFilter(since=moment, until=moment)) == ["a#0"]
        assert found(store, 9, SearchFilter(since=moment + timedelta(microseconds=1))) == []
        assert found(store, 9, SearchFilter(until=moment + timedelta(microseconds=999))) == ["a#0"]
        assert store.replace([dated("a", moment)]) == [DUPLICATE]
        assert store.delete("a", Version(1, moment)) is DUPLICATE
        assert store.replace([dated("a", moment + _MILLISECOND)]) == [APPLIED]
        assert store.replace([dated("a", moment)]) == [STALE]

    def test_a_range_across_1970(self, store: VectorStore) -> None:
        for offset in (-2_000, -1, 0, 1):
            store.replace([dated(f"{offset:+}", _EPOCH + offset * _MILLISECOND)])
        where = SearchFilter(since=_EPOCH - timedelta(milliseconds=1.5), until=_EPOCH)
        assert found(store, 9, where) == ["+0#0", "-1#0"]

    @pytest.mark.parametrize("revision", [0, 2**31, 2**53 - 1, 2**53, 2**53 + 1, 2**63 - 2])
    def test_any_revision_is_kept_and_ordered(self, store: VectorStore, revision: int) -> None:
        assert store.replace([embedded("a", revision), embedded("b", revision)]) == [APPLIED, APPLIED]
        assert store.replace([embedded("a", revision)]) == [DUPLICATE]
        if revision:
            assert store.replace([embedded("a", revision - 1, seconds=9)]) == [STALE]
        stored = store.get_many(["a"])["a"]
        assert stored.document.revision == store.search(axis(0), 1)[0].revision == revision
        assert store.delete("b", version(revision)) is DUPLICATE
        assert store.delete("b", version(revision + 1)) is APPLIED
        assert store.replace([embedded("a", revision + 1), embedded("b", revision)]) == [APPLIED, STALE]
        revisions = {change.document_id: change.version.revision for change in store.changes(None, 9).changes}
        assert revisions == {"a": revision + 1, "b": revision + 1}

    @pytest.mark.parametrize(
        "document_id",
        ["i" * 1_000, "語" * 1_000, "\x00" * 3, "a\x00b", "a\nb", "{tag}x", "a}b{c", "*", "-", "0-1"],
        ids=lambda text: repr(text[:8]),
    )
    def test_any_id_through_its_whole_life(self, store: VectorStore, document_id: str) -> None:
        neighbour = document_id + "\x00"
        store.replace([embedded(document_id, hashes=["x"]), embedded(neighbour, vectors=[axis(1)])])
        assert store.replace([embedded(document_id, 2, vectors=[None], hashes=["x"])]) == [APPLIED]
        assert store.search(axis(0), 1)[0].chunk_id == f"{document_id}#0"
        assert store.content_hashes([document_id, neighbour])[document_id] == {"x"}
        assert store.delete(document_id, version(3)) is APPLIED
        assert document_id not in store.get_many([document_id])
        assert neighbour in store.get_many([neighbour])
        changes = store.changes(None, 9).changes
        assert {change.document_id for change in changes} == {document_id, neighbour}
        assert store.purge(None, 0) == 1

    def test_long_texts(self, store: VectorStore) -> None:
        text = "ö\n\"'\\" * 20_000
        document = Document("a", "api", text, text, "https://example.org/" + "p" * 5_000, 1, _EPOCH)
        chunks = (Chunk("a", 0, text, "h"), Chunk("a", 1, "", "i"))
        store.replace([EmbeddedDocument(document, chunks, (axis(0), axis(1)))])
        stored = store.get_many(["a"])["a"]
        assert (stored.document, stored.chunks) == (document, chunks)
        hit = store.search(axis(0), 1)[0]
        assert (hit.title, hit.text, hit.url) == (text, text, document.url)
        assert store.search(axis(1), 1)[0].text == ""

    def test_a_document_of_many_chunks(self, store: VectorStore) -> None:
        random = np.random.default_rng(17)
        vectors = random.standard_normal((200, DIMENSION)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        store.replace([embedded("a", 1, vectors=list(vectors)), embedded("b", 1)])
        for ordinal in (0, 9, 10, 199):
            assert store.search(vectors[ordinal], 1)[0].chunk_id == f"a#{ordinal}"
        assert len(store.search(axis(0), 500)) == 201
        assert len(store.content_hashes(["a"])["a"]) == 200
        stored = store.get_many(["a"])["a"]
        assert [chunk.ordinal for chunk in stored.chunks] == list(range(200))
        store.replace([embedded("a", 2, vectors=[axis(1)])])
        assert store.stats().chunks == 2
        assert found(store, 500) == ["b#0", "a#0"]
