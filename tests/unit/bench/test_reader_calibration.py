"""Which settings the calibration of a reader finds, of figures that are known."""

from __future__ import annotations

import numpy as np
import pytest

from bench.quality.reader_calibration import Judged, best, by_unseen_articles, pairs, report, shares


def judged(seed: int = 3, questions: int = 2000, told_apart: float = 3.0) -> Judged:
    """The reader tells the two kinds apart by ``told_apart`` standard deviations, the signals by one."""
    random = np.random.default_rng(seed)
    answerable = random.random(questions) < 0.5
    return Judged(
        np.clip(random.normal(0.4, 0.15, questions) + 0.15 * answerable, 0, 1),
        random.normal(0, 1, questions) - told_apart * answerable,
        answerable,
        np.array([str(number % 5) for number in range(questions)]),
    )


def test_the_shares_are_of_what_passes_both() -> None:
    four = Judged(
        np.array([0.9, 0.9, 0.1, 0.9]),
        np.array([-1.0, 1.0, -1.0, 0.0]),
        np.array([True, True, False, False]),
        np.array(list("aabb")),
    )
    pair = shares(four, 0.5, 0.0)
    assert (pair.answered, pair.silent) == (0.5, 0.5)
    assert shares(four, 0.0, -0.5).answered == 0.5
    assert shares(four, 0.0, 1.0).silent == 0


@pytest.mark.parametrize("most_silent", [0.1, 0.2, 0.3])
def test_no_more_are_silent_than_may_be_and_no_fewer_answered_than_can(most_silent: float) -> None:
    figures = judged()
    found = pairs(figures, most_silent)
    assert found[0].min_confidence == 0
    for pair in found:
        assert pair.silent <= most_silent
        assert shares(figures, pair.min_confidence, pair.threshold - 0.05).silent > most_silent
    chosen = best(figures, most_silent)
    assert chosen in found
    assert chosen.answered == min(pair.answered for pair in found)


def test_a_better_reader_lets_less_through() -> None:
    answered = [best(judged(told_apart=by), 0.2).answered for by in (0.0, 1.0, 3.0)]  # type: ignore[union-attr]
    assert answered == sorted(answered, reverse=True)
    assert answered[0] > 0.4
    assert answered[2] < 0.05


def test_the_pair_is_judged_by_articles_it_was_not_chosen_by() -> None:
    """In one article the odds lie otherwise: chosen by it, it would look as good as the others."""
    figures = judged()
    figures.null_odds[figures.articles == "4"] += 5
    seen = best(figures, 0.2)
    assert seen is not None
    unseen = by_unseen_articles(figures, 0.2)
    assert unseen is not None
    assert unseen[1] > seen.silent + 0.05


def test_where_too_many_have_no_evidence_nothing_is_recommended() -> None:
    figures = judged()
    figures.null_odds[figures.answerable] = np.inf
    assert pairs(figures, 0.2) == []
    assert "no threshold leaves so few as 20%" in report(figures, 0.2)


def test_the_report_names_the_settings() -> None:
    said = report(judged(), 0.2)
    assert "\nAPI_MIN_CONFIDENCE=" in said
    assert " READER_THRESHOLD=" in said
    assert "by unseen articles" in said
