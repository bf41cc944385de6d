"""How likely it is that a sentence answers a question: a logistic regression over its signals. Pure.

The weights are what ``python -m bench.quality.calibration`` prints, fitted to SQuAD 2.0's development set:
half of its questions are written so that a passage nearly answers them. Judged by articles that it has not
seen, the area under its curve is .758; ``docs/quality.md`` has the curve. ``MIN_CONFIDENCE`` leaves about a
fifth of the answerable questions unanswered, as many as can be borne.
"""

from __future__ import annotations

import math

from services.api.answering.signals import Signals

MIN_CONFIDENCE = 0.45
_INTERCEPT = -2.418
_WEIGHTS = Signals(
    relevance=3.873,
    coverage=0.656,
    missing_name=-0.776,
    missing_number=-2.036,
    question_denies=-1.012,
    only_question_denies=-2.082,
    reversed_word=-2.416,
    nothing_of_the_kind=-0.505,
)


def confidence(signals: Signals) -> float:
    """In (0, 1): the probability of an answer where half of the questions have one."""
    weighed = (weight * value for weight, value in zip(_WEIGHTS.values(), signals.values(), strict=True))
    logit = _INTERCEPT + sum(weighed)
    return 1 / (1 + math.exp(-logit))
