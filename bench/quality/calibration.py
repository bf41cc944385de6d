"""``python -m bench.quality.calibration``: how the weights in ``answering/confidence.py`` were obtained.

Starts a stack, pushes the paragraphs, and searches for every question, answerable or not. The strongest
sentence of what was found gives the signals; a logistic regression learns from them whether the question has
an answer. It is judged by articles that it has not seen (one fold for each article), and then fitted on all,
to be written down. Prints the weights and, for several thresholds, what they would let through and keep back.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from bench.quality.corpus import indexed_stack
from bench.quality.squad import DEFAULT_FILE, Question, load
from bench.stack import RunningStack
from services.api.answering.evidence import strongest_signals
from services.api.answering.signals import Signals
from shared.domain import Hit
from shared.embedder.factory import build_embedder
from shared.ports import Embedder
from shared.settings import EmbedderSettings

TOP_K = 5
CLIENTS = 2
THRESHOLDS = tuple(round(0.2 + 0.05 * step, 2) for step in range(13))
_REGULARISATION = 0.1

Matrix = NDArray[np.float64]
Weighed = TypeVar("Weighed")


def collect(
    stack: RunningStack, questions: Sequence[Question], embedder: Embedder
) -> tuple[Matrix, list[int]]:
    """Signals (n, number of signals), and which questions they belong to: the others had no evidence."""

    def found(question: Question, hits: Sequence[Hit]) -> Signals | None:
        return strongest_signals(question.text, embedder.embed([question.text])[0], hits, embedder)

    signals = for_each(stack, questions, found)
    rows = [row for row, item in enumerate(signals) if item is not None]
    return np.array([item.values() for item in signals if item is not None]), rows


def for_each(
    stack: RunningStack, questions: Sequence[Question], weigh: Callable[[Question, Sequence[Hit]], Weighed]
) -> list[Weighed]:
    """What is made of each question and what is found for it, in order."""

    def search_and_weigh(question: Question) -> Weighed:
        return weigh(question, [hit_of(body) for body in stack.search(question.text, top_k=TOP_K)])

    with ThreadPoolExecutor(CLIENTS) as clients:
        return list(
            tqdm(
                clients.map(search_and_weigh, questions),
                desc="weighed",
                unit="question",
                total=len(questions),
            )
        )


def hit_of(body: dict[str, Any]) -> Hit:
    """Of what ``/v1/search`` returns."""
    known = {field.name for field in fields(Hit)}
    given = {"source": "api", **{name: value for name, value in body.items() if name in known}}
    given["updated_at"] = datetime.fromisoformat(body["updated_at"]).astimezone(UTC)
    return Hit(**given)


def cross_validated(values: Matrix, answerable: NDArray[np.int64], articles: Sequence[str]) -> Matrix:
    """(n,): the probability of an answer, by a model that has not seen the question's article."""
    predicted: Matrix = cross_val_predict(
        _model(), values, answerable, groups=articles, cv=LeaveOneGroupOut(), method="predict_proba"
    )
    return predicted[:, 1]


def fitted_weights(values: Matrix, answerable: NDArray[np.int64]) -> tuple[float, dict[str, float]]:
    """The intercept, and a weight for each signal as it is: the scaling is worked into them."""
    model = _model().fit(values, answerable)
    scaler, regression = model[0], model[-1]
    weights = regression.coef_[0] / scaler.scale_
    intercept = float(regression.intercept_[0] - weights @ scaler.mean_)
    names = [field.name for field in fields(Signals)]
    return intercept, {name: round(float(weight), 3) for name, weight in zip(names, weights, strict=True)}


def _model() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(C=_REGULARISATION, max_iter=2000))


def trade_off(probabilities: Matrix, answerable: NDArray[np.int64]) -> Iterable[tuple[float, float, float]]:
    """For each threshold: the shares of unanswerable questions answered and answerable ones not answered."""
    for threshold in THRESHOLDS:
        let_through = probabilities >= threshold
        yield (
            threshold,
            float(let_through[answerable == 0].mean()),
            float(1 - let_through[answerable == 1].mean()),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--store", choices=["faiss", "redis"], default="faiss")
    parser.add_argument("--file", type=Path, default=DEFAULT_FILE, help="questions in SQuAD 2.0's format")
    arguments = parser.parse_args()
    content = load(arguments.file)
    with indexed_stack(content.paragraphs, arguments.store, LLM="extractive") as stack:
        values, rows = collect(stack, content.questions, build_embedder(EmbedderSettings()))
    known = [content.questions[row] for row in rows]
    answerable = np.array([int(question.answerable) for question in known])
    probabilities = np.zeros(len(content.questions))  # without evidence nothing is answered
    probabilities[rows] = cross_validated(values, answerable, [question.article for question in known])
    everyone = np.array([int(question.answerable) for question in content.questions])
    print(f"area under the curve, by unseen articles: {roc_auc_score(everyone, probabilities):.3f}")
    print("| threshold | unanswerable answered | answerable not answered |\n|---|---|---|")
    for threshold, answered, abstained in trade_off(probabilities, everyone):
        print(f"| {threshold:.2f} | {answered:.3f} | {abstained:.3f} |")
    intercept, weights = fitted_weights(values, answerable)
    print(f"_INTERCEPT = {intercept:.3f}\n_WEIGHTS = Signals(")
    print("\n".join(f"    {name}={weight}," for name, weight in weights.items()) + "\n)")


if __name__ == "__main__":
    main()
