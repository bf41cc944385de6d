from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from bench.quality.ranking import rank_of, ranking_figures
from bench.quality.retrieval import retrieval_table
from bench.quality.squad import Paragraph, Question, QuestionSet, held_out, load, sample


def test_a_document_found_twice_takes_one_place() -> None:
    assert rank_of("b", ["a", "a", "b", "b"]) == 2
    assert rank_of("c", ["a", "b"]) is None
    assert rank_of("a", []) is None


def test_figures_of_known_ranks() -> None:
    figures = ranking_figures([1, 2, 4, None])
    assert figures.questions == 4
    assert figures.recall == {1: 0.25, 3: 0.5, 5: 0.75, 10: 0.75}
    assert figures.mrr == pytest.approx((1 + 1 / 2 + 1 / 4) / 4)
    assert figures.ndcg == pytest.approx((1 + 0.63093 + 0.43068) / 4, abs=1e-4)


def test_beyond_the_depth_counts_as_not_found() -> None:
    figures = ranking_figures([11, 1])
    assert figures.recall[10] == 0.5
    assert figures.mrr == 0.5
    assert figures.ndcg == 0.5


def test_the_table_names_every_figure() -> None:
    table = retrieval_table({"faiss": ranking_figures([1, 2])})
    assert "| faiss | 2 | 0.5000 | 1.0000 | 1.0000 | 1.0000 | 0.7500 | 0.8155 |" in table


def test_questions_are_read_as_they_were_asked(tmp_path: Path) -> None:
    asked = [
        {"question": " Who? ", "is_impossible": False, "answers": [{"text": "Rollo", "answer_start": 0}]},
        {"question": "When?", "is_impossible": True, "answers": [], "plausible_answers": [{"text": "911"}]},
    ]
    content = {
        "data": [{"title": "Black_Death", "paragraphs": [{"context": "Rollo came.", "qas": asked}]}] * 2
    }
    file = tmp_path / "set.json.gz"
    file.write_bytes(gzip.compress(json.dumps(content).encode()))
    read = load(file)
    assert [item.document_id for item in read.paragraphs] == ["squad:0", "squad:1"]
    assert read.paragraphs[0].title == "Black Death"
    assert [item.text for item in read.answerable] == ["Who?", "Who?"]
    assert read.answerable[1].document_id == "squad:1"
    assert read.answerable[0].answers == ("Rollo",)
    assert [item.answers for item in read.unanswerable] == [(), ()]
    assert sample(read.questions, 2, 7) == sample(read.questions, 2, 7)
    assert len(sample(read.questions, 9, 7)) == 4


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    file = tmp_path / "set.json"
    file.write_text('{"articles": []}')
    with pytest.raises(SystemExit, match=r"--file .*set\.json"):
        load(file)


def test_held_out_articles_are_neither_indexed_nor_asked_about_in_vain() -> None:
    content = QuestionSet(
        tuple(Paragraph(f"squad:{number}", title, "Text.") for number, title in enumerate("ABCD")),
        tuple(
            Question(f"{title}{number}?", title, "squad:0", ("yes",) if number else ())
            for title in "ABCD"
            for number in range(2)
        ),
    )
    kept, strangers = held_out(content, 1, 7)
    gone = {item.title for item in content.paragraphs} - {item.title for item in kept.paragraphs}
    assert len(gone) == 1
    assert {question.article for question in kept.questions}.isdisjoint(gone)
    assert [question.article for question in strangers] == list(gone)
    assert strangers[0].answerable
