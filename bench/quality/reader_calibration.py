"""``READER=question-answering READER_MODEL=… python -m bench.quality.reader_calibration --file FILE``: which
``READER_THRESHOLD`` and ``API_MIN_CONFIDENCE`` go together.

Starts a stack, pushes the paragraphs, searches for questions with and without an answer, and has the reader
read what was found. For several ``API_MIN_CONFIDENCE`` it takes the threshold with which no more answerable
questions than may be borne are left unanswered, and shows how many unanswerable ones are answered then. The
best pair is judged by articles that it was not chosen by. FILE should not be what the model was trained on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from bench.quality.calibration import Matrix, for_each
from bench.quality.corpus import indexed_stack
from bench.quality.squad import DEFAULT_FILE, Question, load, sample
from bench.stack import RunningStack
from services.api.answering.confidence import confidence
from services.api.answering.evidence import strongest_signals, weigh_evidence
from services.api.answering.reading import read_passages
from shared.domain import Hit
from shared.embedder.factory import build_embedder
from shared.errors import QuestionTooLong
from shared.ports import Embedder, Reader
from shared.reader.factory import build_reader
from shared.settings import EmbedderSettings, ReaderSettings, load_settings

CONFIDENCES = tuple(round(0.05 * step, 2) for step in range(11))
_NO_EVIDENCE = (-1.0, np.inf)
"""Below every confidence, above every threshold."""
_BEYOND = 1e9
"""All odds of a model."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Of each question (n,): the confidence that the signals give it, the reader's odds against an answer as
    a logarithm, whether it has one, and its article."""

    confidences: Matrix
    null_odds: Matrix
    answerable: NDArray[np.bool_]
    articles: NDArray[np.str_]

    def only(self, chosen: NDArray[np.bool_]) -> Judged:
        return Judged(
            self.confidences[chosen], self.null_odds[chosen], self.answerable[chosen], self.articles[chosen]
        )


@dataclass(frozen=True, slots=True)
class Pair:
    """``answered``: the share of unanswerable questions; ``silent``: of answerable ones that are not."""

    min_confidence: float
    threshold: float
    answered: float
    silent: float


def judge(
    stack: RunningStack, questions: Sequence[Question], embedder: Embedder, reader: Reader, top: int
) -> Judged:
    def judged(question: Question, hits: Sequence[Hit]) -> tuple[float, float]:
        embedding = embedder.embed([question.text])[0]
        signals = strongest_signals(question.text, embedding, hits, embedder)
        evidence = weigh_evidence(question.text, embedding, hits, embedder, min_confidence=0.0)
        if signals is None or not evidence:
            return _NO_EVIDENCE
        try:
            surest = read_passages(reader, question.text, evidence, top)[0]
        except QuestionTooLong:  # the reader has no say
            return confidence(signals), -np.inf
        return confidence(signals), surest.null_odds

    figures = np.array(for_each(stack, questions, judged))
    return Judged(
        figures[:, 0],
        figures[:, 1],
        np.array([question.answerable for question in questions]),
        np.array([question.article for question in questions]),
    )


def shares(judged: Judged, min_confidence: float, threshold: float) -> Pair:
    """What such settings do. Both kinds of questions must be there."""
    answered = (judged.confidences >= min_confidence) & (judged.null_odds <= threshold)
    return Pair(
        min_confidence,
        threshold,
        float(answered[~judged.answerable].mean()),
        float(1 - answered[judged.answerable].mean()),
    )


def pairs(judged: Judged, most_silent: float) -> list[Pair]:
    """For each confidence that alone keeps few enough answerable questions back: with the lowest threshold
    that does, rounded up to a hundredth."""
    found = []
    for min_confidence in CONFIDENCES:
        odds = np.where(judged.confidences >= min_confidence, judged.null_odds, np.inf)
        needed = int(np.ceil((1 - most_silent) * judged.answerable.sum() - 1e-9))
        threshold = float(np.sort(odds[judged.answerable])[max(needed, 1) - 1])
        if np.isfinite(threshold):
            found.append(shares(judged, min_confidence, float(np.ceil(threshold * 100) / 100)))
    return found


def best(judged: Judged, most_silent: float) -> Pair | None:
    return min(pairs(judged, most_silent), key=lambda pair: pair.answered, default=None)


def by_unseen_articles(judged: Judged, most_silent: float) -> tuple[float, float] | None:
    """The shares as in ``Pair``, each article with the pair that is best for all others; ``None``: there is
    no such pair for one."""
    answered = np.zeros(len(judged.articles), dtype=np.bool_)
    for article in np.unique(judged.articles):
        own = judged.articles == article
        chosen = best(judged.only(~own), most_silent)
        if chosen is None:
            return None
        answered[own] = (judged.confidences[own] >= chosen.min_confidence) & (
            judged.null_odds[own] <= chosen.threshold
        )
    return float(answered[~judged.answerable].mean()), float(1 - answered[judged.answerable].mean())


def report(judged: Judged, most_silent: float) -> str:
    """Markdown, and the settings to take."""
    odds = np.nan_to_num(judged.null_odds, posinf=_BEYOND, neginf=-_BEYOND)
    lines = [
        f"area under the curve: signals {roc_auc_score(judged.answerable, judged.confidences):.3f}, "
        f"reader {roc_auc_score(judged.answerable, -odds):.3f}\n",
        "| API_MIN_CONFIDENCE | READER_THRESHOLD | unanswerable answered | answerable not answered |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {pair.min_confidence:.2f} | {pair.threshold:.2f} | {pair.answered:.3f} | {pair.silent:.3f} |"
        for pair in pairs(judged, most_silent)
    ]
    chosen, unseen = best(judged, most_silent), by_unseen_articles(judged, most_silent)
    if chosen is None or unseen is None:
        lines.append(f"\nno threshold leaves so few as {most_silent:.0%} of the answerable ones unanswered")
    else:
        lines += [
            f"\nAPI_MIN_CONFIDENCE={chosen.min_confidence:g} READER_THRESHOLD={chosen.threshold:g}",
            f"by unseen articles: unanswerable answered {unseen[0]:.3f}, not answered {unseen[1]:.3f}",
        ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--store", choices=["faiss", "redis"], default="faiss")
    parser.add_argument("--file", type=Path, default=DEFAULT_FILE, help="questions in SQuAD 2.0's format")
    parser.add_argument("--questions", type=int, default=1000, help="of each kind")
    parser.add_argument("--seed", type=int, default=1, help="of the choice of questions")
    parser.add_argument("--most-silent", type=float, default=0.2, help="share of answerable questions")
    arguments = parser.parse_args()
    settings = load_settings(ReaderSettings)
    reader = build_reader(settings)
    if reader is None:
        raise SystemExit("READER=none: set READER=question-answering and READER_MODEL")
    content = load(arguments.file)
    kinds = (content.answerable, content.unanswerable)
    questions = [question for kind in kinds for question in sample(kind, arguments.questions, arguments.seed)]
    embedder = build_embedder(EmbedderSettings())
    quiet = {"LLM": "extractive", "READER": "none"}
    with indexed_stack(content.paragraphs, arguments.store, **quiet) as stack:
        judged = judge(stack, questions, embedder, reader, settings.top)
    print(f"{reader.name}, {len(questions)} questions of {arguments.file.name}")
    print(report(judged, arguments.most_silent))


if __name__ == "__main__":
    main()
