from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest

from bench.quality.answers import AnswerFigures
from bench.quality.calibration import THRESHOLDS, cross_validated, fitted_weights, hit_of, trade_off
from bench.quality.floors import answer_faults, ranking_faults
from bench.quality.picture import drawing
from bench.quality.ranking import ranking_figures
from services.api.answering.signals import Signals
from services.api.schemas import HitBody
from tests.support.hits import a_hit

FIGURES = AnswerFigures(
    answerable=500,
    unanswerable=500,
    unanswerable_answered=0.4,
    answerable_abstained=0.2,
    abstention_precision=0.75,
    abstention_recall=0.6,
    citation_precision=1.0,
    citations=700,
    unfounded=0,
    cites_right_document=0.9,
    holds_answer_of_answered=0.7,
    holds_answer=0.56,
    exact_match=0.1,
    f1=0.3,
)


def test_the_picture_says_every_share() -> None:
    texts = [element.text or "" for element in ElementTree.fromstring(drawing(FIGURES)).iter()]
    for expected in ("answer holds the expected one 56%", "another 24%", "not answered 20%"):
        assert expected in texts
    assert "answered 40%" in texts
    assert any("citation precision 1.000 of 700" in text for text in texts)


def test_the_bars_are_as_long_as_their_shares() -> None:
    rectangles = [
        element for element in ElementTree.fromstring(drawing(FIGURES)).iter() if element.tag.endswith("rect")
    ][1:]
    widths = [float(element.attrib["width"]) for element in rectangles]
    assert sum(widths[:3]) == pytest.approx(sum(widths[3:]), abs=0.5)
    assert widths[0] / sum(widths[:3]) == pytest.approx(0.56, abs=0.01)


@pytest.mark.parametrize(
    ("worse", "named"),
    [
        ({"citation_precision": 0.94}, "citation precision"),
        ({"unfounded": 1}, "unfounded figure"),
        ({"unanswerable_answered": 0.6}, "unanswerable questions answered"),
        ({"answerable_abstained": 0.3}, "answerable questions not answered"),
    ],
)
def test_what_is_worse_than_its_floor_is_named(worse: dict[str, float], named: str) -> None:
    assert list(answer_faults(FIGURES)) == []
    [fault] = answer_faults(replace(FIGURES, **worse))  # type: ignore[arg-type]
    assert named in fault


def test_worse_retrieval_is_named() -> None:
    assert list(ranking_faults(ranking_figures([1] * 10))) == []
    faults = list(ranking_faults(ranking_figures([1] * 8 + [2, None])))
    assert [fault.partition(":")[0] for fault in faults] == ["recall@1", "recall@5", "MRR@10"]


def test_a_calibration_finds_what_tells_answers_apart() -> None:
    """Where one signal decides alone."""
    random = np.random.default_rng(3)
    answerable = random.integers(0, 2, 400)
    values = random.random((400, len(Signals.__dataclass_fields__)))
    values[:, 0] = answerable + 0.1 * random.random(400)
    articles = [str(number % 4) for number in range(400)]
    predicted = cross_validated(values, answerable, articles)
    assert ((predicted > 0.5) == answerable).all()
    intercept, weights = fitted_weights(values, answerable)
    assert list(weights) == list(Signals.__dataclass_fields__)
    assert max(weights, key=lambda name: abs(weights[name])) == "relevance"
    logits = intercept + values @ np.array(list(weights.values()))
    assert ((logits > 0) == answerable).all()
    curve = list(trade_off(predicted, answerable))
    assert [threshold for threshold, _, _ in curve] == list(THRESHOLDS)
    assert all(answered == abstained == 0 for threshold, answered, abstained in curve if threshold == 0.5)


def test_a_calibration_weighs_the_hits_that_the_api_returned() -> None:
    hit = a_hit("As of 14:20 the earthquake has killed 47 people.")
    assert hit_of(HitBody.of(hit).model_dump(mode="json")) == replace(hit, source="api")
