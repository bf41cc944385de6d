from __future__ import annotations

import pytest

from bench.charts import Axis


def test_a_logarithmic_axis_gives_each_decade_the_same_room() -> None:
    axis = Axis(1, 1_000, 100, 400, logarithmic=True)
    assert [axis.place(value) for value in (1, 10, 100, 1_000)] == pytest.approx([100, 200, 300, 400])


def test_an_axis_may_point_up() -> None:
    axis = Axis(0.9, 1.0, 300, 100, logarithmic=False)
    assert [axis.place(value) for value in (0.9, 0.95, 1.0)] == pytest.approx([300, 200, 100])
