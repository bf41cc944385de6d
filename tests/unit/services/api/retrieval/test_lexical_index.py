from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.retrieval.lexical_index import LexicalIndex
from shared.domain import SearchFilter
from shared.errors import ConfigurationError, StoreUnavailable
from tests.unit.services.api.retrieval.support import START, a_document, numbered, stored_documents

EVERYTHING = SearchFilter()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[LexicalIndex]:
    with closing(LexicalIndex(tmp_path / "api" / "lexical.sqlite")) as index:
        yield index


def found(index: LexicalIndex, question: str, where: SearchFilter = EVERYTHING, limit: int = 10) -> list[str]:
    return [hit.document_id for hit in index.search(question, limit, where)]


def test_the_rarer_term_counts_more(index: LexicalIndex) -> None:
    index.apply(
        "1",
        [],
        stored_documents(
            a_document("a", "The bridge was opened."),
            a_document("b", "The bridge was painted by Velmora."),
            *(a_document(f"c{number}", "The bridge was opened in May.") for number in range(5)),
        ),
    )
    assert found(index, "Was the bridge of Velmora opened up?")[0] == "b"
    assert len(found(index, "bridges")) == 7, "stemmed"
    assert found(index, "Is it the?") == [], "stop words only"


def test_the_commonest_terms_count_only_where_the_others_find_too_few(tmp_path: Path) -> None:
    documents = [a_document(f"common{number}", "A bridge.") for number in range(20)]
    documents += [a_document(f"rare{number}", "Velmora, a ferry of three decks.") for number in range(3)]
    with closing(LexicalIndex(tmp_path / "lexical.sqlite", max_postings=10)) as index:
        index.apply("1", [], stored_documents(*documents))
        question = "Is there a bridge or a ferry of Velmora?"
        assert {name.rstrip("012") for name in found(index, question, limit=3)} == {"rare"}
        assert len(found(index, question, limit=30)) == 23, "too few without"
        assert len(found(index, "bridge", limit=30)) == 20, "nothing else to look for"
        index.apply("2", [], stored_documents(a_document("rare0", "Velmora, a ferry, a bridge.")))
        of_all = index.search(question, 3, EVERYTHING)
        assert of_all == index.search("ferry of Velmora", 3, EVERYTHING), "the bridge adds nothing"
        nobodys = SearchFilter(wikis=frozenset({"none"}))
        assert found(index, question, nobodys) == []


def test_a_filter_does_not_lose_what_only_common_terms_find(tmp_path: Path) -> None:
    documents = [a_document(f"common{number}", "A bridge.", source="a") for number in range(20)]
    documents += [a_document(f"rare{number}", "Velmora.", source="b") for number in range(3)]
    with closing(LexicalIndex(tmp_path / "lexical.sqlite", max_postings=10)) as index:
        index.apply("1", [], stored_documents(*documents))
        where = SearchFilter(sources=frozenset({"a"}))
        assert len(found(index, "the bridge of Velmora", where, limit=3)) == 3


def test_a_document_is_replaced_and_removed_as_a_whole(index: LexicalIndex) -> None:
    index.apply("1", [], stored_documents(a_document("a", "An old word."), a_document("b", "Another.")))
    index.apply("2", [], stored_documents(a_document("a", "A new text.", revision=2)))
    assert found(index, "word") == []
    assert found(index, "text") == ["a"]
    index.apply("3", ["a", "unknown"], {})
    assert found(index, "text") == []
    assert (index.passages(), index.cursor()) == (1, "3")


def test_long_documents_are_found_by_passage(index: LexicalIndex) -> None:
    words = [f"w{number}x" for number in range(200)]
    index.apply("1", [], stored_documents(a_document("a", numbered(words))))
    assert index.passages() > 3
    places = [index.search(word, 10, EVERYTHING)[0].first for word in words]
    assert places == sorted(places)
    assert len(set(places)) == index.passages()


@pytest.mark.parametrize(
    "question",
    ['"quoted" OR NEAR(', "3.5 million", "don't", "terms: *", "o'clock 10:30", "ÄÖ ß 東京", "a" * 500],
)
def test_every_question_is_data(index: LexicalIndex, question: str) -> None:
    index.apply("1", [], stored_documents(a_document("a", f"It says: {question} here.")))
    assert found(index, question) == ["a"]


@given(st.text(max_size=60))
def test_no_question_is_an_error(question: str) -> None:
    SHARED.search(question, 5, EVERYTHING)


SHARED: LexicalIndex


@pytest.fixture(scope="module", autouse=True)
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    global SHARED
    with closing(LexicalIndex(tmp_path_factory.mktemp("shared") / "lexical.sqlite")) as SHARED:
        yield


def test_filters_are_those_of_the_store(index: LexicalIndex) -> None:
    seed = random.SystemRandom().randrange(10**6)
    rng = random.Random(seed)
    documents = [
        a_document(
            f"d{number}",
            "The same text.",
            source=rng.choice(["api", "wikimedia"]),
            attributes=rng.choice(
                [
                    {},
                    {"wiki": "enwiki", "namespace": 0, "bot": False},
                    {"wiki": "dewiki", "namespace": 1, "bot": True},
                ]
            ),
            updated_at=START + timedelta(milliseconds=rng.randrange(5)),
        )
        for number in range(60)
    ]
    index.apply("1", [], stored_documents(*documents))
    for _ in range(80):
        where = SearchFilter(
            wikis=frozenset(rng.sample(["enwiki", "dewiki", "frwiki"], rng.randrange(3))),
            namespaces=frozenset(rng.sample([0, 1, 2], rng.randrange(2))),
            sources=frozenset(rng.sample(["api", "wikimedia"], rng.randrange(2))),
            exclude_bots=rng.random() < 0.5,
            since=rng.choice([None, START + timedelta(milliseconds=2)]),
            until=rng.choice([None, START + timedelta(milliseconds=3)]),
        )
        expected = {document.document_id for document in documents if where.matches(document)}
        assert set(found(index, "same text", where, 100)) == expected, f"seed {seed}, {where}"


def test_what_was_applied_outlives_the_process(tmp_path: Path) -> None:
    path = tmp_path / "lexical.sqlite"
    with closing(LexicalIndex(path)) as index:
        index.apply("5", [], stored_documents(a_document("a", "Some text.")))
    with closing(LexicalIndex(path)) as index:
        assert (index.cursor(), found(index, "text")) == ("5", ["a"])


def test_a_batch_that_fails_leaves_nothing(index: LexicalIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    index.apply("1", [], stored_documents(a_document("a", "Some text.")))
    documents = stored_documents(a_document("a", "Other text.", revision=2), a_document("b", "More text."))
    object.__setattr__(documents["b"].document, "attributes", {"wiki": object()})  # SQLite cannot hold it
    with pytest.raises(Exception, match=r"(?i)bind|type"):
        index.apply("2", [], documents)
    assert (index.cursor(), found(index, "some text")) == ("1", ["a"])


@pytest.mark.parametrize("damage", [b"not a database at all, not even close" * 40, b""])
def test_a_file_that_cannot_be_read_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "lexical.sqlite"
    path.write_bytes(damage)
    with closing(LexicalIndex(path)) as index:
        assert index.cursor() is None
        index.apply("1", [], stored_documents(a_document("a", "Some text.")))
        assert found(index, "text") == ["a"]


USES: dict[str, Callable[[LexicalIndex], object]] = {
    "cursor": lambda index: index.cursor(),
    "apply": lambda index: index.apply("2", ["d1"], stored_documents(a_document("a", "Some text."))),
    "clear": lambda index: index.clear(),
    "search": lambda index: index.search("text", 10, EVERYTHING),
    "newest": lambda index: index.newest(10, EVERYTHING),
    "passages": lambda index: index.passages(),
}


@pytest.mark.parametrize("use", USES)
def test_a_file_that_goes_bad_is_named_with_its_cure(tmp_path: Path, use: str) -> None:
    path = tmp_path / "lexical.sqlite"
    with closing(LexicalIndex(path)) as index:
        texts = {f"d{number}": f"Text number w{number}x stands here." for number in range(500)}
        index.apply("1", [], stored_documents(*(a_document(one, text) for one, text in texts.items())))
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with closing(LexicalIndex(path)) as index, pytest.raises(StoreUnavailable, match="delete it"):
        USES[use](index)


def test_replicas_that_share_a_folder_have_files_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "lexical.sqlite"
    with closing(LexicalIndex(path)) as first, closing(LexicalIndex(path)) as second:
        first.apply("1", [], stored_documents(a_document("a", "Some text.")))
        assert second.cursor() is None
        assert found(second, "text") == []
    with closing(LexicalIndex(path)) as index:
        assert index.cursor() == "1", "the first file is free again"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigurationError, match="DATA_DIR"):
        LexicalIndex(tmp_path / "api" / "lexical.sqlite")


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "api").write_text("")
    with pytest.raises(ConfigurationError, match="DATA_DIR"):
        LexicalIndex(tmp_path / "api" / "lexical.sqlite")


def test_the_newest_documents_come_first_and_once(index: LexicalIndex) -> None:
    words = [f"w{number}x" for number in range(200)]
    documents = [
        a_document(f"d{number}", numbered(words), updated_at=START + timedelta(minutes=number), source="even")
        for number in (2, 6, 0, 4)
    ] + [a_document("d3", "Short.", updated_at=START + timedelta(minutes=3), source="odd")]
    index.apply("1", [], stored_documents(*documents))
    assert index.newest(10, EVERYTHING) == ["d6", "d4", "d3", "d2", "d0"]
    assert index.newest(2, EVERYTHING) == ["d6", "d4"]
    assert index.newest(2, SearchFilter(sources=frozenset({"odd"}))) == ["d3"]
    assert index.newest(9, SearchFilter(until=START + timedelta(minutes=3))) == ["d3", "d2", "d0"]
