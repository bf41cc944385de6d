"""The few forms of PromQL that the panels share; each answers with numbers, also when nothing happens.

A rate over nothing is 0, but a share or a quantile of nothing is NaN, which Grafana draws as "No data".
``>= 0`` drops NaN, and ``or`` puts what is true of a quiet system in its place.
"""

from __future__ import annotations

from deploy.dashboards.model import RATE_INTERVAL


def or_else(expr: str, value: float) -> str:
    """``value`` where ``expr`` has no series at all, such as those of a part that is not running."""
    return f"{expr} or on() vector({value:g})"


def rate(counter: str, by: str = "", where: str = "", window: str = RATE_INTERVAL) -> str:
    """Events a second, summed over all instances, by the labels ``by``."""
    return f"{_sum(by)}(rate({counter}{_braces(where)}[{window}]))"


def rate_or_zero(counter: str, by: str = "", where: str = "") -> str:
    return or_else(rate(counter, by, where), 0)


def increase(counter: str, by: str = "", where: str = "", window: str = RATE_INTERVAL) -> str:
    """Events in the window."""
    return or_else(f"{_sum(by)}(increase({counter}{_braces(where)}[{window}]))", 0)


def share(part: str, whole: str, quiet: float) -> str:
    """``part / whole``; ``quiet`` while ``whole`` is 0."""
    return or_else(f"({part} / {whole} >= 0)", quiet)


def quantile(q: float, histogram: str, by: str = "", where: str = "", quiet: float = 0) -> str:
    """The ``q``-quantile of what was observed in the window; ``quiet`` where nothing was."""
    observed = _sum(f"le, {by}" if by else "le")
    found = (
        f"histogram_quantile({q:g}, {observed}(rate({histogram}_bucket{_braces(where)}[{RATE_INTERVAL}])))"
    )
    if not by:
        return or_else(f"({found} >= 0)", quiet)
    each = f"0 * {rate(f'{histogram}_count', by, where)}" + (f" + {quiet:g}" if quiet else "")
    return or_else(f"({found} >= 0) or {each}", quiet)


def within(bound: str, histogram: str, window: str = RATE_INTERVAL) -> str:
    """The share of observations of at most ``bound``, which must be one of its buckets; 1 without any."""
    part = rate(f"{histogram}_bucket", where=f'le="{bound}"', window=window)
    return share(part, rate(f"{histogram}_count", window=window), 1)


def mean(histogram: str, by: str = "", where: str = "") -> str:
    """The mean of what was observed in the window; 0 where nothing was."""
    return share(rate(f"{histogram}_sum", by, where), rate(f"{histogram}_count", by, where), 0)


def buckets(histogram: str) -> str:
    """For a heatmap: observations a second of each bucket."""
    return rate(f"{histogram}_bucket", "le")


def age(timestamp: str, by: str = "") -> str:
    """Seconds since the newest ``timestamp``; 0 before there is one."""
    newest = f"max by ({by}) " if by else "max"
    return or_else(f"time() - {newest}({timestamp})", 0)


def _sum(by: str) -> str:
    return f"sum by ({by}) " if by else "sum"


def _braces(where: str) -> str:
    return f"{{{where}}}" if where else ""
