"""How likely it is that a sentence answers a question: a logistic regression over its signals. Pure.

The weights are what ``python -m bench.quality.calibration`` prints, fitted to SQuAD 2.0's development set:
half of its questions are written so that a passage nearly answers them. Judged by articles that it has not
seen, the area under its curve is .752; ``docs/quality.md`` has the curve. ``MIN_CONFIDENCE`` leaves about a
fifth of the answerable questions unanswered, as many as can be borne.
"""

from __future__ import annotations

import math

from services.api.answering.signals import Signals

MIN_CONFIDENCE = 0.45
_INTERCEPT = -2.440
_WEIGHTS = Signals(
    relevance=3.779,
    coverage=0.794,
    missing_name=-0.753,
    missing_number=-2.001,
    question_denies=-0.999,
    only_question_denies=-2.137,
    reversed_word=-2.412,
    nothing_of_the_kind=-0.57,
)


def confidence(signals: Signals) -> float:
    """In (0, 1): the probability of an answer where half of the questions have one."""
    weighed = (weight * value for weight, value in zip(_WEIGHTS.values(), signals.values(), strict=True))
    logit = _INTERCEPT + sum(weighed)
    return 1 / (1 + math.exp(-logit))
