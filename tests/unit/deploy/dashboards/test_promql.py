from __future__ import annotations

import pytest

from deploy.dashboards import promql
from tests.support.parsed_promql import parsed


def test_a_share_gives_way_to_what_is_true_when_nothing_happens() -> None:
    assert promql.share("a", "b", 1) == "(a / b >= 0) or on() vector(1)"


def test_a_quantile_keeps_its_groups_when_nothing_happens() -> None:
    assert promql.quantile(0.9, "x_seconds", "stage", quiet=1) == (
        "(histogram_quantile(0.9, sum by (le, stage) (rate(x_seconds_bucket[$__rate_interval]))) >= 0)"
        " or 0 * sum by (stage) (rate(x_seconds_count[$__rate_interval])) + 1 or on() vector(1)"
    )


def test_a_filter_holds_for_part_and_whole() -> None:
    assert promql.mean("x", where='a="b"') == (
        '(sum(rate(x_sum{a="b"}[$__rate_interval])) / sum(rate(x_count{a="b"}[$__rate_interval])) >= 0)'
        " or on() vector(0)"
    )


@pytest.mark.parametrize(
    "expression",
    [
        promql.rate_or_zero("x_total", "reason"),
        promql.increase("x_total"),
        promql.within("5.0", "x_seconds", "5m"),
        promql.quantile(0.5, "x_seconds", "a, b", 'c="d"'),
        promql.buckets("x_seconds"),
        promql.age("x_timestamp_seconds", "source"),
    ],
)
def test_every_form_is_promql(expression: str) -> None:
    assert parsed(expression.replace("$__rate_interval", "1m"))
