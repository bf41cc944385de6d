"""Articles with questions in the format of SQuAD 2.0: half of the questions have no answer in their text."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.stack import ROOT

DEFAULT_FILE = ROOT.parent / "shared" / "data" / "squad2-dev.json.gz"


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One document: a paragraph under its article's title."""

    document_id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """Asked about one paragraph; without ``answers`` if that paragraph does not answer it."""

    text: str
    article: str
    document_id: str
    answers: tuple[str, ...]

    @property
    def answerable(self) -> bool:
        return bool(self.answers)


@dataclass(frozen=True, slots=True)
class QuestionSet:
    paragraphs: tuple[Paragraph, ...]
    questions: tuple[Question, ...]

    @property
    def answerable(self) -> list[Question]:
        return [question for question in self.questions if question.answerable]

    @property
    def unanswerable(self) -> list[Question]:
        return [question for question in self.questions if not question.answerable]


def load(file: Path = DEFAULT_FILE) -> QuestionSet:
    """:raises SystemExit: the file is missing or is not in the format of SQuAD 2.0."""
    try:
        content = file.read_bytes()
        articles = json.loads(gzip.decompress(content) if file.suffix == ".gz" else content)["data"]
        return _read(articles)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SystemExit(f"--file {file}: no questions in the format of SQuAD 2.0 ({error!r})") from None


def _read(articles: Sequence[dict]) -> QuestionSet:  # type: ignore[type-arg]
    paragraphs: list[Paragraph] = []
    questions: list[Question] = []
    for article in articles:
        title = str(article["title"]).replace("_", " ")
        for paragraph in article["paragraphs"]:
            document_id = f"squad:{len(paragraphs)}"
            paragraphs.append(Paragraph(document_id, title, paragraph["context"]))
            for asked in paragraph["qas"]:
                answers = () if asked["is_impossible"] else tuple(a["text"] for a in asked["answers"])
                questions.append(Question(asked["question"].strip(), title, document_id, answers))
    return QuestionSet(tuple(paragraphs), tuple(questions))


def held_out(content: QuestionSet, articles: int, seed: int) -> tuple[QuestionSet, list[Question]]:
    """The set without so many of its articles, and their answerable questions: what nothing indexed is
    about any more."""
    titles = sorted({item.title for item in content.paragraphs})
    gone = set(random.Random(seed).sample(titles, articles))
    kept = QuestionSet(
        tuple(item for item in content.paragraphs if item.title not in gone),
        tuple(question for question in content.questions if question.article not in gone),
    )
    return kept, [question for question in content.answerable if question.article in gone]


def sample(questions: Sequence[Question], count: int, seed: int) -> list[Question]:
    """``count`` of the questions, or all if there are fewer; the same ones for the same seed."""
    return random.Random(seed).sample(questions, min(count, len(questions)))
