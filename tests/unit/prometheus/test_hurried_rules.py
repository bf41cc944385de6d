from __future__ import annotations

from tests.support.hurried_rules import hurried

RULE = """
      - alert: Slow
        expr: |-
          rag:late:ratio_rate5m > 300
          and rate(rag_x_total{topic="5m"}[10m]) > 0.5
          unless x offset 15m
          unless on () max_over_time(ALERTS{alertname="Down"}[1d])
        for: 1m
        annotations: {description: It took 5m.}
"""


def test_time_passes_faster_and_nothing_else_changes() -> None:
    assert hurried(RULE, 20) == RULE.replace("[10m]", "[30000ms]").replace(
        "offset 15m", "offset 45000ms"
    ).replace("[1d]", "[4320000ms]").replace("for: 1m", "for: 3000ms")
